"""Findings: one logit each, unknown labels left out, the mean AUROC chooses the epoch.

Where the recipe learns the ratio as well, the last logit stands for it; see ratio_target.py. Where it has a region for
the evidence, outputs and targets go on behind the logits and labels; see region_target.py.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from cxr_core.data.film_set import Films
from cxr_core.errors import DataError
from cxr_core.evaluation.metrics.metrics import auroc
from cxr_core.training.recipe.augmentation import AugmentationDraw
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.tasks.losses import known_weight, masked_bce, summed_bce
from cxr_core.training.tasks.region_target import moved, outside
from cxr_core.training.tasks.task import Inputs, Validation, outputs_of


class FindingsTask:
    """labels of films: (N, L) float32, 1, 0 or NaN; the recipe's own findings first, then the auxiliary ones; of the
    ratio, anything from 0 to 1."""

    figures: tuple[str, ...] = ("auroc", "accuracy")

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        self._answers, self._learnt = len(recipe.findings), len(recipe.learnt)

    def require(self, parts: Mapping[str, Films]) -> None:
        """Raises DataError when a finding has no positive or no negative in a part."""
        for part, films in parts.items():
            for index, key in enumerate(self.recipe.findings):
                positives, negatives = (
                    int((films.labels[:, index] == value).sum()) for value in (1, 0)
                )
                if not positives or not negatives:
                    raise DataError(
                        f"part {part!r} has {positives} films with {key} and {negatives} without: both are needed"
                    )

    def draw_weights(self, films: Films) -> np.ndarray | None:
        """By the recipe's `balance`; positive is a film with any of the recipe's own findings."""
        if self.recipe.balance == "none":
            return None
        positive = np.nanmax(films.labels[:, : self._answers], axis=1) > 0
        factor = self.recipe.oversample_factor or (~positive).sum() / max(1, positive.sum())
        return np.where(positive, factor, 1.0)

    def targets(self, labels: Tensor, drawn: AugmentationDraw) -> Tensor:
        """The labels: what is done to a film does not change what it shows. Regions are moved as the film is."""
        if not self.recipe.region_weight:
            return labels
        regions = moved(
            labels[:, self._learnt :],
            lambda masks: self.recipe.augmentation.move_masks(masks, drawn),
        )
        return torch.cat([labels[:, : self._learnt], regions], dim=1)

    def weight(self, targets: Tensor) -> Tensor:
        """The weights of the known labels, summed."""
        return known_weight(targets[:, : self._learnt], self._weights(targets))

    def summed_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Weighted binary cross-entropy over known labels, smoothed as the recipe says, and evidence out of place."""
        logits, labels = outputs[:, : self._learnt], targets[:, : self._learnt]
        loss = summed_bce(logits, labels, self.recipe.label_smoothing, self._weights(targets))
        if self.recipe.region_weight:
            loss = loss + self.recipe.region_weight * outside(
                outputs[:, self._learnt :], targets[:, self._learnt :]
            )
        return loss

    def validate(self, network: nn.Module, films: Films, inputs: Inputs) -> Validation:
        """Mean AUROC of the recipe's findings, and the accuracy at a logit of 0, before calibration."""
        logits = outputs_of(network, films, inputs)[:, : self._learnt]
        labels = torch.from_numpy(films.labels)
        loss = masked_bce(logits, labels, 0.0, torch.ones(logits.shape[1]))
        asked, truth = logits[:, : self._answers].numpy(), films.labels[:, : self._answers]
        right = ((asked > 0) == (truth == 1))[~np.isnan(truth)]
        return Validation(
            float(loss), {"auroc": _mean_auroc(asked, truth), "accuracy": float(right.mean())}
        )

    def _weights(self, labels: Tensor) -> Tensor:
        """(L,) the weight of each finding in the loss."""
        weights = torch.ones(self._learnt, device=labels.device)
        weights[: self._answers] = self.recipe.finding_weight
        if self.recipe.ratio_weight:
            weights[-1] = self.recipe.ratio_weight
        return weights


def _mean_auroc(logits: np.ndarray, labels: np.ndarray) -> float:
    known = ~np.isnan(labels)
    return float(
        np.mean(
            [auroc(logits[known[:, i], i], labels[known[:, i], i]) for i in range(labels.shape[1])]
        )
    )
