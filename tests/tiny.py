"""A model small enough for tests: random weights, a real card, a real folder."""

import copy
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from cxr_core.film.preprocess import InputSpec
from cxr_core.models.card import (
    OPERATING_POINTS,
    Calibration,
    ModelCard,
    OperatingPoint,
    Population,
)
from cxr_core.models.networks.architectures import FilmClassifier, build_network
from cxr_core.models.store import save_model
from cxr_core.training.recipe.recipe import Recipe

ARGUMENTS: dict[str, Any] = {
    "backbone": "mobilenetv3_small_050",
    "findings": 2,
    "channels": 1,
    "side": 64,
    "head": "averaged",
    "neck": 8,
}

# A run that ends within seconds and learns what `lit_films` draws.
TINY_RECIPE = Recipe(
    name="tiny",
    summary="A test.",
    model="tiny",
    findings=("pneumonia",),
    backbone="mobilenetv3_small_050",
    init="scratch",
    neck=8,
    input_side=64,
    channels=1,
    epochs=1,
    batch_size=8,
    learning_rate=3e-3,
    validation_share=0.3,
)


def tiny_card(
    model: str = "tiny", findings: tuple[str, ...] = ("cardiomegaly", "pneumonia"), **changes: Any
) -> ModelCard:
    points = tuple(
        OperatingPoint(name=name, threshold=0.5, source="chosen by a test")
        for name in OPERATING_POINTS
    )
    card = ModelCard(
        model=model,
        version="1.0.0",
        findings=findings,
        architecture="film_classifier",
        arguments={**ARGUMENTS, "findings": len(findings)},
        input_spec=InputSpec(side=64, channels=1, mean=0.5, std=0.25),
        population=Population(text="anybody"),
        calibration={key: Calibration() for key in findings},
        operating_points=dict.fromkeys(findings, points),
        evidence_scale=dict.fromkeys(findings, 0.1),
    )
    return replace(card, **changes)


def tiny_network(card: ModelCard, seed: int = 0) -> FilmClassifier:
    """A network with random weights, the caller's own; each kind is built once and then copied."""
    network = copy.deepcopy(_build_tiny(card.architecture, json.dumps(card.arguments), seed))
    torch.manual_seed(seed)
    return network


@cache
def _build_tiny(architecture: str, arguments: str, seed: int) -> FilmClassifier:
    torch.manual_seed(seed)
    return build_network(architecture, json.loads(arguments))


def tiny_model(root: Path, card: ModelCard | None = None, seed: int = 0, **extra: Any) -> Path:
    """Write a model folder under root and return it."""
    card = card or tiny_card()
    folder = root / card.model / card.version
    save_model(folder, card, tiny_network(card, seed), **extra)
    return folder
