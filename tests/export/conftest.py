"""A tiny model and its network as ONNX and for OpenVINO, written once: that takes seconds."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cxr_core.models.exported.record import AurocChange, ExportCheck, ExportRecord
from cxr_core.reading.classifier import Classifier
from cxr_core.scale.export.export import Exported, export_network, install_checked_export
from cxr_core.scale.export.files import write_network
from tests.tiny import tiny_model

FOUND_EQUAL = ExportCheck(
    films=600,
    patients=300,
    source="films of a test",
    largest_difference=1e-6,
    verdicts_changed=0,
    most_changed=0,
    auroc={"cardiomegaly": AurocChange(torch=0.9, exported=0.9)},
)


def show_nothing(stage: str, done: int, total: int) -> None:
    """Shows no progress."""


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Classifier:
    return Classifier.load(tiny_folder)


@pytest.fixture(scope="session")
def in_onnx(tiny: Classifier) -> Exported:
    return export_network(tiny, "onnx", None, show_nothing)


@pytest.fixture(scope="session")
def in_openvino(in_onnx: Exported) -> Exported:
    (network,) = in_onnx.files
    return Exported("openvino", "float32", write_network(network, "openvino", None))


@pytest.fixture
def install_export(
    tiny: Classifier, in_onnx: Exported, in_openvino: Exported, workspace: Path
) -> Callable[..., ExportRecord]:
    """Installs the tiny model's export for a backend in the test's own workspace, as found equal."""

    def install_one(backend: str = "onnx") -> ExportRecord:
        return install_checked_export(
            tiny, {"onnx": in_onnx, "openvino": in_openvino}[backend], FOUND_EQUAL
        )

    return install_one


@pytest.fixture(scope="session")
def grids() -> np.ndarray:
    """Three films of noise on the tiny model's grid: (3, 64, 64) uint8."""
    return np.random.default_rng(0).integers(0, 256, (3, 64, 64), np.uint8)
