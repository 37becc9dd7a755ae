"""Changes the active version of an installed model, and back: in one step, with a reason, on record.

Of the models that answer a finding for a patient one is active: whoever activates another one takes the former out of
use in the same step.
"""

import secrets
import shutil
from pathlib import Path

from cxr_core.access.actor import Role
from cxr_core.access.permission import perform_action
from cxr_core.errors import ModelError
from cxr_core.models.card import WEIGHTS
from cxr_core.models.card_file import AnyCard, is_segmenter, read_card
from cxr_core.models.registry.overlap import describe_refusal, find_competitors
from cxr_core.models.registry.pointers import log_event, registry_lock, write_pointers
from cxr_core.models.registry.registry import (
    find_active_version,
    list_active_versions,
    list_models,
    list_versions,
)
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.workspace.hashing import sha256_of_file
from cxr_core.workspace.json_files import JsonObject
from cxr_core.workspace.log import add_details
from cxr_core.workspace.paths import SHIPPED_MODELS

RETIRED = "retired"
REMOVED_PREFIX = ".removed-"  # of a version's folder while it is being deleted


@perform_action("activation", Role.ADMIN)
def activate_version(model: str, version: str, note: str, what: str = "promoted") -> Path:
    """Make a version of a model the active one. Returns its folder.

    Active models of other names that answer the same findings for the same patients are retired in the same step.
    note: the reason.  what: the word for it in the log.
    Raises ModelError without a reason, for a version that is missing, damaged or active already, and where a model of
    another name that it replaces also answers other findings or patients.
    """
    with registry_lock():
        folders = require_versions(model)
        active = find_active_version(model)
        if version not in folders:
            raise ModelError(
                f"{model} has no version {version!r}; choose from {', '.join(folders)}"
            )
        if active is not None and version == active.version and not active.reason:
            raise ModelError(f"{model} {version} is active already")
        _require_note(f"activate {model} {version}", note)
        require_sound_files(folders[version])
        card = read_card(folders[version])
        refusal = describe_refusal(model, card)
        if refusal:
            raise ModelError(refusal)
        add_details(model=model, version=version)
        record: JsonObject = {
            "version": version,
            "what": what,
            "note": note.strip(),
            "before": active.version if active else "",
        }
        write_pointers({model: record, **retire_others(model, version, card)})
    return folders[version]


@perform_action("retirement", Role.ADMIN)
def retire_model(model: str, note: str) -> None:
    """Let no version of a model read films, until one is activated. note: the reason.

    Raises ModelError without a reason, for a model that is not installed, and where none is active.
    """
    with registry_lock():
        require_versions(model)
        active = find_active_version(model)
        if active is None:
            raise ModelError(f"no version of {model} is active, so there is nothing to retire")
        add_details(model=model, version=active.version)
        _require_note(f"retire {model}", note)
        write_pointers({model: _describe_retirement(active.version, note.strip())})


def retire_others(model: str, version: str, card: AnyCard) -> dict[str, JsonObject]:
    """The records that retire the models of other names which this version of a model replaces, by model.

    The caller holds `registry_lock` and writes them with its own.
    """
    if isinstance(card, SegmenterCard):
        folders = [active.folder for active in list_active_versions()]
        folders = [f for f in folders if f.parent.name != model and is_segmenter(f)]
        note = f"{model} {version} segments films instead"
    else:
        folders = [competitor.folder for competitor in find_competitors(model, card)]
        note = f"replaced by {model} {version}"
    return {folder.parent.name: _describe_retirement(folder.name, note) for folder in folders}


@perform_action("removal of a model", Role.ADMIN)
def remove_version(model: str, version: str, note: str) -> None:
    """Delete a version's folder for good: it is gone at once, or not at all. note: the reason.

    Raises ModelError without a reason, for a version that is active, came with the program or does not exist.
    """
    with registry_lock():
        folders = require_versions(model)
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
                f"{model} {version} is active; activate another version or retire {model} first"
            )
        add_details(model=model, version=version)
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


@perform_action("roll-back", Role.ADMIN)
def roll_back(model: str, note: str, to: str | None = None) -> Path:
    """Make an earlier version active again: `to`, or the one below the active one. Returns its folder.

    Raises ModelError as `activate_version` does, and when there is no earlier version.
    """
    names = list(require_versions(model))
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


def require_versions(model: str) -> dict[str, Path]:
    """The folders of a model's versions by their names, the lowest first. Raises ModelError when it has none."""
    folders = {folder.name: folder for folder in list_versions(model)}
    if not folders:
        raise ModelError(
            f"no model {model!r} is installed; installed are {', '.join(list_models())}"
        )
    return folders


def require_sound_files(folder: Path) -> None:
    """Raise ModelError for a version whose card or weights cannot be used."""
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


def _describe_retirement(before: str, note: str) -> JsonObject:
    return {"version": None, "active": False, "what": RETIRED, "note": note, "before": before}


def _require_note(deed: str, note: str) -> None:
    if not note.strip():
        raise ModelError(f"to {deed}, say why")
