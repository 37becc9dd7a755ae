"""Situations: compressed and native pixels of DICOM."""

from tests.film.corpus import Situation

HEADING = "Compressed and native pixels of DICOM"

SITUATIONS: tuple[Situation, ...] = ()
