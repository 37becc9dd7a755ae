"""The cardiothoracic ratio on the Read page, on Streamlit's test bench."""

import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.film.phantom.phantom import draw_phantom, encode_png
from pages.components.read import cardiothoracic_ratio
from pages.components.session import MovedEnds, ReadPageState
from tests.hearts import SLENDER, WIDE, file_of, segment_drawing, sha256_of
from tests.pages.app_bench import (
    endpoint_field,
    find_button,
    finding_text,
    upload,
    visible_text,
)
from tests.pages.fake_reader import FakeReader


@pytest.fixture
def reader() -> FakeReader:
    """A reader that segments two of the films."""
    segmentations = {sha256_of(spec): segment_drawing(spec) for spec in (SLENDER, WIDE)}
    return FakeReader(segmentations=segmentations)


def press(app: AppTest, label: str) -> AppTest:
    return find_button(app, label).click().run()


def labels(app: AppTest) -> list[str]:
    return [element.label for element in (*app.button, *app.number_input, *app.expander)]


def test_ratio_is_shown_with_interval_limit_and_warnings(app: AppTest) -> None:
    upload(app, heart=file_of(SLENDER))
    assert not app.exception
    text = visible_text(app)
    ratio = segment_drawing(SLENDER).ratio or 0
    assert f"**{ratio:.2f}**" in text
    assert f"95 % interval {ratio - 0.02:.2f} to {ratio + 0.02:.2f}" in text
    assert "upper limit 0.50 (adult PA)" in text
    assert "heart 1" in text
    assert " px" in text
    assert "The view is unknown" in text
    assert "Interpret with caution" in text
    app.sidebar.button_group[0].set_value("PA").run()
    assert "Interpret with caution" not in visible_text(app)
    assert "The view is unknown" not in visible_text(app)


def test_entered_endpoint_changes_the_ratio_and_keeps_the_automatic_one(app: AppTest) -> None:
    upload(app, heart=file_of(SLENDER))
    assert "Heart, patient's left, x" not in labels(app), "the coordinates are drawn once opened"
    moved = endpoint_field(app, "Heart, patient's left, x").value + 28
    before = {f.label: f.value for f in app.number_input}
    endpoint_field(app, "Heart, patient's left, x").set_value(moved).run()
    assert not app.exception
    thorax = before["Thorax, patient's left, x"] - before["Thorax, patient's right, x"]
    ratio = (moved - before["Heart, patient's right, x"]) / thorax
    assert f"**{ratio:.2f}**" in visible_text(app)
    assert "Edited by hand" in visible_text(app)
    assert f"Automatic: {segment_drawing(SLENDER).ratio:.2f}" in visible_text(app)
    assert endpoint_field(app, "Heart, patient's left, x").value == moved
    app.sidebar.number_input[0].set_value(63).run()
    app.sidebar.radio[0].set_value("strict").run()
    assert "Edited by hand" in visible_text(app)
    press(app, "Back to the automatic measurement")
    assert {
        f.label: f.value
        for f in app.number_input
        if f.label in before and f.label != "Age in years"
    } == {label: value for label, value in before.items() if label != "Age in years"}
    assert "Edited by hand" not in visible_text(app)


def test_emptied_field_changes_nothing(app: AppTest) -> None:
    upload(app, heart=file_of(SLENDER))
    before = endpoint_field(app, "Thorax, patient's right, y").value
    endpoint_field(app, "Thorax, patient's right, y").set_value(None).run()
    assert not app.exception
    assert endpoint_field(app, "Thorax, patient's right, y").value == before
    assert "Edited by hand" not in visible_text(app)


@pytest.mark.parametrize(
    ("value", "sentence"), [(900.0, "outside the film of 400 × 420 px"), (1.0, "are crossed")]
)
def test_points_that_make_no_diameter_are_explained_in_the_card(
    app: AppTest, value: float, sentence: str
) -> None:
    upload(app, heart=file_of(SLENDER))
    endpoint_field(app, "Heart, patient's left, x").set_value(value).run()
    assert not app.exception
    (warning,) = [m.value for m in app.markdown if "Cannot be measured" in m.value]
    assert sentence in warning
    assert f"Automatic: {segment_drawing(SLENDER).ratio:.2f}" in visible_text(app)
    assert "Age needed" in finding_text(app, "cardiomegaly", "heart-adults"), "as before"


def test_edit_belongs_to_one_film_and_outlives_other_pages(app: AppTest) -> None:
    upload(app, one=file_of(SLENDER), two=file_of(WIDE))
    study: ReadPageState = app.session_state["read_page"]
    one, two = study.entries
    study.choose_entry(one)
    app.run()
    endpoint_field(app, "Heart, patient's left, x").set_value(
        endpoint_field(app, "Heart, patient's left, x").value + 28
    ).run()
    assert "**0.53**" in visible_text(app)
    study.choose_entry(two)
    app.run()
    assert "Edited by hand" not in visible_text(app)
    app.switch_page("pages/data.py").run()
    app.switch_page("pages/read.py").run()
    study.choose_entry(one)
    app.run()
    assert not app.exception
    assert "Edited by hand" in visible_text(app)
    assert study.entries[one].examination.segmentation is not None
    assert study.entries[one].examination.segmentation.maps.size == 0, "a study keeps no maps"
    press(app, "Remove")
    assert study.edited_ends == {}


def test_film_without_a_measurement_is_measured_by_hand(app: AppTest, reader: FakeReader) -> None:
    reader.segmentations[sha256_of(SLENDER)] = segment_drawing(SLENDER, found=False)
    upload(app, heart=file_of(SLENDER))
    assert "Cannot be measured" in visible_text(app)
    assert "No heart was found on this picture." in visible_text(app)
    press(app, "Measure by hand")
    assert "Edited by hand" not in visible_text(app), "ends that nobody has placed make no ratio"
    assert endpoint_field(app, "Thorax, patient's right, x").value == 80
    endpoint_field(app, "Thorax, patient's right, x").set_value(60).run()
    assert "**0.38**" in visible_text(app)
    assert "Edited by hand" in visible_text(app)


def test_disagreement_of_ratio_and_classifier_is_shown_until_an_edit_resolves_it(
    app: AppTest,
) -> None:
    def flags() -> list[str]:
        return [m.value for m in app.markdown if "CTR and model disagree" in m.value]

    upload(app, heart=file_of(SLENDER))
    assert flags() == [], "without an age there is no verdict to disagree with"
    press(app, "Adult")
    assert "Suspected" in finding_text(app, "cardiomegaly", "heart-adults")
    assert len(flags()) == 1
    endpoint_field(app, "Heart, patient's left, x").set_value(
        endpoint_field(app, "Heart, patient's left, x").value + 40
    ).run()
    assert flags() == []


def test_without_a_segmentation_there_is_no_measurement(app: AppTest) -> None:
    upload(app, other=encode_png(draw_phantom(SLENDER.__class__(height=420, width=400, seed=9))))
    assert not app.exception
    assert "**CTR**" not in visible_text(app)
    assert not {"Endpoint coordinates", "Measure by hand", "Heart, patient's right, x"} & set(
        labels(app)
    )


def test_endpoints_from_the_viewer_reach_the_film_they_were_moved_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = ReadPageState()
    examination = FakeReader().examine(file_of(SLENDER))
    study.add_entry(
        cardiothoracic_ratio.StudyEntry(key="a", name="a.png", data=b"", examination=examination)
    )
    line = ((1.0, 2.0), (3.0, 4.0))
    for film, kept in (("b:00", {}), (f"a:{examination.sha256}", {"a": (line, line)})):
        moved = MovedEnds(film=film, serial=1, heart=line, thorax=line)
        monkeypatch.setattr(cardiothoracic_ratio, "moved_ends", lambda key, moved=moved: moved)
        cardiothoracic_ratio.store_moved_ends(study, "viewer")
        assert study.edited_ends == kept
