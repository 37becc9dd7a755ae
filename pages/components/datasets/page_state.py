"""What one browser tab holds on the Data page: a dataset, and which of its films. No film is kept here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the first paint does without numpy
    from cxr_core.data.selection import Selection
    from cxr_core.data.splits.preview import SplitPreview

CHECKS, EXPLORE, SPLITS, LABELS = "Checks", "Explore", "Splits", "Labels"


@dataclass(kw_only=True, eq=False)
class DataPageState:
    """Which dataset a tab shows, and which of its films."""

    dataset: str | None = None
    selection: Selection | None = None  # None: every film
    picked: set[str] = field(default_factory=set)  # films ticked one by one, by image
    all_listed: bool = False  # every film listed, not only those that can be used
    shuffle_seed: int | None = None  # None: the order of the table
    tab: str = CHECKS
    open_image: str | None = None  # the film in the dialog
    opening_film: bool = False  # the dialog was requested and is not on the screen yet
    selection_resets: dict[str, int] = field(default_factory=dict)  # by dimension of charts
    widget_generation: int = 0  # part of widget keys: a new generation starts from this state
    started_tasks: set[str] = field(default_factory=set)  # preparations that this tab started
    has_read_address: bool = False
    split_preview: SplitPreview | None = None  # a split that is not saved yet
    split_inputs: tuple[object, ...] = ()  # what its form holds
    message: str = ""
    error: str = ""

    def switch_dataset(self, dataset: str) -> None:
        """Show another dataset, from its first tab."""
        self.dataset, self.tab, self.all_listed = dataset, CHECKS, False
        self.picked.clear()
        self.select_films(None)

    def select_films(self, selection: Selection | None, clicked: str = "") -> None:
        """Show these films; the filter's fields follow.

        clicked: the name of the chart that was clicked, which keeps its selected bars. No other one of a dimension that
        changes does.
        """
        self.reset_charts(selection, clicked)
        self.selection = selection
        self.widget_generation += 1

    def reset_charts(self, selection: Selection | None, clicked: str = "") -> None:
        """Let charts lose the bars that were clicked, where another selection restricts their dimension otherwise."""
        from cxr_core.data.selection import DIMENSIONS, EVERY_FILM

        former, latter = self.selection or EVERY_FILM, selection or EVERY_FILM
        for dimension in DIMENSIONS:
            if former.with_dimension(dimension, latter) != former:
                self.selection_resets[dimension] = self.selection_resets.get(dimension, 0) + 1
                if clicked:
                    self.selection_resets[clicked] = self.selection_resets.get(clicked, 0) - 1

    def chart_generation(self, name: str, dimension: str) -> int:
        """Part of a chart's key: a new one makes the browser forget which bars were clicked."""
        return self.selection_resets.get(dimension, 0) + self.selection_resets.get(name, 0)

    def open_film(self, image: str) -> None:
        """Open a film in the dialog at the next run."""
        self.open_image, self.opening_film = image, True

    def explore_films(self, selection: Selection | None) -> None:
        """Switch from an issue to the films it concerns, whatever their status."""
        self.tab, self.all_listed = EXPLORE, True
        self.select_films(selection)

    def show_labels(self) -> None:
        """Switch from an issue to the labels that it is about."""
        self.tab = LABELS

    def widget_key(self, name: str) -> str:
        """The key of a widget that follows this state."""
        return f"data-{name}-{self.widget_generation}"
