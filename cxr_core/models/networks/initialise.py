"""A network before training: random, ImageNet's by timm's own loading, from a safetensors file, or from a model."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from cxr_core.errors import ModelError
from cxr_core.film.preprocess import InputSpec
from cxr_core.models.card import ModelCard
from cxr_core.models.networks.architectures import FilmClassifier, build
from cxr_core.models.networks.backbones import require_backbone
from cxr_core.models.networks.imagenet import require_weights
from cxr_core.models.networks.segmenter import Segmenter
from cxr_core.models.registry.registry import installed, installed_segmenter, outlines
from cxr_core.models.segmenter_card import SEGMENTER, SegmenterCard
from cxr_core.models.store import CARD, load_card, load_network, load_segmenter, load_segmenter_card
from cxr_core.workspace.hashing import sha256_of_file

# Before a model's folder or name: its backbone alone, for a network with another head or on other inputs.
BACKBONE_OF = "backbone:"
# A file that holds less than this share of a backbone's tensors was saved from another one.
LEAST_SHARE = 0.5
# What decides the shape and the meaning of the weights; a card may leave out what has its default.
SHAPE_ARGUMENTS: dict[str, Any] = {
    "backbone": None,
    "backbone_arguments": {},
    "channels": None,
    "side": None,
    "head": "averaged",
    "neck": None,
    "hidden": 128,
    "two_class": False,
}


@dataclass(frozen=True)
class Initialised:
    """A network to train. unmatched: tensors of the file that found no place; missing: those it did not hold."""

    network: Any  # FilmClassifier or Segmenter, as its architecture says
    unmatched: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def initialise(
    arguments: dict[str, Any],
    init: str,
    seed: int,
    *,
    input_spec: InputSpec | None = None,
    findings: tuple[str, ...] = (),
    architecture: str = "film_classifier",
) -> Initialised:
    """The network of a recipe, in eval mode.

    init: `scratch`, `imagenet`, the path of a safetensors file in timm's naming, a model folder, or the name of an
    installed model; with `backbone:` before a folder or a name, that model's backbone alone. input_spec and findings
    (the keys of the logits, in order): those of the recipe; a model's weights are taken only for the same
    preprocessing, and of its last layer the rows of findings that both have.
    Raises PretrainedUnavailable when ImageNet weights cannot be had, ModelError when a file or a model does not fit.
    """
    torch.manual_seed(seed)
    folder = model_begun_from(init)
    network = build(architecture, {**arguments, "pretrained": init == "imagenet"})
    if init in ("scratch", "imagenet"):
        return Initialised(network)
    if folder is None:
        return _from_file(network, Path(init))
    if init.startswith(BACKBONE_OF):
        return _from_backbone(network, folder, arguments)
    if architecture == SEGMENTER:
        return _from_segmenter(network, folder, arguments, input_spec)
    card = load_card(folder)
    _same_form(card, arguments, input_spec, folder)
    return _from_model(network, load_network(folder, card), card.findings, findings)


def require_start(
    arguments: dict[str, Any],
    init: str,
    input_spec: InputSpec,
    architecture: str = "film_classifier",
) -> None:
    """Nothing when a recipe's network can start from `init`, as far as that is told without building it.

    Raises what `initialise` would: RecipeError, PretrainedUnavailable or ModelError. Asks timm's hub for `imagenet`.
    """
    require_backbone(arguments["backbone"])
    if init == "imagenet":
        require_weights(arguments["backbone"])
    folder = model_begun_from(init)
    if folder is not None and init.startswith(BACKBONE_OF):
        _same_backbone(_any_card(folder), arguments)
    elif folder is not None and architecture == SEGMENTER:
        _same_segmenter(load_segmenter_card(folder), arguments, input_spec)
    elif folder is not None:
        _same_form(load_card(folder), arguments, input_spec, folder)


def origin(init: str) -> str:
    """What a run began from, to be told later: a word, a file with its hash, or a model with version and hash."""
    folder = model_begun_from(init)
    if folder is not None:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        part = "the backbone of " if init.startswith(BACKBONE_OF) else ""
        return f"{part}{card['model']} {card['version']}, sha256 {card['weights_sha256']}"
    return (
        f"{Path(init).name}, sha256 {sha256_of_file(Path(init))}" if Path(init).is_file() else init
    )


def model_begun_from(init: str) -> Path | None:
    """The folder of a model given by path or by name as `init`; None for every other kind of beginning.

    Raises ModelError for a name or a path that is nothing.
    """
    init = init.removeprefix(BACKBONE_OF)
    if (Path(init) / CARD).is_file():
        return Path(init)
    by_name = {
        folder.parent.name: folder
        for folder in (*installed(), *filter(None, (installed_segmenter(),)))
    }
    if init in ("scratch", "imagenet") or Path(init).is_file():
        return None
    if init not in by_name:
        raise ModelError(
            f"init={init!r} is no file and no model folder; give scratch, imagenet, a safetensors file, "
            f"a model folder, or an installed model: {', '.join(by_name) or 'none'}"
        )
    return by_name[init]


def _from_file(network: FilmClassifier, path: Path) -> Initialised:
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(
            f"the initial weights {path} cannot be read as safetensors: {error}"
        ) from error
    wanted = network.backbone.state_dict()
    stem = _stem(network.backbone)
    fitting = {}
    for name, tensor in found.items():
        if name in wanted:
            tensor = tensor.float() if tensor.is_floating_point() else tensor
            tensor = _to_grey(tensor, wanted[name]) if name == stem else tensor
            if tensor.shape == wanted[name].shape:
                fitting[name] = tensor
    if len(fitting) < LEAST_SHARE * len(wanted):
        raise ModelError(_no_fit(path, len(fitting), len(wanted), found))
    network.backbone.load_state_dict(fitting, strict=False)
    return Initialised(
        network,
        unmatched=tuple(sorted(set(found) - set(fitting))),
        missing=tuple(sorted(set(wanted) - set(fitting))),
    )


def _no_fit(path: Path, fitting: int, wanted: int, found: Mapping[str, Tensor]) -> str:
    if any(name.startswith("backbone.") for name in found):
        return f"{path} holds the weights of a model of this program; give its folder, whose card says how films enter"
    return f"{path} holds {fitting} of the {wanted} tensors of this backbone; was it saved from another one?"


def _stem(backbone: nn.Module) -> str:
    """The name of the first convolution's weight: where colours enter."""
    return next(
        f"{name}.weight"
        for name, module in backbone.named_modules()
        if isinstance(module, nn.Conv2d)
    )


def _to_grey(tensor: Tensor, wanted: Tensor) -> Tensor:
    """A colour stem for one grey channel is the sum over colours: the response to a grey picture stays the same."""
    if tensor.ndim == 4 and tensor.shape[1] == 3 and wanted.shape[1] == 1:
        return tensor.sum(dim=1, keepdim=True)
    return tensor


def _from_backbone(
    network: FilmClassifier | Segmenter, folder: Path, arguments: dict[str, Any]
) -> Initialised:
    """The tensors of a model's backbone; what follows it stays as it was drawn. Raises ModelError for another one."""
    card = _any_card(folder)
    _same_backbone(card, arguments)
    model = (
        load_segmenter(folder, card)
        if isinstance(card, SegmenterCard)
        else load_network(folder, card)
    )
    network.backbone.load_state_dict(model.backbone.state_dict())
    return Initialised(network)


def _any_card(folder: Path) -> ModelCard | SegmenterCard:
    return load_segmenter_card(folder) if outlines(folder) else load_card(folder)


def _same_backbone(card: ModelCard | SegmenterCard, arguments: dict[str, Any]) -> None:
    found = {key: card.arguments.get(key) for key in ("backbone", "channels")}
    wanted = {key: arguments.get(key) for key in found}
    if found != wanted:
        raise ModelError(
            f"{card.model} {card.version} has the backbone {found['backbone']} of {found['channels']} channels; the "
            f"recipe has {wanted['backbone']} of {wanted['channels']}. Only the same one can be taken over"
        )


def _from_segmenter(
    network: Segmenter, folder: Path, arguments: dict[str, Any], input_spec: InputSpec | None
) -> Initialised:
    """Every tensor of a model of the same form. Raises ModelError for one of another form."""
    card = load_segmenter_card(folder)
    _same_segmenter(card, arguments, input_spec)
    network.load_state_dict(load_segmenter(folder, card).state_dict())
    return Initialised(network)


def _same_segmenter(
    card: SegmenterCard, arguments: dict[str, Any], input_spec: InputSpec | None
) -> None:
    if input_spec != card.input_spec or {**arguments, "dropout": 0} != {
        **card.arguments,
        "dropout": 0,
    }:
        raise ModelError(
            f"{card.model} {card.version} has {card.arguments} on {card.input_spec}; the recipe has {arguments} on "
            f"{input_spec}. Take the recipe that made it"
        )


def _same_form(
    card: ModelCard, arguments: dict[str, Any], input_spec: InputSpec | None, folder: Path
) -> None:
    """Raises ModelError that names what differs between the recipe and the model that it is to start from."""
    if card.architecture != "film_classifier":
        raise ModelError(
            f"{card.model} {card.version} is a mean of several networks, which cannot be trained further as one; begin "
            f"with one of its runs, or with {BACKBONE_OF}{card.model}"
        )
    if input_spec is None:
        raise ModelError(
            f"starting from the model {folder} needs the recipe's preprocessing, to compare it"
        )
    wanted = {**_shape(arguments), **asdict(input_spec)}
    found = {**_shape(card.arguments), **asdict(card.input_spec)}
    # By way of JSON, where a card has been: a tuple is a list there.
    different = [
        f"{key} is {found.get(key)!r} there and {wanted[key]!r} here"
        for key in wanted
        if json.dumps(wanted[key], sort_keys=True) != json.dumps(found.get(key), sort_keys=True)
    ]
    if different:
        raise ModelError(
            f"{card.model} {card.version} cannot be trained further by this recipe: {'; '.join(different)}. "
            "Take the recipe that made it, or --set these to the model's."
        )


def _shape(arguments: dict[str, Any]) -> dict[str, Any]:
    shape = {key: arguments.get(key, default) for key, default in SHAPE_ARGUMENTS.items()}
    if shape["head"] in ("averaged", "positional"):
        shape.pop("hidden")
    return shape


def _from_model(
    network: FilmClassifier, model: FilmClassifier, known: tuple[str, ...], wanted: tuple[str, ...]
) -> Initialised:
    """Every tensor of the model; of the last layer the rows of findings that both have."""
    last = {"head.linear.weight", "head.linear.bias"}
    tensors = {name: tensor for name, tensor in model.state_dict().items() if name not in last}
    network.load_state_dict(tensors, strict=False)
    new, old = network.head, model.head
    with torch.no_grad():
        for finding in set(known) & set(wanted):
            here, there = new.rows(wanted.index(finding)), old.rows(known.index(finding))
            new.linear.weight[here], new.linear.bias[here] = (
                old.linear.weight[there],
                old.linear.bias[there],
            )
    return Initialised(network, unmatched=_rows(known, wanted), missing=_rows(wanted, known))


def _rows(findings: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"head.linear: {key}" for key in findings if key not in others)
