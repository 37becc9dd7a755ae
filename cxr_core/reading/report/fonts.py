"""Gives reports their font: DejaVu Sans, which comes with matplotlib.

Opening the whole font takes longer than to write a report with it, so there is also a cut one, with the characters that
reports usually have.
"""

import importlib.util
from functools import cache
from io import BytesIO
from itertools import chain
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

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


def open_font(face: str, is_whole: bool) -> BytesIO:
    """A font file with all its glyphs, or with those of the USUAL characters."""
    return BytesIO((find_fonts() / face).read_bytes() if is_whole else _cut_font(face))


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
