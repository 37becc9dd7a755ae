"""What one browser tab holds on the Review page: the project, the case on display, and pictures of the next ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pages.components.review.pictures import PictureStore

if TYPE_CHECKING:  # the first paint does without numpy
    from cxr_core.feedback.review.queue import Case

READ, QUEUE, DISPUTES, LABELS, PROJECT = "Read", "Queue", "Disputes", "Labels", "Project"


@dataclass(kw_only=True, eq=False)
class ReviewPageState:
    """What a tab shows on the Review page.

    passed: the position in the queue after which the next case is taken.  judged: film and finding of each verdict
    given here, the last one is undone first.  queue_starts: where each page of the list begins that was turned over.
    planning: the project from whose kept films this tab has asked for the next model.
    """

    project_id: str = ""
    tab: str = READ
    case: Case | None = None
    passed: int | None = None
    judged: list[tuple[int, str]] = field(default_factory=list)
    active: str = ""  # the finding that keys judge
    queue_starts: list[int | None] = field(default_factory=lambda: [None])
    layer: str = ""  # that was made last
    planning: str = ""
    pictures: PictureStore = field(default_factory=PictureStore)
    message: str = ""  # to be shown once
    warning: str = ""  # to be shown once
    widget_generation: int = 0

    def choose_project(self, project_id: str) -> None:
        """Review another project, from its start."""
        if project_id == self.project_id:
            return
        self.project_id, self.layer = project_id, ""
        self.judged.clear()
        self.start_queue()

    def start_queue(self) -> None:
        """Begin at the first case of the queue."""
        self.case, self.passed, self.active = None, None, ""
        self.queue_starts = [None]
        self._refresh_widgets()

    def turn_back(self) -> None:
        """Show the page of the queue before this one."""
        if len(self.queue_starts) > 1:
            self.queue_starts.pop()

    def show_case(self, case: Case) -> None:
        """Display a case."""
        self.case, self.active = case, ""
        self.tab = READ

    def take_next(self, *, pass_over: bool = False) -> None:
        """Display the next case; pass_over: not this one again."""
        if pass_over and self.case is not None and self.case.position is not None:
            self.passed = self.case.position
        self.case, self.active = None, ""

    def switch_tab(self, tab: str) -> None:
        """Show another part of the page."""
        self.tab = tab

    def keep_layer(self, name: str) -> None:
        """A label layer was made: its form is emptied."""
        self.layer = name
        self._refresh_widgets()

    def widget_key(self, name: str) -> str:
        """The key of a widget that follows this state."""
        return f"review-{name}-{self.widget_generation}"

    def _refresh_widgets(self) -> None:
        self.widget_generation += 1
