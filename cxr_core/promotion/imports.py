"""Installs a model from a zip file: unpacked, checked and tried where nobody sees it. It is not active afterwards."""

import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from cxr_core.access.actor import Role
from cxr_core.access.permission import perform_action
from cxr_core.errors import ModelError, SettingsError
from cxr_core.known_findings import adopt_findings, require_no_collision
from cxr_core.models.card import CARD, ModelCard
from cxr_core.models.card_file import AnyCard, is_segmenter, read_card
from cxr_core.models.networks.user_code import is_code_reference
from cxr_core.models.registry.archive import unpack_model
from cxr_core.models.registry.pointers import log_event, registry_lock
from cxr_core.models.registry.registry import IMPORT_RECORD, list_versions
from cxr_core.reading.trial_run.trial import try_model
from cxr_core.workspace.atomic import atomic_folder, remove_unfinished
from cxr_core.workspace.json_files import JsonObject, write_json
from cxr_core.workspace.jsonl import utc_now
from cxr_core.workspace.log import add_details
from cxr_core.workspace.paths import printable, workspace

IMPORT_PREFIX = ".import-"  # of the hidden folder in which an import is unpacked and tried
# Of a model or a version, as folders on every system can be named; and the endings of the registry's own files.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,79}")
RESERVED_ENDINGS = (".json", ".jsonl", ".lock", ".")
WAY_OUT = "Import this one under another name or version"


@perform_action("import", Role.ADMIN)
def import_model(data: bytes, name: str | None = None, version: str | None = None) -> Path:
    """Install the model of a zip, tried on drawings; the active version stays active. Returns the installed folder.

    data: what `export_model` gives.  name, version: instead of those of its card, where they are taken here by a model
    from another workspace. Raises ModelError for anything else, for a model that cannot read, and for one that
    is installed already; nothing is left then.
    """
    home = workspace() / "models"
    try:
        home.mkdir(parents=True, exist_ok=True)
        # One import at a time, of its own lock: whoever activates another version need not wait for a trial.
        with FileLock(home / ".import.lock"), _draft_folder(home) as draft:
            unpack_model(data, draft)
            original = _rename(draft, name, version)
            card = _check_card(draft)
            add_details(model=card.model, version=card.version)
            try_model(draft)
            sha256 = hashlib.sha256(data).hexdigest()
            record: JsonObject = {"schema": 1, "when": utc_now(), "zip": sha256, "name": original}
            write_json(draft / IMPORT_RECORD, record)
            with registry_lock():
                return _install(draft, card, home / card.model / card.version)
    except OSError as error:
        raise ModelError(
            f"the model cannot be installed under {home}: {error.strerror}; free space, or set CXR_WORKSPACE to "
            "another folder"
        ) from error


def _check_card(draft: Path) -> AnyCard:
    """The card of an unpacked model that could be installed. Raises ModelError."""
    card = read_card(draft)
    for name in (card.model, card.version):
        if not NAME.fullmatch(name) or name.lower().endswith(RESERVED_ENDINGS):
            raise ModelError(
                f"{printable(name)!r:.100} cannot be a folder's name; models and versions have letters, digits, . + -"
            )
    names = (card.arguments.get("backbone", ""), card.arguments.get("head", ""))
    own = [name for name in names if is_code_reference(name)]
    if own or card.arguments.get("code"):
        raise ModelError(
            f"the card names somebody's own code ({printable(', '.join(own))!r:.100}), which no imported model may "
            "run. Train it here from the recipe, with that file in the workspace's code folder"
        )
    require_definitions(card)
    _require_free_name(draft, card)
    return card


def _rename(draft: Path, name: str | None, version: str | None) -> str:
    """Give an unpacked model another name or version. Returns its own, as "name version"."""
    card = read_card(draft)
    renamed = replace(card, model=name or card.model, version=version or card.version)
    if renamed != card:
        (draft / CARD).write_text(renamed.to_json(), encoding="utf-8")
    return f"{card.model} {card.version}"


def _require_free_name(draft: Path, card: AnyCard) -> None:
    """Refuse a name that another model has here: models of two workspaces may have the same."""
    versions = {folder.name: folder for folder in list_versions(card.model)}
    installed = versions.get(card.version)
    if installed is not None and _has_same_weights(installed, card):
        raise ModelError(
            f"{card.model} {card.version} is installed already, with the same weights; there is nothing to import"
        )
    if installed is not None:
        raise ModelError(
            f"{card.model} {card.version} is installed already and is another model: its weights differ. {WAY_OUT}"
        )
    for folder in versions.values():
        if is_segmenter(folder) != is_segmenter(draft) or not _share_findings(folder, card):
            raise ModelError(
                f"{card.model} is installed as a model of another kind: {folder.name} answers something else. {WAY_OUT}"
            )


def _has_same_weights(folder: Path, card: AnyCard) -> bool:
    try:
        return read_card(folder).weights_sha256 == card.weights_sha256
    except ModelError:
        return False


def _share_findings(folder: Path, card: AnyCard) -> bool:
    """Whether an installed version and a card have a finding in common; a damaged card is taken to have one."""
    try:
        installed = read_card(folder)
    except ModelError:
        return True
    if not isinstance(installed, ModelCard) or not isinstance(card, ModelCard):
        return True
    return bool(set(installed.findings) & set(card.findings))


def require_definitions(card: AnyCard) -> None:
    """Raises ModelError when a finding that a card defines means something else in this workspace."""
    if not isinstance(card, ModelCard):
        return
    for finding in card.local_findings:
        try:
            require_no_collision(finding)
        except SettingsError as error:
            raise ModelError(
                f"{card.model} {card.version} cannot be installed: {error}. If both mean the same, make the "
                "definitions agree: in findings.json of this workspace, or under local_findings in the model's card"
            ) from error


def adopt_definitions(card: AnyCard) -> None:
    """Add the findings that a card defines to this workspace. Raises ModelError as `require_definitions` does."""
    require_definitions(card)
    if isinstance(card, ModelCard):
        adopt_findings(card.local_findings)


def _install(draft: Path, card: AnyCard, final: Path) -> Path:
    """Let a draft appear under its name. Raises ModelError when another has taken the name meanwhile."""
    _require_free_name(draft, card)
    adopt_definitions(card)
    log_event({"model": card.model, "version": card.version, "what": "imported", "note": ""})
    remove_unfinished(final.parent)
    with atomic_folder(final) as folder:
        for file in draft.iterdir():
            file.rename(folder / file.name)
    return final


@contextmanager
def _draft_folder(home: Path) -> Iterator[Path]:
    """An empty hidden folder for one import. Removes what killed imports left; nobody else can be importing."""
    for leftover in home.glob(f"{IMPORT_PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=IMPORT_PREFIX, dir=home) as folder:
        yield Path(folder)
