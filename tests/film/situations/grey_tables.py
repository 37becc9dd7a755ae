"""Situations: grey values, tables and windows of DICOM, and the range of 16-bit PNG."""

from tests.film.corpus import Situation
from tests.film.situations import (
    grey_luts,
    grey_marks,
    grey_palettes,
    grey_stored,
    grey_windows,
)

HEADING = "Grey values, tables and windows"

SITUATIONS: tuple[Situation, ...] = (
    *grey_stored.SITUATIONS,
    *grey_windows.SITUATIONS,
    *grey_luts.SITUATIONS,
    *grey_palettes.SITUATIONS,
    *grey_marks.SITUATIONS,
)
