"""Compares a classifier's heatmaps with those of the same network with random weights.

head   the head is random
late   the head, the neck and the last quarter of the backbone's layers are random
all    everything is random

The heads' attribution is compared without subtracting the baseline: that belongs to the learnt network alone, and would
put the same pattern into every map.
"""

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
import torch

from cxr_core.evaluation.explanations.randomisation import (
    ALL_LAYERS,
    STAGES,
    compute_randomisation,
    rank_correlation,
)
from cxr_core.film.preprocess import normalise_grids
from cxr_core.models.card import ArchitectureArguments, ModelCard
from cxr_core.models.figures import Randomisation
from cxr_core.models.networks.architectures import FilmClassifier, build_network
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.heatmaps import forward_with_attribution

MAX_FILMS = 40
NETWORKS = 5  # random networks of each stage
BATCH = 20

Randomise = Callable[[ModelCard, FilmClassifier, str, int], FilmClassifier]


def randomise_network(
    card: ModelCard, network: FilmClassifier, stage: str, seed: int
) -> FilmClassifier:
    """A network of the same architecture: freshly initialised in the layers of a stage, as learnt in all others.

    The network given is only read.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        arguments: ArchitectureArguments = {**card.arguments, "pretrained": False}
        other = cast(FilmClassifier, build_network(card.architecture, arguments))
    randomised = select_layers(network, stage)
    learnt = {
        name: tensor
        for name, tensor in network.state_dict().items()
        if layer_name(name) not in randomised
    }
    other.load_state_dict({**other.state_dict(), **learnt})
    return other.requires_grad_(False).eval()


def select_layers(network: FilmClassifier, stage: str) -> set[str]:
    """The names of the layers with weights that a stage randomises; of an ensemble, in each of its members."""
    layers = list(dict.fromkeys(layer_name(name) for name in network.state_dict()))
    if stage == ALL_LAYERS:
        return set(layers)
    kept: set[str] = set()
    for member in dict.fromkeys(member_prefix(name) for name in layers):
        backbone = [name for name in layers if name.startswith(f"{member}backbone.")]
        neck = [name for name in layers if name.startswith(f"{member}neck.")]
        if stage == "head":
            kept |= {*backbone, *neck}
        else:
            kept |= set(backbone[: len(backbone) - max(1, len(backbone) // 4)])
    return set(layers) - kept


def layer_name(tensor: str) -> str:
    """The layer of a tensor in a state dict: `head.linear.weight` -> head.linear."""
    return tensor.rpartition(".")[0]


def member_prefix(layer: str) -> str:
    """The prefix of a layer's network in an ensemble, such as `members.0.`; empty for a single network."""
    parts = layer.split(".")
    return f"members.{parts[1]}." if parts[0] == "members" else ""


def evaluate_randomisation(
    classifier: Classifier,
    grids: np.ndarray,
    patients: np.ndarray,
    findings: Sequence[str],
    randomise: Randomise = randomise_network,
) -> dict[str, Randomisation]:
    """How similar each finding's maps are to those of random networks.

    grids: (N, S, S) uint8, films on the model's grid.  patients: (N,).  randomise: makes a random network.
    """
    card, network = classifier.card, classifier.load_trained_network()
    attributions = compute_attributions(network, grids, card)
    by_stage: dict[str, np.ndarray] = {}  # (D, N, L) of each stage
    for stage in STAGES:
        random_networks = [randomise(card, network, stage, seed) for seed in range(NETWORKS)]
        similarities = [
            _correlate_maps(attributions, compute_attributions(other, grids, card))
            for other in random_networks
        ]
        by_stage[stage] = np.stack(similarities)
    figures = {}
    for key in findings:
        index = card.findings.index(key)
        of_finding = {stage: values[:, :, index] for stage, values in by_stage.items()}
        figures[key] = compute_randomisation(of_finding, patients)
    return figures


def compute_attributions(network: FilmClassifier, grids: np.ndarray, card: ModelCard) -> np.ndarray:
    """The exact maps of films on the model's grid (N, S, S): (N, L, h, w) float32."""
    batches = []
    with torch.inference_mode():
        for start in range(0, len(grids), BATCH):
            inputs = torch.from_numpy(
                normalise_grids(grids[start : start + BATCH], card.input_spec)
            )
            features = network.forward_features(inputs)
            _, attributions = forward_with_attribution(network, features)
            batches.append(attributions.numpy())
    return np.concatenate(batches)


def _correlate_maps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Rank correlation of maps (N, L, h, w) and (N, L, h, w): (N, L). A map with NaN counts as flat."""
    count, findings = one.shape[:2]
    flat = [
        np.nan_to_num(maps.reshape(count * findings, -1), posinf=0, neginf=0)
        for maps in (one, other)
    ]
    return rank_correlation(flat[0], flat[1]).reshape(count, findings)
