"""Says what became of a model that an old report, reading or evaluation names."""

from cxr_core.errors import RecordError
from cxr_core.models.registry.pointers import read_history
from cxr_core.models.registry.registry import find_active_version, list_versions
from cxr_core.workspace.json_files import JsonObject


def describe_status(model: str, version: str) -> str:
    """`active`, `no longer in use`, `removed on 2026-11-28 (worse than ours)` or `not installed here`."""
    if version in [folder.name for folder in list_versions(model)]:
        active = find_active_version(model)
        return "active" if active and active.version == version else "no longer in use"
    removal = find_removal(model, version)
    if removal is None:
        return "not installed here"
    note = removal.get("note")
    return f"removed on {str(removal.get('when'))[:10]}" + (f" ({note})" if note else "")


def find_removal(model: str, version: str | None = None) -> JsonObject | None:
    """The record of the last removal of a version, or of any version of a model; None when nothing was removed."""
    try:
        history = read_history(model)
    except RecordError:  # the Models page names the damaged log
        return None
    for entry in history:
        if entry.get("what") == "removed" and version in (None, entry.get("version")):
            return entry
    return None
