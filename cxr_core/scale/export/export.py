"""Exports a model's network for a faster library, and installs it where it answers as the model does.

network -> ONNX -> files of the backend -> both networks read validation films -> installed, or refused with figures
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cxr_core.data.prepare import open_data
from cxr_core.data.prepare_apart import StageProgress
from cxr_core.errors import ModelError
from cxr_core.models.card_file import is_segmenter
from cxr_core.models.exported.record import (
    NETWORK_FILES,
    RECORD,
    ExportBackend,
    ExportCheck,
    ExportRecord,
    Precision,
    export_folder,
    read_network,
)
from cxr_core.models.exported.runtimes import build_runtime, name_runtime
from cxr_core.models.registry.registry import find_segmenter
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.segmenter import Segmenter
from cxr_core.scale.export.check import (
    check_exported_classifier,
    check_exported_segmenter,
    list_objections,
)
from cxr_core.scale.export.files import write_network
from cxr_core.scale.export.films import ExportFilms, choose_export_films, load_calibration_inputs
from cxr_core.scale.export.onnx_network import build_onnx
from cxr_core.workspace.atomic import atomic_files, atomic_folder
from cxr_core.workspace.json_files import write_json
from cxr_core.workspace.jsonl import utc_now
from cxr_core.workspace.log import add_details, log_task
from cxr_core.workspace.paths import printable

Model = Classifier | Segmenter


@dataclass(frozen=True)
class Exported:
    """A network in the files of a backend, not yet installed."""

    backend: ExportBackend
    precision: Precision
    files: tuple[bytes, ...]

    def use_in(self, model: Model) -> Model:
        """The model with this network in place of torch's. Raises ModelError when the library cannot load it."""
        runtime = build_runtime(self.backend, self.files, model.cores.cores)
        return replace(model, exported=runtime, backend=self.backend)


@log_task("export")
def export_to_backend(
    folder: Path,
    backend: ExportBackend,
    data: Sequence[str | Path],
    *,
    int8: bool = False,
    progress: StageProgress,
) -> ExportRecord:
    """Export the model of a folder, check it on the data and install it in this workspace. Returns its record.

    data: of the model's card; see `choose_export_films`. An export that was installed before is replaced.
    Raises ModelError, with the figures, when the export may not be installed, and when a package is missing; DataError.
    """
    name_runtime(backend)  # a missing package is told before films are decoded
    model = load_model(folder)
    add_details(model=model.card.model, version=model.card.version, backend=backend)
    films = choose_export_films(folder, model.card, open_data(data, progress))
    exported = export_network(model, backend, films if int8 else None, progress)
    check = _check(model, exported, films, progress)
    objections = list_objections(check, exported.precision)
    if objections:
        raise ModelError(
            f"the {backend} export of {model.card.model} {model.card.version} is not installed. {' '.join(objections)}"
        )
    return install_checked_export(model, exported, check)


def load_model(folder: Path) -> Model:
    """The model of a folder, computed by torch. Raises ModelError."""
    return Segmenter.load(folder) if is_segmenter(folder) else Classifier.load(folder)


def export_network(
    model: Model, backend: ExportBackend, films: ExportFilms | None, progress: StageProgress
) -> Exported:
    """The network of a model for a backend. films: whose training films int8 takes its ranges from; None = float32."""
    progress("writing the network", 0, 1)
    calibration = load_calibration_inputs(films.training, model.card) if films else None
    files = write_network(build_onnx(model), backend, calibration)
    return Exported(backend, "int8" if films else "float32", files)


def install_checked_export(model: Model, exported: Exported, check: ExportCheck) -> ExportRecord:
    """Install an export that was checked: files, hashes and figures, all or none. Raises ModelError."""
    names = NETWORK_FILES[exported.backend]
    record = ExportRecord(
        model=model.card.model,
        version=model.card.version,
        weights_sha256=model.card.weights_sha256,
        backend=exported.backend,
        precision=exported.precision,
        files={
            name: hashlib.sha256(content).hexdigest()
            for name, content in zip(names, exported.files, strict=True)
        },
        runtime=name_runtime(exported.backend),
        check=check,
        made=utc_now(),
    )
    folder = export_folder(record.weights_sha256, record.backend)
    try:
        with atomic_files(folder) as draft:
            for name, content in zip(names, exported.files, strict=True):
                (draft / name).write_bytes(content)
            write_json(draft / RECORD, record.to_json())
    except OSError as error:
        raise ModelError(
            f"{folder} cannot be written: {error.strerror}; free space, or allow writing there"
        ) from error
    return record


def write_unchecked(
    folder: Path, backend: ExportBackend, out: Path, progress: StageProgress
) -> Path:
    """Write the files of a model's export to a new folder, unchecked: no reading uses them. Returns the folder.

    Raises ModelError, also when the folder exists.
    """
    exported = export_network(load_model(folder), backend, None, progress)
    return _write_folder(out, dict(zip(NETWORK_FILES[backend], exported.files, strict=True)))


def copy_export(record: ExportRecord, out: Path) -> Path:
    """Copy an installed export to a new folder, with its record. Returns the folder. Raises as `write_unchecked`."""
    files = dict(zip(NETWORK_FILES[record.backend], read_network(record), strict=True))
    return _write_folder(out, {**files, RECORD: json.dumps(record.to_json(), indent=1).encode()})


def _write_folder(out: Path, files: Mapping[str, bytes]) -> Path:
    try:
        with atomic_folder(out) as draft:
            for name, content in files.items():
                (draft / name).write_bytes(content)
    except OSError as error:
        reason = error.strerror or "it exists already"
        raise ModelError(
            f"{printable(out)} cannot be written: {reason}; give another --out"
        ) from error
    return out


def _check(
    model: Model, exported: Exported, films: ExportFilms, progress: StageProgress
) -> ExportCheck:
    other = exported.use_in(model)
    if isinstance(model, Segmenter):
        assert isinstance(other, Segmenter)
        return check_exported_segmenter(model, other, films.check, films.source, progress)
    assert isinstance(other, Classifier)
    folder = find_segmenter() if model.card.fusion else None
    segmenter = Segmenter.load(folder) if folder else None
    return check_exported_classifier(model, other, films.check, films.source, segmenter, progress)
