"""A model folder as a zip to carry to another machine, and back: verified before it is installed, never a pickle."""

import io
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from cxr_core.errors import ModelError
from cxr_core.models.card import CARD, WEIGHTS
from cxr_core.models.registry.active_version import changing, keep_in_use
from cxr_core.models.registry.registry import outlines, versions
from cxr_core.models.store import (
    FAMILIARITY,
    load_card,
    load_familiarity,
    load_network,
    load_segmenter,
    load_segmenter_card,
)
from cxr_core.workspace.paths import workspace

VERDICT = "gate.json"
IMPORTING = ".import-"  # begins the name of a hidden folder in which an import is unpacked
FILES = (WEIGHTS, CARD, FAMILIARITY, VERDICT)
FETCHING = (
    "pretrained",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
    "checkpoint_path",
    "cache_dir",
)  # timm's
MOST_BYTES = 200 << 20  # of all files, unpacked


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
    """Install the model of a zip beside the version in use, which stays in use. Returns the installed folder.

    Its files may lie at the top of the zip or in one folder of it. Raises ModelError for anything else, and for a
    model whose card, hash, tensors or their shapes are not right, or which is installed already; nothing is then left.
    """
    files, home = _unpacked(data), workspace() / "models"
    try:
        with changing(), _draft_below(home) as draft:
            draft.mkdir()
            for name, content in files.items():
                (draft / name).write_bytes(content)
            model, version = _verified(draft)
            if any(there.name == version for there in versions(model)):
                raise ModelError(f"{model} {version} is installed already")
            keep_in_use(model)
            final = home / model / version
            final.parent.mkdir(exist_ok=True)
            draft.rename(final)
    except OSError as error:
        raise ModelError(f"the model cannot be installed under {home}: {error.strerror}") from error
    return final


@contextmanager
def _draft_below(home: Path) -> Iterator[Path]:
    """An empty hidden folder for one import; those that killed imports left are removed, as nobody else is changing."""
    for left in home.glob(f"{IMPORTING}*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=IMPORTING, dir=home) as place:
        yield Path(place) / "model"


def _unpacked(data: bytes) -> dict[str, bytes]:
    """The files of a model by name. Only names of such files are taken, so that no path leads anywhere else."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            paths = [PurePosixPath(entry.filename) for entry in entries]
            strange = next((path for path in paths if path.name not in FILES), None)
            if strange is not None:
                raise ModelError(
                    f"the zip holds {str(strange)!r}; a model's has {', '.join(FILES)} and nothing else"
                )
            if len({path.parent for path in paths}) != 1 or len(paths) != len(set(paths)):
                raise ModelError(
                    "the zip must hold the files of one model, in one folder of it or none"
                )
            if sum(entry.file_size for entry in entries) > MOST_BYTES:
                raise ModelError(
                    f"the zip would unpack to more than {MOST_BYTES >> 20} MB; models here are far smaller"
                )
            return {
                path.name: archive.read(entry) for path, entry in zip(paths, entries, strict=True)
            }
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
    ) as error:  # encrypted ones, and unknown methods
        raise ModelError(
            f"this is no zip that can be read ({error}); give one that was exported here"
        ) from error


def _verified(folder: Path) -> tuple[str, str]:
    """Model and version of an unpacked folder that loads with exactly the tensors that its card asks for."""
    if outlines(folder):
        card = load_segmenter_card(folder)
        _require_own_weights(card.arguments)
        load_segmenter(folder, card)
        name, version = card.model, card.version
    else:
        told = load_card(folder)
        _require_own_weights(told.arguments)
        load_network(folder, told)
        load_familiarity(folder)
        name, version = told.model, told.version
    for each in (name, version):
        if not re.fullmatch(r"\w[\w.+-]*", each):
            raise ModelError(
                f"{each!r} cannot be a folder's name; models and versions have letters, digits, . + -"
            )
    return name, version


def _require_own_weights(arguments: Mapping[str, Any]) -> None:
    """Raises ModelError for a card whose network would fetch weights from elsewhere as it is built."""
    tables = arguments, arguments.get("backbone_arguments")
    found = [
        name
        for name in FETCHING
        for table in tables
        if isinstance(table, Mapping) and table.get(name)
    ]
    if found:
        raise ModelError(
            f"the card in this zip asks for weights from elsewhere ({', '.join(found)} in its arguments); a model "
            f"comes with its own, in {WEIGHTS}. Take that out of {CARD}, zip the folder again and import the new zip"
        )
