"""A network before training: random, ImageNet's by timm's own loading, or from a local safetensors file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from cxr_core.errors import ModelError
from cxr_core.models.architectures import FilmClassifier, build

STEM_SUFFIXES = ("conv_stem.weight", "conv1.weight", "features.conv0.weight", "stem.conv.weight")


@dataclass(frozen=True)
class Initialised:
    """A network to train. unmatched: tensors of the file that found no place; missing: those it did not hold."""

    network: FilmClassifier
    unmatched: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def initialise(arguments: dict[str, Any], init: str, seed: int) -> Initialised:
    """The network of a recipe. init: `scratch`, `imagenet` or the path of a safetensors file in timm's naming.

    Raises PretrainedUnavailable when the hub is out of reach, ModelError when a file holds nothing that fits.
    """
    torch.manual_seed(seed)
    network = build("film_classifier", {**arguments, "pretrained": init == "imagenet"})
    if init in ("scratch", "imagenet"):
        return Initialised(network)
    return _from_file(network, Path(init))


def _from_file(network: FilmClassifier, path: Path) -> Initialised:
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"the initial weights {path} cannot be read as safetensors: {error}") from error
    wanted = network.backbone.state_dict()
    fitting = {}
    for name, tensor in found.items():
        if name in wanted:
            tensor = _adapt_stem(name, tensor.float() if tensor.is_floating_point() else tensor, wanted[name])
            if tensor.shape == wanted[name].shape:
                fitting[name] = tensor
    if not fitting:
        raise ModelError(f"{path} holds no tensor of this backbone; was it saved from another one?")
    network.backbone.load_state_dict(fitting, strict=False)
    return Initialised(
        network, unmatched=tuple(sorted(set(found) - set(fitting))), missing=tuple(sorted(set(wanted) - set(fitting)))
    )


def _adapt_stem(name: str, tensor: Tensor, wanted: Tensor) -> Tensor:
    """A colour stem for one grey channel is the sum over colours: the response to a grey picture stays the same."""
    if name.endswith(STEM_SUFFIXES) and tensor.ndim == 4 and tensor.shape[1] == 3 and wanted.shape[1] == 1:
        return tensor.sum(dim=1, keepdim=True)
    return tensor
