"""Situations: what a DICOM file says about the film."""

from tests.film.corpus import Situation

HEADING = "What a DICOM file says about the film"

SITUATIONS: tuple[Situation, ...] = ()
