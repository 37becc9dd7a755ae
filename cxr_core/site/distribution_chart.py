"""Draws how the films of one class score, on validation and at the site, as a Plotly figure."""

from collections.abc import Collection
from html import escape
from itertools import pairwise

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from scipy.special import expit

from cxr_core.evaluation.charts.base import (
    Chart,
    draw_marks,
    make_figure,
    round_values,
    set_log_odds_axis,
    to_log_odds_axis,
)
from cxr_core.models.card import ModelCard
from cxr_core.presentation.palette import BLUE, GREY, ORANGE, VERMILION
from cxr_core.presentation.wording import format_count, format_percent, format_threshold_step
from cxr_core.reading.decision import find_thresholds
from cxr_core.site.local_films import LocalFilms
from cxr_core.site.validation_scores import FindingScores

HEIGHT = 320
# Edges of bins of equal width in log-odds; the outer ones hold everything beyond.
EDGES = np.array([-np.inf, *np.arange(-7, 7.5, 0.5), np.inf])
END = 7.5  # of the axis, in log-odds
TICKS = (0.05, 0.1, 0.2, 0.25, 0.5)  # of the share of films in one bin
MARKS_BELOW = 1.12  # where the single films are marked, in units of the lower end of the bars
CLASS_NAMES = {0: "free of it", 1: "with it"}


def draw_class_distribution(
    local: LocalFilms,
    scores: FindingScores,
    card: ModelCard,
    label: int,
    *,
    decision: str,
    standing_out: Collection[str] = (),
) -> Chart:
    """The share of one class's films in each bin: validation above the line, the site below, with a mark per film.

    decision: whose thresholds are drawn as dashed lines.  standing_out: hashes of films that get a mark of their own.
    Each patient of the site counts once.
    """
    films, of_class = local.of_class(label), scores.of_class(label)
    validation = of_class.log_odds(card.calibration[local.finding])
    above = np.histogram(validation, EDGES)[0] / len(validation)
    weights = films.patient_weights
    below = np.histogram(films.log_odds, EDGES, weights=weights)[0] / max(weights.sum(), 1e-9)
    step = next(tick for tick in TICKS if 2 * tick >= max(above.max(), below.max()))
    lowest = -2.1 * step
    bars = (
        _draw_bars(above, f"validation, {format_count(of_class.films, 'films')}", BLUE, ""),
        _draw_bars(-below, f"this site, {format_count(len(films.labels), 'films')}", ORANGE, "/"),
    )
    marks = _draw_films(films, set(standing_out), MARKS_BELOW * lowest)
    figure = make_figure(
        [*bars, *marks],
        HEIGHT,
        "predicted probability",
        "share of the films",
        barmode="overlay",
        bargap=0,
    )
    set_log_odds_axis(figure)
    ticks = [part * step for part in (-2, -1, 0, 1, 2)]
    figure.update_yaxes(
        range=[1.25 * lowest, -lowest],
        tickvals=ticks,
        ticktext=[f"{100 * abs(tick):g} %" for tick in ticks],
    )
    thresholds = find_thresholds(card, local.finding, decision, fused=False)
    for threshold in {thresholds.absent_below, thresholds.present_from}:
        line = {"color": GREY, "width": 1.5, "dash": "dash"}
        figure.add_vline(x=float(to_log_odds_axis(threshold)), line=line)
    table = pd.DataFrame(
        {
            "from": expit(EDGES[:-1]),
            "to": expit(EDGES[1:]),
            "validation": above,
            "this_site": below,
        }
    )
    return Chart(
        figure=figure,
        description=f"Probabilities of films {CLASS_NAMES[label]}: validation above the line, this site below it; the "
        "dashed lines are the thresholds of the decision",
        table=table,
    )


def _draw_bars(share: np.ndarray, name: str, colour: str, pattern: str) -> go.Bar:
    ends = np.clip(EDGES, -END, END)
    ranges = [
        f"{format_threshold_step(low)} to {format_threshold_step(high)}"
        for low, high in pairwise(expit(EDGES).tolist())
    ]
    percent = [f"{100 * abs(height):.3g}" for height in share]
    return go.Bar(
        x=(ends[1:] + ends[:-1]) / 2,
        y=round_values(share),
        name=name,
        width=0.9 * np.diff(ends),
        marker={"color": colour, "pattern": {"shape": pattern, "size": 5}},
        customdata=list(zip(percent, ranges, strict=True)),
        hovertemplate=f"%{{customdata[0]}} % of {name}<br>from %{{customdata[1]}}<extra></extra>",
    )


def _draw_films(films: LocalFilms, standing_out: set[str], height: float) -> list[go.Scatter]:
    """A mark for each film below the bars; those that stand out have another colour and form."""
    differs = np.array([sha256 in standing_out for sha256 in films.sha256], bool)
    traces = []
    for rows, name, colour, symbol in (
        (~differs, "each film", ORANGE, "line-ns-open"),
        (differs, "stands out", VERMILION, "x"),
    ):
        chosen = films.select(rows)
        if len(chosen.labels):
            probability = expit(chosen.log_odds)
            hovers = [
                f"{escape(str(file))}<br>{format_percent(value)}"
                for file, value in zip(chosen.names, probability, strict=True)
            ]
            trace = draw_marks(
                to_log_odds_axis(probability),
                np.full(len(chosen.labels), height),
                colour,
                symbol,
                name=name,
                customdata=hovers,
                hovertemplate="%{customdata}<extra></extra>",
            )
            traces.append(trace)
    return traces
