"""Makes torchvision importable with a torch that it was not built for (CPU torch, PyPI's torchvision), and sooner.

Importing torchvision registers fake kernels for `nms` and its quantised twin. Where its compiled extension cannot load,
the two operators have no schema and the import fails; declaring the schemas first avoids that. Where the extension
loads, it declares them itself, so nothing is done. timm and pytorch-grad-cam need only transforms and utilities, never
the operators.
"""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

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


@contextmanager
def without_compiler() -> Iterator[None]:
    """Keep torchvision and timm from importing torch's compiler, which takes longer than both together.

    They import it to say that one function is not to be compiled, and for a function that no network here calls. It is
    imported as usual by whoever compiles something later.
    """
    name = "torch._dynamo"
    if name in sys.modules:
        yield
        return
    compiler, its_functions = ModuleType(name), ModuleType(f"{name}.utils")
    compiler.disable = _leave_as_it_is  # type: ignore[attr-defined]
    its_functions.is_compile_supported = lambda device: False  # type: ignore[attr-defined]
    sys.modules |= {name: compiler, f"{name}.utils": its_functions}
    try:
        yield
    finally:
        del sys.modules[name], sys.modules[f"{name}.utils"]


def _leave_as_it_is(function: Callable[..., Any], *_: object, **__: object) -> Callable[..., Any]:
    return function


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
