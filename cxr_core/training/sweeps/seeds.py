"""Trains one recipe with several seeds on the same split, and makes an ensemble of them.

recipe, seeds -> RUN/seed-0, RUN/seed-1, ... -> RUN/mean
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cxr_core.data.cache.pixel_cache import Progress, ignore_progress
from cxr_core.errors import RecipeError, RunError
from cxr_core.models.card import CARD
from cxr_core.models.networks.ensemble import LINEAR_HEADS
from cxr_core.models.networks.initialise import describe_initial_weights
from cxr_core.models.store import load_card
from cxr_core.training.export.ensemble import build_ensemble, validation_auroc
from cxr_core.training.fit import FitOptions, fit, resume
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.run_data import absolute_folders, is_run_of
from cxr_core.training.runs.annotation import NO_ANNOTATION, RunAnnotation
from cxr_core.training.runs.run_files import MODEL
from cxr_core.training.runs.run_folder import RunFolder

ENSEMBLE = "mean"  # the folder of the ensemble


@dataclass(frozen=True, kw_only=True)
class SeedSpread:
    """Validation AUROC of one finding. by_seed: in the order of the seeds.  ensemble: of their ensemble."""

    finding: str
    by_seed: tuple[float, ...]
    ensemble: float

    @property
    def mean(self) -> float:
        """The mean over the seeds."""
        return float(np.mean(self.by_seed))

    @property
    def standard_deviation(self) -> float:
        """The sample standard deviation over the seeds (n - 1)."""
        return float(np.std(self.by_seed, ddof=1))


def fit_seeds(
    recipe: Recipe,
    seeds: Sequence[int],
    data: Sequence[str | Path],
    options: FitOptions,
    *,
    run: Path,
    version: str = "1.0.0",
    progress: Progress = ignore_progress,
) -> Path:
    """Train the seeds that are missing, then write the ensemble. Returns the ensemble's model folder.

    run: the folder of all runs. Called again after a kill it goes on where it was. progress: of the films that the
    ensemble reads. Raises RecipeError for fewer than two seeds, repeated ones, or a recipe whose networks cannot be
    averaged, before anything is trained; RunError when a folder holds another recipe or a run on other data, or the
    existing ensemble is of other runs; and whatever `fit` raises.
    """
    _require_distinct(seeds)
    _require_linear_head(recipe)
    members = [run / f"seed-{seed}" for seed in seeds]
    split_seed = recipe.effective_split_seed
    for seed, member in zip(seeds, members, strict=True):
        fit_or_resume(replace(recipe, seed=seed, split_seed=split_seed), member, data, options)
    ensemble = run / ENSEMBLE
    if (ensemble / MODEL / CARD).is_file():
        _require_ensemble_of(members, ensemble)
        return ensemble / MODEL
    # An ensemble that was interrupted holds nothing that is not quickly made again.
    shutil.rmtree(ensemble, ignore_errors=True)
    return build_ensemble(members, data, run=ensemble, version=version, progress=progress)


def measure_spreads(run: Path, seeds: Sequence[int]) -> list[SeedSpread]:
    """How far the seeds of a finished `fit_seeds` lie apart on the validation films, for each finding."""
    cards = [load_card(run / f"seed-{seed}" / MODEL) for seed in seeds]
    ensemble = load_card(run / ENSEMBLE / MODEL)
    return [
        SeedSpread(
            finding=key,
            by_seed=tuple(validation_auroc(card, key) for card in cards),
            ensemble=validation_auroc(ensemble, key),
        )
        for key in ensemble.findings
    ]


def _require_distinct(seeds: Sequence[int]) -> None:
    if len(set(seeds)) != len(seeds) or len(seeds) < 2:
        raise RecipeError(
            f"seeds {', '.join(map(str, seeds))}: an ensemble needs two or more, none of them twice"
        )


def _require_linear_head(recipe: Recipe) -> None:
    if recipe.structures:
        raise RecipeError(f"recipe {recipe.name} segments; only classifiers can be averaged")
    if recipe.head not in LINEAR_HEADS:
        raise RecipeError(
            f"recipe {recipe.name} has the head {recipe.head!r}; only the heads "
            f"{' and '.join(LINEAR_HEADS)} can be averaged"
        )


def fit_or_resume(
    recipe: Recipe,
    folder: Path,
    data: Sequence[str | Path],
    options: FitOptions,
    annotation: RunAnnotation = NO_ANNOTATION,
) -> None:
    """Train a run of several, go on with it, or leave it when it is finished.

    annotation: of a new run. Raises RunError when the folder holds a run of another recipe or on other data, and
    whatever `fit` raises.
    """
    if not folder.exists():
        fit(recipe, data, options, run=folder, annotation=annotation)
        return
    run = RunFolder.open(folder)
    if not is_run_of(run, recipe):
        raise RunError(
            f"{folder} is a run of another recipe or with other settings; choose another name or folder"
        )
    if run.load_manifest().folders != absolute_folders(data):
        raise RunError(f"{folder} is a run on other data; choose another name or folder")
    if not run.model.exists():
        resume(folder, options)


def _require_ensemble_of(members: Sequence[Path], ensemble: Path) -> None:
    """Raises RunError when the existing ensemble was made of other runs."""
    former = RunFolder.open(ensemble).load_manifest().members
    if former != tuple(describe_initial_weights(str(member / MODEL)) for member in members):
        raise RunError(
            f"{ensemble} is the ensemble of {len(former)} other runs than "
            f"{', '.join(member.name for member in members)}; move it away to make it anew, or choose another --run"
        )
