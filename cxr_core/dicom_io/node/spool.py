"""Keeps films that wait and results that are not confirmed yet on disk, each whole or not at all.

They lie in `<workspace>/node/`, which its owner alone may open: films and results name patients. Their folders are
named by hashes.
"""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pydicom import dcmread

from cxr_core.dicom_io.pacs.archive import ObjectReference
from cxr_core.film.limits import MAX_BYTES
from cxr_core.workspace.atomic import atomic_folder, remove_unfinished
from cxr_core.workspace.json_files import read_bounded
from cxr_core.workspace.paths import workspace

FILM = "film.dcm"
LOCK = "node.lock"  # which the running node holds
MAX_FILE_BYTES = 2 * MAX_BYTES  # a film with its file header, or a result
OWNER_ONLY = 0o700


@dataclass(frozen=True, kw_only=True, repr=False)
class ResultObject:
    """A DICOM object as it is sent. content: the bytes of its file."""

    reference: ObjectReference
    content: bytes


def node_folder() -> Path:
    """Where the node keeps its queue, films and results."""
    return workspace() / "node"


class Spool:
    """The films and results of one node. Every method raises OSError where the disk does not do its part."""

    def __init__(self, folder: Path):
        """folder: of the node; it is made, for its owner alone."""
        self._films, self._results = folder / "films", folder / "results"
        for each in (folder, self._films, self._results):
            each.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
            each.chmod(OWNER_ONLY)

    def measure_free_bytes(self) -> int:
        """What is free on the disk."""
        return shutil.disk_usage(self._films).free

    def write_film(self, name: str, data: bytes) -> None:
        """Write a film, unless it is here already; the disk has it when this returns."""
        with suppress(FileExistsError), atomic_folder(self._films / name) as folder:
            (folder / FILM).write_bytes(data)

    def read_film(self, name: str) -> bytes:
        """The bytes of a film."""
        return read_bounded(self._films / name / FILM, MAX_FILE_BYTES)

    def write_results(self, name: str, objects: Sequence[bytes]) -> None:
        """Write the results of a film, all or none; the disk has them when this returns."""
        with atomic_folder(self._results / name) as folder:
            for number, content in enumerate(objects):
                (folder / f"{number}.dcm").write_bytes(content)

    def has_results(self, name: str) -> bool:
        """Whether a film's results are here."""
        return (self._results / name).is_dir()

    def read_results(self, name: str) -> list[ResultObject]:
        """The results of a film, in the order in which they were written."""
        contents = [
            read_bounded(path, MAX_FILE_BYTES) for path in sorted((self._results / name).iterdir())
        ]
        return [
            ResultObject(reference=_read_reference(content), content=content)
            for content in contents
        ]

    def remove(self, name: str) -> None:
        """Delete a film and its results, as far as there are any."""
        for folder in (self._films / name, self._results / name):
            if folder.is_dir():
                shutil.rmtree(folder)

    def list_names(self) -> set[str]:
        """The names of all films and results. What a killed process has left half written is deleted first."""
        for parent in (self._films, self._results):
            remove_unfinished(parent)
        return {path.name for parent in (self._films, self._results) for path in parent.iterdir()}


def _read_reference(content: bytes) -> ObjectReference:
    return ObjectReference.of_dataset(dcmread(BytesIO(content), stop_before_pixels=True))
