"""Makes torchvision importable with a torch that it was not built for (CPU torch, PyPI's torchvision).

Importing torchvision registers fake kernels for `nms` and its quantised twin. Where its compiled extension cannot load,
the two operators have no schema and the import fails; declaring the schemas first avoids that. Where the extension
loads, it declares them itself, so nothing is done. timm and pytorch-grad-cam need only transforms and utilities, never
the operators.
"""

import importlib.util
from pathlib import Path

import torch
from torch import library

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_library: library.Library | None = None  # kept alive, since the schemas vanish with it


def declare_missing_operators() -> bool:
    """Declare torchvision's two operators unless its own extension loads. True when that was necessary."""
    global _library
    if _library is not None:
        return True
    if _extension_loads():
        return False
    _library = library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for schema in _SCHEMAS:
        _library.define(schema)  # type: ignore[no-untyped-call]
    return True


def _extension_loads() -> bool:
    package = importlib.util.find_spec("torchvision")
    if package is None or package.origin is None:
        return False
    for extension in sorted(Path(package.origin).parent.glob("_C*.so")):
        try:
            torch.ops.load_library(str(extension))  # type: ignore[no-untyped-call]
        except OSError:
            return False
        return True
    return False
