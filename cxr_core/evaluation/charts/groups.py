"""Draws a figure with its interval for each of several groups or models, one below the other: a forest plot."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cxr_core.data.age_bands import AGE_BAND_OF_NAME
from cxr_core.evaluation.charts.base import Chart, draw_marks, format_interval, make_figure
from cxr_core.evaluation.charts.film_filter import FilmFilter
from cxr_core.evaluation.metrics.results import Subgroup
from cxr_core.evaluation.metrics.subgroups import SEXES
from cxr_core.models.figures import Figure
from cxr_core.presentation.palette import BLUE, GREY, SYMBOLS

ROW_PX = 34
SEX_CODES = {name: code for code, name in SEXES.items()}


def draw_forest_plot(
    names: Sequence[str],
    figures: Sequence[Figure],
    title: str,
    overall: float | None = None,
    filters: Sequence[FilmFilter] = (),
    kinds: Sequence[str] = (),
) -> Chart:
    """One row for each name. filters: the films behind each row.  overall: where a line is drawn.

    kinds: of each row, its kind, which gets a symbol of its own.
    """
    values, low, high = (np.full(len(figures), np.nan) for _ in range(3))
    for row, figure in enumerate(figures):
        if figure.value is not None:
            values[row] = figure.value
            low[row] = figure.value if figure.low is None else figure.low
            high[row] = figure.value if figure.high is None else figure.high
    marks = draw_marks(
        values,
        list(names),
        BLUE,
        error_x={
            "type": "data",
            "symmetric": False,
            "array": high - values,
            "arrayminus": values - low,
            "color": BLUE,
            "thickness": 1.6,
            "width": 5,
        },
        customdata=[
            [
                format_interval(figure.low, figure.high),
                f"{figure.positives:,} of {figure.n:,} films positive",
            ]
            for figure in figures
        ],
        hovertemplate=(
            f"<b>%{{y}}</b><br>{title} %{{x:.3f}}%{{customdata[0]}}<br>%{{customdata[1]}}"
            "<extra></extra>"
        ),
    )
    order = list(dict.fromkeys(kinds))
    if order:
        marks.marker.symbol = [SYMBOLS[order.index(kind) % len(SYMBOLS)] for kind in kinds]
    plot = make_figure([marks], 70 + ROW_PX * len(names), title, "")
    plot.update_yaxes(autorange="reversed", type="category", showgrid=False)
    description = f"{title} of each, with its 95 % interval"
    if overall is not None:
        plot.add_vline(x=overall, line={"color": GREY, "width": 1.5, "dash": "dash"})
        description += "; the line is all films"
    table = pd.DataFrame(
        {
            "group": list(names),
            "value": values,
            "low": low,
            "high": high,
            "n": [figure.n for figure in figures],
            "positives": [figure.positives for figure in figures],
        }
    )
    behind = {0: list(filters)} if filters else {}
    return Chart(figure=plot, description=description, table=table, filters=behind)


def filter_of_subgroup(group: Subgroup) -> FilmFilter:
    """The films of a subgroup."""
    if group.by == "sex":
        return FilmFilter(sex=SEX_CODES.get(group.name, group.name))
    if group.by == "age":
        band = AGE_BAND_OF_NAME[group.name]
        return FilmFilter(age_min=band.first, age_max=band.last)
    if group.by == "view":
        return FilmFilter(view=group.name)
    return FilmFilter(source=group.name)
