"""Predicting findings: one logit each, unknown labels ignored, the mean AUROC selects the epoch.

For recipes with region_weight, outputs and targets are longer than logits and labels; see region_target.py.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from cxr_core.data.film_set import FilmSet
from cxr_core.errors import DataError
from cxr_core.evaluation.metrics.metrics import auroc
from cxr_core.training.engine.augment import AugmentationSample, transform_masks
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.tasks.losses import (
    create_label_loss,
    prior_log_odds,
    sum_known_weights,
    summed_loss,
)
from cxr_core.training.tasks.region_target import sum_outside_attribution, transform_regions
from cxr_core.training.tasks.task import Inputs, Validation, compute_outputs

MIN_WEIGHT = 1e-6  # films without known labels have weight 0


class FindingsTask:
    """labels of films: (N, L) float32, 1, 0 or NaN; the recipe's own findings first, then the auxiliary ones."""

    figures: tuple[str, ...] = ("auroc", "accuracy")

    def __init__(self, recipe: Recipe, train_labels: np.ndarray | None = None):
        """train_labels: (N, L) of the training films, for recipes that adjust logits by them."""
        self.recipe = recipe
        self._loss = create_label_loss(recipe)
        self._adjustment: np.ndarray | None = None
        if recipe.logit_adjustment and train_labels is not None:
            labels = train_labels[:, : len(recipe.labelled_findings)]
            self._adjustment = recipe.logit_adjustment * prior_log_odds(labels)
        self._own_count, self._label_count = len(recipe.findings), len(recipe.labelled_findings)

    def require_trainable(self, splits: Mapping[str, FilmSet]) -> None:
        """Raises DataError when a finding has no positive or no negative in a split."""
        for split, films in splits.items():
            for index, key in enumerate(self.recipe.findings):
                positives = int((films.labels[:, index] == 1).sum())
                negatives = int((films.labels[:, index] == 0).sum())
                if not positives or not negatives:
                    raise DataError(
                        f"split {split!r} has {positives} films with {key} and {negatives} without: both are needed"
                    )

    def sampling_weights(self, films: FilmSet) -> np.ndarray | None:
        """By the recipe's `balance`; a film is positive with any of the recipe's own findings."""
        if self.recipe.balance == "none":
            return None
        positive = (films.labels[:, : self._own_count] == 1).any(axis=1)
        factor = self.recipe.oversample_factor or (~positive).sum() / max(1, positive.sum())
        return np.where(positive, factor, 1.0)

    def build_targets(self, labels: Tensor, sample: AugmentationSample) -> Tensor:
        """The labels, which augmentation does not change; regions follow the geometry of their films."""
        if not self.recipe.region_weight:
            return labels
        regions = transform_regions(
            labels[:, self._label_count :],
            lambda masks: transform_masks(self.recipe.augmentation, masks, sample),
        )
        return torch.cat([labels[:, : self._label_count], regions], dim=1)

    def target_weight(self, targets: Tensor) -> Tensor:
        """The summed weights of the known labels."""
        return sum_known_weights(targets[:, : self._label_count], self._label_weights(targets))

    def summed_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The recipe's loss over known labels, with label smoothing, and the attribution penalty."""
        count = self._label_count
        logits, labels = self._adjust(outputs[:, :count]), targets[:, :count]
        smoothing, weights = self.recipe.label_smoothing, self._label_weights(targets)
        loss = summed_loss(self._loss, logits, labels, smoothing, weights)
        if self.recipe.region_weight:
            penalty = sum_outside_attribution(outputs[:, count:], targets[:, count:])
            loss = loss + self.recipe.region_weight * penalty
        return loss

    def validate(self, network: nn.Module, films: FilmSet, inputs: Inputs) -> Validation:
        """Mean AUROC of the recipe's findings, and the accuracy at a logit of 0, before calibration."""
        logits = compute_outputs(network, films, inputs)[:, : self._label_count]
        labels = torch.from_numpy(films.labels)
        weights = torch.ones(logits.shape[1])
        loss = summed_loss(self._loss, self._adjust(logits), labels, 0.0, weights)
        loss = loss / sum_known_weights(labels, weights).clamp_min(MIN_WEIGHT)
        own_logits = logits[:, : self._own_count].numpy()
        own_labels = films.labels[:, : self._own_count]
        correct = ((own_logits > 0) == (own_labels == 1))[~np.isnan(own_labels)]
        figures = {
            "auroc": _mean_auroc(own_logits, own_labels),
            "accuracy": float(correct.mean()),
        }
        return Validation(float(loss), figures, own_logits)

    def _adjust(self, logits: Tensor) -> Tensor:
        """The logits as the loss takes them (Menon et al. 2021, arXiv:2007.07314, section 5.1)."""
        if self._adjustment is None:
            return logits
        return logits.float() + torch.from_numpy(self._adjustment).to(logits.device)

    def _label_weights(self, targets: Tensor) -> Tensor:
        """(L,) the weight of each finding in the loss."""
        weights = torch.ones(self._label_count, device=targets.device)
        weights[: self._own_count] = self.recipe.finding_weight
        return weights


def _mean_auroc(logits: np.ndarray, labels: np.ndarray) -> float:
    areas = []
    for index in range(labels.shape[1]):
        known = ~np.isnan(labels[:, index])
        areas.append(auroc(logits[known, index], labels[known, index]))
    return float(np.mean(areas))
