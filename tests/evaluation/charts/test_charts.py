"""Charts draw and save what was computed: numbers are compared with scikit-learn and with counting."""

import io

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_curve

from cxr_core.evaluation.charts.base import Chart, add_threshold_line
from cxr_core.evaluation.charts.benefit import draw_decision_curve, draw_predictive_values
from cxr_core.evaluation.charts.groups import draw_forest_plot
from cxr_core.evaluation.charts.roc_pr_calibration import (
    draw_calibration,
    draw_precision_recall,
    draw_roc,
)
from cxr_core.evaluation.charts.threshold import draw_confusion, draw_distribution
from cxr_core.evaluation.metrics.curves import compute_finding_curves
from cxr_core.evaluation.metrics.sweep import (
    LOG_ODDS_EDGES,
    bin_probabilities,
    compute_decision_curve,
    sweep_thresholds,
)
from cxr_core.models.figures import Figure

RNG = np.random.default_rng(4)
LABELS = (RNG.random(120) < 0.4).astype(float)
PROBABILITIES = np.round(np.clip(RNG.normal(0.35 + 0.25 * LABELS, 0.2), 0, 1), 2)  # with ties
FILMS = sweep_thresholds(PROBABILITIES, LABELS)
AT = 0.5
(TN, FP), (FN, TP) = confusion_matrix(LABELS, AT <= PROBABILITIES)


def saved(chart: Chart) -> pd.DataFrame:
    """The table as its CSV brings it back."""
    return pd.read_csv(io.StringIO(chart.to_csv()))


def trace(chart: Chart, name: str) -> tuple[np.ndarray, np.ndarray]:
    """What is drawn under a name."""
    drawn = next(each for each in chart.figure.data if each.name == name)
    return np.asarray(drawn.x, float), np.asarray(drawn.y, float)


def test_the_roc_curve_and_its_marks() -> None:
    chart = draw_roc(FILMS, None, {"Balanced": AT}, None)
    false_rate, true_rate, cuts = roc_curve(LABELS, PROBABILITIES, drop_intermediate=False)
    for x, y in (
        saved(chart)[["false_positive_rate", "sensitivity"]].to_numpy().T,
        trace(chart, "curve"),
    ):
        assert x == pytest.approx(false_rate, abs=1e-4)
        assert y == pytest.approx(true_rate, abs=1e-4)
    assert saved(chart)["threshold"][1:].to_numpy() == pytest.approx(cuts[1:])
    assert np.ravel(trace(chart, "Balanced")) == pytest.approx([FP / (FP + TN), TP / (TP + FN)])


def test_precision_and_recall_and_their_marks() -> None:
    chart = draw_precision_recall(FILMS, None, {"Balanced": AT}, None)
    precision, recall, cuts = precision_recall_curve(LABELS, PROBABILITIES)
    x, y = trace(chart, "curve")
    assert x == pytest.approx(recall[:-1][::-1], abs=1e-4)
    assert y == pytest.approx(precision[:-1][::-1], abs=1e-4)
    assert saved(chart)["threshold"].to_numpy() == pytest.approx(cuts[::-1])
    assert np.ravel(trace(chart, "Balanced")) == pytest.approx([TP / (TP + FN), TP / (TP + FP)])


def test_the_cells_of_calls_and_labels() -> None:
    chart = draw_confusion(FILMS.confusion_at(AT))
    assert dict(zip(saved(chart)["outcome"], saved(chart)["films"], strict=True)) == {
        "true_positive": TP,
        "false_negative": FN,
        "false_positive": FP,
        "true_negative": TN,
    }
    for cell, film_filter in zip(chart.figure.layout.annotations, chart.filters[0], strict=True):
        films = pd.DataFrame({"probability": PROBABILITIES, "label": LABELS})
        assert f"<b>{len(film_filter.select_rows(films, AT))}</b>" in cell.text


def test_every_bar_and_bin_has_the_films_that_it_is_drawn_from() -> None:
    """A click opens as many films as the bar or the bin counts."""
    table = pd.DataFrame({"probability": PROBABILITIES, "label": LABELS})
    spread = bin_probabilities(PROBABILITIES, LABELS)
    bins = compute_finding_curves(PROBABILITIES, LABELS, np.arange(120).astype(str), ()).calibration
    chart = draw_calibration(bins, spread)
    assert list(chart.figure.data[1].y) == [each.observed for each in bins]
    assert [len(film_filter.select_rows(table, AT)) for film_filter in chart.filters[1]] == [
        each.films for each in bins
    ]
    assert [len(film_filter.select_rows(table, AT)) for film_filter in chart.filters[2]] == list(
        chart.figure.data[2].y
    )
    by_log_odds = bin_probabilities(PROBABILITIES, LABELS, LOG_ODDS_EDGES)
    both = draw_distribution(by_log_odds)
    for place, counts in enumerate((by_log_odds.positives, by_log_odds.negatives)):
        assert counts.sum() == (1 - place == LABELS).sum()
        assert [
            len(film_filter.select_rows(table, AT)) for film_filter in both.filters[place]
        ] == list(counts)


def test_net_benefit_and_predictive_values() -> None:
    curve = compute_decision_curve(FILMS)
    x, y = trace(draw_decision_curve(curve, AT), "act on the model's calls")
    counted = (TP - FP * AT / (1 - AT)) / len(LABELS)
    assert y[np.argmin(np.abs(x - AT))] == pytest.approx(counted, abs=1e-5)
    rates = TP / (TP + FN), TN / (TN + FP)
    x, y = trace(draw_predictive_values(*rates, 0.1), "PPV")
    assert y == pytest.approx(rates[0] * x / (rates[0] * x + (1 - rates[1]) * (1 - x)), abs=1e-4)


def test_a_forest_plot_shows_intervals_and_leaves_a_gap_for_an_undefined_figure() -> None:
    figures = [
        Figure(0.8, 0.7, 0.95, 50, 10),
        Figure(None, None, None, 3, 0),
    ]
    chart = draw_forest_plot(["one", "other"], figures, "AUROC")
    drawn = chart.figure.data[0]
    assert np.asarray(drawn.x, float) == pytest.approx([0.8, np.nan], nan_ok=True)
    ends = drawn.x[0] - drawn.error_x.arrayminus[0], drawn.x[0] + drawn.error_x.array[0]
    assert ends == pytest.approx((0.7, 0.95))


def test_a_line_for_the_threshold_changes_nothing_else() -> None:
    chart = draw_distribution(bin_probabilities(PROBABILITIES, LABELS, LOG_ODDS_EDGES))
    moved = add_threshold_line(chart, 0.3)
    assert moved.figure.layout.shapes[0].x0 == pytest.approx(np.log(0.3 / 0.7), abs=1e-4)
    assert moved.figure.to_dict()["data"] == chart.figure.to_dict()["data"]
    assert not chart.figure.layout.shapes
