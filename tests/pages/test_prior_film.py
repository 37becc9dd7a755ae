"""A reader sets a prior film beside the displayed one and sees what has changed."""

import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.presentation.wording import format_ratio
from cxr_core.reading.cardiothoracic.ratio import VIEW_AP
from cxr_core.reading.patient import Patient
from pages.components.markdown import plain
from pages.components.read.page_state import ReadPageState
from pages.components.read.prior_film import find_prior
from tests.hearts import SLENDER, WIDE, file_of, segment_drawing, sha256_of
from tests.pages.app_bench import find_button, upload, visible_text
from tests.pages.fake_reader import FakeReader
from tests.pages.test_read_page import film


@pytest.fixture
def reader() -> FakeReader:
    """A reader that segments two of the films."""
    return FakeReader(
        segmentations={sha256_of(spec): segment_drawing(spec) for spec in (SLENDER, WIDE)}
    )


@pytest.fixture
def study(app: AppTest) -> ReadPageState:
    """A slender heart, a wide one and a film without a heart, of one adult; the wide heart is on display."""
    upload(app, slender=file_of(SLENDER), wide=file_of(WIDE), grey=film(0.2))
    study: ReadPageState = app.session_state["read_page"]
    app.sidebar.number_input[0].set_value(63)
    study.choose_entry(key_of(study, "wide"))
    app.run()
    assert not app.exception
    return study


def key_of(study: ReadPageState, name: str) -> str:
    return next(key for key, entry in study.entries.items() if entry.name == f"{name}.png")


def choose_prior(app: AppTest, key: str) -> None:
    (choice,) = [box for box in app.selectbox if box.label == "Prior film"]
    choice.set_value(key).run()
    assert not app.exception


def changes(app: AppTest) -> str:
    return "\n".join(element.value for element in app.container(key="changes").markdown)


def compares(app: AppTest) -> bool:
    return "Stop comparing" in [button.label for button in app.button]


def names(app: AppTest) -> list[str]:
    return [text.value for text in app.text if text.value.startswith(("Prior: ", "Current: "))]


def test_ratio_and_verdicts_of_both_films_are_shown_with_the_difference(
    app: AppTest, study: ReadPageState
) -> None:
    assert not compares(app)
    choose_prior(app, key_of(study, "slender"))
    ratios = [segment_drawing(spec).ratio or 0 for spec in (SLENDER, WIDE)]
    before, now = (format_ratio(ratio) for ratio in ratios)
    assert f"**CTR** {before} → {now}, +{float(now) - float(before):.2f} (" in changes(app)
    assert "**Cardiomegaly** suspected → suspected" in changes(app)
    assert "Pneumonia" not in changes(app), "no model reads it in adults"
    assert names(app) == ["Prior: slender.png", "Current: wide.png"]


def test_swapped_films_change_places_and_the_difference_its_sign(
    app: AppTest, study: ReadPageState
) -> None:
    choose_prior(app, key_of(study, "slender"))
    find_button(app, "Swap").click().run()
    assert not app.exception
    assert names(app) == ["Prior: wide.png", "Current: slender.png"]
    assert ", −0." in changes(app)


def test_comparison_ends_when_asked_and_waits_while_the_prior_film_is_on_display(
    app: AppTest, study: ReadPageState
) -> None:
    slender, wide = key_of(study, "slender"), key_of(study, "wide")
    choose_prior(app, slender)
    study.choose_entry(slender)
    app.run()
    assert not app.exception
    assert not compares(app)
    study.choose_entry(wide)
    app.run()
    assert compares(app)
    find_button(app, "Stop comparing").click().run()
    assert not app.exception
    assert not compares(app)


def test_removed_prior_film_is_not_compared_with_until_it_is_back(study: ReadPageState) -> None:
    slender, entry = key_of(study, "slender"), study.entries[key_of(study, "wide")]
    study.compare_with(slender)
    study.remove_entries({slender})
    assert find_prior(study, entry) is None
    study.undo_removal()
    assert find_prior(study, entry) is study.entries[slender]


def test_film_without_a_measurement_is_compared_by_its_verdicts(
    app: AppTest, study: ReadPageState
) -> None:
    choose_prior(app, key_of(study, "grey"))
    assert "**CTR** not measured → 0." in changes(app)
    assert "**Cardiomegaly** not suspected → suspected" in changes(app)


def test_what_speaks_against_a_comparison_is_named(app: AppTest, study: ReadPageState) -> None:
    slender, wide = key_of(study, "slender"), key_of(study, "wide")
    study.patients = {slender: Patient(age_years=70, view="AP"), wide: Patient(age_years=60)}
    choose_prior(app, slender)
    assert "The patient is older on the prior film" in changes(app)
    assert "The views differ (prior AP, current unknown)" in changes(app)
    assert plain(f"Prior film: {VIEW_AP}") in changes(app)
    study.patients = {}
    app.run()
    assert "older" not in changes(app)
    assert "views differ" not in changes(app)


def test_age_of_the_prior_film_is_asked_for_beside_it(app: AppTest, study: ReadPageState) -> None:
    app.sidebar.number_input[0].set_value(None)
    study.patients = {key_of(study, "wide"): Patient(age_years=60)}
    choose_prior(app, key_of(study, "slender"))
    assert "**Cardiomegaly** not assessed → suspected" in changes(app)
    app.button(key=study.widget_key(f"adult-{key_of(study, 'slender')}")).click().run()
    assert not app.exception
    assert "**Cardiomegaly** suspected → suspected" in changes(app)


def test_same_file_twice_is_no_prior_film(app: AppTest, study: ReadPageState) -> None:
    upload(app, again=file_of(WIDE))
    study.choose_entry(key_of(study, "wide"))
    app.run()
    choose_prior(app, key_of(study, "again"))
    assert "Both are the same file." in visible_text(app)
