"""Exports a model folder as a zip, and unpacks such a zip from elsewhere; never a pickle.

Nothing in a zip is believed: what it says of its members is checked, each is inflated in pieces up to a limit, and only
the names of a model's files are taken, so that no path leads anywhere.
"""

import io
import stat
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from cxr_core.errors import ModelError
from cxr_core.models.card import CARD, LEARNT_FILMS, VALIDATION_SCORES, WEIGHTS
from cxr_core.models.store import OOD_STATISTICS
from cxr_core.workspace.log import log_task
from cxr_core.workspace.paths import printable

VERDICT = "gate.json"
# A model's files, and the most bytes that each may unpack to.
FILES = {
    WEIGHTS: 200 << 20,
    CARD: 4 << 20,
    OOD_STATISTICS: 8 << 20,
    VERDICT: 4 << 20,
    VALIDATION_SCORES: 4 << 20,
    LEARNT_FILMS: 8 << 20,
}
PIECE_BYTES = 1 << 20
# How much smaller packing may have made a file of more than a few pieces; weights hardly shrink.
MAX_RATIO, ALWAYS_BYTES = 20, 4 << 20
MAX_ZIP_BYTES = sum(FILES.values()) + (1 << 20)
MAX_ENTRIES = 64  # in the directory of a zip, folders and all
ENTRY_SIGNATURE = b"PK\x01\x02"
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# What zipfile raises for a damaged zip.  NotImplementedError: an unknown method.  RuntimeError: an encrypted zip.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    LookupError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
)


@log_task("export")
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


def unpack_model(data: bytes, folder: Path) -> None:
    """Write the files of a zipped model into a folder. They may lie at the top of the zip or in one folder of it.

    At most PIECE_BYTES of what is unpacked are in memory at a time. Raises ModelError for a zip that is damaged, holds
    anything else or unpacks to more than a model has, and OSError when the folder cannot be written.
    """
    # Before the directory is read: every entry of it begins with its signature.
    if data.count(ENTRY_SIGNATURE) > MAX_ENTRIES:
        raise ModelError(
            f"the zip holds far more than one model, which has {', '.join(FILES)} and nothing else"
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name, entry in _find_files(archive.infolist()).items():
                _unpack_file(archive, entry, folder / name)
    except DAMAGE as error:
        raise ModelError(
            f"this is not a readable zip file ({printable(str(error)) or type(error).__name__}); give one that was "
            "exported here"
        ) from error


def _find_files(entries: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """The entries of a zip that holds one model and nothing else, by file name. Raises ModelError otherwise."""
    files = [entry for entry in entries if not entry.filename.endswith("/")]
    paths = [PurePosixPath(entry.filename) for entry in files]
    for path, entry in zip(paths, files, strict=True):
        shown = repr(str(path))
        if path.is_absolute() or ".." in path.parts:
            raise ModelError(f"the zip holds {shown}, which leads out of its folder; zip it again")
        if path.name not in FILES:
            raise ModelError(
                f"the zip holds {shown}; a model's has {', '.join(FILES)} and nothing else"
            )
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise ModelError(f"{shown} in the zip is a link; zip the file itself")
        if entry.compress_type not in METHODS:
            raise ModelError(
                f"{shown} in the zip is packed by a method other than deflate; zip it again without"
            )
    if len({path.parent for path in paths}) != 1 or len(set(paths)) != len(paths):
        raise ModelError("the zip must hold the files of one model, in one folder of it or none")
    return {path.name: entry for path, entry in zip(paths, files, strict=True)}


def _unpack_file(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> None:
    limit = min(FILES[path.name], max(ALWAYS_BYTES, MAX_RATIO * entry.compress_size))
    with archive.open(entry) as packed, path.open("wb") as file:
        while piece := packed.read(PIECE_BYTES):
            if file.tell() + len(piece) > limit:
                raise ModelError(
                    f"{path.name} in the zip would unpack to more than {limit:,} bytes; a model's is far smaller"
                )
            file.write(piece)
