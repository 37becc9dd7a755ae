"""Decodes films for a pixel cache, as a process: `python -m cxr_core.data.cache.worker FOLDER EXAMINE PARENT`.

It says {"ready": true} once it can decode, or {"failed": REASON} where the cache cannot be written. A request is
{"films": [...]}, each a `FilmTask`; for each film one answer goes back (see `FilmAnswer`). The worker writes the grids
into their rows itself. It ends when its pipe closes, and writes no grid once the process that started it (PARENT, its
number) has ended, since the rows may be given to other films by then. A film that crashes the decoder, hangs or takes
too much memory ends the worker too.
"""

import errno
import hashlib
import os
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from cxr_core.data.cache.index import Film
from cxr_core.errors import DataError, FileRefused, FilmRefused
from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.decoding.sandbox import MEMORY_LIMIT_BYTES, TIME_LIMIT_S
from cxr_core.film.limits import MAX_BYTES
from cxr_core.film.preprocess import InputSpec, to_grid
from cxr_core.film.quality import find_quality_flags
from cxr_core.film.radiograph import Radiograph
from cxr_core.workspace.child_process import connect_to_parent, limit_computing_time, limit_memory
from cxr_core.workspace.json_record import Count, JsonRecord, PathText, read_record_file
from cxr_core.workspace.malloc import keep_freed_memory
from cxr_core.workspace.outside_files import read_outside_file

CHANGED = "it changed while it was read"
GRIDS, INDEX, GEOMETRY = "grids.u8", "index.sqlite", "geometry.json"


@dataclass(frozen=True)
class FilmTask(JsonRecord):
    """A film to decode: the row that its grid goes to, its file, and the hash that the file had."""

    row: Count
    path: PathText
    sha256: str


@dataclass(frozen=True, kw_only=True)
class FilmAnswer(JsonRecord):
    """What became of one file, as it goes over the pipe.

    film: what was decoded.  unread: why the file cannot be opened.  failed: why the grid cannot be written, such as a
    full disk. One of them is given.
    """

    path: PathText
    film: Film | None = None
    unread: str | None = None
    failed: str | None = None


class GridFile:
    """The file of all grids, written on behalf of one parent process while that is alive."""

    def __init__(self, path: Path, parent: int):
        self._file = path.open("r+b", buffering=0)
        self._parent = parent

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def write_grid(self, grid: np.ndarray, row: int) -> None:
        """Put a grid into its row, or end this process if its parent has ended. Raises OSError for a full disk."""
        if os.getppid() != self._parent:
            sys.exit()
        self._file.seek(row * grid.size)
        if self._file.write(grid.data.cast("B")) != grid.size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class FilmDecoder:
    """Decodes files into the rows of one cache. examine: also inspect the quality of each film."""

    def __init__(self, folder: Path, grids: GridFile, *, examine: bool):
        self._spec = read_record_file(folder / GEOMETRY, InputSpec)
        self._grids = grids
        self._examine = examine

    def decode_file(self, task: FilmTask) -> FilmAnswer:
        """Decode one file into its row."""
        try:
            data = read_outside_file(task.path, MAX_BYTES)
        except FileRefused as refusal:
            return FilmAnswer(path=task.path, unread=refusal.reason)
        if hashlib.sha256(data).hexdigest() != task.sha256:
            return FilmAnswer(path=task.path, unread=CHANGED)
        return FilmAnswer(path=task.path, film=self._decode_bytes(data, task.sha256, task.row))

    def _decode_bytes(self, data: bytes, sha256: str, row: int) -> Film:
        """Decode, preprocess, write the grid, hash the pixels; a refused file becomes a Film with its reason."""
        try:
            film = decode_film(data)
        except FilmRefused as refusal:
            return Film(sha256=sha256, refused=refusal.code, reason=str(refusal))
        self._grids.write_grid(to_grid(film.pixels, self._spec), row)
        height, width = film.shape
        concerns = None
        if self._examine:
            concerns = "|".join(flag.code for flag in find_quality_flags(film))
        return Film(
            sha256=sha256,
            row=row,
            pixels=hash_pixels(film),
            width=width,
            height=height,
            bits=film.bits,
            concerns=concerns,
        )


def serve_films(folder: Path, examine: bool, parent: int) -> None:
    """Answer requests until the pipe closes."""
    connection = connect_to_parent()
    keep_freed_memory()
    cv2.setNumThreads(1)
    limit_memory(MEMORY_LIMIT_BYTES)
    try:
        grid_file = GridFile(folder / GRIDS, parent)
    except OSError as error:  # a disk that has turned read-only, say
        connection.send({"failed": error.strerror or str(error)})
        return
    with closing(grid_file) as grids:
        decoder = FilmDecoder(folder, grids, examine=examine)
        connection.send({"ready": True})
        while (request := connection.receive()) is not None:
            films = request["films"]
            assert isinstance(films, list)  # written by `WorkerPool`
            for film in films:
                connection.send(_answer_task(decoder, FilmTask.from_json(film)).to_json())


def _answer_task(decoder: FilmDecoder, task: FilmTask) -> FilmAnswer:
    """Decode one file within the time limit."""
    limit_computing_time(TIME_LIMIT_S)
    try:
        return decoder.decode_file(task)
    except (OSError, DataError) as error:  # a full disk, say: not this film's fault
        reason = getattr(error, "strerror", None) or str(error)
        return FilmAnswer(path=task.path, failed=reason)
    finally:
        limit_computing_time(0)


def hash_pixels(film: Radiograph) -> str:
    """A hash of what a film shows, whatever its container: of its size and its samples in 8 or 16 bits."""
    samples = quantise_pixels(film)
    digest = hashlib.sha256(f"{film.shape} {samples.dtype} ".encode())
    digest.update(samples.data)
    return digest.hexdigest()


def quantise_pixels(film: Radiograph) -> np.ndarray:
    """(H, W) uint8 of a film whose file has up to 8 bits, uint16 of any other."""
    if film.bits is not None and film.bits <= 8:
        return cv2.convertScaleAbs(film.pixels, alpha=255)
    return np.rint(film.pixels * np.float32(65535)).astype(np.uint16)


if __name__ == "__main__":
    serve_films(Path(sys.argv[1]), sys.argv[2] == "examine", int(sys.argv[3]))
