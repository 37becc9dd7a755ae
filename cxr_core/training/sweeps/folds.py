"""What a cross-validation is: its name, its folds, and the folders of its runs and figures. Loads no torch.

<workspace>/runs/NAME-fold-1, NAME-fold-2, ...   an ordinary run for each fold
<workspace>/evaluations/NAME                     the pooled figures, recipe.toml and cross_validation.json
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

from cxr_core.errors import RecipeError, RecordError, RunError
from cxr_core.models.card import CARD
from cxr_core.presentation.wording import OUT_OF_FOLD
from cxr_core.training.recipe.recipe import SAVED_SPLIT, Recipe
from cxr_core.training.recipe.recipe_file import load_recipe
from cxr_core.training.runs.annotation import MAX_TAG, RunAnnotation, make_annotation
from cxr_core.training.runs.figures import METRICS_FILE, RunFigure, collect_figures, parse_figure
from cxr_core.training.runs.run_files import MODEL
from cxr_core.workspace.json_files import read_json_object
from cxr_core.workspace.json_record import Count, JsonRecord, PathText, read_record_file
from cxr_core.workspace.paths import workspace

RECORD, RECIPE = "cross_validation.json", "recipe.toml"


@dataclass(frozen=True, kw_only=True)
class CrossValidationRecord(JsonRecord):
    """cross_validation.json. data: folders, and subsets by name.

    split: the name of the saved folds.  folds: how many.
    """

    WRITES_DEFAULTS: ClassVar[bool] = True

    schema: Literal[1] = 1
    data: tuple[PathText, ...]
    split: str
    folds: Count


@dataclass(frozen=True, kw_only=True)
class CrossValidation:
    """One cross-validation. name: of its folder of figures, and what the names of its runs begin with.

    recipe: as it was given; its split and the splits of the folds differ.
    """

    name: str
    record: CrossValidationRecord
    recipe: Recipe

    @property
    def folder(self) -> Path:
        """Where the record and the pooled figures are."""
        return workspace().absolute() / "evaluations" / self.name

    @property
    def runs(self) -> tuple[Path, ...]:
        """The folder of each fold's run, in order; it need not exist yet."""
        runs = workspace().absolute() / "runs"
        return tuple(runs / f"{self.name}-fold-{number}" for number in self._numbers)

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """The recipe of each fold, in order."""
        return tuple(
            fold_recipe(self.recipe, self.record.split, number) for number in self._numbers
        )

    @property
    def _numbers(self) -> range:
        return range(1, self.record.folds + 1)


def fold_recipe(recipe: Recipe, split: str, fold: int) -> Recipe:
    """A recipe that tests on one of the saved folds. All folds carve validation films with the same seed."""
    return replace(
        recipe, split=f"{SAVED_SPLIT}{split}/{fold}", split_seed=recipe.effective_split_seed
    )


def find_cross_validation(name: str) -> CrossValidation | None:
    """A cross-validation of the workspace by name; None when there is none that can be read."""
    try:
        folder = workspace() / "evaluations" / name
        record = read_record_file(folder / RECORD, CrossValidationRecord)
        return CrossValidation(name=name, record=record, recipe=load_recipe(folder / RECIPE))
    except (OSError, RecordError, RecipeError):
        return None


def list_cross_validations(limit: int | None = None) -> list[CrossValidation]:
    """Those of the workspace that can be read, the newest first. limit: how many at most; None for all."""
    records = workspace().glob(f"evaluations/[!.]*/{RECORD}")
    newest = sorted(records, key=lambda path: path.stat().st_mtime, reverse=True)
    found = [find_cross_validation(path.parent.name) for path in newest[:limit]]
    return [each for each in found if each is not None]


def annotate_fold(cross_validation: CrossValidation, number: int) -> RunAnnotation:
    """What is written about the run of a fold: recipe and number, and the cross-validation as a tag."""
    name = f"{cross_validation.recipe.name[:50]}, fold {number} of {cross_validation.record.folds}"
    return make_annotation(name, [cross_validation.name[:MAX_TAG]], "")


def require_finished(cross_validation: CrossValidation) -> None:
    """Raises RunError that names the runs which have no model yet."""
    missing = [run.name for run in cross_validation.runs if not (run / MODEL / CARD).is_file()]
    if missing:
        raise RunError(
            f"{', '.join(missing)} of {cross_validation.name} {'has' if len(missing) == 1 else 'have'} no model yet; "
            "resume what has stopped, then pool the folds again"
        )


def read_fold_figures(cross_validation: CrossValidation, finding: str) -> list[RunFigure | None]:
    """AUROC of a finding in each fold, by the model of the fold; None where it is not measured yet."""
    figures = []
    for run in cross_validation.runs:
        of_run = [
            figure
            for figure in collect_figures(run)
            if (figure.split, figure.finding, figure.name) == ("test", finding, "auroc")
        ]
        figures.append(of_run[0] if of_run else None)
    return figures


def read_pooled_figures(cross_validation: CrossValidation) -> list[RunFigure]:
    """AUROC of each finding over all held-out films; empty before they were pooled."""
    findings = (read_json_object(cross_validation.folder / METRICS_FILE) or {}).get("findings")
    if not isinstance(findings, dict):
        return []
    figures = []
    for key, entry in findings.items():
        auroc = entry.get("auroc") if isinstance(entry, dict) else None
        if isinstance(auroc, dict):
            figures.append(parse_figure(OUT_OF_FOLD, key, "auroc", auroc))
    return figures
