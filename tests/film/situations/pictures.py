"""Situations: PNG, JPEG, WebP, TIFF and BMP."""

from tests.film.corpus import Situation

HEADING = "PNG, JPEG, WebP, TIFF and BMP"

SITUATIONS: tuple[Situation, ...] = ()
