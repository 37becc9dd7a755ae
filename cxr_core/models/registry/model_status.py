"""Says what became of a model that an old report, reading or evaluation names."""

from cxr_core.errors import RecordError
from cxr_core.models.registry.pointers import read_history
from cxr_core.models.registry.registry import find_active_version, list_versions
from cxr_core.workspace.json_files import JsonObject

ACTIVE = "active"


def describe_status(model: str, version: str) -> str:
    """`active`, `no longer in use`, `not in use`, `removed on 2026-11-28 (worse than ours)` or `not installed here`.

    `not in use`: nothing on record says that it was ever active, such as after an import.
    """
    if version in [folder.name for folder in list_versions(model)]:
        active = find_active_version(model)
        if active and active.version == version:
            return ACTIVE
        return "no longer in use" if _was_active(model, version) else "not in use"
    removal = find_removal(model, version)
    if removal is None:
        return "not installed here"
    note = removal.get("note")
    return f"removed on {str(removal.get('when'))[:10]}" + (f" ({note})" if note else "")


def _was_active(model: str, version: str) -> bool:
    """Whether a change on record activated a version, or took it out of use."""
    return any(
        version == entry.get("before")
        or (version == entry.get("version") and entry.get("what") not in ("imported", "removed"))
        for entry in _read_history(model)
    )


def find_removal(model: str, version: str | None = None) -> JsonObject | None:
    """The record of the last removal of a version, or of any version of a model; None when nothing was removed."""
    for entry in _read_history(model):
        if entry.get("what") == "removed" and version in (None, entry.get("version")):
            return entry
    return None


def _read_history(model: str) -> list[JsonObject]:
    try:
        return read_history(model)
    except RecordError:  # the Models page names the damaged log
        return []
