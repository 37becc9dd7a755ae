"""What one browser tab holds on the Site page: the films' scores of the last test and what was fitted to them.

No film is kept here: of each only its file's name, the hash of its pixels and its log-odds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:  # the first paint does without numpy
    from cxr_core.models.card import ModelCard
    from cxr_core.site.acceptance import Acceptance
    from cxr_core.site.local_decisions import LocalDecisions
    from cxr_core.site.local_films import LocalFilms
    from cxr_core.site.recalibration import LocalRecalibration
    from cxr_core.site.validation_scores import FindingScores

ACCEPTANCE, WATCHING, HISTORY, ARCHIVE = "Acceptance", "Watching", "History", "Archive"


@dataclass(frozen=True, kw_only=True, eq=False)
class ComparedFilms:
    """Films of the site that were tested.

    scores: of the validation films.  record: the name of the record kept.  note: what could not be looked for.
    """

    card: ModelCard
    local: LocalFilms
    scores: FindingScores
    acceptance: Acceptance
    record: str
    note: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedProfile:
    """What was fitted to the tested films. problem: why nothing was recalibrated, else empty.

    recalibration: also one that is refused, for its figures.  prevalence: of the site, as it was stated or as the
    films came; None where it was not asked, since all films are of one class.
    """

    recalibration: LocalRecalibration | None
    problem: str
    prevalence: float | None
    decisions: LocalDecisions

    @property
    def installable(self) -> LocalRecalibration | None:
        """The recalibration, unless there is none or it is refused."""
        recalibration = self.recalibration
        return None if recalibration is None or recalibration.refused else recalibration


@dataclass(kw_only=True, eq=False)
class SitePageState:
    """What a tab shows on the Site page. None: not chosen, or not there yet."""

    model: str | None = None
    finding: str | None = None
    tab: str = ACCEPTANCE
    token: str = (
        ""  # of this tab, in the keys of its background tasks: no other tab sees its films' names
    )
    compared: ComparedFilms | None = None
    fitted: FittedProfile | None = None
    message: str = ""  # to be shown once
    error: str = ""  # to be shown once
    widget_generation: int = 0  # part of widget keys: a new one empties them

    def switch_model(self, model: str, finding: str) -> None:
        """Show another model or finding; what was tested and fitted belongs to the one before."""
        if (model, finding) != (self.model, self.finding):
            self.model, self.finding = model, finding
            self.forget_films()

    def forget_films(self) -> None:
        """Start anew: no films, nothing fitted, empty fields."""
        self.compared = self.fitted = None
        self.widget_generation += 1

    def keep_compared(self, compared: ComparedFilms) -> None:
        """Show the outcome of a test."""
        self.compared, self.fitted = compared, None

    def report_change(self, sentence: str) -> None:
        """Say what was just done at the page's next run, with empty fields."""
        self.message = sentence
        self.widget_generation += 1

    def task_key(self, step: str) -> str:
        """The key of this tab's background task for one step: `test` or `fit`."""
        self.token = self.token or uuid4().hex
        return f"site {step} {self.token}"

    def widget_key(self, name: str) -> str:
        """The key of one of the page's widgets."""
        return f"site-{name}-{self.widget_generation}"
