"""Exports a model folder as a zip for another machine, and imports one after verifying it; never a pickle."""

import io
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from cxr_core.errors import ModelError
from cxr_core.models.card import CARD, WEIGHTS, ArchitectureArguments, ModelCard
from cxr_core.models.registry.active_version import pin_active_version, registry_lock
from cxr_core.models.registry.registry import is_segmenter, list_versions
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.models.store import (
    OOD_STATISTICS,
    load_card,
    load_network,
    load_ood_statistics,
    load_segmenter,
    load_segmenter_card,
)
from cxr_core.workspace.atomic import atomic_folder
from cxr_core.workspace.paths import workspace

VERDICT = "gate.json"
IMPORT_PREFIX = ".import-"  # of the hidden folder in which an import is unpacked and verified
FILES = (WEIGHTS, CARD, OOD_STATISTICS, VERDICT)
# timm's arguments that make a network load weights from elsewhere as it is built.
DOWNLOADING_ARGUMENTS = (
    "pretrained",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
    "checkpoint_path",
    "cache_dir",
)
MAX_UNPACKED_BYTES = 200 << 20


def export_model(folder: Path) -> bytes:
    """The zip of a model folder: its files under MODEL/VERSION/. Raises ModelError when a file cannot be read."""
    packed = io.BytesIO()
    try:
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:  # weights do not shrink
            for name in FILES:
                if (folder / name).is_file():
                    archive.write(folder / name, f"{folder.parent.name}/{folder.name}/{name}")
    except OSError as error:
        raise ModelError(f"{folder} cannot be read: {error.strerror}") from error
    return packed.getvalue()


def import_model(data: bytes) -> Path:
    """Install the model of a zip; the active version stays active. Returns the installed folder.

    Its files may lie at the top of the zip or in one folder of it. Raises ModelError for anything else, for a model
    whose card, hash, tensors or their shapes are wrong, and for one that is installed already; nothing is left then.
    """
    files, home = _unpack(data), workspace() / "models"
    try:
        with registry_lock(), _draft_folder(home) as draft:
            for name, content in files.items():
                (draft / name).write_bytes(content)
            card = _verify(draft)
            if any(folder.name == card.version for folder in list_versions(card.model)):
                raise ModelError(f"{card.model} {card.version} is installed already")
            pin_active_version(card.model)
            final = home / card.model / card.version
            with atomic_folder(final) as folder:
                for name in files:
                    (draft / name).rename(folder / name)
    except OSError as error:
        raise ModelError(f"the model cannot be installed under {home}: {error.strerror}") from error
    return final


@contextmanager
def _draft_folder(home: Path) -> Iterator[Path]:
    """An empty hidden folder for one import. Removes what killed imports left; nobody else can be importing."""
    for leftover in home.glob(f"{IMPORT_PREFIX}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=IMPORT_PREFIX, dir=home) as folder:
        yield Path(folder)


def _unpack(data: bytes) -> dict[str, bytes]:
    """A model's files by name. Only the known names are taken, so no path leads out of the model's folder."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = _check_entries(archive)
            return {name: archive.read(entry) for name, entry in entries.items()}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        # NotImplementedError: an unknown method.  RuntimeError: an encrypted zip.
        raise ModelError(
            f"this is not a readable zip file ({error}); give one that was exported here"
        ) from error


def _check_entries(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The entries of a zip that holds one model and nothing else, by file name. Raises ModelError otherwise."""
    entries = {
        PurePosixPath(entry.filename): entry for entry in archive.infolist() if not entry.is_dir()
    }
    for path in entries:
        if path.name not in FILES:
            raise ModelError(
                f"the zip holds {str(path)!r}; a model's has {', '.join(FILES)} and nothing else"
            )
    files = sum(not entry.is_dir() for entry in archive.infolist())
    if len({path.parent for path in entries}) != 1 or len(entries) != files:
        raise ModelError("the zip must hold the files of one model, in one folder of it or none")
    if sum(entry.file_size for entry in entries.values()) > MAX_UNPACKED_BYTES:
        raise ModelError(
            f"the zip would unpack to more than {MAX_UNPACKED_BYTES >> 20} MB; models here are far smaller"
        )
    return {path.name: entry for path, entry in entries.items()}


def _verify(folder: Path) -> ModelCard | SegmenterCard:
    """The card of an unpacked folder that loads with exactly the tensors of its network. Raises ModelError."""
    card: ModelCard | SegmenterCard
    if is_segmenter(folder):
        card = load_segmenter_card(folder)
        _require_own_weights(card.arguments)
        load_segmenter(folder, card)
    else:
        card = load_card(folder)
        _require_own_weights(card.arguments)
        load_network(folder, card)
        load_ood_statistics(folder)
    for name in (card.model, card.version):
        if not re.fullmatch(r"\w[\w.+-]*", name):
            raise ModelError(
                f"{name!r} cannot be a folder's name; models and versions have letters, digits, . + -"
            )
    return card


def _require_own_weights(arguments: ArchitectureArguments) -> None:
    """Raises ModelError for a card whose network would load weights from elsewhere as it is built."""
    present = []
    for table in (arguments, arguments.get("backbone_arguments")):
        if isinstance(table, Mapping):
            present += [name for name in DOWNLOADING_ARGUMENTS if table.get(name)]
    if present:
        raise ModelError(
            f"the card in this zip asks for weights from elsewhere ({', '.join(present)} in its arguments); a model "
            f"comes with its own, in {WEIGHTS}. Take that out of {CARD}, zip the folder again and import the new zip"
        )
