"""Odds ratios against scipy, against Woolf's formula by hand, and against what patients do to an interval."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from scipy.stats.contingency import odds_ratio as reference

from cxr_core.data.checks.shortcuts import OddsRatio, estimate_odds_ratio


def films(a: int, b: int, c: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Label and group of a films with both, b in the group without the label, c outside with it, d with neither."""
    label = np.repeat([1.0, 0.0, 1.0, 0.0], [a, b, c, d])
    return label, np.repeat([1.0, 1.0, 0.0, 0.0], [a, b, c, d])


def found(label: np.ndarray, group: np.ndarray, patient: np.ndarray | None = None) -> OddsRatio:
    odds = estimate_odds_ratio(label, group, np.arange(len(label)) if patient is None else patient)
    assert odds is not None
    return odds


counts = st.integers(min_value=1, max_value=400)


@given(counts, counts, counts, counts)
@settings(deadline=None)
def test_odds_ratio_agrees_with_scipy(a: int, b: int, c: int, d: int) -> None:
    if min(a + b, c + d, a + c, b + d) > 1:
        assert found(*films(a, b, c, d)).value == pytest.approx(
            reference([[a, b], [c, d]], kind="sample").statistic, rel=1e-9
        )


@pytest.mark.parametrize("table", [(400, 300, 900, 1900), (60, 500, 700, 800)])
def test_interval_agrees_with_scipy_for_one_film_per_patient(
    table: tuple[int, int, int, int],
) -> None:
    """scipy's is Woolf's; ours uses Student's t and a small correction, which hundreds of patients level out."""
    a, b, c, d = table
    expected = reference([[a, b], [c, d]], kind="sample").confidence_interval(0.95)
    assert found(*films(*table)).interval() == pytest.approx(
        (expected.low, expected.high), rel=0.01
    )


def test_odds_ratio_of_a_table_computed_by_hand() -> None:
    """OR = (30 × 80) / (20 × 10) = 12; Woolf's variance = 1/30 + 1/20 + 1/10 + 1/80."""
    odds = found(*films(30, 20, 10, 80))
    assert odds.value == pytest.approx(12)
    assert odds.degrees == 39  # 40 patients have the label, 50 are in the group
    by_hand = (1 / 30 + 1 / 20 + 1 / 10 + 1 / 80) * 140 / 139
    assert odds.error**2 == pytest.approx(by_hand)
    low, high = odds.interval(0.95)
    assert (low, high) == pytest.approx(
        (12 * np.exp(-2.0227 * by_hand**0.5), 12 * np.exp(2.0227 * by_hand**0.5)), rel=1e-4
    )


def test_an_empty_cell_gets_half_a_film_in_every_cell() -> None:
    odds = found(*films(10, 40, 0, 50))
    assert odds.value == pytest.approx((10.5 * 50.5) / (40.5 * 0.5))
    assert odds.error**2 >= 1 / 10.5 + 1 / 50.5 + 1 / 40.5 + 1 / 0.5


@given(counts, counts, counts, counts, st.integers(2, 5))
@settings(deadline=None, max_examples=40)
def test_repeated_films_of_a_patient_do_not_narrow_the_interval(
    a: int, b: int, c: int, d: int, times: int
) -> None:
    """Independent films would narrow the interval by the root of `times`."""
    label, group = films(a + 20, b + 20, c + 20, d + 20)
    once = found(label, group)
    often = found(
        *(np.repeat(each, times) for each in (label, group)),
        np.repeat(np.arange(len(label)), times),
    )
    assert often.interval() == pytest.approx(once.interval())


@given(counts, counts, counts, counts)
@settings(deadline=None)
def test_group_and_rest_give_inverse_ratios(a: int, b: int, c: int, d: int) -> None:
    label, group = films(a + 1, b + 1, c + 1, d + 1)
    there, back = found(label, group), found(label, 1 - group)
    low, high = there.interval()
    assert back.interval() == pytest.approx((1 / high, 1 / low))
    assert low < there.value < high
    assert there.lower_strength(0.95) == pytest.approx(max(low, 1 / high))
    assert there.interval(0.999)[0] < low


def test_interval_covers_the_truth_with_many_films_per_patient() -> None:
    """Patients with 1 to 30 films, whose label and group are their own and unrelated: the true ratio is 1.

    Woolf's interval for independent films misses it in more than a third of the trials; the clustered one may miss
    it in about one of twenty.
    """
    rng = np.random.default_rng(3)
    missed = missed_by_woolf = 0
    trials = 400
    for _ in range(trials):
        patient = np.repeat(np.arange(150), rng.integers(1, 31, 150))
        label = (rng.random(150) < 0.3).astype(float)[patient]
        group = (rng.random(150) < 0.5).astype(float)[patient]
        low, high = found(label, group, patient).interval()
        missed += not low <= 1 <= high
        cells = [((label == y) & (group == g)).sum() for y in (0, 1) for g in (0, 1)]
        woolf = norm.ppf(0.975) * np.sqrt(np.sum(1 / np.array(cells)))
        missed_by_woolf += abs(np.log(cells[0] * cells[3] / cells[1] / cells[2])) > woolf
    assert missed_by_woolf > trials / 3
    assert 0.01 * trials < missed < 0.09 * trials


def test_standard_error_agrees_with_a_patient_bootstrap() -> None:
    """Patients with films inside and outside the group, whose labels lean one way in each: an independent measure."""
    rng = np.random.default_rng(11)
    patient = np.repeat(np.arange(120), 16)
    group = np.tile([1.0, 0.0], len(patient) // 2)
    own, inside, outside = (rng.normal(0, 1, 120)[patient] for _ in range(3))
    label = (
        own + np.where(group == 1, inside, outside) + rng.normal(0, 1, len(patient)) > 0.5
    ).astype(float)
    resampled = []
    for _ in range(600):
        rows = (rng.integers(0, 120, 120)[:, None] * 16 + np.arange(16)).ravel()
        cells = [[((label[rows] == y) & (group[rows] == g)).sum() for y in (1, 0)] for g in (1, 0)]
        resampled.append(np.log(reference(cells, kind="sample").statistic))
    woolf = np.sqrt(sum(1 / ((label == y) & (group == g)).sum() for y in (0, 1) for g in (0, 1)))
    error = found(label, group, patient).error
    assert error == pytest.approx(np.std(resampled), rel=0.1)
    assert error > 1.3 * woolf


def test_unknown_labels_and_groups_are_left_out() -> None:
    label, group = films(30, 20, 10, 80)
    unknown = np.full(50, np.nan)
    longer = found(np.r_[label, unknown, np.ones(50)], np.r_[group, np.ones(50), unknown])
    assert longer.error == pytest.approx(found(label, group).error)
    assert (longer.log, longer.degrees) == (found(label, group).log, found(label, group).degrees)


@pytest.mark.parametrize(
    "table", [(0, 5, 0, 5), (5, 0, 5, 0), (5, 5, 0, 0), (0, 0, 5, 5), (0, 0, 0, 0), (1, 9, 0, 9)]
)
def test_nothing_to_compare_gives_none(table: tuple[int, int, int, int]) -> None:
    """One class, one group, nothing, or all films of a class in one patient."""
    label, group = films(*table)
    assert estimate_odds_ratio(label, group, np.arange(len(label))) is None


def test_class_in_one_patient_gives_no_odds_ratio() -> None:
    label, group = films(40, 100, 0, 300)
    patient = np.where(label == 1, 0, np.arange(len(label)) + 1)
    assert estimate_odds_ratio(label, group, patient) is None
