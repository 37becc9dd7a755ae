"""What all charts of a dataset share: the frame, the colours, and what a click on a bar selects.

Colours are those of the palette; what is unknown is grey and hatched. Text takes the page's own colour.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from cxr_core.data.manifest import NO_SPLIT
from cxr_core.data.selection import UNKNOWN, Selection, join_selections
from cxr_core.presentation.palette import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION

SPLIT_COLOURS = {"train": BLUE, "val": ORANGE, "test": GREEN, NO_SPLIT: BLUE}
LEVEL_COLOURS = {"PA": SKY, "AP": VERMILION, "F": PURPLE, "M": BLUE, UNKNOWN: GREY}
PALE = 0.35  # the opacity of bars that are not selected
LONGEST_NAME = 28  # characters of a folder's name


@dataclass(frozen=True, kw_only=True, eq=False)
class DatasetChart:
    """A figure, its description in a sentence, and for each point of each trace the films that a click selects.

    dimension: which of DIMENSIONS the chart shows, and its selections restrict.
    """

    figure: go.Figure
    description: str
    dimension: str
    selections: tuple[tuple[Selection, ...], ...]

    def selection_at(self, points: Sequence[tuple[int, int]]) -> Selection | None:
        """What points, given as trace and place, select together; None where none of them is in the chart."""
        found = [
            self.selections[trace][place]
            for trace, place in points
            if 0 <= trace < len(self.selections) and 0 <= place < len(self.selections[trace])
        ]
        return join_selections(found, self.dimension) if found else None

    def mark_selected(self, selection: Selection) -> None:
        """Make the bars pale that a selection does not include."""
        if not selection.restricts(self.dimension):
            return
        for trace, parts in zip(self.figure.data, self.selections, strict=False):
            trace.marker.opacity = [
                1.0 if selection.includes(part, self.dimension) else PALE for part in parts
            ]


def draw_frame(
    traces: Sequence[go.Bar], height: int, barmode: str = "group", legend: bool = False
) -> go.Figure:
    """The frame that all charts share: without zoom, so that a page on a phone scrolls over them."""
    figure = go.Figure(list(traces))
    figure.update_layout(
        height=height,
        barmode=barmode,
        bargap=0.25,
        margin={"l": 8, "r": 8, "t": 28 if legend or len(traces) > 1 else 8, "b": 8},
        showlegend=legend or sum(trace.name is not None for trace in traces) > 1,
        legend={
            "orientation": "h",
            "y": 1,
            "yanchor": "bottom",
            "x": 0,
            "traceorder": "normal",
            "title_text": "",
        },
        dragmode=False,
        hovermode="closest",
        modebar={
            "bgcolor": "rgba(0, 0, 0, 0)",
            "color": GREY,
        },  # no grey box behind the camera button
    )
    axes = {"fixedrange": True, "automargin": True, "exponentformat": "none"}
    figure.update_xaxes(**axes)
    figure.update_yaxes(**axes, title_standoff=8)
    figure.update_traces(unselected={"marker": {"opacity": PALE}}, selector={"type": "bar"})
    return figure


def shorten_name(name: str) -> str:
    """A name of a folder that fits beside its bar, as text and not as HTML, which Plotly reads."""
    shown = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
    return html.escape(shown)


def join_names(names: Sequence[str]) -> str:
    """ "train, val and test"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
