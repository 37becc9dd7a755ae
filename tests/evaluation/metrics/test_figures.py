"""Intervals resample patients; figures and reports carry scikit-learn's numbers under the names others rely on."""

import numpy as np
import pytest
from sklearn import metrics as sk

from cxr_core.evaluation.bootstrap.bootstrap import bootstrap_patients, to_figures
from cxr_core.evaluation.metrics import metrics
from cxr_core.evaluation.metrics.figures import (
    compute_classification_report,
    compute_finding_figures,
    compute_macro_figures,
)
from cxr_core.evaluation.metrics.results import FindingFigures
from cxr_core.models.card import DecisionThresholds, OperatingPoint
from cxr_core.models.figures import Figure
from tests.evaluation.metrics.test_metrics import films

POINTS = tuple(
    OperatingPoint(name=name, threshold=threshold, source="a test")
    for name, threshold in (("youden", 0.5), ("sensitivity_95", 0.2), ("specificity_95", 0.8))
)


def figure_of(measure, scores, labels, patients, **options) -> Figure:
    """One figure with its interval."""
    values = bootstrap_patients(
        lambda resamples: {"value": measure(scores, labels, resamples)}, patients, **options
    )
    return to_figures(values, labels)["value"]


def test_resampling_patients_widens_the_interval_when_their_films_agree():
    scores, labels, _ = films(0)
    scores, labels = np.repeat(scores, 5), np.repeat(labels, 5)
    apart = figure_of(metrics.auroc, scores, labels, np.arange(2000), resamples=300)
    together = figure_of(metrics.auroc, scores, labels, np.repeat(np.arange(400), 5), resamples=300)
    assert together.value == apart.value
    assert together.high - together.low > 1.5 * (apart.high - apart.low)
    assert together.low < together.value < together.high
    assert (together.n, together.positives) == (2000, int(labels.sum()))


def test_an_interval_is_that_of_films_drawn_again_one_by_one():
    """The same draws, with every film of a drawn patient taken as often as it was drawn, measured by scikit-learn."""
    scores, labels, _ = films(1, 120)
    patients = np.array([f"p{row // 3}" for row in range(120)])
    chance = np.random.default_rng(5)
    names = np.unique(patients)
    values = []
    for _ in range(200):
        drawn = names[chance.integers(0, len(names), len(names))]
        rows = np.concatenate([np.flatnonzero(patients == name) for name in drawn])
        values.append(sk.roc_auc_score(labels[rows], scores[rows]))
    figure = figure_of(metrics.auroc, scores, labels, patients, resamples=200, seed=5)
    assert (figure.low, figure.high) == pytest.approx(
        tuple(np.percentile(values, [2.5, 97.5])), abs=1e-12
    )


def test_many_films_are_resampled_some_at_a_time(monkeypatch):
    scores, labels, _ = films(2, 90)
    whole = figure_of(metrics.auroc, scores, labels, np.arange(90) // 2, resamples=50)
    monkeypatch.setattr("cxr_core.evaluation.bootstrap.bootstrap.CHUNK", 900)
    assert figure_of(metrics.auroc, scores, labels, np.arange(90) // 2, resamples=50) == whole


def test_an_undefined_figure_has_no_interval():
    scores, none = np.array([0.2, 0.7]), np.zeros(2)
    figure = figure_of(metrics.auroc, scores, none, ["a", "b"], resamples=5)
    assert (figure.value, figure.low, figure.high, figure.positives) == (None, None, None, 0)


def test_figures_share_their_resamples():
    """A figure and its mirror on the same resamples: their sum is always one."""
    scores, labels, _ = films(3)
    found = bootstrap_patients(
        lambda w: {
            "one": metrics.auroc(scores, labels, w),
            "other": metrics.auroc(-scores, labels, w),
        },
        np.arange(len(labels)),
        resamples=20,
    )
    assert found["one"].shape == (21,)
    assert found["one"] + found["other"] == pytest.approx(np.ones(21))


def test_the_figures_of_a_finding_have_the_names_that_cards_carry():
    probabilities, labels, _ = films(4)
    found = compute_finding_figures(probabilities, labels, np.arange(len(labels)), POINTS)
    called = probabilities >= 0.5
    expected = {
        "auroc": sk.roc_auc_score(labels, probabilities),
        "average_precision": sk.average_precision_score(labels, probabilities),
        "brier": sk.brier_score_loss(labels, probabilities),
        "log_loss": sk.log_loss(labels, probabilities),
        "accuracy": sk.accuracy_score(labels, called),
        "balanced_accuracy": sk.balanced_accuracy_score(labels, called),
        "precision": sk.precision_score(labels, called),
        "recall": sk.recall_score(labels, called),
        "specificity": sk.recall_score(labels, called, pos_label=0),
        "f1": sk.f1_score(labels, called),
        "mcc": sk.matthews_corrcoef(labels, called),
        "npv": sk.precision_score(1 - labels, ~called),
        "lr_positive": sk.class_likelihood_ratios(labels, called)[0],
        "lr_negative": sk.class_likelihood_ratios(labels, called)[1],
    }
    parts = {f"brier_{part}" for part in ("reliability", "resolution", "uncertainty", "within")}
    calibration = {"ece", "adaptive_ece", "calibration_slope", "calibration_intercept"}
    assert set(found.to_json()) == {
        *expected,
        *parts,
        *calibration,
        "auroc_delong",
        *(point.name for point in POINTS),
    }
    for name, value in expected.items():
        figure = found.by_name()[name]
        assert figure.value == pytest.approx(value, abs=1e-6), name
        assert figure.low <= figure.value <= figure.high
        assert (figure.n, figure.positives) == (400, int(labels.sum()))
    sensitive = found.points["sensitivity_95"]
    assert sensitive.sensitivity.value == pytest.approx(
        sk.recall_score(labels, probabilities >= 0.2), abs=1e-6
    )
    assert {"sensitivity", "specificity", "accuracy"} <= set(sensitive.to_json())


def test_a_decision_has_the_shares_of_each_class_that_it_suspects_leaves_open_and_does_not_suspect():
    probabilities, labels, _ = films(4)
    probabilities = probabilities.round(1)  # some films lie on the thresholds
    decision = DecisionThresholds(
        name="standard", error=0.1, present_from=0.7, absent_below=0.3, source="a test"
    )
    found = compute_finding_figures(
        probabilities, labels, np.arange(len(labels)), POINTS, (decision,)
    )
    shares = found.decisions["standard"]
    for name, of_class in (("present", labels == 1), ("absent", labels == 0)):
        own = probabilities[of_class]
        expected = {
            "suspected": np.mean(own >= 0.7),
            "undecided": np.mean((own >= 0.3) & (own < 0.7)),
            "not_suspected": np.mean(own < 0.3),
        }
        assert min(expected.values()) > 0
        for call, share in expected.items():
            figure = getattr(shares, f"{name}_{call}")
            assert figure.value == pytest.approx(share, abs=1e-6)
            assert figure.low <= figure.value <= figure.high
    assert FindingFigures.from_json(found.to_json()) == found


def test_delongs_interval_is_given_only_where_no_patient_has_two_films():
    probabilities, labels, _ = films(4)
    alone = compute_finding_figures(probabilities, labels, np.arange(400), POINTS)
    assert alone.auroc_delong.value == alone.auroc.value
    assert alone.auroc_delong.low == pytest.approx(alone.auroc.low, abs=0.01)
    two_each = compute_finding_figures(probabilities, labels, np.arange(400) // 2, POINTS)
    assert two_each.auroc_delong is None
    assert "auroc_delong" not in two_each.to_json()


@pytest.mark.training
def test_the_macro_figure_is_the_mean_over_findings_on_the_same_resamples():
    """Resamples drawn one by one, each finding measured by scikit-learn; one finding has labels of fewer films."""
    (first, one, _), (second, other, _) = films(6, 90), films(7, 90)
    patients, some = np.array([f"p{row // 2:02}" for row in range(90)]), np.arange(90) % 3 > 0
    given = {"a": (first, one, patients), "b": (second[some], other[some], patients[some])}
    found = compute_macro_figures({**given, "none": (first, np.zeros(90), patients)})
    assert found.findings == ("a", "b")
    names, chance, means = np.unique(patients), np.random.default_rng(0), []
    for _ in range(1000):
        times = np.bincount(chance.integers(0, len(names), len(names)), minlength=len(names))
        counts = [times[np.searchsorted(names, each)] for *_, each in given.values()]
        means.append(
            [
                np.mean(
                    [
                        measure(y, p, sample_weight=w)
                        for (p, y, _), w in zip(given.values(), counts, strict=True)
                    ]
                )
                for measure in (sk.roc_auc_score, sk.average_precision_score)
            ]
        )
    for name, column in zip(("auroc", "average_precision"), np.transpose(means), strict=True):
        figure = getattr(found, name)
        bounds = figure.low, figure.high
        assert bounds == pytest.approx(tuple(np.percentile(column, [2.5, 97.5])), abs=1e-6)
    mean = (sk.roc_auc_score(one, first) + sk.roc_auc_score(other[some], second[some])) / 2
    assert found.auroc.value == pytest.approx(mean, abs=1e-6)
    assert found.auroc.n == 90 + some.sum()
    assert compute_macro_figures({"none": (first, np.zeros(90), patients)}).to_json() == {
        "findings": []
    }


def test_the_classification_report_is_scikit_learns():
    probabilities, labels, _ = films(5)
    found = compute_classification_report(probabilities, labels, np.arange(len(labels)), POINTS[0])
    theirs = sk.classification_report(
        labels,
        probabilities >= 0.5,
        target_names=["absent", "present"],
        output_dict=True,
        zero_division=np.nan,
    )
    assert found.accuracy.value == pytest.approx(theirs["accuracy"], abs=1e-6)
    names = {
        "absent": "absent",
        "present": "present",
        "macro_average": "macro avg",
        "weighted_average": "weighted avg",
    }
    for ours, name in names.items():
        for figure, key in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
            assert getattr(getattr(found, ours), figure).value == pytest.approx(
                theirs[name][key], abs=1e-6
            ), (
                name,
                key,
            )
    assert (found.absent.support, found.present.support) == (
        400 - labels.sum(),
        labels.sum(),
    )
    assert (found.operating_point, found.threshold) == ("youden", 0.5)
