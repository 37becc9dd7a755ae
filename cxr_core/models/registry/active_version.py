"""Putting another version of an installed model to use, and back: in one step, with a reason, on record.

`<workspace>/models/<model>/current.json` says which version is in use, since when and why; it is replaced whole. Every
change is also a line of `<workspace>/models/log.jsonl`, which is only appended to. No version is ever removed.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from cxr_core.errors import ModelError
from cxr_core.models.card import CARD, WEIGHTS
from cxr_core.models.registry.registry import CURRENT, in_use, read_current, versions
from cxr_core.workspace.atomic import atomic_write
from cxr_core.workspace.jsonl import append_line, read_jsonl, utc_now
from cxr_core.workspace.paths import workspace

LOG = "log.jsonl"
PINNED = "pinned"  # what a version is that stays in use while another one is being installed


def use(model: str, version: str, note: str, what: str = "promoted") -> Path:
    """Put a version of a model to use. Returns its folder.

    note: why.  what: the word for it in the log. Raises ModelError without a reason, for a version that is not there or
    is in use already, and for one whose files are not whole.
    """
    if not note.strip():
        raise ModelError(f"to put {model} {version} to use, say why")
    with changing():
        now_used = in_use(model)
        if now_used is None:
            raise ModelError(f"no model {model!r} is installed")
        there = {folder.name: folder for folder in versions(model)}
        if version not in there:
            raise ModelError(f"{model} has no version {version!r}; choose from {', '.join(there)}")
        if version == now_used.version and not now_used.reason:
            raise ModelError(f"{model} {version} is in use already")
        _require_whole(there[version])
        point(
            model,
            {"version": version, "what": what, "note": note.strip(), "before": now_used.version},
        )
    return there[version]


def roll_back(model: str, note: str, to: str | None = None) -> Path:
    """Put an earlier version to use: `to`, or the one below that in use. Returns its folder. Raises as `use`."""
    current = in_use(model)
    if current is None:
        raise ModelError(f"no model {model!r} is installed")
    names = [folder.name for folder in versions(model)]
    below = names[: names.index(current.version)]
    if to is None and not below:
        raise ModelError(
            f"{model} {current.version} has no version below it to go back to; name one: {', '.join(names)}"
        )
    return use(model, to or below[-1], note, "rolled back")


def history(model: str) -> list[dict[str, Any]]:
    """Every change of which version of a model is in use, the newest first.

    Each: model, version, what, when, note, before, and what a publication adds.
    """
    logged = [entry for entry in read_jsonl(_home() / LOG) if entry.get("model") == model]
    current = _unlogged(model, logged)
    return [*([current] if current else []), *reversed(logged)]


def changing() -> FileLock:
    """Held by whoever changes what is installed. Raises ModelError where nothing can be written."""
    try:
        _home().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(
            f"{_home()} cannot be written: {error.strerror}; set CXR_WORKSPACE to a folder"
        ) from error
    return FileLock(_home() / ".lock")


def point(model: str, record: Mapping[str, Any]) -> None:
    """Write a model's current.json in one step, then the log; by who holds `changing`. Raises ModelError.

    A kill between both loses nothing: the next change, or `history`, finds the record in current.json.
    """
    try:
        _log_current(model)
        _write(
            _home() / model / CURRENT, {"schema": 1, "model": model, "when": utc_now(), **record}
        )
        _log_current(model)
    except OSError as error:
        raise ModelError(
            f"{_home() / model} cannot be written: {error.strerror}; nothing was changed"
        ) from error


def keep_in_use(model: str) -> None:
    """Name the version in use in current.json, so that a higher one beside it is not taken before its time."""
    used = in_use(model)
    if used is not None and (used.reason or not (_home() / model / CURRENT).exists()):
        point(model, {"what": PINNED, "version": used.version})


def _log_current(model: str) -> None:
    logged = [entry for entry in read_jsonl(_home() / LOG) if entry.get("model") == model]
    current = _unlogged(model, logged)
    if current:
        append_line(_home() / LOG, current)


def _unlogged(model: str, logged: list[dict[str, Any]]) -> dict[str, Any] | None:
    """What current.json says, unless it is in the log already, or says nothing of a change."""
    current = read_current(_home() / model / CURRENT)
    current.pop("schema", None)
    return None if not current or current.get("what") == PINNED or current in logged else current


def _require_whole(folder: Path) -> None:
    card = read_current(folder / CARD)
    if not card:
        raise ModelError(f"{folder} holds no readable {CARD}; that version cannot be used")
    try:
        with (folder / WEIGHTS).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{folder} has no {WEIGHTS}; that version cannot be used") from error
    if found != card.get("weights_sha256"):
        raise ModelError(
            f"the {WEIGHTS} of {folder} are not those of its card; that version cannot be used"
        )


def _write(path: Path, record: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, json.dumps(dict(record), indent=2, ensure_ascii=False), durable=True)


def _home() -> Path:
    return workspace() / "models"
