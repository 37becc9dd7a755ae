"""Builds a network before training: random, or with the weights of ImageNet (timm), of a file or of a model."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from cxr_core.errors import ModelError
from cxr_core.film.preprocess import InputSpec
from cxr_core.models.card import CARD, ArchitectureArguments, ModelCard
from cxr_core.models.card_file import read_card
from cxr_core.models.networks.architectures import FilmClassifier, Network, build_network
from cxr_core.models.networks.backbones import require_backbone
from cxr_core.models.networks.imagenet import require_imagenet_weights
from cxr_core.models.networks.segmenter import FilmSegmenter
from cxr_core.models.registry.registry import find_segmenter, list_classifiers
from cxr_core.models.segmenter_card import SEGMENTER, SegmenterCard
from cxr_core.models.store import (
    load_card,
    load_network,
    load_segmenter,
    load_segmenter_card,
)
from cxr_core.models.weights_file import load_tensors, read_shapes
from cxr_core.workspace.hashing import sha256_of_file
from cxr_core.workspace.outside_files import parse_path

# Before a model's folder or name: its backbone only, for a network with another head or on other inputs.
BACKBONE_OF = "backbone:"
# A file that holds less than this share of a backbone's tensors was saved from another one.
MIN_SHARE = 0.5
# The arguments that decide the shape and the meaning of the weights; a card may leave out those with their default.
DEFAULT_SHAPE: ArchitectureArguments = {
    "backbone_arguments": {},
    "head": "averaged",
    "neck": None,
    "hidden": 128,
    "two_class": False,
    "code": {},
}
SHAPE_KEYS = ("backbone", "channels", "side", *DEFAULT_SHAPE)
LAST_LAYER = ("head.linear.weight", "head.linear.bias")


@dataclass(frozen=True)
class InitialisedNetwork:
    """A network to train.

    network: a FilmClassifier or a FilmSegmenter, as its architecture says.
    unmatched: tensors of the file that fitted nowhere.  missing: tensors of the network that the file did not hold.
    """

    network: Any
    unmatched: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def initialise_network(
    arguments: ArchitectureArguments,
    init: str,
    seed: int,
    *,
    input_spec: InputSpec | None = None,
    findings: tuple[str, ...] = (),
    architecture: str = "film_classifier",
) -> InitialisedNetwork:
    """The network of a recipe, in eval mode.

    init: `scratch`, `imagenet`, the path of a safetensors file in timm's naming, a model folder, or the name of an
    installed model; with `backbone:` before a folder or a name, that model's backbone only.
    input_spec, findings (the order of the logits): those of the recipe. A model's weights are taken only for the same
    preprocessing; of its last layer, the rows of findings that both have.
    Raises PretrainedUnavailable when ImageNet weights cannot be had, FileRefused for a path that the system cannot
    follow, and ModelError when a file or a model does not fit.
    """
    torch.manual_seed(seed)
    folder = find_initial_model(init)
    network = build_network(architecture, {**arguments, "pretrained": init == "imagenet"})
    if init in ("scratch", "imagenet"):
        return InitialisedNetwork(network)
    if folder is None:
        return _start_from_file(network, parse_path(init))
    if init.startswith(BACKBONE_OF):
        return _start_from_backbone(network, folder, arguments)
    if architecture == SEGMENTER:
        return _start_from_segmenter(cast(FilmSegmenter, network), folder, arguments, input_spec)
    card = load_card(folder)
    _require_same_form(card, arguments, input_spec, folder)
    model = load_network(folder, card)
    return _start_from_classifier(cast(FilmClassifier, network), model, card.findings, findings)


def require_initial_weights(
    arguments: ArchitectureArguments,
    init: str,
    input_spec: InputSpec,
    architecture: str = "film_classifier",
) -> None:
    """Check that a recipe's network can start from `init`, as far as possible without building it.

    Raises what `initialise_network` would: RecipeError, PretrainedUnavailable, FileRefused or ModelError. For
    `imagenet` it asks timm's hub.
    """
    require_backbone(arguments["backbone"])
    if init == "imagenet":
        require_imagenet_weights(arguments["backbone"])
    folder = find_initial_model(init)
    if folder is None:
        return
    if init.startswith(BACKBONE_OF):
        _require_same_backbone(read_card(folder), arguments)
    elif architecture == SEGMENTER:
        _require_same_segmenter(load_segmenter_card(folder), arguments, input_spec)
    else:
        _require_same_form(load_card(folder), arguments, input_spec, folder)


def describe_initial_weights(init: str) -> str:
    """Where a run's weights came from, for its card: a word, a file with its hash, or a model with version and hash."""
    folder = find_initial_model(init)
    if folder is not None:
        card = read_card(folder)
        part = "the backbone of " if init.startswith(BACKBONE_OF) else ""
        return f"{part}{card.model} {card.version}, sha256 {card.weights_sha256}"
    path = parse_path(init)
    if path.is_file():
        return f"{path.name}, sha256 {sha256_of_file(path)}"
    return init


def find_initial_model(init: str) -> Path | None:
    """The folder of a model that `init` gives by path or by name; None for scratch, imagenet or a file.

    Raises ModelError for a name or a path of nothing, FileRefused for a path that the system cannot follow.
    """
    init = init.removeprefix(BACKBONE_OF)
    path = parse_path(init)
    if (path / CARD).is_file():
        return path
    if init in ("scratch", "imagenet") or path.is_file():
        return None
    folders = list_classifiers()
    segmenter = find_segmenter()
    if segmenter is not None:
        folders.append(segmenter)
    by_name = {folder.parent.name: folder for folder in folders}
    if init not in by_name:
        raise ModelError(
            f"init={init!r} is no file and no model folder; give scratch, imagenet, a safetensors file, "
            f"a model folder, or an installed model: {', '.join(by_name) or 'none'}"
        )
    return by_name[init]


def _start_from_file(network: Network, path: Path) -> InitialisedNetwork:
    """Load the tensors of a file that fit the backbone. Raises ModelError when too few do."""
    shapes = read_shapes(path)
    expected = network.backbone.state_dict()
    tensors = load_tensors(path, shapes.keys() & expected.keys())
    stem = _find_stem(network.backbone)
    fitting = {}
    for name, tensor in tensors.items():
        tensor = _sum_colours(tensor, expected[name]) if name == stem else tensor
        if tensor.shape == expected[name].shape:
            fitting[name] = tensor
    if len(fitting) < MIN_SHARE * len(expected):
        raise ModelError(_explain_misfit(path, len(fitting), len(expected), shapes))
    network.backbone.load_state_dict(fitting, strict=False)
    return InitialisedNetwork(
        network,
        unmatched=tuple(sorted(set(shapes) - set(fitting))),
        missing=tuple(sorted(set(expected) - set(fitting))),
    )


def _explain_misfit(path: Path, fitting: int, expected: int, names: Iterable[str]) -> str:
    if any(name.startswith("backbone.") for name in names):
        return f"{path} holds the weights of a model of this program; give its folder, whose card says how films enter"
    return f"{path} holds {fitting} of the {expected} tensors of this backbone; was it saved from another one?"


def _find_stem(backbone: nn.Module) -> str:
    """The name of the first convolution's weight, which receives the colour channels."""
    return next(
        f"{name}.weight"
        for name, module in backbone.named_modules()
        if isinstance(module, nn.Conv2d)
    )


def _sum_colours(tensor: Tensor, expected: Tensor) -> Tensor:
    """A colour stem for one grey channel is the sum over colours: the response to a grey picture stays the same."""
    if tensor.ndim == 4 and tensor.shape[1] == 3 and expected.shape[1] == 1:
        return tensor.sum(dim=1, keepdim=True)
    return tensor


def _start_from_backbone(
    network: Network, folder: Path, arguments: ArchitectureArguments
) -> InitialisedNetwork:
    """Load a model's backbone; the other layers keep their random weights. Raises ModelError for another backbone."""
    card = read_card(folder)
    _require_same_backbone(card, arguments)
    model = _load_any_network(folder, card)
    network.backbone.load_state_dict(model.backbone.state_dict())
    return InitialisedNetwork(network)


def _load_any_network(folder: Path, card: ModelCard | SegmenterCard) -> Network:
    if isinstance(card, SegmenterCard):
        return load_segmenter(folder, card)
    return load_network(folder, card)


def _require_same_backbone(
    card: ModelCard | SegmenterCard, arguments: ArchitectureArguments
) -> None:
    there = card.arguments.get("backbone"), card.arguments.get("channels")
    here = arguments.get("backbone"), arguments.get("channels")
    if there != here:
        raise ModelError(
            f"{card.model} {card.version} has the backbone {there[0]} of {there[1]} channels; the recipe has "
            f"{here[0]} of {here[1]}. Only the same one can be taken over"
        )


def _start_from_segmenter(
    network: FilmSegmenter,
    folder: Path,
    arguments: ArchitectureArguments,
    input_spec: InputSpec | None,
) -> InitialisedNetwork:
    """Load every tensor of a segmenter of the same form. Raises ModelError for one of another form."""
    card = load_segmenter_card(folder)
    _require_same_segmenter(card, arguments, input_spec)
    network.load_state_dict(load_segmenter(folder, card).state_dict())
    return InitialisedNetwork(network)


def _require_same_segmenter(
    card: SegmenterCard, arguments: ArchitectureArguments, input_spec: InputSpec | None
) -> None:
    here = {**arguments, "dropout": 0}
    there = {**card.arguments, "dropout": 0}
    if input_spec != card.input_spec or here != there:
        raise ModelError(
            f"{card.model} {card.version} has {card.arguments} on {card.input_spec}; the recipe has {arguments} on "
            f"{input_spec}. Take the recipe that made it"
        )


def _require_same_form(
    card: ModelCard, arguments: ArchitectureArguments, input_spec: InputSpec | None, folder: Path
) -> None:
    """Raises ModelError, which names the differences between the recipe and the model that it is to start from."""
    if card.architecture != "film_classifier":
        raise ModelError(
            f"{card.model} {card.version} is an ensemble of several networks, which cannot be trained further as one; "
            f"start from one of its runs, or from {BACKBONE_OF}{card.model}"
        )
    if input_spec is None:
        raise ModelError(
            f"starting from the model {folder} needs the recipe's preprocessing, to compare it"
        )
    here = {**_shape_of(arguments), **asdict(input_spec)}
    there = {**_shape_of(card.arguments), **asdict(card.input_spec)}
    differences = []
    for key, value in here.items():
        # As JSON, where a card has been: a tuple is a list there.
        if json.dumps(value, sort_keys=True) != json.dumps(there.get(key), sort_keys=True):
            differences.append(f"{key} is {there.get(key)!r} there and {value!r} here")
    if differences:
        raise ModelError(
            f"{card.model} {card.version} cannot be trained further by this recipe: {'; '.join(differences)}. "
            "Take the recipe that made it, or give these the model's values."
        )


def _shape_of(arguments: ArchitectureArguments) -> dict[str, object]:
    complete: dict[str, object] = {**DEFAULT_SHAPE, **arguments}
    shape = {key: complete.get(key) for key in SHAPE_KEYS}
    if shape["head"] in ("averaged", "positional"):
        shape.pop("hidden")
    return shape


def _start_from_classifier(
    network: FilmClassifier,
    model: FilmClassifier,
    model_findings: tuple[str, ...],
    findings: tuple[str, ...],
) -> InitialisedNetwork:
    """Load every tensor of the model; of the last layer the rows of findings that both have."""
    tensors = {
        name: tensor for name, tensor in model.state_dict().items() if name not in LAST_LAYER
    }
    network.load_state_dict(tensors, strict=False)
    new, old = network.head, model.head
    with torch.no_grad():
        for finding in set(model_findings) & set(findings):
            here = new.output_rows(findings.index(finding))
            there = old.output_rows(model_findings.index(finding))
            new.linear.weight[here] = old.linear.weight[there]
            new.linear.bias[here] = old.linear.bias[there]
    return InitialisedNetwork(
        network,
        unmatched=_name_other_rows(model_findings, findings),
        missing=_name_other_rows(findings, model_findings),
    )


def _name_other_rows(findings: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"head.linear: {finding}" for finding in findings if finding not in others)
