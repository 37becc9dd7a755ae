"""Describes the models of a cross-validation by one card."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from cxr_core.models.card import DecisionThresholds, ModelCard, OperatingPoint

WITHIN_FOLDS = "each model's own, chosen on the validation films of its fold; here their mean"


def average_cards(cards: Sequence[ModelCard]) -> ModelCard:
    """The first fold's card, with thresholds that are the mean of all folds' and a hash of all weights.

    For display alone: a film is called by the thresholds of its own fold's model.
    """
    first = cards[0]
    digest = hashlib.sha256("\n".join(card.weights_sha256 for card in cards).encode())
    points: dict[str, tuple[OperatingPoint, ...]] = {}
    decisions: dict[str, tuple[DecisionThresholds, ...]] = {}
    for key in first.findings:
        points[key] = tuple(
            replace(
                point,
                threshold=_mean(card.operating_point(key, point.name).threshold for card in cards),
                source=WITHIN_FOLDS,
            )
            for point in first.operating_points[key]
        )
        shared = _shared_decisions(cards, key)
        decisions[key] = tuple(_average_decision(own) for own in shared.values())
    calibration = {
        key: replace(own, source="each model's own, fitted on the validation films of its fold")
        for key, own in first.calibration.items()
    }
    return replace(
        first,
        weights_sha256=digest.hexdigest(),
        operating_points=points,
        decisions=decisions,
        calibration=calibration,
    )


def _shared_decisions(
    cards: Sequence[ModelCard], key: str
) -> Mapping[str, list[DecisionThresholds]]:
    """The thresholds of each decision that all folds have, fold by fold."""
    by_name: dict[str, list[DecisionThresholds]] = {}
    for card in cards:
        for decision in card.decisions.get(key, ()):
            by_name.setdefault(decision.name, []).append(decision)
    return {name: own for name, own in by_name.items() if len(own) == len(cards)}


def _average_decision(own: Sequence[DecisionThresholds]) -> DecisionThresholds:
    return replace(
        own[0],
        present_from=_mean(each.present_from for each in own),
        absent_below=_mean(each.absent_below for each in own),
        source=WITHIN_FOLDS,
    )


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
