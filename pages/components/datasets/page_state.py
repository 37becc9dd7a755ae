"""What one browser tab holds on the Data page: a dataset, and which of its films. No film is kept here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the first paint does without numpy
    from cxr_core.data.selection import Selection

CHECKS, EXPLORE = "Checks", "Explore"


@dataclass(kw_only=True, eq=False)
class DataPageState:
    """Which dataset a tab shows, and which of its films."""

    dataset: str | None = None
    selection: Selection | None = None  # None: every film
    all_listed: bool = False  # every film listed, not only those that can be used
    shuffle_seed: int | None = None  # None: the order of the table
    view: str = CHECKS
    open_image: str | None = None  # the film in the dialog
    opening_film: bool = False  # the dialog was requested and is not on the screen yet
    clicked_chart: str | None = None  # the chart whose bar was clicked last
    selection_resets: dict[str, int] = field(default_factory=dict)  # by chart
    widget_generation: int = 0  # part of widget keys: a new generation starts from this state
    started_tasks: set[str] = field(default_factory=set)  # preparations that this tab started

    def switch_dataset(self, dataset: str) -> None:
        """Show another dataset, from its first view."""
        self.dataset, self.view, self.all_listed = dataset, CHECKS, False
        self.select_films(None)

    def select_films(self, selection: Selection | None, clicked_chart: str | None = None) -> None:
        """Show these films; the filter's fields follow, and no other chart keeps its selected bar."""
        previous = self.clicked_chart
        if previous is not None and previous != clicked_chart:
            self.selection_resets[previous] = self.selection_resets.get(previous, 0) + 1
        self.selection, self.clicked_chart = selection, clicked_chart
        self.widget_generation += 1

    def open_film(self, image: str) -> None:
        """Open a film in the dialog at the next run."""
        self.open_image, self.opening_film = image, True

    def explore_films(self, selection: Selection | None) -> None:
        """Switch from an issue to the films it concerns, whatever their status."""
        self.view, self.all_listed = EXPLORE, True
        self.select_films(selection)

    def widget_key(self, name: str) -> str:
        """The key of a widget that follows this state."""
        return f"data-{name}-{self.widget_generation}"
