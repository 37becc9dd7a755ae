"""What a browser tab looks at on the Evaluate page."""

from dataclasses import dataclass, field

from cxr_core.evaluation.charts.film_filter import Pick
from pages.components.session import Shown


@dataclass(kw_only=True, eq=False)
class Visit:
    """Which evaluation a tab looks at, at which threshold and prevalence, and which films. None: not asked yet."""

    folder: str | None = None
    finding: str | None = None
    view: str | None = None  # None: all films
    tab: str = "Curves"
    first_tab: str = "Curves"  # the tab at the last turn: a widget that is told another start forgets what was chosen
    threshold: float | None = None
    prevalence: float | None = None
    pick: Pick | None = None
    came_from: str | None = None  # the tab whose chart was clicked
    turning: bool = (
        False  # another tab was asked for inside a fragment, and the page is to be drawn anew
    )
    film: str | None = None  # the one looked at closely, by its path
    opening: bool = False  # it was asked for, and is not on the screen yet
    read: tuple[str, Shown] | None = (
        None  # the film that was read last for its heatmap, and what was found
    )
    picture_format: str = "png"  # that charts are saved in
    beside: tuple[str, ...] = ()  # folders of the evaluations to compare with
    awaited: set[str] = field(default_factory=set)  # folders of evaluations that were seen at work
    said: str = ""  # to be told once
    refused: str = ""  # why what was asked for was not begun, to be told once
    turns: int = 0  # part of the keys of widgets: with another they start from what is said here

    def look_at(self, folder: str, finding: str | None = None, view: str | None = None) -> None:
        """Look at another evaluation, finding or view, from its start; the tab stays."""
        self.folder, self.finding, self.view = folder, finding, view
        self.threshold = self.prevalence = self.pick = self.film = None
        self._anew()

    def move_to(self, threshold: float) -> None:
        """Look at another threshold; the slider follows."""
        self.threshold = threshold
        self._anew()

    def open_films(self, pick: Pick) -> None:
        """Turn to the films behind a point."""
        if self.tab != "Films":
            self.came_from = self.tab
        self.pick, self.tab, self.turning = pick, "Films", True
        self._anew()

    def turn_to(self, tab: str) -> None:
        """Look at another tab."""
        self.tab = tab
        self._anew()

    def open_film(self, image: str) -> None:
        """Look closely at a film."""
        self.film, self.opening = image, True

    def widget(self, name: str) -> str:
        """The key of a widget that follows what is said here."""
        return f"evaluate-{name}-{self.turns}"

    def _anew(self) -> None:
        self.turns += 1
        self.first_tab = self.tab
