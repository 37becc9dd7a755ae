"""How a model was made, as its card records it under `training` and `software`."""

import platform
import time
from dataclasses import dataclass
from typing import Self

import torch

from cxr_core.data.manifest import Manifest
from cxr_core.models.networks.architectures import timm
from cxr_core.training.engine.trainer import TrainedNetwork
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.runs.manifest import RunManifest
from cxr_core.workspace.json_files import Json, JsonObject


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """The `training` of a card. terms: what the licence of the data asks of its users."""

    recipe: Recipe
    manifest: RunManifest
    epoch: int
    duration_s: float
    terms: Json

    @classmethod
    def of_run(
        cls,
        recipe: Recipe,
        manifest: RunManifest,
        trained: TrainedNetwork,
        films: Manifest,
        duration_s: float,
    ) -> Self:
        """films: those trained on."""
        return cls(
            recipe=recipe,
            manifest=manifest,
            epoch=trained.epoch,
            duration_s=duration_s,
            terms=films.terms,
        )

    def to_json(self) -> JsonObject:
        """The record as card.json holds it, finished today."""
        return {
            "recipe": self.recipe.name,
            "summary": self.recipe.summary,
            "init": self.manifest.initial_weights or self.recipe.init,
            "seed": self.recipe.seed,
            "epoch": self.epoch,
            "duration_s": round(self.duration_s),
            "finished": time.strftime("%Y-%m-%d"),
            "data": self.manifest.training_data(),
            "terms": self.terms,
        }


def list_software() -> dict[str, str]:
    """The versions that made the model."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "timm": timm.__version__,
    }
