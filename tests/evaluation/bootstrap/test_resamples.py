"""Resamples kept by patient give what films by resamples give, to rounding; order against scikit-learn."""

import numpy as np
import pytest
from scipy import sparse
from sklearn import metrics as sk

from cxr_core.evaluation.bootstrap import ranking
from cxr_core.evaluation.bootstrap import resamples as resamples_module
from cxr_core.evaluation.bootstrap.bootstrap import bootstrap_patients, draw_resamples
from cxr_core.evaluation.bootstrap.ranking import compute_group_aurocs
from cxr_core.evaluation.bootstrap.resamples import Resamples
from cxr_core.evaluation.metrics import calibration_slope as lines
from cxr_core.evaluation.metrics import metrics

COUNT = 300


def resampled_films(seed: int, digits: int = 9) -> tuple[np.ndarray, np.ndarray, Resamples]:
    """Probabilities, labels and 40 resamples of 60 patients."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(COUNT) < 0.3).astype(float)
    probabilities = np.round(1 / (1 + np.exp(-rng.normal(labels, 1))), digits)
    patients = rng.integers(0, 60, COUNT)
    _, resamples = draw_resamples(patients, 40, seed)
    return probabilities, labels, resamples


def test_sums_over_films_are_those_of_the_table():
    _, labels, resamples = resampled_films(0)
    table = resamples.to_weights()
    assert table.shape == resamples.shape == (40, COUNT)
    columns = np.random.default_rng(1).normal(size=(COUNT, 3))
    assert resamples @ labels == pytest.approx(table @ labels)
    assert resamples @ columns == pytest.approx(table @ columns)
    assert resamples @ sparse.csr_array(columns) == pytest.approx(table @ columns)
    chosen = columns > 0
    assert np.array_equal(
        resamples @ chosen, table @ chosen
    )  # counted in float32, without an error
    assert resamples.sum() == pytest.approx(table.sum(axis=1))
    assert resamples.select(labels == 1).to_weights() == pytest.approx(table[:, labels == 1])


@pytest.mark.parametrize("digits", [9, 2, 1])
def test_order_on_resamples_is_scikit_learns_with_and_without_ties(digits):
    probabilities, labels, resamples = resampled_films(2, digits)
    for measure, theirs in (
        (metrics.auroc, sk.roc_auc_score),
        (metrics.average_precision, sk.average_precision_score),
    ):
        expected = [
            theirs(labels, probabilities, sample_weight=row) for row in resamples.to_weights()
        ]
        assert measure(probabilities, labels, resamples) == pytest.approx(
            np.array(expected), abs=1e-12
        )


@pytest.mark.parametrize("digits", [9, 1])
@pytest.mark.parametrize(
    ("module", "name", "value"),
    [(ranking, "SCORES_AT_ONCE", 7), (resamples_module, "EXACT_FLOAT32", 0)],
)
def test_scores_a_few_at_a_time_or_in_full_precision_give_the_same(
    monkeypatch, digits, module, name, value
):
    probabilities, labels, resamples = resampled_films(2, digits)
    monkeypatch.setattr(module, name, value)
    expected = metrics.rank_films(probabilities, labels, resamples.to_weights())
    found = metrics.rank_films(probabilities, labels, resamples)
    assert found.auroc == pytest.approx(expected.auroc, abs=1e-12)
    assert found.average_precision == pytest.approx(expected.average_precision, abs=1e-12)


@pytest.mark.parametrize("digits", [9, 1])
def test_groups_and_all_others_have_scikit_learns_areas(monkeypatch, digits):
    probabilities, labels, resamples = resampled_films(7, digits)
    group_of = np.random.default_rng(8).integers(0, 3, COUNT)
    monkeypatch.setattr(ranking, "SCORES_AT_ONCE", 20)
    for place, areas in enumerate(
        compute_group_aurocs(probabilities, labels, group_of, 3, resamples)
    ):
        for group in range(3):
            chosen = (group_of == group) if place == 0 else (group_of != group)
            films = labels[chosen], probabilities[chosen]
            expected = [
                sk.roc_auc_score(*films, sample_weight=row[chosen])
                for row in resamples.to_weights()
            ]
            assert areas[group] == pytest.approx(np.array(expected), abs=1e-12)


def test_a_film_without_a_score_leaves_only_its_own_films_undefined():
    probabilities, labels, resamples = resampled_films(9)
    group_of = np.arange(COUNT) % 2
    probabilities[4] = np.nan
    inside, others = compute_group_aurocs(probabilities, labels, group_of, 2, resamples)
    assert np.isnan(inside[0]).all()
    assert np.isnan(others[1]).all()
    assert inside[1] == pytest.approx(others[0], abs=1e-12)
    assert inside[1] == pytest.approx(
        metrics.auroc(probabilities[1::2], labels[1::2], resamples.select(group_of == 1))
    )


def test_a_group_of_one_class_has_no_area():
    probabilities, labels, resamples = resampled_films(10)
    inside, _ = compute_group_aurocs(probabilities, labels, (labels == 1).astype(int), 2, resamples)
    assert np.isnan(inside).all()


@pytest.mark.parametrize("digits", [9, 2, 1])
def test_every_figure_is_that_of_the_table(digits):
    probabilities, labels, resamples = resampled_films(3, digits)
    for measure in (
        *(metrics.auroc, metrics.average_precision, metrics.brier_score, metrics.log_loss),
        *(metrics.expected_calibration_error, metrics.adaptive_calibration_error),
    ):
        expected = measure(probabilities, labels, resamples.to_weights())
        assert measure(probabilities, labels, resamples) == pytest.approx(expected, abs=1e-12), (
            measure.__name__
        )
    ours, theirs = (
        metrics.decompose_brier_score(probabilities, labels, each)
        for each in (resamples, resamples.to_weights())
    )
    assert ours.reliability == pytest.approx(theirs.reliability)
    assert ours.within == pytest.approx(theirs.within)


def test_a_resample_without_a_class_has_no_order():
    scores, labels = np.array([0.1, 0.4, 0.8]), np.array([0.0, 1, 1])
    resamples = Resamples(np.array([[0.0, 3, 0], [3, 0, 0], [0, 0, 3]]), np.arange(3))
    assert np.isnan(metrics.auroc(scores, labels, resamples)).all()
    assert metrics.average_precision(scores, labels, resamples) == pytest.approx(
        [1, np.nan, 1], nan_ok=True
    )
    assert np.isnan(metrics.auroc(np.array([0.1, np.nan, 0.3]), labels, resamples)).all()


def test_lines_between_knots_are_those_of_the_films(monkeypatch):
    """Also where a resample has none: its only patient parts the classes."""
    probabilities, labels, resamples = resampled_films(4)
    exact = lines.fit_calibration_line(probabilities, labels, resamples)
    monkeypatch.setattr(lines, "MAX_EXACT", 0)
    quick = lines.fit_calibration_line(probabilities, labels, resamples)
    assert quick.slope == pytest.approx(exact.slope, abs=1e-7)
    assert quick.intercept == pytest.approx(exact.intercept, abs=1e-7)
    parted = Resamples(np.array([[1.0, 1], [1, 0]]), np.array([0, 0, 1, 1]))
    found = lines.fit_calibration_line(
        np.array([0.2, 0.3, 0.35, 0.6]), np.array([0.0, 1, 0, 1]), parted
    )
    assert np.isfinite(found.slope[0])
    assert np.isnan(found.slope[1])


def test_film_by_film_and_patient_by_patient_use_the_same_resamples():
    probabilities, labels, _ = resampled_films(5)
    patients = np.arange(COUNT) // 4

    def by_patient(resamples: Resamples) -> dict[str, np.ndarray]:
        return {"brier": metrics.brier_score(probabilities, labels, resamples)}

    def by_film(resamples: Resamples) -> dict[str, np.ndarray]:
        return {"brier": metrics.brier_score(probabilities, labels, resamples.to_weights())}

    summed = bootstrap_patients(by_patient, patients, resamples=30)["brier"]
    weighted = bootstrap_patients(by_film, patients, resamples=30, by_film=True)["brier"]
    assert summed == pytest.approx(weighted, abs=1e-14)
    assert summed.shape == (31,)


def test_weights_are_those_that_a_plain_loop_resamples():
    """To the last digit: the promotion gate and the figures of masks are computed from these weights."""
    patients = np.random.default_rng(6).integers(0, 60, COUNT)
    rng, names = np.random.default_rng(11), np.unique(patients)
    expected = [np.ones(COUNT)]
    for _ in range(30):
        times = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))
        expected.append(times[np.searchsorted(names, patients)].astype(float))
    weights = bootstrap_patients(
        lambda resamples: {"weights": resamples.to_weights()},
        patients,
        resamples=30,
        seed=11,
        by_film=True,
    )
    assert np.array_equal(weights["weights"], np.array(expected))
