"""The record of an exported network: what it was made from, how it was checked, and the hashes of its files.

<workspace>/exports/<sha256 of the model's weights>/<backend>/
    export.json      the ExportRecord
    network.onnx     for ONNX Runtime, or network.xml and network.bin for OpenVINO

The folder is named by the weights, so that an export never reads in place of other weights than its own.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cxr_core.errors import FileRefused, ModelError, RecordError
from cxr_core.workspace.atomic import finish_replacement
from cxr_core.workspace.json_record import Count, Fraction, JsonRecord, read_record_file
from cxr_core.workspace.outside_files import read_outside_file
from cxr_core.workspace.paths import printable, workspace

ExportBackend = Literal["onnx", "openvino"]
Precision = Literal["float32", "int8"]
RECORD = "export.json"
NETWORK_FILES: Mapping[ExportBackend, tuple[str, ...]] = {
    "onnx": ("network.onnx",),
    "openvino": ("network.xml", "network.bin"),
}
MAX_NETWORK_BYTES = 2 << 30  # the most that a file of protocol buffers holds
EXPORT_AGAIN = "export the model again"


@dataclass(frozen=True, kw_only=True)
class AurocChange(JsonRecord):
    """The AUROC of one finding on the films of a check, by torch and by the exported network."""

    torch: Fraction
    exported: Fraction


@dataclass(frozen=True, kw_only=True)
class ExportCheck(JsonRecord):
    """What the comparison of an exported network with its model found.

    films, patients: on which both were run.  source: which films they are.  largest_difference: of a logit of any film,
    for a segmenter of any cell of its maps.  verdicts_changed: films of which a call, a measurement's outcome or a
    warning is another; most_changed: by the one decision or warning that changes most.  on_threshold: further films
    that lie on a threshold, so that rounding alone decides.  auroc: by finding, where labels of both classes are known.
    ratio_difference: mean absolute difference of the cardiothoracic ratio, of a segmenter.
    """

    films: Count
    patients: Count
    source: str
    largest_difference: float
    verdicts_changed: Count
    most_changed: Count
    on_threshold: Count = 0
    auroc: Mapping[str, AurocChange] = field(default_factory=dict)
    ratio_difference: float | None = None


@dataclass(frozen=True, kw_only=True)
class ExportRecord(JsonRecord):
    """export.json. files: the sha256 of each file, by its name.  runtime: the library that the check ran with.

    made: the time, as ISO 8601 in UTC.
    """

    model: str
    version: str
    weights_sha256: str
    backend: ExportBackend
    precision: Precision
    files: Mapping[str, str]
    runtime: str
    check: ExportCheck
    made: str


def export_folder(weights_sha256: str, backend: ExportBackend) -> Path:
    """Where the export of a model for a backend is installed, or would be."""
    return workspace() / "exports" / weights_sha256 / backend


def read_export(weights_sha256: str, backend: ExportBackend) -> ExportRecord | None:
    """The record of a model's installed export; None when there is none. Raises ModelError for a damaged one."""
    folder = export_folder(weights_sha256, backend)
    finish_replacement(folder)
    try:
        record = read_record_file(folder / RECORD, ExportRecord)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, RecordError) as error:
        raise ModelError(
            f"{printable(folder / RECORD)} cannot be read: {error}; {EXPORT_AGAIN}"
        ) from error
    if (record.weights_sha256, record.backend) != (weights_sha256, backend):
        raise ModelError(
            f"{printable(folder)} holds an export for {record.backend} of other weights ({record.model} "
            f"{record.version}); delete that folder, then {EXPORT_AGAIN}"
        )
    return record


def read_network(record: ExportRecord) -> tuple[bytes, ...]:
    """The bytes of an installed export's files, in the order of NETWORK_FILES, each with the hash that was recorded.

    Raises ModelError for a file that is missing, or that is another than the one that was checked.
    """
    folder = export_folder(record.weights_sha256, record.backend)
    return tuple(
        _read_file(folder / name, record.files.get(name, ""))
        for name in NETWORK_FILES[record.backend]
    )


def _read_file(path: Path, expected: str) -> bytes:
    try:
        content = read_outside_file(path, MAX_NETWORK_BYTES)
    except FileRefused as refusal:
        raise ModelError(
            f"{printable(path)} cannot be read: {refusal.reason}; {EXPORT_AGAIN}"
        ) from refusal
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise ModelError(
            f"{printable(path)} has sha256 {found[:12]}… where {RECORD} says {expected[:12]}…: the file was changed "
            f"or damaged after it was checked. Delete its folder, or {EXPORT_AGAIN}"
        )
    return content
