"""What one browser tab holds on the Train page: the form being filled in, the selected runs, their last progress."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

from cxr_core.training.runs.annotation import NO_ANNOTATION, RunAnnotation

if TYPE_CHECKING:  # a recipe brings torch with it, which a list of runs does without
    from cxr_core.jobs.job import Job
    from cxr_core.training.batch_preview import BatchPreview
    from cxr_core.training.recipe.form import FormValue
    from cxr_core.training.recipe.recipe import Recipe
    from cxr_core.training.runs.progress import RunProgress

RUNS, START = "Runs", "Start a run"
PROGRESS_KEPT = 12  # runs whose last progress is kept


@dataclass(kw_only=True, eq=False)
class RunDraft:
    """A run that is about to be started. However often it is submitted, its token makes it one run."""

    token: str = field(default_factory=lambda: uuid4().hex)
    widget_generation: int = 0  # part of widget keys: a new generation starts from this state
    recipe_name: str | None = None  # None before the first recipe, and for the recipe of a run
    recipe: Recipe | None = None
    recipe_picked: bool = False  # by the user, rather than by the form
    values: dict[str, FormValue] = field(default_factory=dict)  # by field, as entered
    data: tuple[str, ...] | None = None  # None before anything was chosen
    device: str | None = None
    processes: int = 1
    weights_source: str | None = (
        None  # where the initial weights come from; None: as the recipe says
    )
    retry_of: str = ""
    trial: str = ""  # of a search, in words, whose settings the recipe has
    annotation: RunAnnotation = NO_ANNOTATION
    estimate_key: str = ""  # of the last estimate that was started
    preview: BatchPreview | None = None  # the films drawn last
    preview_seed: int = 0
    previewed_form: str = ""  # what they were drawn for

    def start_from_recipe(self, name: str | None, recipe: Recipe) -> None:
        """Start from another recipe: the entered values go, the data stays."""
        self.recipe_name, self.recipe = name, recipe
        self.values, self.weights_source = {}, None
        self.widget_generation += 1

    def widget_key(self, name: str) -> str:
        """The key of one of the form's widgets; a click on an earlier form is not a click on this one."""
        return f"draft-{self.token[:8]}-{self.widget_generation}-{name}"

    def persistent_key(self, name: str) -> str:
        """The key of a widget that another recipe does not change."""
        return f"draft-{self.token[:8]}-{name}"


@dataclass(kw_only=True, eq=False)
class TrainPageState:
    """What a tab shows on the Train page."""

    draft: RunDraft = field(default_factory=RunDraft)
    requested_view: str = ""  # the part of the page to show at its next run; empty: as it is
    requests_all_runs: bool = False  # whether the table is shown unfiltered at its next run
    deleting: str = ""  # the run whose deletion is to be confirmed
    widget_generation: int = 0
    selected_runs: tuple[str, ...] = ()  # one is shown in detail, several are compared
    linked_runs: str = ""  # the runs in the address when it was last read or written
    progress: dict[str, RunProgress] = field(default_factory=dict)  # what was read last, by run
    message: str = ""  # to be shown once, after the page has run again
    error: str = ""  # why the last action failed, to be shown once

    def switch_view(self, view: str) -> None:
        """Show a part of the page at its next run."""
        self.requested_view = view
        self.widget_generation += 1

    @property
    def needs_page(self) -> bool:
        """Whether a callback left something that only a run of the page shows, not one of a fragment."""
        return bool(self.message or self.error or self.requested_view)

    def select_runs(self, runs: tuple[str, ...]) -> None:
        """Show these runs below the table."""
        self.selected_runs = runs

    def ask_to_delete(self, run: str) -> None:
        """Ask at the page's next run whether a run is to be deleted."""
        self.deleting = run

    def show_submitted_runs(self, runs: tuple[str, ...], message: str) -> None:
        """Show runs that were just submitted, with an empty form for the next."""
        device, data = self.draft.device, self.draft.data
        self.draft = RunDraft(device=device, data=data)
        self.message = message
        self.requests_all_runs = True
        self.select_runs(runs)
        self.switch_view(RUNS)

    def prefill_clone(self, run: Job, recipe: Recipe, data: tuple[str, ...]) -> None:
        """Fill in the form with a run's recipe, data and tags, to be changed."""
        annotation = RunAnnotation(tags=run.annotation.tags)
        self.draft = RunDraft(recipe=recipe, data=data, retry_of=run.id, annotation=annotation)
        self.switch_view(START)

    def prefill_trial(self, trial: str, recipe: Recipe, data: tuple[str, ...]) -> None:
        """Fill in the form with the recipe and data of a search's trial, to be changed or started."""
        self.draft = RunDraft(recipe=recipe, data=data, trial=trial)
        self.switch_view(START)

    def prefill_next_model(self, recipe: Recipe, data: tuple[str, ...], sentence: str) -> None:
        """Fill in the form for a model that learns further from readers' labels. sentence: what it begins with."""
        self.draft = RunDraft(recipe_name=recipe.name, recipe=recipe, recipe_picked=True, data=data)
        self.message = sentence
        self.switch_view(START)

    def remember_progress(self, run: str, progress: RunProgress) -> RunProgress:
        """Keep what was last read about a run, so that only what is new is read the next time."""
        self.progress.pop(run, None)
        self.progress[run] = progress
        while len(self.progress) > PROGRESS_KEPT:
            self.progress.pop(next(iter(self.progress)))
        return progress

    def widget_key(self, name: str) -> str:
        """The key of a widget that follows this state."""
        return f"train-{name}-{self.widget_generation}"
