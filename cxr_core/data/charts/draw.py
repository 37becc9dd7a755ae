"""Draws every chart of a dataset. Nothing is computed here, and each bar knows what it selects.

A chart shows one dimension and has the same bars whatever is selected, so that a click means what it meant when it was
drawn; where its dimension is restricted, the bars that are not selected are pale.
"""

import numpy as np

from cxr_core.data.charts.chart import DatasetChart
from cxr_core.data.charts.findings import draw_co_occurrence, draw_prevalence, order_findings
from cxr_core.data.charts.groups import (
    draw_ages,
    draw_counts,
    draw_films_per_patient,
    draw_levels,
    draw_splits,
)
from cxr_core.data.selection import EVERY_FILM, Selection
from cxr_core.data.summary import Summary


def draw_charts(
    summary: Summary, everything: Summary | None = None, selection: Selection = EVERY_FILM
) -> dict[str, DatasetChart]:
    """Every chart for which the dataset has numbers, by name, in reading order.

    summary: of the films that the selection leaves.  everything: of all films, which decides on bars and their order.
    """
    everything = everything or summary
    charts: dict[str, DatasetChart] = {}
    charts["Splits"] = draw_splits(summary.splits)
    if everything.prevalence:
        order = order_findings(everything.prevalence)
        charts["How often each finding is"] = draw_prevalence(summary.prevalence, order)
    has_unknown_age = any(counts[-1] for counts in everything.ages.counts.values())
    charts["Ages"] = draw_ages(summary.ages, has_unknown_age)
    for name, column in (("Sex", "sex"), ("View", "view")):
        charts[name] = draw_levels(summary.levels[column], column)
    for name, column in (("Sources", "source"), ("Sizes", "size")):
        if len(everything.levels[column].levels) > 1:
            charts[name] = draw_counts(summary.levels[column], everything.levels[column], column)
    last = int(np.flatnonzero(everything.films_per_patient)[-1]) + 1
    charts["Films per patient"] = draw_films_per_patient(summary.films_per_patient[:last])
    if len(everything.co_occurrence.findings) > 1:
        charts["Findings on the same film"] = draw_co_occurrence(summary.co_occurrence)
    for chart in charts.values():
        chart.mark_selected(selection)
    return charts
