"""Builds the network that a card describes and fills it from a weights file.

A card may come from outside and name any network with any arguments. So the network is first built on torch's `meta`
device, where tensors have shapes and no memory, and compared with the header of the weights file.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from cxr_core.errors import ModelError, RecipeError
from cxr_core.models.card import ArchitectureArguments
from cxr_core.models.networks.architectures import Network, build_network
from cxr_core.models.networks.user_code import is_code_reference, parse_reference, require_allowed
from cxr_core.models.weights_file import Shapes, load_tensors, read_shapes
from cxr_core.workspace.paths import printable

# timm's arguments that make a network load weights from elsewhere as it is built.
DOWNLOADING_ARGUMENTS = (
    "pretrained",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
    "checkpoint_path",
    "cache_dir",
)
# What fills a tensor, or changes value by value. A network without memory has no values, and torch would first
# load its compiler, which takes a second.
CALLS_THAT_KEEP_THE_SHAPE = frozenset(
    (
        nn.init.normal_,
        nn.init.uniform_,
        nn.init.trunc_normal_,
        Tensor.normal_,
        Tensor.uniform_,
        functional.batch_norm,
        functional.hardtanh,
        functional.relu,
        functional.relu6,
    )
)
ADDITIONS = frozenset((Tensor.add, Tensor.add_))
# Calls of torch while a network is built: at most 15 for each tensor were counted in 23 of timm's networks.
CALLS_PER_TENSOR, SPARE_CALLS = 50, 2_000


def load_saved_network(architecture: str, arguments: ArchitectureArguments, path: Path) -> Network:
    """The network of a card with the weights of a file: float32, in eval mode, frozen.

    Raises ModelError when the file is damaged, or does not hold exactly the network's tensors, all finite.
    """
    shapes = read_shapes(path)
    _require_own_weights(arguments)
    _require_code_hashes(arguments)
    network = _build_without_memory(architecture, arguments, shapes, path)
    _require_same_tensors(network, shapes, path)
    tensors = load_tensors(path)
    network.load_state_dict(tensors, assign=True)
    if any(buffer.is_meta for buffer in network.buffers()):
        # Some networks have constants that no weights file holds. Its size is known to be that of the file by now.
        network = build_network(architecture, arguments)
        network.load_state_dict(tensors)
    network.requires_grad_(False).eval()
    return network


def _require_own_weights(arguments: ArchitectureArguments) -> None:
    """Raises ModelError for a card whose network would load weights from elsewhere as it is built."""
    present = []
    for table in (arguments, arguments.get("backbone_arguments")):
        if isinstance(table, Mapping):
            present += [name for name in DOWNLOADING_ARGUMENTS if table.get(name)]
    if present:
        raise ModelError(
            f"the card asks for weights from elsewhere ({', '.join(present)} in its arguments); a model comes with "
            "its own. Take that out of the card"
        )


def _names_own_code(arguments: ArchitectureArguments) -> bool:
    return any(is_code_reference(arguments.get(part)) for part in ("backbone", "head"))


def _require_code_hashes(arguments: ArchitectureArguments) -> None:
    """Raises ModelError for a card that names a user's own file without its sha256."""
    code = arguments.get("code", {})
    for name in (arguments.get("backbone", ""), arguments.get("head", "")):
        if not is_code_reference(name):
            continue
        try:
            file = parse_reference(name).file
        except RecipeError as error:
            raise ModelError(f"the card cannot be used: {error}") from error
        if file not in code:
            raise ModelError(
                f"the card names {name} without the sha256 of that file, so it is not run; train the model again"
            )


def _build_without_memory(
    architecture: str, arguments: ArchitectureArguments, shapes: Shapes, path: Path
) -> Network:
    call_limit = SPARE_CALLS + CALLS_PER_TENSOR * len(shapes)
    try:
        if _names_own_code(
            arguments
        ):  # it may need values as it builds, so nothing limits it but who allowed it
            require_allowed(arguments.get("code", {}))
            return build_network(architecture, arguments)
        with _LimitedCalls(call_limit), torch.device("meta"):
            return build_network(architecture, arguments)
    except ModelError:
        raise
    except Exception as error:  # whatever timm makes of arguments from outside
        raise ModelError(
            f"the network of {printable(path.parent)} cannot be built: {error or type(error).__name__}"
        ) from error


def _require_same_tensors(network: Network, shapes: Shapes, path: Path) -> None:
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    wrong = sorted(
        name for name in expected.keys() | shapes.keys() if expected.get(name) != shapes.get(name)
    )
    if wrong:
        raise ModelError(
            f"{printable(path)} does not fit its network: {len(wrong)} tensors differ, such as "
            f"{printable(wrong[0])}. Take another copy of the model"
        )


class _LimitedCalls(TorchFunctionMode):
    """Ends the building of a network without memory, in this thread, that is far deeper than its weights file."""

    def __init__(self, limit: int):
        super().__init__()
        self._left = limit

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        self._left -= 1
        if self._left < 0:
            raise ModelError(
                "the card asks for a network of far more layers than its weights file holds; take another copy of it"
            )
        if func in CALLS_THAT_KEEP_THE_SHAPE:
            return args[0] if args else (kwargs or {})["tensor"]
        if func in ADDITIONS and args[0].shape == getattr(args[1], "shape", None):
            return args[0]
        if func is functional.conv2d and (shape := _find_convolved_shape(*args)) is not None:
            return args[0].new_empty(shape)
        return func(*args, **kwargs or {})


def _find_convolved_shape(
    films: Tensor | None = None, weight: Tensor | None = None, *settings: Any
) -> tuple[int, ...] | None:
    """(B, C, H, W) of a convolution as layers call it; None for any other, and for one that torch refuses.

    torch's own answer loads its compiler as well. Formula: the documentation of torch.nn.Conv2d.
    """
    if films is None or weight is None or len(settings) != 5 or films.ndim != 4:
        return None
    _, stride, padding, dilation, groups = settings
    if not all(isinstance(pair, tuple) for pair in (stride, padding, dilation)):
        return None
    if films.shape[1] != weight.shape[1] * groups or weight.shape[0] % groups:
        return None
    sides = [
        (side + 2 * around - apart * (kernel - 1) - 1) // step + 1
        for side, around, apart, kernel, step in zip(
            films.shape[2:], padding, dilation, weight.shape[2:], stride, strict=True
        )
    ]
    return (films.shape[0], weight.shape[0], *sides) if min(sides) > 0 else None
