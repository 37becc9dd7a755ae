"""Resamples kept by patient give what films by resamples give, to rounding; order against scikit-learn."""

import numpy as np
import pytest
from scipy import sparse
from sklearn import metrics as sk

from cxr_core.evaluation.bootstrap import ranking
from cxr_core.evaluation.bootstrap.bootstrap import bootstrapped, drawn, draws_of
from cxr_core.evaluation.bootstrap.grouped_ranking import auroc_of_groups
from cxr_core.evaluation.bootstrap.resamples import Draws
from cxr_core.evaluation.metrics import calibration_slope as lines
from cxr_core.evaluation.metrics import metrics

COUNT = 300


def drawn_films(seed: int, digits: int = 9) -> tuple[np.ndarray, np.ndarray, Draws]:
    """Probabilities, labels and 40 resamples of 60 patients."""
    chance = np.random.default_rng(seed)
    labels = (chance.random(COUNT) < 0.3).astype(float)
    probabilities = np.round(1 / (1 + np.exp(-chance.normal(labels, 1))), digits)
    patients = chance.integers(0, 60, COUNT)
    _, draws = draws_of(patients, 40, seed)
    return probabilities, labels, draws


def test_sums_over_films_are_those_of_the_table():
    _, labels, draws = drawn_films(0)
    table = draws.dense()
    assert table.shape == draws.shape == (40, COUNT)
    columns = np.random.default_rng(1).normal(size=(COUNT, 3))
    assert draws @ labels == pytest.approx(table @ labels)
    assert draws @ columns == pytest.approx(table @ columns)
    assert draws @ sparse.csr_array(columns) == pytest.approx(table @ columns)
    assert draws.sum() == pytest.approx(table.sum(axis=1))
    assert draws.of(labels == 1).dense() == pytest.approx(table[:, labels == 1])


@pytest.mark.parametrize("digits", [9, 2, 1])
def test_order_on_resamples_is_scikit_learns_with_and_without_ties(digits):
    probabilities, labels, draws = drawn_films(2, digits)
    for measure, theirs in (
        (metrics.auroc, sk.roc_auc_score),
        (metrics.average_precision, sk.average_precision_score),
    ):
        expected = [theirs(labels, probabilities, sample_weight=row) for row in draws.dense()]
        assert measure(probabilities, labels, draws) == pytest.approx(np.array(expected), abs=1e-12)


@pytest.mark.parametrize("digits", [9, 1])
@pytest.mark.parametrize(("name", "value"), [("AT_ONCE", 7), ("EXACT", 0)])
def test_scores_a_few_at_a_time_or_in_full_precision_give_the_same(
    monkeypatch, digits, name, value
):
    probabilities, labels, draws = drawn_films(2, digits)
    monkeypatch.setattr(ranking, name, value)
    expected = metrics.ranking(probabilities, labels, draws.dense())
    found = metrics.ranking(probabilities, labels, draws)
    assert found.auroc == pytest.approx(expected.auroc, abs=1e-12)
    assert found.average_precision == pytest.approx(expected.average_precision, abs=1e-12)


@pytest.mark.parametrize("digits", [9, 1])
def test_groups_and_all_others_have_scikit_learns_areas(monkeypatch, digits):
    probabilities, labels, draws = drawn_films(7, digits)
    group_of = np.random.default_rng(8).integers(0, 3, COUNT)
    monkeypatch.setattr(ranking, "AT_ONCE", 20)
    for place, areas in enumerate(auroc_of_groups(probabilities, labels, group_of, 3, draws)):
        for group in range(3):
            chosen = (group_of == group) if place == 0 else (group_of != group)
            films = labels[chosen], probabilities[chosen]
            expected = [
                sk.roc_auc_score(*films, sample_weight=row[chosen]) for row in draws.dense()
            ]
            assert areas[group] == pytest.approx(np.array(expected), abs=1e-12)


def test_a_film_without_a_score_leaves_only_its_own_films_undefined():
    probabilities, labels, draws = drawn_films(9)
    group_of = np.arange(COUNT) % 2
    probabilities[4] = np.nan
    inside, others = auroc_of_groups(probabilities, labels, group_of, 2, draws)
    assert np.isnan(inside[0]).all()
    assert np.isnan(others[1]).all()
    assert inside[1] == pytest.approx(others[0], abs=1e-12)
    assert inside[1] == pytest.approx(
        metrics.auroc(probabilities[1::2], labels[1::2], draws.of(group_of == 1))
    )


def test_a_group_of_one_class_has_no_area():
    probabilities, labels, draws = drawn_films(10)
    inside, _ = auroc_of_groups(probabilities, labels, (labels == 1).astype(int), 2, draws)
    assert np.isnan(inside).all()


@pytest.mark.parametrize("digits", [9, 2, 1])
def test_every_figure_is_that_of_the_table(digits):
    probabilities, labels, draws = drawn_films(3, digits)
    for measure in (
        *(metrics.auroc, metrics.average_precision, metrics.brier, metrics.log_loss),
        *(metrics.expected_calibration_error, metrics.adaptive_calibration_error),
    ):
        expected = measure(probabilities, labels, draws.dense())
        assert measure(probabilities, labels, draws) == pytest.approx(expected, abs=1e-12), (
            measure.__name__
        )
    ours, theirs = (
        metrics.brier_parts(probabilities, labels, each) for each in (draws, draws.dense())
    )
    assert ours.reliability == pytest.approx(theirs.reliability)
    assert ours.within == pytest.approx(theirs.within)


def test_a_resample_without_a_class_has_no_order():
    scores, labels = np.array([0.1, 0.4, 0.8]), np.array([0.0, 1, 1])
    draws = Draws(np.array([[0.0, 3, 0], [3, 0, 0], [0, 0, 3]]), np.arange(3))
    assert np.isnan(metrics.auroc(scores, labels, draws)).all()
    assert metrics.average_precision(scores, labels, draws) == pytest.approx(
        [1, np.nan, 1], nan_ok=True
    )
    assert np.isnan(metrics.auroc(np.array([0.1, np.nan, 0.3]), labels, draws)).all()


def test_lines_between_knots_are_those_of_the_films(monkeypatch):
    """Also where a resample has none: its only patient parts the classes."""
    probabilities, labels, draws = drawn_films(4)
    exact = lines.recalibration(probabilities, labels, draws)
    monkeypatch.setattr(lines, "DENSE", 0)
    quick = lines.recalibration(probabilities, labels, draws)
    assert quick.slope == pytest.approx(exact.slope, abs=1e-7)
    assert quick.intercept == pytest.approx(exact.intercept, abs=1e-7)
    parted = Draws(np.array([[1.0, 1], [1, 0]]), np.array([0, 0, 1, 1]))
    found = lines.recalibration(np.array([0.2, 0.3, 0.35, 0.6]), np.array([0.0, 1, 0, 1]), parted)
    assert np.isfinite(found.slope[0])
    assert np.isnan(found.slope[1])


def test_both_ways_to_resample_draw_the_same_patients():
    probabilities, labels, _ = drawn_films(5)
    patients = np.arange(COUNT) // 4
    table = bootstrapped(
        lambda w: {"brier": metrics.brier(probabilities, labels, w)}, patients, resamples=30
    )
    kept = drawn(
        lambda w: {"brier": metrics.brier(probabilities, labels, w)}, patients, resamples=30
    )
    assert kept["brier"] == pytest.approx(table["brier"], abs=1e-14)
    assert kept["brier"].shape == (31,)
