"""The gate for outlines on made-up films whose truth is known: equal, worse, too few or too wide to tell."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from cxr_core.errors import DataError
from cxr_core.evaluation.segmentation.metrics import Outlined
from cxr_core.findings import STRUCTURES
from cxr_core.models.card import Population
from cxr_core.promotion.gate.segmenter import SEGMENTER_LIMITS, judge_outlines
from cxr_core.promotion.gate.verdict import Check
from tests.models.networks.test_segmenter import CARD

Films = list[Outlined]
IN_USE = replace(CARD, version="0.9")
HEART, LUNG, RATIO = "Dice of the heart", "Dice of the left lung", "error of the ratio"


def films(
    count: int = 60, seed: int = 0, dice: float = 0.95, error: float = 0.01, spread: float = 0.01
) -> list[Outlined]:
    """Films of as many patients, outlined about that well; the true ratio of each is the same for every seed."""
    chance = np.random.default_rng(seed)
    true = np.random.default_rng(99).uniform(0.4, 0.6, count)
    return [
        Outlined(
            patient=f"p{n}",
            dice={
                name: float(np.clip(dice + chance.normal(0, spread), 0, 1)) for name in STRUCTURES
            },
            distance_px=dict.fromkeys(STRUCTURES, 1.0),
            ratio=float(true[n] + chance.normal(0, error)),
            spread=0.0,
            half_width=2.5 * error,
            true_ratio=float(true[n]),
        )
        for n in range(count)
    ]


def judged(mine: Films, theirs: Films) -> dict[str, Check]:
    return {check.name: check for check in judge_outlines(CARD, IN_USE, mine, theirs)}


def test_an_equal_model_passes_and_every_check_says_so() -> None:
    found = judged(films(seed=1), films(seed=2))
    assert set(found) == {
        *("population", "films measured", "intervals of the ratio", RATIO),
        *(f"Dice of the {name.replace('_', ' ')}" for name in STRUCTURES),
    }
    assert {check.status for check in found.values()} == {"pass"}


def test_the_interval_of_a_difference_is_that_of_its_mean() -> None:
    """Against the t interval of the paired differences, which the bootstrap comes near on many patients."""
    mine, theirs = films(400, seed=1), films(400, seed=2, dice=0.94)
    difference = judged(mine, theirs)[HEART].figures["difference"]
    apart = np.array([a.dice["heart"] - b.dice["heart"] for a, b in zip(mine, theirs, strict=True)])
    known = stats.ttest_1samp(apart, 0).confidence_interval()
    assert difference["value"] == pytest.approx(apart.mean(), abs=1e-6)
    assert (difference["low"], difference["high"]) == pytest.approx(
        (known.low, known.high), abs=0.0003
    )
    assert difference["low"] > 0


def test_copies_of_a_patients_film_tell_nothing_more() -> None:
    mine, theirs = films(seed=1, spread=0.03), films(seed=2, spread=0.03)
    difference = judged(mine * 4, theirs * 4)[HEART].figures["difference"]
    apart = [a.dice["heart"] - b.dice["heart"] for a, b in zip(mine, theirs, strict=True)]
    known = stats.ttest_1samp(apart, 0).confidence_interval()
    assert difference["high"] - difference["low"] == pytest.approx(known.high - known.low, rel=0.15)


def test_worse_outlines_are_refused() -> None:
    worse = [replace(f, dice={**f.dice, "heart": f.dice["heart"] - 0.03}) for f in films(seed=1)]
    found = judged(worse, films(seed=2))
    assert (found[HEART].status, found[LUNG].status, found[RATIO].status) == (
        "fail",
        "pass",
        "pass",
    )
    assert found[HEART].figures["difference"]["high"] < 0
    assert "significantly worse" in found[HEART].sentence


def test_a_worse_ratio_is_refused_though_its_outlines_are_as_good() -> None:
    off = [replace(f, ratio=f.true_ratio + 0.03) for f in films(seed=1)]
    found = judged(off, films(seed=2))
    assert (found[HEART].status, found[RATIO].status) == ("pass", "fail")
    assert found[RATIO].figures["difference"]["low"] > 0
    assert judged(films(seed=2), off)[RATIO].status == "pass"  # less error is better


@pytest.mark.parametrize("count", [0, SEGMENTER_LIMITS.films - 1])
def test_too_few_films_are_no_pass(count: int) -> None:
    found = judged(films(count), films(count))
    assert {check.status for name, check in found.items() if name != "population"} == {
        "not enough cases"
    }
    assert all(check.refuses for name, check in found.items() if name != "population")


def test_films_that_cannot_tell_are_no_pass() -> None:
    found = judged(films(25, seed=1, spread=0.2, dice=0.6), films(25, seed=2, spread=0.2, dice=0.6))
    assert found[HEART].status == "not enough cases"
    assert found[HEART].refuses


def test_a_model_that_leaves_hard_films_out_is_refused() -> None:
    mine = films(seed=1)
    for missing, status in ((0, "pass"), (3, "pass"), (4, "fail")):
        gone = [replace(f, ratio=None) for f in mine[:missing]] + mine[missing:]
        found = judged(gone, films(seed=2))
        assert found["films measured"].status == status
        assert found[RATIO].figures["difference"]["n"] == 60 - missing
    many = [[replace(f, ratio=None) for f in each[:9]] + each[9:] for each in (mine, films(seed=2))]
    assert (
        judged(*many)["films measured"].status == "fail"
    )  # as many as the model in use, and still too many


def test_intervals_that_hold_less_than_they_promise_are_refused() -> None:
    narrow = [replace(f, half_width=0.01) for f in films(seed=1)]
    assert judged(narrow, films(seed=2))["intervals of the ratio"].status == "fail"


def test_a_narrower_population_and_a_name_that_is_never_used_are_refused() -> None:
    adults = replace(CARD, population=Population(text="adults", age_min=18))
    (population,) = (
        c for c in judge_outlines(adults, IN_USE, films(), films()) if c.name == "population"
    )
    assert population.status == "fail"
    shadowed = replace(CARD, model="aaa")
    (name,) = (c for c in judge_outlines(shadowed, IN_USE, films(), films()) if c.name == "name")
    assert name.status == "fail"
    assert "as aaa it would never be used" in name.sentence


def test_with_none_in_use_its_outlines_must_be_good() -> None:
    for dice, status in ((0.95, "pass"), (0.75, "fail")):
        found = {check.name: check for check in judge_outlines(CARD, None, films(dice=dice), ())}
        assert found[HEART].status == status
        assert RATIO not in found


def test_other_films_are_an_error() -> None:
    with pytest.raises(DataError, match="same films"):
        judged(films(), films()[::-1])
