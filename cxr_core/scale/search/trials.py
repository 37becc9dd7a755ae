"""Works on a search: takes a trial, trains its runs, reports every epoch, and goes on until all are done."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cxr_core.errors import Cancelled, ModelError, RecipeError, TrainingDiverged
from cxr_core.evaluation.store.provenance import record_validation_use
from cxr_core.models.networks.initialise import initialise_network
from cxr_core.models.networks.user_code import hash_code
from cxr_core.scale.search.results import write_results
from cxr_core.scale.search.search_folder import SearchFolder, TrialRun
from cxr_core.scale.search.space import Choice, apply_settings
from cxr_core.scale.search.study import GivenTrial, OptunaStudy
from cxr_core.training.fit import FitOptions
from cxr_core.training.recipe.recipe import SAVED_SPLIT, Recipe
from cxr_core.training.runs.events import EpochDone, Event
from cxr_core.training.runs.run_files import CHECKPOINTS, has_run
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.training.sweeps.seeds import fit_or_resume

Tell = Callable[[int, int], None]


def work_on_trials(study: OptunaStudy, wanted: int, options: FitOptions, tell: Tell) -> None:
    """Take trials until so many have ended or are under way elsewhere.

    options: of every run; `report` gets the events of all of them. tell: (trials that have ended, wanted).
    Raises Cancelled when asked to stop; a later call, here or elsewhere, goes on with the trial. Raises ModelError when
    no network of the search's own recipe can be made.
    """
    while True:
        write_results(study)
        tell(count_ended(study), wanted)
        if options.stop():
            raise Cancelled("stopped; the search goes on when the command is repeated")
        with study.take_trial(wanted) as given:
            if given is None:
                return
            _run_trial(study, given, options)


def count_ended(study: OptunaStudy) -> int:
    """How many trials have a figure, or were pruned."""
    ended = (study.states.COMPLETE, study.states.PRUNED)
    return sum(trial.state in ended for trial in study.trials)


def run_recipe(search: SearchFolder, run: TrialRun, settings: dict[str, Choice]) -> Recipe:
    """The recipe of a trial's run, on a split that sets films aside. Raises RecipeError for a contradiction."""
    return replace(
        apply_settings(search.recipe, settings),
        split=f"{SAVED_SPLIT}{run.split}",
        split_seed=search.recipe.effective_split_seed,
        seed=run.seed,
    )


def _run_trial(study: OptunaStudy, given: GivenTrial, options: FitOptions) -> None:
    """Train a trial and tell the study what came of it."""
    search = study.search
    reason, value = "", None
    try:
        value = _train_runs(search, given, options)
    except (RecipeError, TrainingDiverged) as error:
        reason = str(error)
    except ModelError as error:
        _require_network(search.recipe)  # a trial is ended only where its settings are to blame
        reason = str(error)
    record_validation_use(search.record.split_sha256, search.name, given.number)
    study.finish(given, value, reason)
    for run in search.list_runs(given.number):
        # A trial that has ended is never resumed; its curves, and the models of a complete one, stay.
        shutil.rmtree(run.folder / CHECKPOINTS, ignore_errors=True)


def _require_network(recipe: Recipe) -> None:
    """Raises ModelError when no network of this recipe can be made, such as for missing initial weights."""
    findings = recipe.labelled_findings
    initialise_network(
        recipe.architecture_arguments(len(findings), hash_code(recipe.code_names)),
        recipe.init,
        recipe.seed,
        input_spec=recipe.input_spec(),
        findings=findings,
        architecture=recipe.architecture,
    )


def _train_runs(search: SearchFolder, given: GivenTrial, options: FitOptions) -> float | None:
    """The mean of the validation figures of a trial's runs; None when the first one was pruned."""
    values, data = [], search.record.data
    for place, run in enumerate(search.list_runs(given.number)):
        recipe = run_recipe(search, run, given.settings)
        watch = _Watch(given, search.record.metric, options, prunes=place == 0)
        if has_run(run.folder):
            watch.take_epochs(run.folder)
        try:
            fit_or_resume(recipe, run.folder, data, watch.options)
        except Cancelled:
            if not watch.is_pruned:
                raise  # the trial stays open
            return None
        values.append(read_figure(run.folder, search.record.metric))
    return float(np.mean(values))


def read_figure(run: Path, metric: str) -> float:
    """The validation figure of the epoch that a finished run has selected."""
    events = RunFolder(run).read_events()
    epochs = [event for event in events if event.get("event") == EpochDone.NAME]
    selected = next(event["epoch"] for event in events if event.get("event") == "finished")
    values: Sequence[object] = [event[metric] for event in epochs if event["epoch"] == selected]
    return float(str(values[-1]))


class _Watch:
    """Reports the epochs of a run to its trial, and asks the run to stop once the trial is pruned."""

    def __init__(self, given: GivenTrial, metric: str, options: FitOptions, *, prunes: bool):
        self._given, self._metric, self._outer, self._prunes = given, metric, options, prunes
        self.is_pruned = False
        self.options = replace(options, report=self._report, stop=self._must_stop)

    def take_epochs(self, run: Path) -> None:
        """Report what a run that is taken up again has reached before."""
        for event in RunFolder(run).read_events():
            value, epoch = event.get(self._metric), event.get("epoch")
            if event.get("event") == EpochDone.NAME and isinstance(epoch, int):
                self._take_figure(epoch, float(str(value)))

    def _report(self, event: Event) -> None:
        self._outer.report(event)
        if isinstance(event, EpochDone):
            self._take_figure(event.epoch, event.figures[self._metric])

    def _take_figure(self, epoch: int, value: float) -> None:
        if not self._prunes or not np.isfinite(value):
            return
        if epoch not in self._given.reported:
            self._given.trial.report(value, epoch)
            self._given.reported.add(epoch)
        self.is_pruned = self._given.trial.should_prune()

    def _must_stop(self) -> bool:
        return self.is_pruned or self._outer.stop()
