"""The gate for segmenters on synthetic films whose truth is known: equal, worse, too few or too varied."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from cxr_core.errors import DataError
from cxr_core.evaluation.segmentation.metrics import ComparedFilm
from cxr_core.findings import STRUCTURES
from cxr_core.models.card import Population
from cxr_core.promotion.gate.checks import Check
from cxr_core.promotion.gate.segmenter import SEGMENTER_LIMITS, check_segmenter
from tests.models.networks.test_segmenter import CARD

Films = list[ComparedFilm]
ACTIVE = replace(CARD, version="0.9")
HEART, LUNG, RATIO = "Dice of the heart", "Dice of the left lung", "error of the ratio"


def films(
    count: int = 60, seed: int = 0, dice: float = 0.95, error: float = 0.01, spread: float = 0.01
) -> list[ComparedFilm]:
    """Films of as many patients, segmented about that well; the true ratio of each is the same for every seed."""
    rng = np.random.default_rng(seed)
    true = np.random.default_rng(99).uniform(0.4, 0.6, count)
    return [
        ComparedFilm(
            patient=f"p{n}",
            dice={name: float(np.clip(dice + rng.normal(0, spread), 0, 1)) for name in STRUCTURES},
            distance_px=dict.fromkeys(STRUCTURES, 1.0),
            ratio=float(true[n] + rng.normal(0, error)),
            spread=0.0,
            half_width=2.5 * error,
            true_ratio=float(true[n]),
        )
        for n in range(count)
    ]


def compare(own: Films, other: Films) -> dict[str, Check]:
    return {check.name: check for check in check_segmenter(CARD, ACTIVE, own, other)}


def test_an_equal_model_passes_and_every_check_says_so() -> None:
    checks = compare(films(seed=1), films(seed=2))
    assert set(checks) == {
        *("population", "films measured", "intervals of the ratio", RATIO),
        *(f"Dice of the {name.replace('_', ' ')}" for name in STRUCTURES),
    }
    assert {check.status for check in checks.values()} == {"pass"}


def test_the_interval_of_a_difference_is_that_of_its_mean() -> None:
    """Against the t interval of the paired differences, which the bootstrap comes near on many patients."""
    own, other = films(400, seed=1), films(400, seed=2, dice=0.94)
    difference = compare(own, other)[HEART].figures["difference"]
    apart = np.array([a.dice["heart"] - b.dice["heart"] for a, b in zip(own, other, strict=True)])
    known = stats.ttest_1samp(apart, 0).confidence_interval()
    assert difference["value"] == pytest.approx(apart.mean(), abs=1e-6)
    assert (difference["low"], difference["high"]) == pytest.approx(
        (known.low, known.high), abs=0.0003
    )
    assert difference["low"] > 0


def test_copies_of_a_patients_film_tell_nothing_more() -> None:
    own, other = films(seed=1, spread=0.03), films(seed=2, spread=0.03)
    difference = compare(own * 4, other * 4)[HEART].figures["difference"]
    apart = [a.dice["heart"] - b.dice["heart"] for a, b in zip(own, other, strict=True)]
    known = stats.ttest_1samp(apart, 0).confidence_interval()
    assert difference["high"] - difference["low"] == pytest.approx(known.high - known.low, rel=0.15)


def test_worse_contours_are_refused() -> None:
    worse = [replace(f, dice={**f.dice, "heart": f.dice["heart"] - 0.03}) for f in films(seed=1)]
    checks = compare(worse, films(seed=2))
    assert (checks[HEART].status, checks[LUNG].status, checks[RATIO].status) == (
        "fail",
        "pass",
        "pass",
    )
    assert checks[HEART].figures["difference"]["high"] < 0
    assert "significantly worse" in checks[HEART].sentence


def test_a_worse_ratio_is_refused_though_its_contours_are_as_good() -> None:
    off = [replace(f, ratio=f.true_ratio + 0.03) for f in films(seed=1)]
    checks = compare(off, films(seed=2))
    assert (checks[HEART].status, checks[RATIO].status) == ("pass", "fail")
    assert checks[RATIO].figures["difference"]["low"] > 0
    assert compare(films(seed=2), off)[RATIO].status == "pass"  # less error is better


@pytest.mark.parametrize("count", [0, SEGMENTER_LIMITS.films - 1])
def test_too_few_films_are_no_pass(count: int) -> None:
    checks = compare(films(count), films(count))
    assert {check.status for name, check in checks.items() if name != "population"} == {
        "not enough cases"
    }
    assert all(check.refuses for name, check in checks.items() if name != "population")


def test_films_that_decide_nothing_are_no_pass() -> None:
    checks = compare(
        films(25, seed=1, spread=0.2, dice=0.6), films(25, seed=2, spread=0.2, dice=0.6)
    )
    assert checks[HEART].status == "not enough cases"
    assert checks[HEART].refuses


def test_a_model_that_leaves_hard_films_out_is_refused() -> None:
    own = films(seed=1)
    for missing, status in ((0, "pass"), (3, "pass"), (4, "fail")):
        gone = [replace(f, ratio=None) for f in own[:missing]] + own[missing:]
        checks = compare(gone, films(seed=2))
        assert checks["films measured"].status == status
        assert checks[RATIO].figures["difference"]["n"] == 60 - missing
    many = [[replace(f, ratio=None) for f in each[:9]] + each[9:] for each in (own, films(seed=2))]
    assert (
        compare(*many)["films measured"].status == "fail"
    )  # as many as with the active version, and still too many


def test_intervals_that_contain_less_than_they_promise_are_refused() -> None:
    narrow = [replace(f, half_width=0.01) for f in films(seed=1)]
    assert compare(narrow, films(seed=2))["intervals of the ratio"].status == "fail"


def test_a_narrower_population_and_a_name_that_is_never_used_are_refused() -> None:
    adults = replace(CARD, population=Population(text="adults", age_min=18))
    (population,) = (
        c for c in check_segmenter(adults, ACTIVE, films(), films()) if c.name == "population"
    )
    assert population.status == "fail"
    shadowed = replace(CARD, model="aaa")
    (name,) = (c for c in check_segmenter(shadowed, ACTIVE, films(), films()) if c.name == "name")
    assert name.status == "fail"
    assert "as aaa it would never be used" in name.sentence


def test_without_an_active_version_its_contours_must_be_good() -> None:
    for dice, status in ((0.95, "pass"), (0.75, "fail")):
        checks = {check.name: check for check in check_segmenter(CARD, None, films(dice=dice), ())}
        assert checks[HEART].status == status
        assert RATIO not in checks


def test_other_films_are_an_error() -> None:
    with pytest.raises(DataError, match="same films"):
        compare(films(), films()[::-1])
