"""Chooses what computes a model's forward pass: torch, or an export of the network that was checked here."""

import os
from typing import Literal, get_args

from cxr_core.errors import ModelError, SettingsError
from cxr_core.models.card_file import AnyCard
from cxr_core.models.exported.record import ExportBackend, ExportRecord, read_export
from cxr_core.models.exported.runtimes import (
    RUNTIME_NAMES,
    Runtime,
    has_runtime,
    load_runtime,
    name_runtime,
    require_same_runtime,
)

BackendChoice = Literal["auto", "torch", "onnx", "openvino"]
BACKENDS: tuple[BackendChoice, ...] = get_args(BackendChoice)
VARIABLE = "CXR_BACKEND"
TORCH: Literal["torch"] = "torch"
DEFAULT: BackendChoice = TORCH
FASTEST_FIRST: tuple[ExportBackend, ...] = ("openvino", "onnx")  # docs/experiments/performance.md


def backend_setting() -> BackendChoice:
    """What $CXR_BACKEND asks for, torch where it is not set. Raises SettingsError for another word."""
    text = os.environ.get(VARIABLE) or DEFAULT
    for backend in BACKENDS:
        if text == backend:
            return backend
    raise SettingsError(
        f"{VARIABLE} is {text!r}, which is not a backend; choose from {', '.join(BACKENDS)}"
    )


def load_exported(card: AnyCard, choice: BackendChoice, cores: int) -> tuple[str, Runtime] | None:
    """The name of what computes a model's forward pass, and the network; None where that is torch.

    `auto` takes the fastest export that is installed for these weights and this library. cores: of this process.
    Raises ModelError when the backend that was asked for cannot be had, and for an export that was changed after it was
    checked.
    """
    if choice == TORCH:
        return None
    record = _find_usable_export(card) if choice == "auto" else _require_export(card, choice)
    if record is None:
        return None
    name = record.backend if record.precision == "float32" else f"{record.backend} int8"
    return name, load_runtime(record, cores)


def _find_usable_export(card: AnyCard) -> ExportRecord | None:
    for backend in FASTEST_FIRST:
        record = read_export(card.weights_sha256, backend) if has_runtime(backend) else None
        if record is not None and record.runtime == name_runtime(backend):
            return record
    return None


def _require_export(card: AnyCard, backend: ExportBackend) -> ExportRecord:
    record = read_export(card.weights_sha256, backend)
    if record is None:
        raise ModelError(
            f"{card.model} {card.version} was not exported for {RUNTIME_NAMES[backend]} here; export it "
            f"(docs/export.md), or read with the backend auto or torch"
        )
    require_same_runtime(record)
    return record
