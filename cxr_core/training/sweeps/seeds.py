"""One recipe with several seeds on one division, and their mean as one model: what chance decides, seen and averaged.

recipe, seeds -> RUN/seed-0, RUN/seed-1, ... -> RUN/mean
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cxr_core.data.cache.pixel_cache import Progress, quiet
from cxr_core.errors import RecipeError, RunError
from cxr_core.models.card import CARD, ModelCard
from cxr_core.models.networks.ensemble import LINEAR_HEADS
from cxr_core.models.networks.initialise import origin
from cxr_core.models.store import load_card
from cxr_core.training.export.ensemble import average
from cxr_core.training.fit import Settings, fit, resume
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.runs.run_folder import RunFolder


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Validation AUROC of one finding. each: by seed, in their order.  mean_model: of the mean of their logits."""

    finding: str
    each: tuple[float, ...]
    mean_model: float

    @property
    def mean(self) -> float:
        """The mean over the seeds."""
        return float(np.mean(self.each))

    @property
    def deviation(self) -> float:
        """The standard deviation between seeds, with n - 1 below."""
        return float(np.std(self.each, ddof=1))


def fit_seeds(
    recipe: Recipe,
    seeds: Sequence[int],
    data: Sequence[str | Path],
    settings: Settings,
    *,
    run: Path,
    version: str = "1.0.0",
    progress: Progress = quiet,
) -> Path:
    """Train what is not there yet, then write the mean. Returns the mean's model folder.

    run: the folder of all. Called again after a kill it goes on where it was. progress: of the films that the mean
    reads. Raises RecipeError for fewer than two seeds, twice the same, or a recipe whose networks have no mean, before
    anything is trained; RunError when a folder holds another recipe, or the mean that is there is of other runs; and
    whatever a fit raises.
    """
    if len(set(seeds)) != len(seeds) or len(seeds) < 2:
        raise RecipeError(
            f"seeds {', '.join(map(str, seeds))}: a mean is of two or more, none of them twice"
        )
    if recipe.structures or recipe.head not in LINEAR_HEADS:
        what = "outlines" if recipe.structures else f"has the head {recipe.head!r}"
        raise RecipeError(
            f"recipe {recipe.name} {what}; a mean is of classifiers with {' or '.join(LINEAR_HEADS)}"
        )
    folders = [run / f"seed-{seed}" for seed in seeds]
    for seed, folder in zip(seeds, folders, strict=True):
        _fit_one(replace(recipe, seed=seed, split_seed=recipe.division), folder, data, settings)
    mean = run / "mean"
    if (mean / "model" / CARD).is_file():
        _require_mean_of(folders, mean)
        return mean / "model"
    shutil.rmtree(
        mean, ignore_errors=True
    )  # a mean that was cut off holds nothing that is not made again at once
    return average(folders, data, run=mean, version=version, progress=progress)


def spreads(run: Path, seeds: Sequence[int]) -> list[Spread]:
    """How far the seeds of a finished `fit_seeds` lie apart on the validation films, for each finding."""
    cards = [load_card(run / f"seed-{seed}" / "model") for seed in seeds]
    whole = load_card(run / "mean" / "model")
    return [
        Spread(
            finding=key,
            each=tuple(_auroc(card, key) for card in cards),
            mean_model=_auroc(whole, key),
        )
        for key in whole.findings
    ]


def _fit_one(recipe: Recipe, folder: Path, data: Sequence[str | Path], settings: Settings) -> None:
    if not folder.exists():
        fit(recipe, data, settings, run=folder)
        return
    before = RunFolder.open(folder)
    if before.recipe() != recipe:
        raise RunError(
            f"{folder} is a run of another recipe or with other settings; choose another --run"
        )
    if not before.model.exists():
        resume(folder, settings)


def _require_mean_of(folders: Sequence[Path], mean: Path) -> None:
    """Raises RunError when the mean that is there was made of other runs."""
    found = load_card(mean / "model").training["data"]["averaged"]
    if found != [origin(str(folder / "model")) for folder in folders]:
        raise RunError(
            f"{mean} is the mean of {len(found)} other runs than {', '.join(folder.name for folder in folders)}; move "
            "it away, and that of these is made, or choose another --run"
        )


def _auroc(card: ModelCard, finding: str) -> float:
    return float(card.metrics["validation"][finding]["auroc"]["value"])
