"""The Read page on Streamlit's test bench, with a reader that has no networks."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.film.artefacts.flags import BURNED_IN_TEXT
from pages.components.read.page_state import FILMS_WITH_FEATURES
from pages.components.read.report_downloads import TEXT_NOTICE
from tests.pages.app_bench import find_button, finding_text, upload, visible_text
from tests.pages.fake_reader import FakeReader


def film(brightness: float, side: int = 96) -> bytes:
    """A small grey picture as PNG; the brighter, the more the fake reader finds."""
    rng = np.random.default_rng(0)
    pixels = np.clip(255 * brightness + rng.normal(0, 4, (side, side)), 0, 255).astype(np.uint8)
    return cv2.imencode(".png", pixels)[1].tobytes()


def test_empty_page_asks_for_films(app: AppTest) -> None:
    assert not app.exception
    assert app.title[0].value == "Read chest films"
    assert "Not a medical device" in visible_text(app)
    assert app.file_uploader[0].allowed_type == []


def test_first_look_says_what_is_read_for_whom_and_that_the_rest_is_missed(app: AppTest) -> None:
    (scope,) = [caption.value for caption in app.caption if "cardiomegaly" in caption.value]
    assert "in adults" in scope
    assert "pneumonia in children of 1 to 5" in scope.replace("*", "")
    assert "No other finding is looked for" in scope
    upload(app, heart=film(0.5))
    assert scope not in visible_text(app)


def test_film_gives_findings_with_population_and_thresholds(app: AppTest) -> None:
    upload(app, heart=film(0.5))
    find_button(app, "Adult").click().run()
    assert not app.exception
    heart = finding_text(app, "cardiomegaly", "heart-adults")
    assert "Cardiomegaly" in heart
    assert "Suspected" in heart
    assert "70 %" in heart
    assert "suspected from 40 %" in heart
    assert "For adults" in heart
    assert "heart.png" in [text.value for text in app.text]


def test_card_of_the_model_is_one_click_away(app: AppTest) -> None:
    upload(app, heart=film(0.5))
    find_button(app, "Adult").click().run()
    find_button(app, "About the model").click().run()
    assert "Intended population:** adults" in visible_text(app)
    assert "11,000 films of 9,000 patients" in visible_text(app)
    figures = list(app.table[0].value.to_dict("records"))
    assert [row["Figure"] for row in figures] == ["AUROC", "Sensitivity, balanced"]
    assert [row["Test films"] for row in figures] == [
        "0.91 (0.88 to 0.94) · 58 of 1,306",
        "undefined · 58 of 1,306",
    ]


def test_age_that_excludes_a_model_is_explained(app: AppTest, reader: FakeReader) -> None:
    upload(app, heart=film(0.5))
    app.sidebar.number_input[0].set_value(63).run()
    assert "70 %" in finding_text(app, "cardiomegaly", "heart-adults")
    assert "Pneumonia" not in app.container(key="read-findings").get("html")[-1].proto.body
    assert "pneumonia (no model for this patient)" in visible_text(app)
    assert reader.examined == 1, "a change of age needs no network"


def test_most_suspicious_of_several_films_is_shown(app: AppTest) -> None:
    app.sidebar.number_input[0].set_value(63).run()
    upload(app, calm=film(0.2), bad=b"not a picture", grave=film(0.6), mild=film(0.4))
    assert not app.exception
    assert "4 films, most suspicious first · 1 not read, at the end" in visible_text(app)
    assert "grave.png" in [text.value for text in app.text]


def test_unreadable_file_is_refused_with_a_sentence_and_no_number(app: AppTest) -> None:
    upload(app, bad=b"")
    assert not app.exception
    assert "This file is no PNG, JPEG or DICOM image." in app.error[0].value
    assert not app.container(key="read-findings").get("html")


@pytest.mark.parametrize(
    "name", ["../../<script>alert(1)</script>", "**bold** [x](http://a.b) $x$ :red[y]"]
)
def test_file_names_are_shown_as_plain_text(app: AppTest, name: str) -> None:
    app.file_uploader[0].set_value([(name, film(0.5), "")])
    app.run()
    assert not app.exception
    assert name in [text.value for text in app.text]
    assert not [m for m in app.markdown if m.proto.allow_html]


def test_removed_film_leaves_the_study(app: AppTest) -> None:
    upload(app, one=film(0.5), two=film(0.3))
    study = app.session_state["read_page"]
    assert len(study.entries) == 2
    next(button for button in app.button if button.label == "Remove").click().run()
    assert [entry.name for entry in study.entries.values()] == ["two.png"]
    assert set(study.pictures) == set(study.outputs) == set(study.entries)
    assert "Worklist" not in visible_text(app)


def test_each_upload_is_read_once_also_when_its_film_was_removed(app: AppTest) -> None:
    entries = app.session_state["read_page"].entries
    upload(app, one=film(0.5))
    first = dict(entries)
    upload(app, two=film(0.3))
    assert [entry.name for entry in entries.values()] == ["one.png", "two.png"]
    assert first.items() <= entries.items()
    next(button for button in app.button if button.label == "Remove").click().run()
    app.run()
    assert [entry.name for entry in entries.values()] == ["one.png"]


def test_clearing_the_study_removes_everything(app: AppTest) -> None:
    upload(app, one=film(0.5), two=film(0.3))
    app.sidebar.number_input[0].set_value(63).run()
    next(
        button for button in app.sidebar.button if button.label == "Clear this study"
    ).click().run()
    study = app.session_state["read_page"]
    assert not app.exception
    assert (study.entries, study.pictures, study.outputs, study.chosen_key) == ({}, {}, {}, None)
    assert app.file_uploader[0].value == []
    assert app.sidebar.number_input[0].value is None


def test_drawn_sample_is_labelled_as_a_drawing(app: AppTest) -> None:
    next(button for button in app.button if button.label == "Wide heart").click().run()
    assert not app.exception
    labels = [expander.label for expander in app.expander]
    assert "This is a synthetic film made by the program, not a film of a patient." in labels


def test_without_a_model_no_number_is_shown(app: AppTest, reader: FakeReader) -> None:
    reader.cards = ()
    upload(app, heart=film(0.5))
    assert not app.exception
    assert "No model is installed" in app.error[0].value
    assert not app.container(key="read-findings").get("html")


def test_text_on_a_film_is_named_beside_the_reports(
    app: AppTest, reader: FakeReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(app, plain=film(0.5))
    assert TEXT_NOTICE not in visible_text(app).replace("\\", "")
    examine = reader.examine
    monkeypatch.setattr(
        reader, "examine", lambda data: replace(examine(data), concerns=(BURNED_IN_TEXT,))
    )
    upload(app, named=film(0.4))
    assert TEXT_NOTICE in visible_text(app).replace("\\", "")
    assert BURNED_IN_TEXT.message in visible_text(app).replace("\\", "")


def test_reading_error_is_shown_as_a_sentence(app: AppTest, reader: FakeReader) -> None:
    reader.fails = True
    upload(app, heart=film(0.5), lung=film(0.4))
    assert not app.exception
    assert "instead of finite logits" in app.error[0].value
    assert "2 films, most suspicious first · 2 not read, at the end" in visible_text(app)
    assert not app.container(key="read-findings").get("html")


def test_study_keeps_no_pixels_and_few_features(app: AppTest) -> None:
    upload(app, **{f"film{i}": film(0.3 + i / 100) for i in range(6)})
    study = app.session_state["read_page"]
    for entry in study.entries.values():
        assert entry.examination.film.pixels.strides == (0, 0)
        assert all(output.features.size == 0 for output in entry.examination.outputs)
    assert len(study.outputs) == FILMS_WITH_FEATURES
