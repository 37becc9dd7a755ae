"""Curves are scikit-learn's corners, calibration is counted by hand, training curves are what the run recorded."""

import json

import numpy as np
import pytest
from sklearn import metrics as sk

from cxr_core.evaluation.metrics.curves import collect_training_curves, compute_finding_curves
from tests.evaluation.metrics.test_figures import POINTS
from tests.evaluation.metrics.test_metrics import films


@pytest.fixture(scope="module")
def sample():
    probabilities, labels, _ = films(11)
    return (
        probabilities,
        labels,
        compute_finding_curves(probabilities, labels, np.arange(len(labels)) // 2, POINTS),
    )


def test_the_area_under_the_roc_curve_is_the_auroc(sample):
    probabilities, labels, curves = sample
    area = np.trapezoid(curves.roc.true_positive_rate, curves.roc.false_positive_rate)
    assert area == pytest.approx(sk.roc_auc_score(labels, probabilities), abs=1e-5)
    assert curves.roc.threshold[0] is None
    assert (curves.roc.false_positive_rate[0], curves.roc.false_positive_rate[-1]) == (0, 1)


def test_every_corner_is_what_its_threshold_calls(sample):
    probabilities, labels, curves = sample
    for recall, precision, threshold in zip(*vars(curves.precision_recall).values(), strict=True):
        if threshold is not None:
            called = probabilities >= threshold
            assert recall == pytest.approx(sk.recall_score(labels, called), abs=1e-6)
            assert precision == pytest.approx(sk.precision_score(labels, called), abs=1e-6)
    for false_positive, threshold in zip(
        curves.roc.false_positive_rate, curves.roc.threshold, strict=True
    ):
        if threshold is not None:
            assert false_positive == pytest.approx(
                np.mean(probabilities[labels == 0] >= threshold), abs=1e-6
            )


def test_net_benefit_is_true_calls_less_false_ones_at_the_odds_of_the_threshold(sample):
    probabilities, labels, curves = sample
    found = curves.net_benefit
    for place in range(0, len(found.threshold), 20):
        at = found.threshold[place]
        true, false = (np.mean((probabilities >= at) & (labels == label)) for label in (1, 0))
        assert found.model[place] == pytest.approx(true - false * at / (1 - at), abs=1e-5)
        assert found.everybody[place] == pytest.approx(
            labels.mean() - (1 - labels.mean()) * at / (1 - at), abs=1e-5
        )
    assert (
        compute_finding_curves(
            probabilities, np.ones(len(labels)), np.arange(len(labels)), POINTS
        ).net_benefit
        is None
    )


def test_calls_are_scikit_learns_confusion_matrix(sample):
    probabilities, labels, curves = sample
    for point in POINTS:
        (tn, fp), (fn, tp) = sk.confusion_matrix(labels, probabilities >= point.threshold)
        calls = curves.confusion[point.name]
        assert (
            calls.true_positive,
            calls.false_positive,
            calls.false_negative,
            calls.true_negative,
        ) == (
            tp,
            fp,
            fn,
            tn,
        )


def test_calibration_bins_hold_every_film_once(sample):
    probabilities, labels, curves = sample
    assert sum(each.films for each in curves.calibration) == len(labels)
    for each in curves.calibration:
        inside = (probabilities >= each.low - 1e-6) & (probabilities < each.high - 1e-6)
        assert each.films == inside.sum()
        assert each.observed == pytest.approx(labels[inside].mean(), abs=1e-6)
        assert each.predicted == pytest.approx(probabilities[inside].mean(), abs=1e-6)
        assert each.observed_low <= each.observed <= each.observed_high
    widest = max(curves.calibration, key=lambda each: each.films)
    assert 0 < widest.observed_high - widest.observed_low < 0.5


def test_what_one_class_does_not_define_is_none():
    curves = compute_finding_curves(np.array([0.2, 0.7]), np.zeros(2), np.array(["a", "b"]), POINTS)
    assert (curves.roc, curves.precision_recall) == (None, None)
    assert [each.films for each in curves.calibration] == [1, 1]
    json.dumps(curves.to_json(), allow_nan=False)


def test_training_curves_hold_each_epochs_figures():
    events = [
        {"event": "begun", "run": "a"},
        {"event": "step", "step": 5, "loss": 9.0},
        {
            "event": "epoch",
            "epoch": 1,
            "step": 8,
            "loss": 0.7,
            "validation_auroc": float("nan"),
            "best_epoch": 1,
        },
        {
            "event": "epoch",
            "epoch": 2,
            "step": 16,
            "loss": 0.5,
            "validation_auroc": 0.8,
            "best_epoch": 2,
            "time": 1.0,
        },
    ]
    curves = collect_training_curves(events)
    assert curves.epochs == (1, 2)
    assert curves.figures == {"loss": (0.7, 0.5), "validation_auroc": (None, 0.8)}
    assert curves.best_epoch == 2
    assert collect_training_curves(events[:2]) is None
