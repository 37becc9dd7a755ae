"""What one browser tab holds on the Evaluate page: an evaluation, a threshold, and which films."""

from dataclasses import dataclass, field

from cxr_core.evaluation.charts.film_filter import FilmFilter
from cxr_core.reading.results import Attribution, Examination

FIRST_TAB, FILMS_TAB = "Curves", "Films"


@dataclass(kw_only=True, eq=False)
class DisplayedFilm:
    """A film with its examination, its picture and the heatmaps computed on request."""

    examination: Examination
    picture: str  # base64 of a PNG
    maps: dict[tuple[str, str, str], Attribution] = field(default_factory=dict)
    # the key is (model, finding, method)


@dataclass(kw_only=True, eq=False)
class EvaluatePageState:
    """What a tab shows on the Evaluate page. None: not chosen yet."""

    has_read_address: bool = False  # finding, view, tab and filters were taken from the address
    folder: str | None = None  # of the evaluation
    finding: str | None = None
    view: str | None = None  # None: all films
    tab: str = FIRST_TAB
    threshold: float | None = None
    film_filter: FilmFilter | None = None
    previous_tab: str | None = None  # the tab whose chart was clicked
    rerun_needed: bool = False  # a fragment asked for another tab, so the whole page must run again
    open_image: str | None = None  # the film in the dialog, by its path
    opening_film: bool = False  # the dialog was requested and is not on the screen yet
    heatmap_film: tuple[str, DisplayedFilm] | None = None  # the film read last for its heatmap
    image_format: str = "png"  # in which charts are saved
    compared_folders: tuple[str, ...] = ()  # of the evaluations to compare with
    running_folders: set[str] = field(default_factory=set)  # of evaluations seen running
    message: str = ""  # to be shown once
    error: str = ""  # why an evaluation was not started, to be shown once
    widget_generation: int = 0  # part of widget keys: a new generation starts from this state

    def switch_evaluation(
        self, folder: str, finding: str | None = None, view: str | None = None
    ) -> None:
        """Show another evaluation, finding or view, from its start; the tab stays."""
        self.folder, self.finding, self.view = folder, finding, view
        self.threshold = self.film_filter = self.open_image = None
        self._refresh_widgets()

    def set_threshold(self, threshold: float) -> None:
        """Use another threshold; the slider follows."""
        self.threshold = threshold
        self._refresh_widgets()

    def show_films_behind(self, film_filter: FilmFilter) -> None:
        """Switch to the films behind a point of a chart."""
        if self.tab != FILMS_TAB:
            self.previous_tab = self.tab
        self.film_filter, self.tab, self.rerun_needed = film_filter, FILMS_TAB, True
        self._refresh_widgets()

    def switch_tab(self, tab: str) -> None:
        """Show another tab."""
        self.tab = tab

    def open_film(self, image: str) -> None:
        """Open a film in the dialog at the next run."""
        self.open_image, self.opening_film = image, True

    def widget_key(self, name: str) -> str:
        """The key of a widget that follows this state."""
        return f"evaluate-{name}-{self.widget_generation}"

    def _refresh_widgets(self) -> None:
        self.widget_generation += 1
