"""Reads weights files (safetensors): the header first, so that a file's size bounds all that is built from it."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from cxr_core.errors import FileRefused, ModelError
from cxr_core.workspace.outside_files import read_file_start
from cxr_core.workspace.paths import printable

MAX_HEADER_BYTES = 4 << 20  # a header of 10,000 tensors has less than 2 MB
MAX_PARAMETERS = 500_000_000  # the largest convolutional networks trained on films have 100 million
PICKLES = frozenset({".pt", ".pth", ".bin", ".ckpt", ".pkl"})

Shapes = Mapping[str, tuple[int, ...]]


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor in a weights file, by name, from its header alone.

    Raises ModelError for a file that cannot be read, is incomplete, or holds more than MAX_PARAMETERS numbers.
    """
    try:
        _require_short_header(path)
        with safe_open(path, framework="pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, str(error)) from error
    count = sum(map(math.prod, shapes.values()))
    if count > MAX_PARAMETERS:
        raise ModelError(
            f"{printable(path)} holds {count:,} numbers; networks here have at most {MAX_PARAMETERS:,}. "
            "Take the weights of a smaller one"
        )
    return shapes


def load_tensors(path: Path, names: Iterable[str] | None = None) -> dict[str, Tensor]:
    """Tensors of a weights file by name, floating-point ones as float32. names: None = all of them.

    Raises ModelError as `read_shapes` does, and for a tensor with a NaN or an infinite value.
    """
    shapes = read_shapes(path)
    try:
        with safe_open(path, framework="pt") as file:
            wanted = shapes if names is None else names
            tensors = {name: file.get_tensor(name) for name in wanted}
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, str(error)) from error
    copies = {}
    for name, tensor in tensors.items():
        # A copy, since the library's tensors are the file itself: one that is changed later must not change a network.
        dtype = torch.float32 if tensor.is_floating_point() else tensor.dtype
        copies[name] = tensor.to(dtype, copy=True)
        _require_finite(copies[name], name, path)
    return copies


def _require_short_header(path: Path) -> None:
    """Raises ModelError unless the path is a regular file that begins with the length of a header of usual size."""
    try:
        size = int.from_bytes(read_file_start(path, 8), "little")
    except FileRefused as refusal:
        raise _unreadable(path, refusal.reason) from refusal
    if size > MAX_HEADER_BYTES:
        raise _unreadable(path, f"its header would have {size:,} bytes")


def _unreadable(path: Path, reason: str) -> ModelError:
    if path.suffix.lower() in PICKLES:
        reason = "it seems to be a PyTorch pickle, which is never opened; save it as safetensors"
    return ModelError(f"the weights {printable(path)} cannot be read as safetensors: {reason}")


def _require_finite(tensor: Tensor, name: str, path: Path) -> None:
    # NumPy counts on one core: torch wakes its threads for each of two thousand small tensors, which takes longer.
    wrong = tensor.numel() - int(np.count_nonzero(np.isfinite(tensor.numpy())))
    if wrong:
        raise ModelError(
            f"{printable(path)} has {wrong} of {tensor.numel()} values that are NaN or infinite in its tensor "
            f"{name}; the training that made it broke down. Take other weights"
        )
