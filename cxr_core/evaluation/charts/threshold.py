"""Draws what one threshold does, as Plotly figures: calls against labels, probabilities of both classes, figures."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from cxr_core.evaluation.bootstrap.confidence_bands import ConfidenceBand
from cxr_core.evaluation.charts.base import (
    Chart,
    draw_band,
    draw_line,
    hide_undefined,
    make_figure,
    round_values,
    set_log_odds_axis,
    set_share_axes,
    to_log_odds_axis,
)
from cxr_core.evaluation.charts.film_filter import OUTCOME_NAMES, FilmFilter, Outcome
from cxr_core.evaluation.metrics.metrics import Confusion
from cxr_core.evaluation.metrics.sweep import Distribution
from cxr_core.presentation.palette import BLUE, DASHES, GREEN, ORANGE, PURPLE, VERMILION, tint
from cxr_core.presentation.wording import format_count, format_threshold_step

# Each cell with its column (called, not called) and row (finding, none).
CELLS: tuple[tuple[Outcome, int, int], ...] = (
    ("true_positive", 0, 0),
    ("false_negative", 1, 0),
    ("false_positive", 0, 1),
    ("true_negative", 1, 1),
)
RIGHT = {"true_positive", "true_negative"}
FIGURES = {
    "sensitivity": ("Sensitivity", BLUE),
    "specificity": ("Specificity", VERMILION),
    "precision": ("PPV", GREEN),
    "npv": ("NPV", PURPLE),
}
STEP = 2  # of the thresholds that are drawn
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5)  # of the share of a class in one bin


def draw_confusion(calls: Confusion, text_colour: str | None = None) -> Chart:
    """Counts, and the share of each row, by call and label.

    The cells are bars: Plotly's heatmap answers no click.
    """
    totals = (
        float(calls.true_positive + calls.false_negative),
        float(calls.false_positive + calls.true_negative),
    )
    counts, rates, colours, hovers, annotations = [], [], [], [], []
    for name, column, row in CELLS:
        count = int(getattr(calls, name))
        rate = count / totals[row] if totals[row] else float("nan")
        share = "" if np.isnan(rate) else f", {100 * rate:.1f} %"
        strength = 0.08 + 0.5 * (0 if np.isnan(rate) else rate)
        counts.append(count)
        rates.append(rate)
        colours.append(tint(BLUE if name in RIGHT else ORANGE, strength))
        hovers.append(f"<b>{OUTCOME_NAMES[name]}</b><br>{format_count(count, 'films')}{share}")
        annotations.append(
            {
                "x": column,
                "y": row,
                "text": f"<b>{count:,}</b><br>{OUTCOME_NAMES[name].lower()}{share}",
                "showarrow": False,
                "font": {"color": text_colour, "size": 13},
            }
        )
    cells = go.Bar(
        x=[column for _, column, _ in CELLS],
        y=[0.94] * 4,
        base=[row - 0.47 for _, _, row in CELLS],
        width=0.94,
        marker_color=colours,
        customdata=hovers,
        hovertemplate="%{customdata}<br>click for the films<extra></extra>",
        unselected={"marker": {"opacity": 0.5}},
    )
    figure = make_figure([cells], 250, "", "")
    figure.update_layout(margin_t=30, annotations=annotations)
    ticks = {"tickmode": "array", "tickvals": [0, 1], "showgrid": False}
    figure.update_xaxes(**ticks, ticktext=["called", "not called"], range=[-0.5, 1.5], side="top")
    figure.update_yaxes(
        **ticks, ticktext=["labelled<br>present", "labelled<br>absent"], range=[1.5, -0.5]
    )
    table = pd.DataFrame(
        {
            "outcome": [name for name, _, _ in CELLS],
            "films": counts,
            "share_of_label": np.round(rates, 6),
        }
    )
    return Chart(
        figure=figure,
        description="Films by call and label at the threshold, with the share of each label",
        table=table,
        filters={0: [FilmFilter(outcome=name) for name, _, _ in CELLS]},
    )


def draw_distribution(distribution: Distribution) -> Chart:
    """The share of each class's films in each bin of log-odds: the present above the line, the absent below."""
    edges = distribution.edges.tolist()
    bars = (
        _draw_class(distribution, 1, "labelled present", VERMILION),
        _draw_class(distribution, 0, "labelled absent", BLUE),
    )
    figure = make_figure(
        bars, 300, "predicted probability", "share of each class", barmode="overlay", bargap=0
    )
    set_log_odds_axis(figure)
    top = max(0.0, *(float(np.max(np.abs(bar.y))) for bar in bars))
    step = next(tick for tick in TICKS if 2 * tick >= top)
    ticks = [part * step for part in (-2, -1, 0, 1, 2)]
    figure.update_yaxes(
        range=[-2.1 * step, 2.1 * step],
        tickvals=ticks,
        ticktext=[f"{100 * abs(tick):g} %" for tick in ticks],
    )
    table = pd.DataFrame(
        {
            "from": distribution.edges[:-1],
            "to": distribution.edges[1:],
            "labelled_present": distribution.positives,
            "labelled_absent": distribution.negatives,
        }
    )
    filters = {
        trace: [FilmFilter(low=a, high=b, label=label) for a, b in pairwise(edges)]
        for trace, label in enumerate((1, 0))
    }
    return Chart(
        figure=figure,
        description="How the probabilities of both classes are spread; the line is the threshold now",
        table=table,
        filters=filters,
    )


def draw_rates_by_threshold(bands: Mapping[str, ConfidenceBand]) -> Chart:
    """Sensitivity, specificity and predictive values at every threshold, with their bands."""
    traces, filters = [], {}
    for key, (_, colour) in FIGURES.items():
        band = bands[key]
        at = to_log_odds_axis(band.at[::STEP])
        traces.append(draw_band(at, band.low[::STEP], band.high[::STEP], colour))
    table = pd.DataFrame({"threshold": bands["sensitivity"].at})
    for (key, (name, colour)), dash in zip(FIGURES.items(), DASHES, strict=False):
        band = bands[key]
        table[key], table[f"{key}_low"], table[f"{key}_high"] = band.value, band.low, band.high
        thresholds = band.at[::STEP]
        wrong: Outcome = "false_negative" if key in ("sensitivity", "npv") else "false_positive"
        filters[len(traces)] = [
            FilmFilter(threshold=float(threshold), outcome=wrong) for threshold in thresholds
        ]
        traces.append(
            draw_line(
                to_log_odds_axis(thresholds),
                hide_undefined(band.value[::STEP]),
                name,
                colour,
                dash,
                customdata=[format_threshold_step(threshold) for threshold in thresholds],
                hovertemplate=f"{name} %{{y:.1%}} at threshold %{{customdata}}<extra></extra>",
            )
        )
    figure = set_share_axes(make_figure(traces, 340, "threshold", "share"), x=False)
    set_log_odds_axis(figure)
    return Chart(
        figure=figure,
        description="Sensitivity, specificity and predictive values at every threshold, with 95 % bands",
        table=table,
        filters=filters,
    )


def _draw_class(distribution: Distribution, label: int, name: str, colour: str) -> go.Bar:
    """The bars of one class; those of the absent point down."""
    counts = distribution.positives if label else distribution.negatives
    ends = to_log_odds_axis(distribution.edges)
    share = counts / max(1, counts.sum())
    percent = round_values(100 * share).tolist()
    ranges = [
        f"{format_threshold_step(low)} to {format_threshold_step(high)}"
        for low, high in pairwise(distribution.edges.tolist())
    ]
    return go.Bar(
        x=(ends[1:] + ends[:-1]) / 2,
        y=(1 if label else -1) * round_values(share),
        name=name,
        width=0.9 * np.diff(ends),
        marker={"color": colour, "pattern": {"shape": "" if label else "/", "size": 5}},
        customdata=list(zip(counts.tolist(), percent, ranges, strict=True)),
        hovertemplate=(
            f"<b>films: %{{customdata[0]:,}}</b>, {name}, from %{{customdata[2]}}"
            "<br>%{customdata[1]:.3g} % of them<extra></extra>"
        ),
        unselected={"marker": {"opacity": 0.5}},
    )
