"""What came of a search: every trial, the best one, the importance of settings, and how far the best looks too good."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from cxr_core.errors import RecordError, ScaleError
from cxr_core.models.figures import Figure
from cxr_core.scale.search.search_folder import RESULTS, SearchFolder
from cxr_core.scale.search.space import Choice, apply_settings
from cxr_core.scale.search.study import REASON, SETTINGS, OptunaStudy
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.workspace.json_files import write_json
from cxr_core.workspace.json_record import Count, JsonRecord, read_record_file
from cxr_core.workspace.paths import printable

TrialState = Literal["complete", "pruned", "running"]


@dataclass(frozen=True, kw_only=True)
class TrialResult(JsonRecord):
    """One trial. value: the mean validation figure of its runs; None while it runs, or where it was pruned.

    epochs: how many were reported.  last: the figure of the last of them.  reason: why it ended without a figure,
    where it was not pruned by comparison.
    """

    number: Count
    state: TrialState
    settings: Mapping[str, Choice]
    value: float | None = None
    epochs: Count = 0
    last: float | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Optimism(JsonRecord):
    """The AUROC of the best trial where it was chosen, and on films that no trial saw; by finding.

    value: the mean over the findings of the first less the second.
    """

    trial: Count
    compared_on: Mapping[str, Figure]
    left_aside: Mapping[str, Figure]
    value: float

    def describe(self) -> str:
        """What to expect of the best trial, as a sentence."""
        films = ", ".join(f"{figure.n:,}" for figure in list(self.left_aside.values())[:1])
        if self.value <= 0:
            return f"On {films} validation films that no trial saw, the AUROC of the best trial is no lower."
        return (
            f"On {films} validation films that no trial saw, the AUROC of the best trial is lower by {self.value:.3f}: "
            "it was chosen as the best on the others, so expect the lower figure."
        )


@dataclass(frozen=True, kw_only=True)
class SearchResults(JsonRecord):
    """What results.json holds. importance: shares that sum to 1, the largest first; empty with too few trials."""

    WRITES_DEFAULTS: ClassVar[bool] = True

    metric: str
    trials: tuple[TrialResult, ...] = ()
    importance: Mapping[str, float] = field(default_factory=dict)
    optimism: Optimism | None = None

    @property
    def best(self) -> TrialResult | None:
        """The complete trial with the highest figure, the first of equal ones."""
        complete = [trial for trial in self.trials if trial.value is not None]
        return max(complete, key=lambda trial: trial.value or 0.0, default=None)

    def count(self, state: TrialState) -> int:
        """How many trials are in a state."""
        return sum(trial.state == state for trial in self.trials)


def write_results(study: OptunaStudy, optimism: Optimism | None = None) -> SearchResults:
    """Write results.json from the study. optimism: kept from the former file unless given.

    Raises ScaleError when it cannot be written.
    """
    try:
        former = read_results(study.search)
    except ScaleError:
        former = None  # what is damaged is written anew
    results = SearchResults(
        metric=study.search.record.metric,
        trials=tuple(
            _describe_trial(study, trial) for trial in study.trials if SETTINGS in trial.user_attrs
        ),
        importance=study.measure_importance(),
        optimism=optimism or (former.optimism if former else None),
    )
    if results.optimism and results.best and results.optimism.trial != results.best.number:
        results = SearchResults(**{**results.as_keywords(), "optimism": None})
    try:
        write_json(study.search.path / RESULTS, results.to_json())
    except OSError as error:
        raise ScaleError(f"{study.search.path} cannot be written: {error.strerror}") from error
    return results


def read_results(search: SearchFolder) -> SearchResults | None:
    """What results.json holds; None before the first trial. Raises ScaleError where it is damaged."""
    path = search.path / RESULTS
    try:
        return read_record_file(path, SearchResults)
    except FileNotFoundError:
        return None
    except (OSError, RecordError) as error:
        raise ScaleError(
            f"{printable(path)} cannot be read ({error}); python -m train.search --resume {search.name} writes it anew"
        ) from error


def best_recipe(search: SearchFolder, results: SearchResults) -> Recipe:
    """The recipe with the settings of the best trial, on its own split. Raises ScaleError before one is complete."""
    if results.best is None:
        raise ScaleError(f"no trial of {search.name} is complete yet")
    return apply_settings(search.recipe, results.best.settings)


def _describe_trial(study: OptunaStudy, trial: Any) -> TrialResult:
    states = study.states
    names: dict[Any, TrialState] = {states.COMPLETE: "complete", states.RUNNING: "running"}
    state = names.get(trial.state, "pruned")
    return TrialResult(
        number=trial.number,
        state=state,
        settings=trial.user_attrs[SETTINGS],
        value=trial.value if state == "complete" else None,
        epochs=len(trial.intermediate_values),
        last=trial.intermediate_values[trial.last_step] if trial.intermediate_values else None,
        reason=trial.user_attrs.get(REASON, ""),
    )
