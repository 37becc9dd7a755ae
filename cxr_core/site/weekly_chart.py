"""Draws by week which share of a site's readings was undecided, and which share of its films was refused."""

from collections.abc import Sequence
from datetime import datetime

import pandas as pd

from cxr_core.evaluation.charts.base import Chart, draw_line, make_figure, round_values
from cxr_core.presentation.palette import BLUE, ORANGE
from cxr_core.presentation.wording import format_count
from cxr_core.site.watching import FindingCounts, Week

HEIGHT = 280
WEEKS_WITH_LARGE_POINTS = 26


def tabulate_weeks(weeks: Sequence[Week], counts: Sequence[FindingCounts]) -> pd.DataFrame:
    """A row per week. counts: of one finding by one version of a model, for each of the weeks.

    films: with a verdict on the finding.  undecided: share of them.  arrived: films read or refused.  refused: share of
    these. NaN without films.
    """
    return pd.DataFrame(
        {
            "week": [week.week for week in weeks],
            "films": [each.films for each in counts],
            "undecided": [each.undecided_share for each in counts],
            "arrived": [week.read + week.refused for week in weeks],
            "refused": [week.refused_share for week in weeks],
        }
    ).astype({"undecided": float, "refused": float})


def draw_weeks(table: pd.DataFrame) -> Chart:
    """Both shares by week, with a gap where a week is missing. table: of `tabulate_weeks`, at least one week."""
    weeks = table.set_index(table["week"].map(find_monday)).asfreq("7D")
    size = 7 if len(weeks) <= WEEKS_WITH_LARGE_POINTS else 4
    traces = []
    for share, of, name, colour, dash, symbol in (
        ("undecided", "films", "undecided", BLUE, "solid", "circle"),
        ("refused", "arrived", "refused", ORANGE, "dash", "square"),
    ):
        counts = weeks[of].fillna(0).astype(int)
        trace = draw_line(
            list(weeks.index),
            [None if pd.isna(value) else value for value in round_values(weeks[share])],
            name,
            colour,
            dash,
            customdata=[
                [week, format_count(count, "films")]
                for week, count in zip(weeks["week"], counts, strict=True)
            ],
            hovertemplate=f"%{{customdata[0]}}: %{{y:.0%}} {name} of %{{customdata[1]}}<extra></extra>",
            cliponaxis=False,
        )
        trace.marker.update(opacity=1, size=size, symbol=symbol)
        traces.append(trace)
    figure = make_figure(traces, HEIGHT, "week beginning", "share of the films")
    figure.update_xaxes(type="date", tickformat="%-d %b\n%Y", nticks=8)
    figure.update_yaxes(rangemode="tozero", tickformat=".0%")
    return Chart(
        figure=figure,
        description="Share of readings that were undecided, and share of films that were refused, by week",
        table=table,
    )


def find_monday(week: str) -> datetime:
    """The first day of an ISO week: `2026-W49` is the week of 30 November 2026."""
    return datetime.strptime(f"{week}-1", "%G-W%V-%u")
