"""What one threshold does, as Plotly figures: calls against labels, both classes' probabilities, figures against it."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from cxr_core.evaluation.bootstrap.bands import Band
from cxr_core.evaluation.charts.base import Chart, band, frame, line, rounded, shares
from cxr_core.evaluation.charts.film_filter import OUTCOME_NAMES, Outcome, Pick
from cxr_core.evaluation.metrics.metrics import Confusion
from cxr_core.evaluation.metrics.sweep import Distribution
from cxr_core.presentation.palette import BLUE, DASHES, GREEN, ORANGE, PURPLE, VERMILION, tint

CELLS: tuple[tuple[Outcome, int, int], ...] = (
    ("true_positive", 0, 0),
    ("false_negative", 1, 0),
    ("false_positive", 0, 1),
    ("true_negative", 1, 1),
)  # which cell lies in which column (called, not called) and row (finding, none)
RIGHT = {"true_positive", "true_negative"}
FIGURES = {
    "sensitivity": ("Sensitivity", BLUE),
    "specificity": ("Specificity", VERMILION),
    "precision": ("PPV", GREEN),
    "npv": ("NPV", PURPLE),
}
STEP = 5  # of the thresholds that are drawn
TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5)  # of the share of a class in one bin


def confusion_chart(calls: Confusion, ink: str | None = None) -> Chart:
    """Counts, and the share of each row, by call and label. ink: of the words in the cells.

    The cells are bars: Plotly's heatmap answers no click.
    """
    positives = float(calls.true_positive + calls.false_negative)
    totals = (positives, float(calls.false_positive + calls.true_negative))
    counts = [int(getattr(calls, name)) for name, _, _ in CELLS]
    rates = [
        count / totals[row] if totals[row] else float("nan")
        for count, (_, _, row) in zip(counts, CELLS, strict=True)
    ]
    cells = go.Bar(
        x=[column for _, column, _ in CELLS],
        y=[0.94] * 4,
        base=[row - 0.47 for _, _, row in CELLS],
        width=0.94,
        marker_color=[
            tint(BLUE if name in RIGHT else ORANGE, 0.08 + 0.5 * (0 if np.isnan(rate) else rate))
            for (name, _, _), rate in zip(CELLS, rates, strict=True)
        ],
        customdata=[
            f"<b>{OUTCOME_NAMES[name]}</b><br>{count:,} films{_of_row(rate)}"
            for (name, _, _), count, rate in zip(CELLS, counts, rates, strict=True)
        ],
        hovertemplate="%{customdata}<br>click for the films<extra></extra>",
        unselected={"marker": {"opacity": 0.5}},
    )
    figure = frame([cells], 250, "", "")
    figure.update_layout(
        margin_t=30,
        annotations=[
            {
                "x": column,
                "y": row,
                "text": f"<b>{count:,}</b><br>{OUTCOME_NAMES[name].lower()}{_of_row(rate)}",
                "showarrow": False,
                "font": {"color": ink, "size": 13},
            }
            for (name, column, row), count, rate in zip(CELLS, counts, rates, strict=True)
        ],
    )
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
    says = "Films by call and label at the threshold, with the share of each label"
    return Chart(
        figure=figure,
        says=says,
        table=table,
        behind={0: [Pick(outcome=name) for name, _, _ in CELLS]},
    )


def distribution_chart(found: Distribution) -> Chart:
    """The share of each class's films in each bin of probability: the present above the line, the absent below."""
    middles = rounded((found.edges[1:] + found.edges[:-1]) / 2)
    table = pd.DataFrame({"from": found.edges[:-1], "to": found.edges[1:]})
    traces, behind = [], {}
    for place, (name, colour, counts, label, sign) in enumerate(
        (
            ("labelled present", VERMILION, found.positives, 1, 1),
            ("labelled absent", BLUE, found.negatives, 0, -1),
        )
    ):
        share = counts / max(1, counts.sum())
        table[name.replace(" ", "_")] = counts
        traces.append(
            go.Bar(
                x=middles,
                y=sign * rounded(share),
                name=name,
                width=0.9 / len(middles),
                marker={
                    "color": colour,
                    "pattern": {"shape": "/" if label == 0 else "", "size": 5},
                },
                customdata=list(zip(counts.tolist(), rounded(100 * share).tolist(), strict=True)),
                hovertemplate="<b>%{customdata[0]:,} films</b> " + name + " near %{x:.1%}"
                "<br>%{customdata[1]:.3g} % of them<extra></extra>",
                unselected={"marker": {"opacity": 0.5}},
            )
        )
        edges = np.round(found.edges, 6).tolist()
        behind[place] = [Pick(low=a, high=b, label=label) for a, b in pairwise(edges)]
    figure = frame(
        traces, 300, "probability said", "share of each class", barmode="overlay", bargap=0
    )
    figure.update_xaxes(range=[-0.015, 1.015], tickformat=".0%", dtick=0.2)
    top = max(0.0, *(float(np.max(np.abs(trace.y))) for trace in traces))
    step = next(each for each in TICKS if 2 * each >= top)
    ticks = [part * step for part in (-2, -1, 0, 1, 2)]
    figure.update_yaxes(
        range=[-2.1 * step, 2.1 * step],
        tickvals=ticks,
        ticktext=[f"{100 * abs(each):g} %" for each in ticks],
    )
    says = "How the probabilities of both classes are spread; the line is the threshold now"
    return Chart(figure=figure, says=says, table=table, behind=behind)


def threshold_chart(bands: Mapping[str, Band]) -> Chart:
    """Sensitivity, specificity and predictive values at every threshold, with their bands."""
    traces = [
        band(each.at[::STEP], each.low[::STEP], each.high[::STEP], colour)
        for each, (_, colour) in ((bands[key], FIGURES[key]) for key in FIGURES)
    ]
    table = pd.DataFrame({"threshold": bands["sensitivity"].at})
    behind = {}
    for (key, (name, colour)), dash in zip(FIGURES.items(), DASHES, strict=False):
        each = bands[key]
        table[key], table[f"{key}_low"], table[f"{key}_high"] = each.value, each.low, each.high
        behind[len(traces)] = [
            Pick(
                threshold=float(at),
                outcome="false_negative" if key in ("sensitivity", "npv") else "false_positive",
            )
            for at in each.at[::STEP]
        ]
        traces.append(
            line(
                rounded(each.at[::STEP]),
                [None if np.isnan(value) else value for value in rounded(each.value[::STEP])],
                name,
                colour,
                dash,
                hovertemplate=name + " %{y:.1%} at threshold %{x:.3f}<extra></extra>",
            )
        )
    figure = shares(frame(traces, 340, "threshold", "share"), x=False)
    figure.update_xaxes(range=[-0.015, 1.015], dtick=0.2)
    says = "Sensitivity, specificity and predictive values at every threshold, with 95 % bands"
    return Chart(figure=figure, says=says, table=table, behind=behind)


def _of_row(rate: float) -> str:
    return "" if np.isnan(rate) else f", {100 * rate:.1f} %"
