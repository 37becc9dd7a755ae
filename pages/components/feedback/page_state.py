"""What one browser tab holds of verdicts: who reads, where they are kept, and those that are kept nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the first paint does without numpy
    from cxr_core.feedback.readers import RegisteredReader


@dataclass(kw_only=True, eq=False)
class TabVerdicts:
    """Verdicts on one film that are kept in this tab alone. Answers by finding.

    history: the finding and the answer that each verdict replaced, None for none; the last one is undone first.
    first: what was judged before the program's answer was shown; None until then.
    """

    answers: dict[str, str] = field(default_factory=dict)
    history: list[tuple[str, str | None]] = field(default_factory=list)
    first: dict[str, str] | None = None


@dataclass(kw_only=True, eq=False)
class FeedbackState:
    """Who reads in this tab, and where verdicts are kept. Entries are those of the Read page, by their keys.

    project_id: empty: verdicts are kept nowhere.  read_first: whether answers are hidden first where no project says
    so.  film_ids: numbers of films in the project that are not found there by their file.  hidden: films whose answer
    the reader may not see in this run.  active: the finding that keys judge, by entry.  message: to be shown once.
    """

    project_id: str = ""
    read_first: bool = False
    account: str = ""
    reader: RegisteredReader | None = None
    film_ids: dict[str, int] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    tab_verdicts: dict[str, TabVerdicts] = field(default_factory=dict)
    active: dict[str, str] = field(default_factory=dict)
    message: str = ""

    def choose_project(self, project_id: str) -> None:
        """Keep verdicts in another project from now on; empty: nowhere."""
        if project_id != self.project_id:
            self.project_id = project_id
            self.film_ids.clear()
            self.active.clear()

    def forget_films(self) -> None:
        """Drop what belongs to the films of the study."""
        self.film_ids.clear()
        self.tab_verdicts.clear()
        self.active.clear()
        self.hidden = frozenset()
