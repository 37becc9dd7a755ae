"""Gives reports their font: DejaVu Sans, which comes with matplotlib.

Opening the whole font takes longer than to write a report with it, so there is also a cut one, with the characters that
reports usually have.
"""

import importlib.util
from functools import cache
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from fpdf import FPDF
from fpdf.fonts import TTFFont

from cxr_core.workspace.json_files import read_bounded

REGULAR, BOLD = "DejaVuSans.ttf", "DejaVuSans-Bold.ttf"
# Of Unicode: western and central European letters, punctuation, arrows, comparisons, and the sign for what is missing.
USUAL = (range(0x20, 0x180), range(0x2010, 0x2040), range(0x2190, 0x2194), range(0x2260, 0x2266))
REPLACEMENT = 0xFFFD


@cache
def find_fonts() -> Path:
    """The folder of the DejaVu fonts. Matplotlib is not imported for it."""
    found = importlib.util.find_spec("matplotlib")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"


class ReportFont(TTFFont):
    """A face of the font in one document, which fpdf2 measures and embeds."""

    def __init__(self, pdf: FPDF, face: str, key: str, style: str, is_whole: bool):
        """key: by which the document knows it.  is_whole: whether it has all its glyphs, or the USUAL ones."""
        content = read_bounded(find_fonts() / face) if is_whole else _cut_font(face)
        file: Any = BytesIO(content)  # fontTools takes it as it does a path
        super().__init__(pdf, file, key, style)
        self.ttfont.recalcBBoxes = False  # glyphs that are embedded stay as they are

    def get_text_width(
        self, text: str, font_size_pt: float, text_shaping_params: dict[str, Any] | None
    ) -> tuple[int, float]:
        """As fpdf2 does it, without a step of Python for each character: it is asked at each one, for all before."""
        if text_shaping_params or self.is_symbol:
            return super().get_text_width(text, font_size_pt, text_shaping_params)
        self.biggest_size_pt = max(self.biggest_size_pt, font_size_pt)
        return len(text), sum(map(self.cw.__getitem__, map(ord, text))) * font_size_pt * 0.001


@cache
def _cut_font(face: str) -> bytes:
    """The font file with the glyphs of the USUAL characters, without rules for setting them."""
    options = Options(notdef_outline=True, recommended_glyphs=True, layout_features=[])
    options.name_IDs = ["*"]
    options.drop_tables += ["FFTM", "kern"]
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=[*chain(*USUAL), REPLACEMENT])
    cut = BytesIO()
    with TTFont(find_fonts() / face, lazy=True, recalcTimestamp=False) as font:
        subsetter.subset(font)
        font.save(cut)
    return cut.getvalue()
