"""Changes the active version of an installed model, and back: in one step, with a reason, on record.

`<workspace>/models/<model>/current.json` says which version is active, since when and why; it is replaced atomically.
Every change is also a line of `<workspace>/models/log.jsonl`, which only grows. So is every import and every removal.
"""

import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from cxr_core.errors import ModelError, RecordError
from cxr_core.models.card import WEIGHTS
from cxr_core.models.card_file import is_segmenter, read_card
from cxr_core.models.registry.registry import (
    POINTER,
    find_active_version,
    list_active_versions,
    list_models,
    list_versions,
)
from cxr_core.workspace.atomic import remove_unfinished
from cxr_core.workspace.hashing import sha256_of_file
from cxr_core.workspace.json_files import JsonObject, read_json_object, write_json
from cxr_core.workspace.jsonl import append_line, read_jsonl, utc_now
from cxr_core.workspace.paths import SHIPPED_MODELS, workspace

LOG = "log.jsonl"
NOTHING_CHANGED = "Nothing was changed. Free space, or allow writing there, and try again"
# The `what` of a record that keeps a version active while another one is being installed.
PINNED = "pinned"
DEACTIVATED = "taken out of use"
REMOVED_PREFIX = ".removed-"  # of a version's folder while it is being deleted


def activate_version(model: str, version: str, note: str, what: str = "promoted") -> Path:
    """Make a version of a model the active one. Returns its folder.

    note: the reason.  what: the word for it in the log.
    Raises ModelError without a reason, for a version that is missing, damaged or active already.
    """
    with registry_lock():
        folders = _require_versions(model)
        active = find_active_version(model)
        if version not in folders:
            raise ModelError(
                f"{model} has no version {version!r}; choose from {', '.join(folders)}"
            )
        if active is not None and version == active.version and not active.reason:
            raise ModelError(f"{model} {version} is active already")
        _require_note(f"activate {model} {version}", note)
        _require_sound_files(folders[version])
        record: JsonObject = {
            "version": version,
            "what": what,
            "note": note.strip(),
            "before": active.version if active else "",
        }
        write_pointer(model, record)
        if is_segmenter(folders[version]):
            retire_other_segmenters(model, version)
    return folders[version]


def deactivate_model(model: str, note: str) -> None:
    """Let no version of a model read films, until one is activated. note: the reason.

    Raises ModelError without a reason, for a model that is not installed, and where none is active.
    """
    with registry_lock():
        _require_versions(model)
        active = find_active_version(model)
        if active is None:
            raise ModelError(f"no version of {model} is active, so there is nothing to stop using")
        _require_note(f"stop using {model}", note)
        _write_inactive(model, active.version, note.strip())


def retire_other_segmenters(model: str, version: str) -> None:
    """Deactivate every segmenter of another name, as only one segments films. The caller holds `registry_lock`."""
    for active in list_active_versions():
        other = active.folder.parent.name
        if other != model and is_segmenter(active.folder):
            _write_inactive(other, active.version, f"{model} {version} segments films instead")


def remove_version(model: str, version: str, note: str) -> None:
    """Delete a version's folder for good: it is gone at once, or not at all. note: the reason.

    Raises ModelError without a reason, for a version that is active, came with the program or does not exist.
    """
    with registry_lock():
        folders = _require_versions(model)
        folder = folders.get(version)
        active = find_active_version(model)
        if folder is None:
            raise ModelError(
                f"{model} has no version {version!r}; choose from {', '.join(folders)}"
            )
        if folder.is_relative_to(SHIPPED_MODELS):
            raise ModelError(f"{model} {version} came with the program and cannot be removed")
        if active is not None and active.folder == folder:
            raise ModelError(
                f"{model} {version} is active; activate another version or stop using {model} first"
            )
        _require_note(f"remove {model} {version}", note)
        # On record first: what is gone must not be gone without a trace.
        log_event({"model": model, "version": version, "what": "removed", "note": note.strip()})
        hidden = folder.with_name(f"{REMOVED_PREFIX}{version}-{secrets.token_hex(4)}")
        try:
            folder.rename(hidden)
        except OSError as error:
            raise ModelError(
                f"{folder} cannot be removed: {error.strerror}; allow writing there, and try again"
            ) from error
        for leftover in folder.parent.glob(f"{REMOVED_PREFIX}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        if not list_versions(model):
            shutil.rmtree(folder.parent, ignore_errors=True)


def roll_back(model: str, note: str, to: str | None = None) -> Path:
    """Make an earlier version active again: `to`, or the one below the active one. Returns its folder.

    Raises ModelError as `activate_version` does, and when there is no earlier version.
    """
    names = list(_require_versions(model))
    active = find_active_version(model)
    if active is None and to is None:
        raise ModelError(
            f"no version of {model} is active; name the one to activate: {', '.join(names)}"
        )
    earlier = names[: names.index(active.version)] if active else []
    if active and to is None and not earlier:
        raise ModelError(
            f"{model} {active.version} has no version below it to go back to; name one: {', '.join(names)}"
        )
    return activate_version(model, to or earlier[-1], note, "rolled back")


def read_history(model: str) -> list[JsonObject]:
    """Every change of a model's versions, the newest first.

    Each has model, version, what, when, note, before, and what a publication adds (run, override, gate).
    """
    logged = _read_log(model)
    unlogged = _find_unlogged_change(model, logged)
    newest_first = logged[::-1]
    return newest_first if unlogged is None else [unlogged, *newest_first]


@contextmanager
def registry_lock() -> Iterator[None]:
    """Hold the lock under which installed models are changed. Raises ModelError where nothing can be written."""
    home = _models_folder()
    lock = FileLock(home / ".lock")
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise ModelError(
            f"{home} cannot be written: {error.strerror}; free space, or set CXR_WORKSPACE to another folder"
        ) from error
    try:
        yield
    finally:
        lock.release()


def write_pointer(model: str, record: JsonObject) -> None:
    """Write a model's current.json in one step, then the log. The caller holds `registry_lock`. Raises ModelError.

    A kill between both loses nothing: the next change, or `read_history`, finds the record in current.json.
    """
    pointer = _models_folder() / model / POINTER
    content: JsonObject = {"schema": 1, "model": model, "when": utc_now(), **record}
    try:
        _log_current_version(model)
        pointer.parent.mkdir(parents=True, exist_ok=True)
        remove_unfinished(pointer.parent)
        write_json(pointer, content, durable=True)
        _log_current_version(model)
    except OSError as error:
        raise ModelError(
            f"{pointer.parent} cannot be written: {error.strerror}. {NOTHING_CHANGED}"
        ) from error


def pin_active_version(model: str) -> None:
    """Name the active version in current.json, so that a higher one is not active as soon as it is installed."""
    active = find_active_version(model)
    if active is None:
        return
    pointer_exists = (_models_folder() / model / POINTER).exists()
    if active.reason or not pointer_exists:
        write_pointer(model, {"what": PINNED, "version": active.version})


def log_event(record: JsonObject) -> None:
    """Add a line to the log, with the time. The caller holds `registry_lock`. Raises ModelError."""
    try:
        append_line(_models_folder() / LOG, {"when": utc_now(), **record})
    except OSError as error:
        raise ModelError(
            f"{_models_folder() / LOG} cannot be written: {error.strerror}. {NOTHING_CHANGED}"
        ) from error


def _write_inactive(model: str, before: str, note: str) -> None:
    record: JsonObject = {"version": None, "active": False, "what": DEACTIVATED}
    write_pointer(model, {**record, "note": note, "before": before})


def _require_versions(model: str) -> dict[str, Path]:
    """The folders of a model's versions by their names, the lowest first. Raises ModelError when it has none."""
    folders = {folder.name: folder for folder in list_versions(model)}
    if not folders:
        raise ModelError(
            f"no model {model!r} is installed; installed are {', '.join(list_models())}"
        )
    return folders


def _require_note(deed: str, note: str) -> None:
    if not note.strip():
        raise ModelError(f"to {deed}, say why")


def _read_log(model: str) -> list[JsonObject]:
    """A model's changes in the log, the oldest first."""
    return [entry for entry in read_jsonl(_models_folder() / LOG) if entry.get("model") == model]


def _log_current_version(model: str) -> None:
    try:
        logged = _read_log(model)
    except RecordError:  # whoever looks at the history is told; a change need not wait for that
        logged = []
    unlogged = _find_unlogged_change(model, logged)
    if unlogged is not None:
        append_line(_models_folder() / LOG, unlogged)


def _find_unlogged_change(model: str, logged: Sequence[JsonObject]) -> JsonObject | None:
    """The record in current.json, unless it is in the log already or is no change."""
    current = read_json_object(_models_folder() / model / POINTER) or {}
    current.pop("schema", None)
    if not current or current.get("what") == PINNED or current in logged:
        return None
    return current


def _require_sound_files(folder: Path) -> None:
    card = read_card(folder)
    try:
        sha256 = sha256_of_file(folder / WEIGHTS)
    except OSError as error:
        raise ModelError(
            f"{folder} has no {WEIGHTS} that can be read; that version cannot be used. Install it again"
        ) from error
    if sha256 != card.weights_sha256:
        raise ModelError(
            f"the {WEIGHTS} of {folder} do not match its card; that version cannot be used. Install it again"
        )


def _models_folder() -> Path:
    return workspace() / "models"
