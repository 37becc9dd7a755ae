"""Situations: damaged files."""

from tests.film.corpus import Situation

HEADING = "Damaged files"

SITUATIONS: tuple[Situation, ...] = ()
