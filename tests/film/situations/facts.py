"""Situations: what a DICOM file says about the film, and how it wants it shown."""

from tests.film.corpus import Situation
from tests.film.situations import facts_display, facts_statements

HEADING = "What a DICOM file says about the film"

SITUATIONS: tuple[Situation, ...] = (
    *facts_statements.VIEWS,
    *facts_statements.PARTS,
    *facts_statements.MODALITIES,
    *facts_display.ORIENTATIONS,
    *facts_display.SHUTTERS,
    *facts_display.GROUPS,
    *facts_display.AGES,
    *facts_display.SPACINGS,
)
