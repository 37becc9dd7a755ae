"""Every situation of the corpus is read to the expected pixels and flags, or refused with its cause."""

import numpy as np
import pytest

from cxr_core.errors import FilmRefused
from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.quality import find_quality_flags
from tests.film.corpus import DOCUMENT, Situation, list_situations, render_document

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
    try:
        film = decode_film(situation.build())
    except FilmRefused as refusal:
        assert situation.refused in str(refusal)
    else:
        messages = [flag.message for flag in find_quality_flags(film) if flag.withholds_reading]
        assert situation.refused in " ".join(messages)


def test_names_differ() -> None:
    names = [situation.name for situation in SITUATIONS]
    assert len(names) == len(set(names))


def test_the_document_is_the_corpus() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == render_document()
