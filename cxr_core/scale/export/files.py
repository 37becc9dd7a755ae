"""Turns an ONNX network into the files of a backend, in full precision or quantised to int8.

int8: post-training quantisation by NNCF, whose ranges come from training films (docs.openvino.ai, basic quantization).
"""

import importlib.util
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from cxr_core.errors import ModelError
from cxr_core.models.exported.record import MAX_NETWORK_BYTES, NETWORK_FILES, ExportBackend
from cxr_core.models.exported.runtimes import FILMS, import_runtime, require_runtime
from cxr_core.workspace.outside_files import read_outside_file


def write_network(
    network: bytes, backend: ExportBackend, calibration: np.ndarray | None
) -> tuple[bytes, ...]:
    """The bytes of a backend's files, in the order of NETWORK_FILES.

    network: an ONNX file.  calibration: model inputs (N, C, S, S) float32 of training films for int8; None keeps full
    precision. Raises ModelError when a package is missing.
    """
    require_runtime(backend)
    if backend == "onnx":
        return (network if calibration is None else _quantise_onnx(network, calibration),)
    library = import_runtime("openvino")
    model = library.Core().read_model(network)
    if calibration is not None:
        model = _quantise(model, calibration)
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name, file) for file in NETWORK_FILES[backend]]
        library.save_model(model, paths[0], compress_to_fp16=False)
        return tuple(read_outside_file(path, MAX_NETWORK_BYTES) for path in paths)


def _quantise_onnx(network: bytes, calibration: np.ndarray) -> bytes:
    import onnx

    content: bytes = _quantise(onnx.load_from_string(network), calibration).SerializeToString()
    return content


def _quantise(model: Any, calibration: np.ndarray) -> Any:
    """A network of either library with int8 convolutions. Raises ModelError when NNCF is not installed."""
    if importlib.util.find_spec("nncf") is None:
        raise ModelError("NNCF is not installed, which quantises to int8: pip install .[export]")
    import nncf

    films = nncf.Dataset([{FILMS: film[None]} for film in calibration])
    return nncf.quantize(
        model, films, subset_size=len(calibration), preset=nncf.QuantizationPreset.MIXED
    )
