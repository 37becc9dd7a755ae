"""Going from film to film of a study runs no model again, and keeps pictures within their memory."""

import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.results import EXACT_METHOD
from pages.components.read import film_view, page_state
from pages.components.read.page_state import ReadPageState
from pages.components.read.report_downloads import build_report
from tests.pages.app_bench import find_button, upload
from tests.pages.fake_reader import FakeReader
from tests.pages.test_read_page import film

COUNT = 5


@pytest.fixture
def study(app: AppTest) -> ReadPageState:
    upload(app, **{f"film{i}": film(0.3 + i / 20) for i in range(COUNT)})
    study: ReadPageState = app.session_state["read_page"]
    return study


def display_each(app: AppTest, study: ReadPageState) -> None:
    for key in list(study.entries):
        study.choose_entry(key)
        app.run()
        assert not app.exception
        assert list(study.pictures)[-1] == key


def test_each_film_of_a_study_is_displayed_without_opening_its_file_again(
    app: AppTest, study: ReadPageState, reader: FakeReader
) -> None:
    display_each(app, study)
    assert (reader.examined, reader.decoded) == (COUNT, 0)


def test_film_whose_picture_has_left_the_memory_is_decoded_and_not_read(
    app: AppTest, study: ReadPageState, reader: FakeReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = dict(study.pictures)
    room = max(map(len, pictures.values())) * 2
    monkeypatch.setattr(page_state, "PICTURE_BYTES", room)
    display_each(app, study)
    display_each(app, study)
    files = sum(len(entry.data) for entry in study.entries.values())
    assert len(study.pictures) == 2
    assert study.count_bytes() - files == sum(map(len, study.pictures.values())) <= room
    assert all(pictures[key] == picture for key, picture in study.pictures.items())
    assert reader.examined == COUNT
    assert reader.decoded > COUNT


def test_only_the_first_map_by_another_method_reads_an_earlier_film_again(
    app: AppTest, study: ReadPageState, reader: FakeReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.sidebar.number_input[0].set_value(63).run()  # an age: without it no map is shown
    method = EXACT_METHOD
    monkeypatch.setattr(film_view, "chosen_method", lambda key, default: method)
    first = next(iter(study.entries))
    study.choose_entry(first)
    app.run()
    assert (reader.examined, study.maps) == (COUNT, {})
    method = "gradcam"
    app.run()
    app.run()
    assert not app.exception
    assert reader.examined == COUNT + 1
    assert {key[2] for key in study.maps[first]} == {"gradcam"}


def test_pixels_are_decoded_when_a_report_is_made(
    app: AppTest, study: ReadPageState, reader: FakeReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pages.components.cache.load_reader", lambda: reader)
    entry = next(iter(study.entries.values()))
    assert entry.examination.film.pixels.strides == (0, 0)
    report = build_report(entry, interpret(entry.examination, Patient()))
    assert reader.decoded == 1
    assert report.film is not None
    assert report.film.pixels.std() > 0


def test_maps_of_a_film_leave_with_it(app: AppTest, study: ReadPageState) -> None:
    first, second = list(study.entries)[:2]
    study.maps = {first: {}, second: {}}
    study.remove_entries({first})
    assert set(study.maps) == {second}
    study.undo_removal()
    assert set(study.maps) == {first, second}
    find_button(app, "Clear this study").click().run()
    assert (study.maps, study.pictures, study.outputs) == ({}, {}, {})
