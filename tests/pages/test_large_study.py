"""A study of many films keeps within its memory, and every film can still be looked at."""

import numpy as np
import pytest

from cxr_core.film.decode import decode
from cxr_core.film.phantom import PhantomSpec, as_png, draw
from cxr_core.reading.reading import Examination
from pages.components import session
from pages.components.intake import _entry
from pages.components.session import Study


@pytest.fixture
def examination() -> Examination:
    return Examination(sha256="00", film=draw(PhantomSpec()), concerns=(), outputs=(), seconds=0.1)


def test_beyond_its_memory_a_study_keeps_copies_on_the_films_own_grid(examination, monkeypatch):
    data = as_png(examination.film)
    monkeypatch.setattr(session, "BYTES_IN_MEMORY", len(data) + 10)
    study = Study()
    for key in ("first", "second"):
        study.add(_entry(study, key, f"{key}.png", data, examination))
    first, second = study.entries["first"], study.entries["second"]
    assert (first.data, first.compressed) == (data, False)
    assert second.compressed
    assert len(second.data) < 0.5 * len(data)
    again = decode(second.data).pixels
    assert again.shape == examination.film.shape
    assert np.abs(again - examination.film.pixels).mean() < 0.02


def test_nothing_is_kept_of_a_file_without_a_film(examination):
    refused = Examination(sha256="00", film=None, concerns=(), outputs=(), seconds=0.1)
    assert _entry(Study(), "key", "bad.png", b"not a film", refused).data == b""
