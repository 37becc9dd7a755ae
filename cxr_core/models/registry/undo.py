"""Undoes the last change of a model's active version, together with what the same step did to other models."""

from pathlib import Path

from cxr_core.access.actor import Role
from cxr_core.access.permission import perform_action
from cxr_core.errors import ModelError
from cxr_core.models.card_file import read_card
from cxr_core.models.registry.active_version import require_sound_files, require_versions
from cxr_core.models.registry.overlap import find_competitors
from cxr_core.models.registry.pointers import PINNED, registry_lock, write_pointers
from cxr_core.models.registry.registry import find_active_version, find_pointer
from cxr_core.workspace.json_files import JsonObject

UNDONE = "undone"


def find_last_change(model: str) -> dict[str, str]:
    """Each model that the last change of a model's active version changed, with the version that was active before.

    The version is empty where none was active. Empty when nothing can be undone: nobody has changed anything, or one of
    the models was changed again since then.
    """
    own = _read_record(model)
    if not isinstance(own.get("before"), str) or own.get("what") == PINNED:
        return {}
    together = own.get("together")
    names = [str(name) for name in together] if isinstance(together, list) else [model]
    before: dict[str, str] = {}
    for name in names:
        record = _read_record(name)
        if record.get("change") != own.get("change"):
            return {}
        before[name] = str(record.get("before") or "")
    active = {name: find_active_version(name) for name in before}
    unchanged = [(one.version if one else "") == before[name] for name, one in active.items()]
    return {} if all(unchanged) else before


def describe_undo(before: dict[str, str]) -> str:
    """What undoing a change does, in words: `tiny 1.0.0 is active again, and other is retired`."""
    parts = [
        f"{model} {version} is active again" if version else f"{model} is no longer in use"
        for model, version in before.items()
    ]
    return ", and ".join(parts)


@perform_action("undo", Role.ADMIN)
def undo_last_change(model: str, note: str) -> str:
    """Make active again what was active before the last change of a model. Returns what was done, in words.

    note: the reason. An undone change can be undone in turn. Raises ModelError when there is nothing to undo, a version
    to go back to is gone or damaged, or another model has taken its place since then.
    """
    with registry_lock():
        require_versions(model)
        before = find_last_change(model)
        if not before:
            raise ModelError(
                f"the last change of {model} cannot be undone: there is none, or a model that it concerned was changed "
                "again since then. Activate the version that you want instead"
            )
        records: dict[str, JsonObject] = {}
        for name, version in before.items():
            active = find_active_version(name)
            if version:
                _require_free(_find_version(name, version), before)
            records[name] = {
                "version": version or None,
                "active": bool(version),
                "what": UNDONE,
                "note": note.strip(),
                "before": active.version if active else "",
            }
        write_pointers(records)
    return describe_undo(before)


def _find_version(model: str, version: str) -> Path:
    folder = require_versions(model).get(version)
    if folder is None:
        raise ModelError(
            f"{model} {version} was removed, so the change cannot be undone; activate another version"
        )
    require_sound_files(folder)
    return folder


def _require_free(folder: Path, changing: dict[str, str]) -> None:
    """Refuse to activate a model again beside another one that has taken its place since then."""
    for competitor in find_competitors(folder.parent.name, read_card(folder)):
        if competitor.model not in changing:
            raise ModelError(
                f"{folder.parent.name} {folder.name} cannot be activated again: meanwhile {competitor.describe()} is "
                f"in use. Retire {competitor.model} first"
            )


def _read_record(model: str) -> JsonObject:
    pointer = find_pointer(model)
    return pointer.record if pointer else {}
