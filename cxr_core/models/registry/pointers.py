"""Writes which versions are active, one or several models in one step, and keeps the record of every change.

`<workspace>/models/<model>/current.json` says which version is active, since when and why. Where a step changes several
models, `.change.json` holds all their new records first: from then on it counts, until each is in its own place.
Every change is also a line of `<workspace>/models/log.jsonl`, which only grows. So is every import and every removal.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from cxr_core.errors import ModelError, RecordError
from cxr_core.models.registry.registry import CHANGE, POINTER, find_active_version, find_pointer
from cxr_core.workspace.atomic import remove_unfinished
from cxr_core.workspace.json_files import JsonObject, read_json_object, write_json
from cxr_core.workspace.jsonl import append_line, read_jsonl, utc_now
from cxr_core.workspace.paths import workspace

LOG = "log.jsonl"
NOTHING_CHANGED = "Nothing was changed. Free space, or allow writing there, and try again"
# The `what` of a record that keeps a version active while another one is being installed.
PINNED = "pinned"


@contextmanager
def registry_lock() -> Iterator[None]:
    """Hold the lock under which installed models are changed. Raises ModelError where nothing can be written."""
    home = models_folder()
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


def write_pointers(records: Mapping[str, JsonObject]) -> None:
    """Write the current.json of each model, all in one step, then the log. The caller holds `registry_lock`.

    A kill at any moment leaves all models as they were or all changed, and loses no record: the next change finishes
    what was begun. Raises ModelError when nothing could be changed.
    """
    home, change = models_folder(), secrets.token_hex(4)
    contents: dict[str, JsonObject] = {}
    for model, record in records.items():
        together: JsonObject = {"change": change, "together": [*records]}
        contents[model] = {"schema": 1, "model": model, "when": utc_now(), **record, **together}
    try:
        _finish_change()
        for model in contents:
            _log_current_version(model)
        if len(contents) > 1:
            pending: JsonObject = {"schema": 1, "pointers": {**contents}}
            write_json(home / CHANGE, pending, durable=True)
        else:
            for model, content in contents.items():
                _write_pointer(model, content)
    except OSError as error:
        raise ModelError(
            f"{home} cannot be written: {error.strerror}. {NOTHING_CHANGED}"
        ) from error
    # Done, as readers see it: what cannot be written now is written with the next change.
    with suppress(OSError):
        _finish_change()


def pin_active_version(model: str, *, also_none: bool = False) -> None:
    """Name the active version in current.json, so that a higher one is not active as soon as it is installed.

    also_none: where none is active, say that as well.
    """
    active, pointer = find_active_version(model), find_pointer(model)
    if active is not None:
        if active.reason or pointer is None:
            write_pointers({model: {"what": PINNED, "version": active.version}})
    elif also_none and (pointer is None or pointer.record.get("active") is not False):
        write_pointers({model: {"what": PINNED, "version": None, "active": False}})


def log_event(record: JsonObject) -> None:
    """Add a line to the log, with the time. The caller holds `registry_lock`. Raises ModelError."""
    try:
        append_line(models_folder() / LOG, {"when": utc_now(), **record})
    except OSError as error:
        raise ModelError(
            f"{models_folder() / LOG} cannot be written: {error.strerror}. {NOTHING_CHANGED}"
        ) from error


def read_history(model: str) -> list[JsonObject]:
    """Every change of a model's versions, the newest first.

    Each has model, version, what, when, note, before, and what a publication adds (run, override, gate).
    """
    logged = _read_log(model)
    unlogged = _find_unlogged_change(model, logged)
    newest_first = logged[::-1]
    return newest_first if unlogged is None else [unlogged, *newest_first]


def models_folder() -> Path:
    """Where the workspace keeps its models."""
    return workspace() / "models"


def _finish_change() -> None:
    """Put the records of a step that changes several models into their places. Raises OSError."""
    path = models_folder() / CHANGE
    pointers = (read_json_object(path) or {}).get("pointers")
    if isinstance(pointers, dict):
        for model, record in pointers.items():
            if isinstance(record, dict):
                _write_pointer(model, record)
    path.unlink(missing_ok=True)


def _write_pointer(model: str, content: JsonObject) -> None:
    pointer = models_folder() / model / POINTER
    pointer.parent.mkdir(parents=True, exist_ok=True)
    remove_unfinished(pointer.parent)
    write_json(pointer, content, durable=True)
    _log_current_version(model)


def _read_log(model: str) -> list[JsonObject]:
    """A model's changes in the log, the oldest first."""
    return [entry for entry in read_jsonl(models_folder() / LOG) if entry.get("model") == model]


def _log_current_version(model: str) -> None:
    try:
        logged = _read_log(model)
    except RecordError:  # whoever looks at the history is told; a change need not wait for that
        logged = []
    unlogged = _find_unlogged_change(model, logged)
    if unlogged is not None:
        append_line(models_folder() / LOG, unlogged)


def _find_unlogged_change(model: str, logged: Sequence[JsonObject]) -> JsonObject | None:
    """The record in current.json, unless it is in the log already or is no change."""
    pointer = find_pointer(model, (models_folder(),))
    current = {**pointer.record} if pointer else {}
    current.pop("schema", None)
    if not current or current.get("what") == PINNED or current in logged:
        return None
    return current
