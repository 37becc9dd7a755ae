"""A figure with its interval for each of several groups or models, one below the other: a forest plot."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cxr_core.data.age_bands import AGE_BAND_OF_NAME
from cxr_core.evaluation.charts.base import Chart, frame, interval_words, points
from cxr_core.evaluation.charts.film_filter import Pick
from cxr_core.evaluation.metrics.subgroups import SEXES
from cxr_core.presentation.palette import BLUE, GREY, SYMBOLS

ROW_PX = 34
KINDS = ("sex", "age", "view", "source")
SEX_CODES = {name: code for code, name in SEXES.items()}


def forest_chart(
    names: Sequence[str],
    figures: Sequence[Mapping[str, Any]],
    title: str,
    overall: float | None = None,
    picks: Sequence[Pick] = (),
    kinds: Sequence[str] = (),
) -> Chart:
    """names, figures ({"value", "low", "high", "n", "positives"}), picks: one each.  overall: where the line is.

    kinds: of each its kind, which has a symbol of its own.
    """
    values = np.array(
        [np.nan if each["value"] is None else each["value"] for each in figures], float
    )
    low, high = (
        np.array(
            [
                value if each[end] is None else each[end]
                for value, each in zip(values, figures, strict=True)
            ],
            float,
        )
        for end in ("low", "high")
    )
    marks = points(
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
                interval_words(each["low"], each["high"]),
                f"{each['positives']:,} of {each['n']:,} films positive",
            ]
            for each in figures
        ],
        hovertemplate="<b>%{y}</b><br>"
        + title
        + " %{x:.3f}%{customdata[0]}<br>%{customdata[1]}<extra></extra>",
    )
    order = list(dict.fromkeys(kinds))
    if order:
        marks.marker.symbol = [SYMBOLS[order.index(kind) % len(SYMBOLS)] for kind in kinds]
    figure = frame([marks], 70 + ROW_PX * len(names), title, "")
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False)
    if overall is not None:
        figure.add_vline(x=overall, line={"color": GREY, "width": 1.5, "dash": "dash"})
    table = pd.DataFrame(
        {"group": list(names), "value": values, "low": low, "high": high}
        | {name: [each[name] for each in figures] for name in ("n", "positives")}
    )
    says = f"{title} of each, with its 95 % interval" + (
        "; the line is all films" if overall is not None else ""
    )
    return Chart(figure=figure, says=says, table=table, behind={0: list(picks)} if picks else {})


def group_pick(group: Mapping[str, Any]) -> Pick:
    """The films of a subgroup, as metrics.json names it."""
    by, name = group["by"], group["name"]
    if by == "sex":
        return Pick(sex=SEX_CODES.get(name, name))
    if by == "age":
        band = AGE_BAND_OF_NAME[name]
        return Pick(age_min=band.first, age_max=band.last)
    return Pick(**{by: name})
