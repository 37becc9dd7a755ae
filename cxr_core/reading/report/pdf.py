"""Writes a report as a PDF of one page or two, with text that can be searched and copied."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from fpdf import FPDF
from fpdf.image_datastructures import RasterImageInfo
from isal import isal_zlib

from cxr_core.presentation.palette import BLUE, PURPLE, VERMILION
from cxr_core.reading.report.appendix import Appendix, FiguresTable, HeatmapFigure
from cxr_core.reading.report.fonts import BOLD, REGULAR, ReportFont
from cxr_core.reading.report.page import FindingRow, ReportPage, build_page
from cxr_core.reading.report.pictures import EmbeddedPicture
from cxr_core.reading.report.probability_bar import ProbabilityBar
from cxr_core.reading.report.report import Report

MARGIN, WIDTH = 14.0, 182.0  # mm, on A4
GAP = 6.0  # between columns
COLUMN = (WIDTH - GAP) / 2
PICTURE_HEIGHT = 88.0  # at most, in mm
LINE = 1.35  # height of a line, of the size of its letters
STRETCHING = 90  # per cent of the letters' own width: DejaVu Sans as its condensed face is made
FONT = "DejaVu"
PNG_UP, COMPRESSION = 2, 2  # a filter of PNG, and a level of ISA-L
INK, SOFT, RULE, RED = (29, 33, 39), (74, 81, 92), (201, 206, 214), (156, 28, 21)
SUSPECTED = (184, 65, 11)  # palette.DECISION_COLOURS["light"]["present"]
MM_PER_POINT = 25.4 / 72


def render_pdf_report(
    report: Report,
    prior: Report | None = None,
    appendix: bool = False,
    picture: EmbeddedPicture | None = None,
) -> bytes:
    """The report as a PDF file; the same bytes for the same report.

    prior: an earlier film of the same patient to compare with.  appendix: whether the appendix is printed too.
    picture: what `draw_film` has made of the report already.
    """
    page = build_page(report, prior, with_appendix=appendix, picture=picture)
    pdf = _write_page(page, report, has_whole_font=False)
    if pdf.lacks_glyphs:
        pdf = _write_page(page, report, has_whole_font=True)
    return bytes(pdf.output())


def _write_page(page: ReportPage, report: Report, has_whole_font: bool) -> "ReportPdf":
    pdf = ReportPdf(page.footer, has_whole_font)
    pdf.set_title(page.title)  # never the file's name: it may be that of a patient
    pdf.set_creator(f"Silhouette {report.software_version}")
    pdf.set_creation_date(report.made)
    pdf.add_page()
    _write_head(pdf, page)
    _write_findings(pdf, page)
    _write_pictures_and_sections(pdf, page)
    _write_signature(pdf)
    if page.appendix is not None:
        pdf.add_page()
        _write_appendix(pdf, page.appendix)
    return pdf


class ReportPdf(FPDF):
    """An A4 document with one font, and a footer on each page.

    lacks_glyphs: whether a text had a character that the font has no glyph for.
    """

    def __init__(self, footer_text: str, has_whole_font: bool):
        """has_whole_font: whether all glyphs of the font can be printed, which takes longer."""
        super().__init__(format="A4")
        self.lacks_glyphs = False
        for style, face in (("", REGULAR), ("B", BOLD)):
            key = f"{FONT.lower()}{style}"
            self.fonts[key] = ReportFont(self, face, key, style, has_whole_font)
        self.set_margins(MARGIN, 12, MARGIN)
        self.set_auto_page_break(True, margin=16)
        self.set_stretching(STRETCHING)
        self.c_margin = 0
        self.set_lang("en")
        self.footer_text = footer_text

    def footer(self) -> None:
        """Write the last line of a page."""
        self.set_y(-12)
        self.set_font(FONT, "", 7)
        self.set_text_color(*SOFT)
        self.cell(WIDTH - 20, 4, self.make_printable(self.footer_text))
        self.cell(20, 4, f"Page {self.page_no()} of {{nb}}", align="R")

    def make_printable(self, text: str) -> str:
        """The text with U+FFFD for what cannot be printed, or has no glyph in the font."""
        font = self.fonts[FONT.lower()]
        glyphs = font.cmap if isinstance(font, ReportFont) else {}
        has_glyph = [c.isprintable() and ord(c) in glyphs for c in text]
        if all(has_glyph):
            return text
        self.lacks_glyphs = True
        return "".join(c if has else "\ufffd" for c, has in zip(text, has_glyph, strict=True))

    def draw_pixels(
        self, pixels: np.ndarray, x: float, y: float, size: tuple[float, float], alt_text: str = ""
    ) -> None:
        """A picture of (H, W) grey or (H, W, 3) sRGB uint8 pixels. size: width and height, in mm as x and y."""
        number = len(self.image_cache.images) + 1
        name = f"picture {number}"
        info = RasterImageInfo(**encode_pixels(pixels), i=number, usages=0, iccp_i=None)
        self.image_cache.images[name] = info
        self.image(name, x=x, y=y, w=size[0], h=size[1], alt_text=alt_text or None)

    def write_text(
        self,
        text: str,
        *,
        size: float = 9,
        bold: bool = False,
        colour: tuple[int, int, int] = INK,
        x: float = MARGIN,
        width: float = WIDTH,
    ) -> None:
        """A paragraph from the current height downwards; y is then below it. Sizes in points, places in mm."""
        self.set_font(FONT, "B" if bold else "", size)
        self.set_text_color(*colour)
        self.set_x(x)
        height = size * LINE * MM_PER_POINT
        printable = self.make_printable(text)
        self.multi_cell(width, height, printable, align="L", new_x="LMARGIN", new_y="NEXT")

    def write_heading(self, text: str, x: float = MARGIN, width: float = WIDTH) -> None:
        """A heading of a section."""
        self.keep_together(18)
        self.ln(2.2)
        self.write_text(text, size=9.5, bold=True, colour=SOFT, x=x, width=width)
        self.ln(0.6)

    def write_facts(
        self,
        rows: Iterable[tuple[str, str]],
        x: float = MARGIN,
        width: float = WIDTH,
        name_width: float = 36,
        size: float = 8.5,
    ) -> None:
        """Names, and their values beside them."""
        for name, value in rows:
            if not value:
                continue
            self.keep_together(6)
            top, page = self.y, self.page
            self.write_text(name, size=size, colour=SOFT, x=x, width=name_width)
            bottom = self.y
            self.page, self.y = page, top
            self.write_text(value, size=size, x=x + name_width, width=width - name_width)
            if self.page == page:
                self.y = max(bottom, self.y)
            self.ln(0.5)

    def write_list(self, texts: Iterable[str], x: float, width: float) -> None:
        """A list with a dot before each text."""
        for text in texts:
            self.keep_together(6)
            top = self.y
            self.write_text("•", size=8.5, x=x, width=4)
            self.y = top
            self.write_text(text, size=8.5, x=x + 3.5, width=width - 3.5)

    def draw_rule(self, y: float, x: float = MARGIN, width: float = WIDTH) -> None:
        """A thin horizontal line."""
        self.set_draw_color(*RULE)
        self.set_line_width(0.2)
        self.line(x, y, x + width, y)

    def keep_together(self, height: float) -> None:
        """Begin a new page where less than this height is left."""
        if self.will_page_break(height):
            self.add_page()


def encode_pixels(pixels: np.ndarray) -> dict[str, Any]:
    """Pixels (H, W) grey or (H, W, 3) sRGB uint8 as a PDF holds them, by the names that fpdf2 has for it.

    Compressed as in PNG, each row by its differences from the one above ("Up", PNG 9.2), but by ISA-L, which takes a
    fifth of the time that fpdf2 takes.
    """
    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1)
    filtered = np.empty((height, 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = PNG_UP
    filtered[:, 1:] = rows
    filtered[1:, 1:] -= rows[:-1]
    channels = rows.shape[1] // width
    return {
        "data": isal_zlib.compress(filtered, COMPRESSION),
        "w": width,
        "h": height,
        "cs": "DeviceGray" if channels == 1 else "DeviceRGB",
        "bpc": 8,
        "dpn": channels,
        "f": "FlateDecode",
        "dp": f"/Predictor 15 /Colors {channels} /Columns {width}",
    }


def _write_head(pdf: ReportPdf, page: ReportPage) -> None:
    pdf.write_text(page.title, size=15, bold=True)
    pdf.ln(0.5)
    for notice in page.notices:
        pdf.write_text(notice, size=9, bold=True, colour=RED)
    pdf.ln(1)
    pdf.write_facts(page.patient_and_film)
    pdf.write_heading("Impression")
    top = pdf.y
    pdf.y += 2
    pdf.write_text(page.impression, size=11, x=MARGIN + 3, width=WIDTH - 6)
    pdf.y += 2
    pdf.set_draw_color(*SOFT)
    pdf.set_line_width(0.25)
    pdf.rect(MARGIN, top, WIDTH, pdf.y - top)


def _write_findings(pdf: ReportPdf, page: ReportPage) -> None:
    if not page.findings:
        return
    pdf.write_heading("Findings")
    head = ["Finding", "Verdict", "Probability", "Thresholds"]
    widths = [30.0, 26.0, 72.0, 54.0]
    if page.has_prior:
        head = ["Finding", "Prior film", "Current film", "Probability", "Thresholds"]
        widths = [28.0, 24.0, 26.0, 50.0, 54.0]
    places = [MARGIN + sum(widths[:index]) for index in range(len(widths))]
    top = pdf.y
    for text, x, width in zip(head, places, widths, strict=True):
        pdf.y = top
        pdf.write_text(text, size=8, colour=SOFT, x=x, width=width)
    for row in page.findings:
        pdf.draw_rule(pdf.y + 0.4)
        pdf.keep_together(20)
        pdf.y += 1.2
        _write_row(pdf, row, page.has_prior, places, widths)
    pdf.draw_rule(pdf.y + 0.4)
    pdf.y += 1.2
    pdf.write_text(page.findings_note, size=7.5, colour=SOFT)


def _write_row(
    pdf: ReportPdf,
    row: FindingRow,
    has_prior: bool,
    places: Sequence[float],
    widths: Sequence[float],
) -> None:
    begin = pdf.y
    bottoms = []

    def write(
        text: str,
        column: int,
        *,
        bold: bool = False,
        colour: tuple[int, int, int] = INK,
        top: float = begin,
    ) -> None:
        pdf.y = top
        width = sum(widths[column:]) if row.reason and column == first else widths[column] - 2
        size = 8.5 if bold or column < first else 8
        pdf.write_text(text, size=size, bold=bold, colour=colour, x=places[column], width=width)
        bottoms.append(pdf.y)

    first = 2 if has_prior else 1  # the column of the verdict
    write(row.name, 0, bold=True)
    if has_prior:
        write(row.prior_verdict, 1)
    if row.reason:
        write(row.reason, first)
    else:
        colour = SUSPECTED if row.call == "present" else INK
        write(row.verdict, first, bold=True, colour=colour)
        write(row.probability, first + 1, bold=True)
        write(" ".join(row.remarks), first + 1, top=pdf.y)
        if row.bar is not None:
            _draw_bar(pdf, row.bar, places[-1], begin, widths[-1])
            pdf.y = begin + 5
            pdf.write_text(row.bar.thresholds, size=7.5, x=places[-1], width=widths[-1])
            bottoms.append(pdf.y)
    pdf.y = max(bottoms)


def _draw_bar(pdf: ReportPdf, bar: ProbabilityBar, x: float, y: float, width: float) -> None:
    """The bar in a strip of 5 mm: zones, a line at each threshold, a triangle below the film's place."""
    edges = (0.0, bar.absent_below, bar.present_from, 1.0)
    for begin, end, colour in zip(edges, edges[1:], (BLUE, PURPLE, VERMILION), strict=False):
        pdf.set_fill_color(*_pale(colour))
        pdf.rect(x + begin * width, y + 0.8, (end - begin) * width, 2.4, style="F")
    pdf.set_fill_color(*SOFT)
    for threshold in (bar.absent_below, bar.present_from):
        pdf.rect(x + threshold * width - 0.12, y + 0.2, 0.24, 3.6, style="F")
    pdf.set_fill_color(*INK)
    place = x + bar.film * width
    pdf.rect(place - 0.2, y + 0.4, 0.4, 3, style="F")
    pdf.polygon(((place, y + 3), (place - 1.1, y + 4.8), (place + 1.1, y + 4.8)), style="F")


def _pale(colour: str) -> tuple[int, int, int]:
    """A colour of the palette halfway to white paper."""
    red, green, blue = ((int(colour[at : at + 2], 16) + 255) // 2 for at in (1, 3, 5))
    return red, green, blue


def _write_pictures_and_sections(pdf: ReportPdf, page: ReportPage) -> None:
    """One picture with the sections beside it, or two pictures side by side with the sections below."""
    x, width = MARGIN, WIDTH
    if page.pictures:
        pdf.ln(3)
        sizes = [_fit_picture(picture) for picture in page.pictures]
        pdf.keep_together(max(height for _, height in sizes) + 8)
        top, first_page, bottoms = pdf.y, pdf.page, []
        for index, (picture, size) in enumerate(zip(page.pictures, sizes, strict=True)):
            pdf.y = top
            _draw_picture(pdf, picture, MARGIN + index * (COLUMN + GAP), size)
            bottoms.append(pdf.y)
        pdf.y = max(bottoms)
        if len(page.pictures) == 1:
            x, width, pdf.y = MARGIN + COLUMN + GAP, COLUMN, top - 2.2
        _write_sections(pdf, page, x, width)
        if pdf.page == first_page:
            pdf.y = max(pdf.y, *bottoms)
    else:
        _write_sections(pdf, page, x, width)


def _write_sections(pdf: ReportPdf, page: ReportPage, x: float, width: float) -> None:
    if page.ratio is not None:
        pdf.write_heading("Cardiothoracic ratio (CTR)", x, width)
        pdf.write_facts(page.ratio.rows, x, width, name_width=28 if width < WIDTH else 36)
        if page.ratio.limitations:
            pdf.write_heading("Limitations of the CTR", x, width)
            pdf.write_list(page.ratio.limitations, x, width)
    if page.limitations:
        pdf.write_heading("Limitations", x, width)
        pdf.write_list(page.limitations, x, width)
    pdf.write_heading("Not assessed", x, width)
    pdf.write_text(page.not_assessed, size=8.5, x=x, width=width)


def _fit_picture(picture: EmbeddedPicture) -> tuple[float, float]:
    """Width and height of a picture within its column, in mm."""
    rows, columns = picture.pixels.shape[:2]
    scale = min(COLUMN / columns, PICTURE_HEIGHT / rows)
    return columns * scale, rows * scale


def _draw_picture(
    pdf: ReportPdf, picture: EmbeddedPicture, x: float, size: tuple[float, float]
) -> None:
    """A picture in the middle of its column, and its caption below."""
    width, height = size
    caption = pdf.make_printable(picture.caption)
    pdf.draw_pixels(picture.pixels, x + (COLUMN - width) / 2, pdf.y, size, caption)
    pdf.y += height + 1
    pdf.write_text(picture.caption, size=7.5, colour=SOFT, x=x, width=COLUMN)


def _write_signature(pdf: ReportPdf) -> None:
    pdf.keep_together(22)
    pdf.y += 13
    top = pdf.y
    for text, x, width in (("Reader", 0.0, 68.0), ("Date", 74.0, 34.0), ("Signature", 114.0, 68.0)):
        pdf.set_draw_color(*INK)
        pdf.set_line_width(0.2)
        pdf.line(MARGIN + x, top, MARGIN + x + width, top)
        pdf.y = top + 0.8
        pdf.write_text(text, size=8, colour=SOFT, x=MARGIN + x, width=width)


def _write_appendix(pdf: ReportPdf, appendix: Appendix) -> None:
    pdf.write_text("Appendix", size=13, bold=True)
    for first in range(0, len(appendix.heatmaps), 2):
        _draw_heatmaps(pdf, appendix.heatmaps[first : first + 2])
    for table in appendix.tables:
        pdf.write_heading(table.title)
        pdf.write_facts(table.rows, name_width=42, size=7.5)
    for figures in appendix.figures:
        _write_figures(pdf, figures)
    pdf.ln(1)
    pdf.write_text(appendix.note, size=7.5, colour=SOFT)


def _draw_heatmaps(pdf: ReportPdf, heatmaps: Sequence[HeatmapFigure]) -> None:
    """One or two heatmaps side by side, each with its caption and the bar of its colours."""
    sizes = [_fit_picture(heatmap.picture) for heatmap in heatmaps]
    pdf.keep_together(max(height for _, height in sizes) + 24)
    pdf.ln(2)
    top, bottoms = pdf.y, []
    for index, (heatmap, size) in enumerate(zip(heatmaps, sizes, strict=True)):
        x, pdf.y = MARGIN + index * (COLUMN + GAP), top
        _draw_picture(pdf, heatmap.picture, x, size)
        pdf.ln(1)
        below = pdf.y
        pdf.draw_pixels(heatmap.colour_bar.pixels, x + 4, below, (40, 3))
        pdf.write_text("0", size=7.5, x=x, width=4)
        pdf.y = below
        pdf.write_text(heatmap.scale_end, size=7.5, x=x + 46, width=COLUMN - 46)
        bottoms.append(pdf.y)
    pdf.y = max(bottoms)


def _write_figures(pdf: ReportPdf, table: FiguresTable) -> None:
    """A table whose columns share the width; its first has the names of the figures."""
    pdf.write_heading(table.title)
    name_width = 46.0
    width = (WIDTH - name_width) / max(1, len(table.head) - 1)
    for row in (table.head, *table.rows):
        pdf.keep_together(8)
        top, bottoms = pdf.y, []
        for index, text in enumerate(row):
            pdf.y = top
            colour = SOFT if row is table.head or index == 0 else INK
            x = MARGIN if index == 0 else MARGIN + name_width + (index - 1) * width
            pdf.write_text(
                text, size=7, colour=colour, x=x, width=(width if index else name_width) - 2
            )
            bottoms.append(pdf.y)
        pdf.y = max(bottoms)
        pdf.draw_rule(pdf.y + 0.2)
        pdf.y += 0.4
