"""Gives reports their font: DejaVu Sans, which comes with matplotlib.

It is cut to the characters that reports usually have, once in each process, and embedded as it is cut. fpdf2 would open
and cut it anew for every document, which takes longer than all else about a report.
"""

import importlib.util
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from fpdf.enums import FontDescriptorFlags
from fpdf.fonts import PDFFontDescriptor
from fpdf.output import CIDSystemInfo, OutputProducer, PDFFont, PDFType3Font
from fpdf.syntax import Name, PDFArray, PDFContentStream

REGULAR, BOLD = "DejaVuSans.ttf", "DejaVuSans-Bold.ttf"
# Of Unicode: western and central European letters, punctuation, arrows, comparisons, and the sign for what is missing.
USUAL = (range(0x20, 0x180), range(0x2010, 0x2040), range(0x2190, 0x2194), range(0x2260, 0x2266))
REPLACEMENT = 0xFFFD
MOST_IN_A_BLOCK = 100  # entries of a character map (Adobe's Technical Note 5014)


@cache
def find_fonts() -> Path:
    """The folder of the DejaVu fonts. Matplotlib is not imported for it."""
    found = importlib.util.find_spec("matplotlib")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"


@dataclass(frozen=True, kw_only=True, eq=False)
class ReportFont:
    """A face of the font as documents embed it.

    glyphs: the number of the glyph of each character that can be printed.  widths: of these characters, in ems.
    file: compressed.  metrics: what a reader is told of the face (ISO 32000-1 9.8).  to_unicode: the character of each
    glyph, so that text can be copied.
    """

    name: str
    glyphs: dict[int, int]
    widths: dict[str, float]
    file: bytes
    file_size: int
    metrics: dict[str, Any]
    glyph_widths: str
    to_unicode: bytes

    def measure(self, text: str) -> float:
        """The width of a text, in ems."""
        return sum(map(self.widths.__getitem__, text))

    def encode(self, text: str) -> str:
        """A text as PDF shows it: the numbers of its glyphs."""
        return f"<{text.translate(self.glyphs).encode('utf-16-be').hex()}>"


@cache
def open_usual_font(face: str) -> ReportFont:
    """The face with the USUAL characters."""
    return open_font(face)


def open_font(face: str, further: Iterable[int] = ()) -> ReportFont:
    """The face with the USUAL and further characters, as far as it has them."""
    content = _cut_font(face, [*chain(*USUAL), REPLACEMENT, *further])
    with TTFont(BytesIO(content)) as font:
        scale = 1 / font["head"].unitsPerEm
        glyphs = {
            code: font.getGlyphID(name)
            for code, name in font.getBestCmap().items()
            if chr(code).isprintable()
        }
        widths = [font["hmtx"][name][0] * scale for name in font.getGlyphOrder()]
        return ReportFont(
            name=f"SUBSET+{font['name'].getBestFullName().replace(' ', '')}",
            glyphs=glyphs,
            widths={chr(code): widths[glyph] for code, glyph in glyphs.items()},
            file=zlib.compress(content, 9),
            file_size=len(content),
            metrics=_list_metrics(font, 1000 * scale),
            glyph_widths=f"[0 [{' '.join(f'{1000 * width:.0f}' for width in widths)}]]",
            to_unicode=zlib.compress(_write_character_map(glyphs)),
        )


class ReportOutput(OutputProducer):
    """fpdf2's writer of the file, with the document's `report_fonts` embedded as they are."""

    def _add_fonts(self, *_: object) -> dict[int, PDFFont | PDFType3Font]:
        fonts: Sequence[ReportFont] = self.fpdf.report_fonts  # type: ignore[attr-defined]
        return {number: self._add_font(font) for number, font in enumerate(fonts, 1)}

    def _add_font(self, font: ReportFont) -> PDFFont:
        """A font of glyphs by their number (ISO 32000-1 9.7)."""
        whole = PDFFont("Type0", font.name, encoding="Identity-H")
        glyphs = PDFFont("CIDFontType2", font.name, w=font.glyph_widths)
        descriptor = PDFFontDescriptor(**font.metrics)
        system, file = CIDSystemInfo(), _Compressed(font.file, font.file_size)
        to_unicode = _Compressed(font.to_unicode)
        for each in (whole, glyphs, descriptor, system, file, to_unicode):
            self._add_pdf_obj(each, "fonts")
        whole.descendant_fonts, whole.to_unicode = PDFArray([glyphs]), to_unicode
        glyphs.c_i_d_system_info, glyphs.font_descriptor = system, descriptor
        glyphs.c_i_d_to_g_i_d_map = Name("Identity")  # type: ignore[assignment]
        descriptor.font_name = Name(font.name)
        descriptor.font_file2 = file  # type: ignore[attr-defined]
        return whole


class _Compressed(PDFContentStream):
    """A stream that is compressed already. size: of a font before that."""

    def __init__(self, content: bytes, size: int | None = None):
        super().__init__(content)
        self.filter, self.length1 = Name("FlateDecode"), size


def _cut_font(face: str, characters: list[int]) -> bytes:
    """The font file with the glyphs of some characters, without rules for setting them."""
    options = Options(notdef_outline=True, recommended_glyphs=True, layout_features=[])
    options.name_IDs = ["*"]
    options.drop_tables += ["FFTM", "kern", "GDEF", "GPOS", "GSUB"]
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=characters)
    cut = BytesIO()
    with TTFont(find_fonts() / face, lazy=True, recalcTimestamp=False) as font:
        subsetter.subset(font)
        font.save(cut)
    return cut.getvalue()


def _list_metrics(font: TTFont, scale: float) -> dict[str, Any]:
    """scale: from the font's units to thousandths of an em."""
    head, lines, weight = font["head"], font["hhea"], font["OS/2"].usWeightClass
    box = (head.xMin, head.yMin, head.xMax, head.yMax)
    return {
        "ascent": round(lines.ascent * scale),
        "descent": round(lines.descent * scale),
        "cap_height": round(lines.ascent * scale),  # the font does not say
        "flags": FontDescriptorFlags.SYMBOLIC,
        "font_b_box": f"[{' '.join(f'{each * scale:.0f}' for each in box)}]",
        "italic_angle": 0,
        "stem_v": round(50 + (weight / 65) ** 2),
        "missing_width": round(font["hmtx"][".notdef"][0] * scale),
    }


def _write_character_map(glyphs: dict[int, int]) -> bytes:
    """Which character a glyph stands for (ISO 32000-1 9.10.3)."""
    entries = [
        f"<{glyph:04x}> <{chr(code).encode('utf-16-be').hex()}>" for code, glyph in glyphs.items()
    ]
    lines = [
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap",
        "/CIDSystemInfo <</Registry (Adobe) /Ordering (UCS) /Supplement 0>> def",
        "/CMapName /Adobe-Identity-UCS def /CMapType 2 def",
        "1 begincodespacerange <0000> <FFFF> endcodespacerange",
    ]
    for start in range(0, len(entries), MOST_IN_A_BLOCK):
        block = entries[start : start + MOST_IN_A_BLOCK]
        lines += [f"{len(block)} beginbfchar", *block, "endbfchar"]
    lines.append("endcmap CMapName currentdict /CMap defineresource pop end end")
    return "\n".join(lines).encode()
