"""A study of many films keeps within its memory, and every film can still be looked at."""

from dataclasses import replace

import numpy as np
import pytest

from cxr_core.film.decoding.decode import decode
from cxr_core.film.phantom.phantom import PhantomSpec, as_png, draw
from cxr_core.reading.patient import Patient
from cxr_core.reading.results import Examination, interpret
from pages.components import session
from pages.components.read.report_downloads import _report
from pages.components.read.upload import _entry
from pages.components.session import Shown, Study
from tests.hearts import outlined


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


def test_a_copy_s_report_is_of_the_film_that_was_read(examination, monkeypatch):
    monkeypatch.setattr(session, "BYTES_IN_MEMORY", 0)
    seen = replace(examination, anatomy=outlined(PhantomSpec()))
    entry = _entry(Study(), "key", "a.png", as_png(examination.film), seen)
    copy = Examination(sha256="11", film=decode(entry.data), concerns=(), outputs=(), seconds=0.1)
    report = _report(
        entry,
        Shown(examination=copy, picture=""),
        interpret(entry.examination, Patient(), "youden"),
    )
    assert entry.compressed
    assert report.examination.sha256 == "00"
    assert report.examination.anatomy is entry.examination.anatomy
    assert report.film is copy.film


def test_nothing_is_kept_of_a_file_without_a_film(examination):
    refused = Examination(sha256="00", film=None, concerns=(), outputs=(), seconds=0.1)
    assert _entry(Study(), "key", "bad.png", b"not a film", refused).data == b""
