"""What a chart draws and saves is what was computed: its numbers against scikit-learn and against counting."""

import io

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve

from cxr_core.evaluation.charts.base import Chart, with_line
from cxr_core.evaluation.charts.benefit import benefit_chart, predictive_value_chart
from cxr_core.evaluation.charts.groups import forest_chart
from cxr_core.evaluation.charts.roc_pr_calibration import (
    calibration_chart,
    precision_recall_chart,
    roc_chart,
)
from cxr_core.evaluation.charts.threshold import confusion_chart, distribution_chart
from cxr_core.evaluation.metrics.curves import finding_curves
from cxr_core.evaluation.metrics.sweep import decision_curve, distribution, sweep

CHANCE = np.random.default_rng(4)
LABELS = (CHANCE.random(120) < 0.4).astype(float)
SAID = np.round(np.clip(CHANCE.normal(0.35 + 0.25 * LABELS, 0.2), 0, 1), 2)  # with ties
FILMS = sweep(SAID, LABELS)
AT = 0.5
(TN, FP), (FN, TP) = confusion_matrix(LABELS, SAID >= AT)


def saved(chart: Chart) -> pd.DataFrame:
    """The table as its CSV brings it back."""
    return pd.read_csv(io.StringIO(chart.csv()))


def trace(chart: Chart, name: str) -> tuple[np.ndarray, np.ndarray]:
    """What is drawn under a name."""
    drawn = next(each for each in chart.figure.data if each.name == name)
    return np.asarray(drawn.x, float), np.asarray(drawn.y, float)


def test_the_roc_curve_and_its_marks() -> None:
    chart = roc_chart(FILMS, None, {"Balanced": AT}, None)
    false_rate, true_rate, cuts = roc_curve(LABELS, SAID, drop_intermediate=False)
    for x, y in (
        saved(chart)[["false_positive_rate", "sensitivity"]].to_numpy().T,
        trace(chart, "curve"),
    ):
        assert x == pytest.approx(false_rate, abs=1e-4)
        assert y == pytest.approx(true_rate, abs=1e-4)
    assert saved(chart)["threshold"][1:].to_numpy() == pytest.approx(cuts[1:])
    assert np.ravel(trace(chart, "Balanced")) == pytest.approx([FP / (FP + TN), TP / (TP + FN)])


def test_precision_and_recall_and_their_marks() -> None:
    chart = precision_recall_chart(FILMS, None, {"Balanced": AT}, None)
    precision, recall, cuts = precision_recall_curve(LABELS, SAID)
    x, y = trace(chart, "curve")
    assert x == pytest.approx(recall[:-1][::-1], abs=1e-4)
    assert y == pytest.approx(precision[:-1][::-1], abs=1e-4)
    assert saved(chart)["threshold"].to_numpy() == pytest.approx(cuts[::-1])
    assert np.ravel(trace(chart, "Balanced")) == pytest.approx([TP / (TP + FN), TP / (TP + FP)])


def test_the_cells_of_calls_and_labels() -> None:
    chart = confusion_chart(FILMS.at(AT))
    assert dict(zip(saved(chart)["outcome"], saved(chart)["films"], strict=True)) == {
        "true_positive": TP,
        "false_negative": FN,
        "false_positive": FP,
        "true_negative": TN,
    }
    for cell, pick in zip(chart.figure.layout.annotations, chart.behind[0], strict=True):
        assert (
            f"<b>{len(pick.rows(pd.DataFrame({'probability': SAID, 'label': LABELS}), AT))}</b>"
            in cell.text
        )


def test_every_bar_and_bin_has_the_films_that_it_is_drawn_from() -> None:
    """A click opens as many films as the bar or the bin counts."""
    table = pd.DataFrame({"probability": SAID, "label": LABELS})
    spread = distribution(SAID, LABELS)
    bins = finding_curves(SAID, LABELS, np.arange(120).astype(str), ()).calibration
    chart = calibration_chart(bins, spread)
    assert list(chart.figure.data[1].y) == [each.observed for each in bins]
    assert [len(pick.rows(table, AT)) for pick in chart.behind[1]] == [each.films for each in bins]
    assert [len(pick.rows(table, AT)) for pick in chart.behind[2]] == list(chart.figure.data[2].y)
    both = distribution_chart(spread)
    for place, counts in enumerate((spread.positives, spread.negatives)):
        assert [len(pick.rows(table, AT)) for pick in both.behind[place]] == list(counts)


def test_net_benefit_and_predictive_values() -> None:
    curve = decision_curve(FILMS)
    x, y = trace(benefit_chart(curve, AT), "act on the model's calls")
    counted = (TP - FP * AT / (1 - AT)) / len(LABELS)
    assert y[np.argmin(np.abs(x - AT))] == pytest.approx(counted, abs=1e-5)
    rates = TP / (TP + FN), TN / (TN + FP)
    x, y = trace(predictive_value_chart(*rates, 0.1), "PPV")
    assert y == pytest.approx(rates[0] * x / (rates[0] * x + (1 - rates[1]) * (1 - x)), abs=1e-4)


def test_a_forest_plot_has_each_figure_with_its_interval_and_leaves_a_gap_where_one_is_undefined() -> (
    None
):
    figures = [
        {"value": 0.8, "low": 0.7, "high": 0.95, "n": 50, "positives": 10},
        {"value": None, "low": None, "high": None, "n": 3, "positives": 0},
    ]
    chart = forest_chart(["one", "other"], figures, "AUROC")
    drawn = chart.figure.data[0]
    assert np.asarray(drawn.x, float) == pytest.approx([0.8, np.nan], nan_ok=True)
    ends = drawn.x[0] - drawn.error_x.arrayminus[0], drawn.x[0] + drawn.error_x.array[0]
    assert ends == pytest.approx((0.7, 0.95))


def test_a_line_for_the_threshold_changes_nothing_else() -> None:
    chart = distribution_chart(distribution(SAID, LABELS))
    moved = with_line(chart, 0.3)
    assert moved.figure.layout.shapes[0].x0 == 0.3
    assert moved.figure.to_dict()["data"] == chart.figure.to_dict()["data"]
    assert not chart.figure.layout.shapes
