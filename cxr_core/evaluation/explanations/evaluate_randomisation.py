"""A classifier's maps beside those of the same network with chance in the place of learnt weights.

head   the head is new
late   the head, the narrowing convolution and the last quarter of the backbone's layers are new
all    everything is new

Compared is what the heads add, without taking off what is usual: that belongs to the learnt network alone, and would be
the same pattern in every map.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from cxr_core.evaluation.explanations.randomisation import (
    STAGES,
    randomisation_figures,
    rank_correlation,
)
from cxr_core.film.preprocess import normalise
from cxr_core.models.card import ModelCard
from cxr_core.models.networks.architectures import FilmClassifier, build
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.heatmaps import logits_and_evidence

FILMS, DRAWS = 40, 5  # at most so many films, and networks of each stage
BATCH = 20

Randomise = Callable[[ModelCard, FilmClassifier, str, int], FilmClassifier]


def randomised(card: ModelCard, network: FilmClassifier, stage: str, seed: int) -> FilmClassifier:
    """Another network of the same form: freshly initialised in the layers of a stage, as learnt in all others.

    The network given is only read.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        other: FilmClassifier = build(card.architecture, {**card.arguments, "pretrained": False})
    new = layers_of(network, stage)
    learnt = {
        name: tensor
        for name, tensor in network.state_dict().items()
        if name.rpartition(".")[0] not in new
    }
    other.load_state_dict({**other.state_dict(), **learnt})
    return other.requires_grad_(False).eval()


def layers_of(network: FilmClassifier, stage: str) -> set[str]:
    """The names of the layers with weights that a stage makes anew; of a mean of networks, in each of them."""
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in network.state_dict()))
    if stage == "all":
        return set(layers)
    kept: set[str] = set()
    for member in dict.fromkeys(_member(name) for name in layers):
        backbone = [name for name in layers if name.startswith(f"{member}backbone.")]
        neck = [name for name in layers if name.startswith(f"{member}neck.")]
        kept |= (
            {*backbone, *neck}
            if stage == "head"
            else {*backbone[: len(backbone) - max(1, len(backbone) // 4)]}
        )
    return set(layers) - kept


def _member(layer: str) -> str:
    """Where a layer's network lies: `members.0.` in a mean, else nothing."""
    parts = layer.split(".")
    return f"members.{parts[1]}." if parts[0] == "members" else ""


def randomisation(
    classifier: Classifier,
    grids: np.ndarray,
    patients: np.ndarray,
    findings: Sequence[str],
    randomise: Randomise = randomised,
) -> dict[str, dict[str, Any]]:
    """The figures of `randomisation.randomisation_figures` for each finding.

    grids: (N, S, S) uint8 films on the model's grid.  randomise: makes the network of a stage and a seed.
    """
    card = classifier.card
    wanted = [card.findings.index(key) for key in findings]
    own = evidence_of(classifier.network, grids, card)
    similar: dict[str, list[np.ndarray]] = {}
    for stage in STAGES:
        draws = [randomise(card, classifier.network, stage, seed) for seed in range(DRAWS)]
        similar[stage] = [_alike(own, evidence_of(network, grids, card)) for network in draws]
    return {
        key: randomisation_figures(
            {stage: np.stack(of)[:, :, i] for stage, of in similar.items()}, patients
        )
        for key, i in zip(findings, wanted, strict=True)
    }


def evidence_of(network: FilmClassifier, grids: np.ndarray, card: ModelCard) -> np.ndarray:
    """The exact maps of films on the model's grid: (N, L, h, w) float32."""
    found = []
    with torch.inference_mode():
        for start in range(0, len(grids), BATCH):
            inputs = torch.from_numpy(normalise(grids[start : start + BATCH], card.input_spec))
            found.append(logits_and_evidence(network, network.forward_features(inputs))[1].numpy())
    return np.concatenate(found)


def _alike(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(N, L, h, w) and the same to (N, L). A map that is no number is as good as flat."""
    count, findings = one.shape[:2]
    flat = [
        np.nan_to_num(maps.reshape(count * findings, -1), posinf=0, neginf=0)
        for maps in (one, other)
    ]
    return rank_correlation(flat[0], flat[1]).reshape(count, findings)
