"""Installs a model from a zip file: unpacked, checked and tried where nobody sees it. It is not active afterwards."""

import hashlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from cxr_core.errors import ModelError
from cxr_core.models.card_file import AnyCard, is_segmenter, read_card
from cxr_core.models.networks.user_code import is_reference
from cxr_core.models.registry.archive import unpack_model
from cxr_core.models.registry.pointers import log_event, registry_lock
from cxr_core.models.registry.registry import IMPORT_RECORD, list_versions
from cxr_core.reading.trial import try_model
from cxr_core.workspace.atomic import atomic_folder, remove_unfinished
from cxr_core.workspace.json_files import write_json
from cxr_core.workspace.jsonl import utc_now
from cxr_core.workspace.log import add_facts, log_task
from cxr_core.workspace.paths import printable, workspace

IMPORT_PREFIX = ".import-"  # of the hidden folder in which an import is unpacked and tried
# Of a model or a version, as folders on every system can be named; and the endings of the registry's own files.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,79}")
RESERVED_ENDINGS = (".json", ".jsonl", ".lock", ".")


@log_task("import")
def import_model(data: bytes) -> Path:
    """Install the model of a zip, tried on drawings; the active version stays active. Returns the installed folder.

    data: what `export_model` gives. Raises ModelError for anything else, for a model that cannot read, and for one that
    is installed already; nothing is left then.
    """
    home = workspace() / "models"
    try:
        home.mkdir(parents=True, exist_ok=True)
        # One import at a time, of its own lock: whoever activates another version need not wait for a trial.
        with FileLock(home / ".import.lock"), _draft_folder(home) as draft:
            unpack_model(data, draft)
            card = _check_card(draft)
            add_facts(model=card.model, version=card.version)
            try_model(draft)
            sha256 = hashlib.sha256(data).hexdigest()
            write_json(draft / IMPORT_RECORD, {"schema": 1, "when": utc_now(), "zip": sha256})
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
    own = [name for name in names if is_reference(name)]
    if own or card.arguments.get("code"):
        raise ModelError(
            f"the card names somebody's own code ({printable(', '.join(own))!r:.100}), which no imported model may "
            "run. Train it here from the recipe, with that file in the workspace's code folder"
        )
    _require_free_name(draft, card)
    return card


def _require_free_name(draft: Path, card: AnyCard) -> None:
    versions = list_versions(card.model)
    if card.version in [folder.name for folder in versions]:
        raise ModelError(
            f"{card.model} {card.version} is installed already; remove that first, or give this one another version in "
            "its card"
        )
    if any(is_segmenter(folder) != is_segmenter(draft) for folder in versions):
        raise ModelError(
            f"{card.model} is installed as a model of another kind; give this one another name in its card"
        )


def _install(draft: Path, card: AnyCard, final: Path) -> Path:
    """Let a draft appear under its name. Raises ModelError when another has taken the name meanwhile."""
    _require_free_name(draft, card)
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
