"""Numbers and names are worded the same everywhere."""

import json

import pytest

from cxr_core.presentation.wording import (
    CARD_SPLIT_NAMES,
    card_split_name,
    finding_name,
    format_age,
    format_count,
    format_percent,
    format_ratio,
    format_ratio_interval,
    format_threshold,
    format_time,
    operating_point_name,
    split_name,
    structure_name,
    training_curve_name,
)
from cxr_core.workspace.paths import SHIPPED_MODELS


@pytest.mark.parametrize(
    ("probability", "threshold", "words"),
    [
        (0.3, 0.2, "20 %"),
        (0.204, 0.2, "20 %, just above"),
        (0.196, 0.2, "20 %, just below"),
        (0.2, 0.2, "20 %, just above"),
    ],
)
def test_a_threshold_names_its_side_where_percentages_are_equal(probability, threshold, words):
    assert format_threshold(probability, threshold) == words


@pytest.mark.parametrize(
    ("probability", "words"), [(0.0, "<1 %"), (0.01, "1 %"), (0.994, ">99 %"), (0.99, "99 %")]
)
def test_a_probability_is_never_certain(probability, words):
    assert format_percent(probability) == words


def test_a_ratio_with_its_interval():
    assert format_ratio_interval(0.4961, 0.47, 0.5) == "0.496 (95 % interval 0.47 to 0.50)"
    assert format_ratio_interval(0.5, None, None) == format_ratio(0.5) == "0.50"


def test_display_names_of_known_and_unknown_keys():
    assert finding_name("pleural_thickening") == "Pleural thickening"
    assert finding_name("rib_fracture") == "Rib fracture"
    assert operating_point_name("sensitivity_95") == "Sensitive"
    assert operating_point_name("at_half") == "At half"
    assert split_name("val") == "validation split"
    assert split_name("holdout") == "holdout split"
    assert card_split_name("test_combined_pa") == "Test films, PA, with the ratio"
    assert card_split_name("site_b") == "Site b"
    assert structure_name("left_lung") == "left lung"
    assert training_curve_name("validation_auroc") == "validation AUROC"
    assert training_curve_name("loss") == "training loss"


def test_every_set_of_films_in_a_shipped_card_has_a_name():
    for path in SHIPPED_MODELS.glob("*/*/card.json"):
        metrics = json.loads(path.read_text(encoding="utf-8"))["metrics"]
        assert set(metrics) <= set(CARD_SPLIT_NAMES), path


def test_times_are_in_utc_to_the_minute():
    assert format_time("2026-11-28T20:39:19+00:00") == "2026-11-28 20:39 UTC"


DAY, WEEK, MONTH = 1 / 365.25, 7 / 365.25, 1 / 12


@pytest.mark.parametrize(
    ("years", "words"),
    [
        (0.0, "0 days"),
        (1 * DAY, "1 day"),
        (7 * DAY, "7 days"),
        (13 * DAY, "13 days"),
        (2 * WEEK, "2 weeks"),
        (3 * WEEK, "3 weeks"),
        (12 * WEEK, "12 weeks"),
        (3 * MONTH, "3 months"),
        (7 * MONTH, "7 months"),
        (1.0, "12 months"),
        (23 * MONTH, "23 months"),
        (2.0, "2 years"),
        (4.9, "4 years"),
        (58.0, "58 years"),
    ],
)
def test_an_age_is_written_as_a_clinician_writes_it(years, words):
    assert format_age(years) == words


@pytest.mark.parametrize(
    ("unit", "name", "numbers"),
    [(DAY, "days", range(2, 14)), (WEEK, "weeks", range(2, 14)), (MONTH, "months", range(3, 24))],
)
def test_a_whole_number_of_units_is_never_one_less(unit, name, numbers):
    assert [format_age(number * unit) for number in numbers] == [f"{n} {name}" for n in numbers]


@pytest.mark.parametrize(
    ("count", "nouns", "words"),
    [
        (0, "films", "0 films"),
        (1, "films", "1 film"),
        (4139, "blocking issues", "4,139 blocking issues"),
        (1, "blocking issues", "1 blocking issue"),
        (1, "copies", "1 copy"),
        (1, "boxes", "1 box"),
        (1, "batches", "1 batch"),
        (1, "sizes", "1 size"),
        (1, "models", "1 model"),
    ],
)
def test_one_thing_is_never_counted_in_the_plural(count, nouns, words):
    assert format_count(count, nouns) == words
