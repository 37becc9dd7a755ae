"""Model folders on disk: written whole or not at all, checked on every load, never a pickle.

<folder>/weights.safetensors       the network's tensors (float16 on disk is cast on loading)
         card.json                 the ModelCard; names the weights' sha256
         familiarity.safetensors   what the training films look like to the network (optional)
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar, cast

import torch
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cxr_core.errors import ModelError
from cxr_core.models.card import CARD, WEIGHTS, ModelCard
from cxr_core.models.networks.architectures import FilmClassifier, build
from cxr_core.models.networks.segmenter import Segmenter
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.workspace.atomic import atomic_write
from cxr_core.workspace.hashing import sha256_of_file

Card = TypeVar("Card", ModelCard, SegmenterCard)
FAMILIARITY = "familiarity.safetensors"


def save_model(
    folder: Path,
    card: Card,
    network: torch.nn.Module,
    familiarity: Mapping[str, Tensor] | None = None,
    *,
    half: bool = False,
) -> Card:
    """Write a model folder in one step: it appears complete under its name, or not at all.

    half: store floating tensors as float16, which halves the file; loading casts back to float32.
    Returns the card as written, with the weights' sha256. Raises ModelError when the folder exists.
    """
    folder = Path(folder)
    if folder.exists():
        raise ModelError(
            f"{folder} exists already; give the model another version, or move that folder away"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        save_file(_on_disk(network.state_dict(), half), draft / WEIGHTS)
        if familiarity is not None:
            save_file(_on_disk(familiarity, half), draft / FAMILIARITY)
        card = replace(card, weights_sha256=sha256_of_file(draft / WEIGHTS))
        (draft / CARD).write_text(card.to_json(), encoding="utf-8")
        for file in draft.iterdir():
            file.chmod(0o644)
            _flush(file)
        draft.chmod(0o755)
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return card


def change_card(folder: Path, change: Callable[[Card], Card], load: Callable[[Path], Card]) -> Card:
    """Put another card into a model folder, in one step: what `change` makes of the one that is there now.

    Changes take turns, so that none is lost. load: `load_card` or `load_segmenter_card`. Returns the card as written.
    Raises ModelError when there is none, and OSError when it cannot be written.
    """
    folder = Path(folder).absolute()
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        card = change(load(folder))
        atomic_write(folder / CARD, card.to_json())
    return card


def load_card(folder: Path) -> ModelCard:
    """The card of a model folder. Raises ModelError when it is missing or not to be understood."""
    return _card(folder, ModelCard.from_json)


def _card(folder: Path, parse: Callable[[str], Card]) -> Card:
    try:
        return parse((Path(folder) / CARD).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{folder} holds no readable {CARD}; a model folder has {WEIGHTS} and {CARD}"
        ) from error
    except ModelError as error:
        raise ModelError(f"{folder}: {error}") from error


def load_segmenter_card(folder: Path) -> SegmenterCard:
    """The card of a model folder that outlines. Raises ModelError when it is missing or not to be understood."""
    return _card(folder, SegmenterCard.from_json)


def load_network(folder: Path, card: ModelCard) -> FilmClassifier:
    """The card's network with the folder's weights: float32, in eval mode, frozen.

    Raises ModelError when the weights are missing, damaged, or not those the card names.
    """
    return cast(FilmClassifier, _network(folder, card))


def load_segmenter(folder: Path, card: SegmenterCard) -> Segmenter:
    """As `load_network`, of a model that outlines."""
    return cast(Segmenter, _network(folder, card))


def _network(folder: Path, card: ModelCard | SegmenterCard) -> torch.nn.Module:
    path = Path(folder) / WEIGHTS
    if not path.is_file():
        raise ModelError(f"{folder} has no {WEIGHTS}; install the model again")
    found = sha256_of_file(path)
    if found != card.weights_sha256:
        raise ModelError(
            f"{path} has sha256 {found[:12]}… where its card says {card.weights_sha256[:12]}…: "
            "the file was changed or damaged. Install the model again."
        )
    network: torch.nn.Module = build(card.architecture, card.arguments)
    load_weights(network, path)
    return network.requires_grad_(False).eval()


def load_weights(network: torch.nn.Module, path: Path) -> None:
    """Load every tensor of a safetensors file into a network that has exactly those. Raises ModelError otherwise."""
    tensors = _in_memory(path)
    expected = network.state_dict()
    wrong = sorted(set(expected) ^ set(tensors)) or sorted(
        name for name in expected if expected[name].shape != tensors[name].shape
    )
    if wrong:
        raise ModelError(
            f"{path} does not fit its network: {len(wrong)} tensors differ, such as {wrong[0]}"
        )
    network.load_state_dict(tensors)


def load_familiarity(folder: Path) -> dict[str, Tensor] | None:
    """The familiarity statistics of a model folder, float32; None when it has none."""
    path = Path(folder) / FAMILIARITY
    return _in_memory(path) if path.exists() else None


def _in_memory(path: Path) -> dict[str, Tensor]:
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} is no whole safetensors file: {error}") from error
    return {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}


def _on_disk(tensors: Mapping[str, Tensor], half: bool) -> dict[str, Tensor]:
    def cast(tensor: Tensor) -> Tensor:
        tensor = tensor.detach().cpu().contiguous()
        return tensor.half() if half and tensor.is_floating_point() else tensor

    return {name: cast(tensor) for name, tensor in tensors.items()}


def _flush(file: Path) -> None:
    with file.open("rb") as handle:
        os.fsync(handle.fileno())
