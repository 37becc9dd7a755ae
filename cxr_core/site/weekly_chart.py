"""Draws by week which share of a site's readings was undecided, and which share of its films was refused."""

from collections.abc import Sequence

import pandas as pd

from cxr_core.evaluation.charts.base import Chart, draw_line, make_figure, round_values
from cxr_core.presentation.palette import BLUE, ORANGE
from cxr_core.presentation.wording import format_count
from cxr_core.site.watching import FindingCounts, Week

HEIGHT = 280


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
    """Both shares by week. table: of `tabulate_weeks`."""
    traces = []
    for share, of, name, colour, dash, symbol in (
        ("undecided", "films", "undecided", BLUE, "solid", "circle"),
        ("refused", "arrived", "refused", ORANGE, "dash", "square"),
    ):
        trace = draw_line(
            table["week"].tolist(),
            [None if pd.isna(value) else value for value in round_values(table[share])],
            name,
            colour,
            dash,
            customdata=[format_count(int(count), "films") for count in table[of]],
            hovertemplate=f"%{{x}}: %{{y:.0%}} {name} of %{{customdata}}<extra></extra>",
        )
        trace.marker.update(opacity=1, size=7, symbol=symbol)
        traces.append(trace)
    figure = make_figure(traces, HEIGHT, "week", "share of the films")
    figure.update_xaxes(type="category")
    figure.update_yaxes(rangemode="tozero", tickformat=".0%")
    return Chart(
        figure=figure,
        description="Share of readings that were undecided, and share of films that were refused, by week",
        table=table,
    )
