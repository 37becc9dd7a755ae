"""Situations: grey values, tables and windows of DICOM."""

from tests.film.corpus import Situation

HEADING = "Grey values, tables and windows of DICOM"

SITUATIONS: tuple[Situation, ...] = ()
