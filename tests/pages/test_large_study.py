"""A study of many films stays within its memory limit, and every film can still be displayed."""

from dataclasses import replace

import numpy as np
import pytest

from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom, encode_png
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.results import Examination
from pages.components import cache
from pages.components.read import page_state
from pages.components.read.page_state import ReadPageState
from pages.components.read.report_downloads import build_report
from pages.components.read.upload import make_entry
from tests.hearts import segment_drawing
from tests.pages.fake_reader import FakeReader


@pytest.fixture
def examination() -> Examination:
    return Examination(
        sha256="00", film=draw_phantom(PhantomSpec()), concerns=(), outputs=(), seconds=0.1
    )


def test_large_study_keeps_compressed_copies_on_the_films_own_grid(examination, monkeypatch):
    data = encode_png(examination.film)
    monkeypatch.setattr(page_state, "BYTES_IN_MEMORY", len(data) + 10)
    study = ReadPageState()
    for key in ("first", "second"):
        study.add_entry(make_entry(study, key, f"{key}.png", data, examination))
    first, second = study.entries["first"], study.entries["second"]
    assert (first.data, first.compressed) == (data, False)
    assert second.compressed
    assert len(second.data) < 0.5 * len(data)
    again = decode_film(second.data).pixels
    assert again.shape == examination.film.shape
    assert np.abs(again - examination.film.pixels).mean() < 0.02


def test_report_of_a_compressed_copy_has_the_results_of_the_original(examination, monkeypatch):
    monkeypatch.setattr(page_state, "BYTES_IN_MEMORY", 0)
    seen = replace(examination, segmentation=segment_drawing(PhantomSpec()))
    entry = make_entry(ReadPageState(), "key", "a.png", encode_png(examination.film), seen)
    monkeypatch.setattr(cache, "load_reader", FakeReader)
    report = build_report(entry, interpret(entry.examination, Patient(), "balanced"))
    assert entry.compressed
    assert report.examination.sha256 == "00"
    assert report.examination.segmentation is entry.examination.segmentation
    np.testing.assert_allclose(report.film.pixels, decode_film(entry.data).pixels, atol=1 / 255)


def test_file_without_a_film_is_not_kept(examination):
    refused = Examination(sha256="00", film=None, concerns=(), outputs=(), seconds=0.1)
    assert make_entry(ReadPageState(), "key", "bad.png", b"not a film", refused).data == b""
