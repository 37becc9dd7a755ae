"""Every situation of the corpus is read to the expected pixels and flags, or refused with its cause."""

import numpy as np
import pytest

from cxr_core.errors import FilmRefused
from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.quality import find_quality_flags
from tests.film.corpus import DOCUMENT, Situation, list_situations, render_document

pytestmark = pytest.mark.corpus

SITUATIONS = list_situations()
READ = [situation for situation in SITUATIONS if not situation.refused]
REFUSED = [situation for situation in SITUATIONS if situation.refused]


@pytest.mark.parametrize("situation", READ, ids=lambda situation: situation.name)
def test_a_film_is_read_to_the_expected_pixels_and_flags(situation: Situation) -> None:
    film = decode_film(situation.build())
    assert {flag.code for flag in find_quality_flags(film)} == situation.flags
    assert situation.expected is not None
    expected = situation.expected()
    assert film.pixels.shape == expected.shape
    assert np.abs(film.pixels - expected).max() <= situation.tolerance


@pytest.mark.parametrize("situation", REFUSED, ids=lambda situation: situation.name)
def test_a_film_is_refused_with_its_cause(situation: Situation) -> None:
    assert situation.refused in explain_refusal(situation.build())


def explain_refusal(data: bytes) -> str:
    """Why a file is not decoded, or why the film in it is not read; empty for a film that is read."""
    try:
        film = decode_film(data)
    except FilmRefused as refusal:
        return str(refusal)
    flags = find_quality_flags(film)
    return " ".join(flag.message for flag in flags if flag.withholds_reading)


def test_names_differ() -> None:
    names = [situation.name for situation in SITUATIONS]
    assert len(names) == len(set(names))


def test_the_document_is_the_corpus() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == render_document()
