"""Runs exported networks with ONNX Runtime or OpenVINO, one forward pass on one core.

Both libraries are optional. They are given the bytes of a network, never a path, so that what runs is what was hashed,
and a network cannot name further files.
"""

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from cxr_core.errors import ModelError, ReadingError
from cxr_core.models.exported.record import EXPORT_AGAIN, ExportBackend, ExportRecord, read_network

FILMS = "films"  # the name of the input, (B, C, S, S) float32
# The outputs: of a classifier logits (B, L), features (B, F, h, w) and descriptors (B, D); of a segmenter maps.
LOGITS, FEATURES, DESCRIPTORS, MAPS = "logits", "features", "descriptors", "maps"
PACKAGES: Mapping[ExportBackend, str] = {"onnx": "onnxruntime", "openvino": "openvino"}
RUNTIME_NAMES: Mapping[ExportBackend, str] = {"onnx": "ONNX Runtime", "openvino": "OpenVINO"}


class Runtime(Protocol):
    """A network that a library holds ready; threads may share it. outputs: their names, in order."""

    outputs: tuple[str, ...]

    def run(self, films: np.ndarray) -> tuple[np.ndarray, ...]:
        """The outputs for films (B, C, S, S) float32. Raises ReadingError when the library fails."""
        ...


class OnnxRuntime:
    """An ONNX network in ONNX Runtime; a pass runs on the thread that asks for it."""

    def __init__(self, network: bytes):
        """network: an ONNX file. Raises ModelError when the library cannot load it."""
        library = import_runtime("onnx")
        options = library.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors alone
        self._errors = _onnx_errors()
        try:
            self._session = library.InferenceSession(
                network, options, providers=["CPUExecutionProvider"]
            )
        except self._errors as error:
            raise ModelError(f"ONNX Runtime cannot load the network: {error}") from error
        self.outputs = tuple(output.name for output in self._session.get_outputs())

    def run(self, films: np.ndarray) -> tuple[np.ndarray, ...]:
        """See Runtime."""
        try:
            return tuple(self._session.run(None, {FILMS: films}))
        except self._errors as error:
            raise ReadingError(f"ONNX Runtime failed: {error}") from error


class OpenVinoRuntime:
    """An OpenVINO network, compiled for this CPU in full precision; as many passes at once as there are cores."""

    def __init__(self, description: bytes, weights: bytes, cores: int):
        """description, weights: the .xml and the .bin file. Raises ModelError when the library cannot load them."""
        library = import_runtime("openvino")
        settings = {
            "NUM_STREAMS": cores,
            "INFERENCE_NUM_THREADS": cores,
            "ENABLE_CPU_PINNING": False,  # other threads of this process want the cores as well
            "INFERENCE_PRECISION_HINT": "f32",  # some CPUs would compute in bfloat16
        }
        try:
            core = library.Core()
            network = core.read_model(description, library.Tensor(_as_array(weights)))
            self._compiled = core.compile_model(network, "CPU", settings)
        except RuntimeError as error:
            raise ModelError(f"OpenVINO cannot load the network: {error}") from error
        self.outputs = tuple(output.get_any_name() for output in self._compiled.outputs)

    def run(self, films: np.ndarray) -> tuple[np.ndarray, ...]:
        """See Runtime. A request belongs to one call, as two threads cannot share one."""
        try:
            results = self._compiled.create_infer_request().infer({FILMS: films})
        except RuntimeError as error:
            raise ReadingError(f"OpenVINO failed: {error}") from error
        return tuple(results[name] for name in self.outputs)


def load_runtime(record: ExportRecord, cores: int) -> Runtime:
    """The network of an installed export, ready to run. cores: of this process.

    Raises ModelError when its files are not those that were checked, or the library cannot load them.
    """
    files = read_network(record)
    return build_runtime(record.backend, files, cores)


def build_runtime(backend: ExportBackend, files: Sequence[bytes], cores: int) -> Runtime:
    """A network, ready to run, from the bytes of its files in the order of NETWORK_FILES. Raises ModelError."""
    if backend == "onnx":
        (network,) = files
        return OnnxRuntime(network)
    description, weights = files
    return OpenVinoRuntime(description, weights, cores)


def has_runtime(backend: ExportBackend) -> bool:
    """Whether the library of a backend is installed; it is not imported."""
    return importlib.util.find_spec(PACKAGES[backend]) is not None


def name_runtime(backend: ExportBackend) -> str:
    """The library of a backend with its version, as export.json records it. Raises ModelError when it is missing."""
    require_runtime(backend)
    package = PACKAGES[backend]
    return f"{package} {importlib.metadata.version(package)}"


def import_runtime(backend: ExportBackend) -> Any:
    """The library of a backend. Raises ModelError when it is not installed."""
    require_runtime(backend)
    return importlib.import_module(PACKAGES[backend])


def require_runtime(backend: ExportBackend) -> None:
    """Raises ModelError when the library of a backend is not installed."""
    if not has_runtime(backend):
        raise ModelError(
            f"{RUNTIME_NAMES[backend]} is not installed: pip install .[export], or read with another backend"
        )


def require_same_runtime(record: ExportRecord) -> None:
    """Raises ModelError when the installed library is another version than the one that the export was checked with."""
    installed = name_runtime(record.backend)
    if installed != record.runtime:
        raise ModelError(
            f"the export of {record.model} {record.version} was checked with {record.runtime}, and {installed} is "
            f"installed; {EXPORT_AGAIN}"
        )


def _onnx_errors() -> tuple[type[Exception], ...]:
    """The errors that ONNX Runtime raises; they have no base of their own."""
    state = importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    return tuple(
        value
        for value in vars(state).values()
        if isinstance(value, type) and issubclass(value, Exception)
    )


def _as_array(content: bytes) -> np.ndarray:
    return np.frombuffer(content, np.uint8)
