"""Writes a network as ONNX: of a classifier logits, features and descriptors are outputs, of a segmenter its maps.

The features are an output so that the head's attribution stays exact: it is computed from them by torch's own head.
The descriptors are those of the out-of-distribution score, so that the middle maps need not leave the network.
"""

import importlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from cxr_core.errors import ModelError
from cxr_core.models.exported.runtimes import DESCRIPTORS, FEATURES, FILMS, LOGITS, MAPS
from cxr_core.models.networks.architectures import FilmClassifier
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.ood import embed_maps
from cxr_core.reading.segmenter import Segmenter

OPSET = 18
TRACED_FILMS = 2  # a batch of one would be taken for a constant
EXPORT_ERRORS = (RuntimeError, ValueError, TypeError, NotImplementedError, AttributeError)


def build_onnx(model: Classifier | Segmenter) -> bytes:
    """The network of a model as one ONNX file without external data, for any number of films.

    Raises ModelError when the packages are missing, or the network has an operation that ONNX does not know.
    """
    for package in ("onnx", "onnxscript"):
        if importlib.util.find_spec(package) is None:
            raise ModelError(f"{package} is not installed: pip install .[export]")
    network, outputs = _name_outputs(model)
    spec = model.card.input_spec
    films = torch.zeros(TRACED_FILMS, spec.channels, spec.side, spec.side)
    try:
        with _without_messages():
            program: Any = torch.onnx.export(
                network,
                (films,),
                input_names=[FILMS],
                output_names=list(outputs),
                opset_version=OPSET,
                dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=4096)},),
                dynamo=True,
                verbose=False,
            )
    except EXPORT_ERRORS as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ModelError(
            f"the network of {model.card.model} {model.card.version} cannot be written as ONNX: {reason}. Read with "
            "the backend torch"
        ) from error
    content: bytes = program.model_proto.SerializeToString()
    return content


def _name_outputs(model: Classifier | Segmenter) -> tuple[nn.Module, tuple[str, ...]]:
    if isinstance(model, Segmenter):
        return model.network, (MAPS,)
    return _WithDescriptors(model.network), (LOGITS, FEATURES, DESCRIPTORS)


class _WithDescriptors(nn.Module):
    """A classifier's network with all outputs that a reading needs."""

    def __init__(self, network: FilmClassifier):
        super().__init__()
        self.network = network

    def forward(self, films: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, C, S, S) films to logits (B, L), features (B, F, h, w) and descriptors (B, D)."""
        features, maps = self.network.forward_with_middle_maps(films)
        return self.network.forward_head(features), features, embed_maps(maps)


@contextmanager
def _without_messages() -> Iterator[None]:
    """Keep what the exporter says about its own passes off the screen; what fails is raised."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
