"""Reads and writes model folders: each appears complete or not at all, is checked on every load, and holds no pickle.

<folder>/weights.safetensors       the network's tensors; float16 on disk becomes float32 on loading
         card.json                 the ModelCard or SegmenterCard, with the weights' sha256
         familiarity.safetensors   statistics of the training films' features, for the out-of-distribution score
                                   (optional)
         validation_scores.json    what the validation films scored, to compare a site's films with (optional)
         learnt_films.txt          the hashes of the films that it learnt from; see `site.learnt_films` (optional)
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from filelock import FileLock
from safetensors.torch import save_file
from torch import Tensor

from cxr_core.errors import ModelError
from cxr_core.models.card import CARD, WEIGHTS, ModelCard
from cxr_core.models.card_file import Card, read_card_of
from cxr_core.models.networks.architectures import FilmClassifier, Network
from cxr_core.models.networks.saved import load_saved_network
from cxr_core.models.networks.segmenter import FilmSegmenter
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.models.weights_file import load_tensors
from cxr_core.workspace.atomic import atomic_folder, atomic_write
from cxr_core.workspace.hashing import sha256_of_file

OOD_STATISTICS = "familiarity.safetensors"


def save_model(
    folder: Path,
    card: Card,
    network: torch.nn.Module,
    ood_statistics: Mapping[str, Tensor] | None = None,
    *,
    half: bool = False,
) -> Card:
    """Write a model folder, which appears complete or not at all. Returns the card as written, with the sha256.

    half: store floating-point tensors as float16, which halves the file.
    Raises ModelError when the folder exists.
    """
    folder = Path(folder)
    if folder.exists():
        raise ModelError(
            f"{folder} exists already; give the model another version, or move that folder away"
        )
    with atomic_folder(folder) as draft:
        save_file(_to_storage(network.state_dict(), half), draft / WEIGHTS)
        if ood_statistics is not None:
            save_file(_to_storage(ood_statistics, half), draft / OOD_STATISTICS)
        card = replace(card, weights_sha256=sha256_of_file(draft / WEIGHTS))
        (draft / CARD).write_text(card.to_json(), encoding="utf-8")
        for file in draft.iterdir():
            file.chmod(0o644)  # safetensors makes files that only their owner can read
    return card


def update_card(folder: Path, change: Callable[[Card], Card], load: Callable[[Path], Card]) -> Card:
    """Replace the card of a model folder by what `change` makes of it. Returns the card as written.

    Concurrent updates take turns, so that none is lost.  load: `load_card` or `load_segmenter_card`.
    Raises ModelError when there is no card, and OSError when it cannot be written.
    """
    folder = Path(folder).absolute()
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        card = change(load(folder))
        atomic_write(folder / CARD, card.to_json())
    return card


def load_card(folder: Path) -> ModelCard:
    """The card of a classifier's folder. Raises ModelError when it is missing or wrong."""
    return read_card_of(ModelCard, Path(folder))


def load_segmenter_card(folder: Path) -> SegmenterCard:
    """The card of a segmenter's folder. Raises ModelError when it is missing or wrong."""
    return read_card_of(SegmenterCard, Path(folder))


def load_network(folder: Path, card: ModelCard) -> FilmClassifier:
    """The card's network with the folder's weights: float32, in eval mode, frozen.

    Raises ModelError when the weights are missing or damaged, or do not belong to the card.
    """
    return cast(FilmClassifier, _load_any_network(folder, card))


def load_segmenter(folder: Path, card: SegmenterCard) -> FilmSegmenter:
    """The card's segmenter with the folder's weights; otherwise as `load_network`."""
    return cast(FilmSegmenter, _load_any_network(folder, card))


def load_ood_statistics(folder: Path) -> dict[str, Tensor] | None:
    """The out-of-distribution statistics of a model folder, float32; None when it has none.

    Raises ModelError for a damaged file.
    """
    path = Path(folder) / OOD_STATISTICS
    return load_tensors(path) if path.exists() else None


def _load_any_network(folder: Path, card: ModelCard | SegmenterCard) -> Network:
    path = Path(folder) / WEIGHTS
    if not path.is_file():
        raise ModelError(f"{folder} has no {WEIGHTS}; install the model again")
    try:
        sha256 = sha256_of_file(path)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    if sha256 != card.weights_sha256:
        raise ModelError(
            f"{path} has sha256 {sha256[:12]}… where its card says {card.weights_sha256[:12]}…: "
            "the file was changed or damaged. Install the model again."
        )
    return load_saved_network(card.architecture, card.arguments, path)


def _to_storage(tensors: Mapping[str, Tensor], half: bool) -> dict[str, Tensor]:
    stored = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        if half and tensor.is_floating_point():
            tensor = tensor.half()
        stored[name] = tensor
    return stored
