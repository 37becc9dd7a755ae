"""The process that fills a pixel cache: `python -m cxr_core.data.cache.worker FOLDER EXAMINE BUILDER`.

Over its pipes come batches, one JSON line each: [[row, path], ...]; for each film one JSON line goes back. It writes
grids into their rows itself. It ends when its pipe closes, and before it writes a grid once the process that started it
(BUILDER, its number) has ended, as rows are then handed out anew. A film that crashes it, hangs or eats memory ends it
too.
"""

import errno
import hashlib
import json
import os
import resource
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np

from cxr_core.data.cache.index import CacheIndex, Film, stamp_of
from cxr_core.errors import DataError, FilmRefused
from cxr_core.film.decoding.decode import decode
from cxr_core.film.decoding.sandbox import MEMORY_LIMIT_BYTES, TIME_LIMIT_S
from cxr_core.film.decoding.sandbox_process import limit_time, own_pipes, write_all
from cxr_core.film.limits import MAX_BYTES
from cxr_core.film.preprocess import InputSpec, to_grid
from cxr_core.film.quality import inspect
from cxr_core.film.radiograph import Radiograph
from cxr_core.workspace.malloc import keep_freed_memory

OVERSIZED = f"This file has more than {MAX_BYTES // 2**20} MB. Export the film as a single compressed picture."
GRIDS, INDEX, GEOMETRY = "grids.u8", "index.sqlite", "geometry.json"


def serve(folder: Path, examine: bool, builder: int) -> None:
    """Answer batches until the pipe closes."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is for the program, which then closes the pipe
    requests, answers = own_pipes()
    keep_freed_memory()
    cv2.setNumThreads(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    spec = InputSpec(**json.loads((folder / GEOMETRY).read_text(encoding="utf-8")))
    index = CacheIndex(folder / INDEX)
    grids = Grids(folder / GRIDS, builder)
    with os.fdopen(requests.fileno(), "r", encoding="utf-8", closefd=False) as lines:
        for line in lines:
            for row, path in json.loads(line):
                limit_time(TIME_LIMIT_S)
                try:
                    answer = _take(Path(path), row, spec, index, grids, examine)
                except (
                    OSError,
                    DataError,
                ) as error:  # a full disk, say: nothing that this film could help
                    answer = {
                        "path": path,
                        "failed": getattr(error, "strerror", None) or str(error),
                    }
                limit_time(0)
                _send(answers, answer)


def _take(
    path: Path, row: int, spec: InputSpec, index: CacheIndex, grids: "Grids", examine: bool
) -> dict[str, Any]:
    """Decode one file into its row, unless the same bytes are known already."""
    try:
        stamp, sha256, data = _bytes_of(path)
    except OSError as error:
        return {"path": str(path), "unread": error.strerror}
    known = index.film(sha256)
    if data is None:
        known = Film(sha256=sha256, refused="oversized", reason=OVERSIZED)
    elif known is None or (examine and known.concerns is None and known.refused is None):
        known = film_of(data, sha256, row if known is None else known.row, spec, grids, examine)
    return {"path": str(path), "stamp": stamp, **asdict(known)}


def _bytes_of(path: Path) -> tuple[str, str, bytes | None]:
    """Stamp, hash and bytes of a file; no bytes of one too large to be decoded. Raises OSError."""
    if path.stat().st_size > MAX_BYTES:
        return *identity(path), None
    stamp = stamp_of(
        path
    )  # before the bytes are read, so that a file changed in between is decoded again
    data = path.read_bytes()
    return stamp, hashlib.sha256(data).hexdigest(), data


def identity(path: Path) -> tuple[str, str]:
    """Stamp and hash of a file, whatever its size. Raises OSError."""
    stamp = stamp_of(path)
    with path.open("rb") as file:
        return stamp, hashlib.file_digest(file, "sha256").hexdigest()


def film_of(
    data: bytes, sha256: str, row: int, spec: InputSpec, grids: "Grids", examine: bool
) -> Film:
    """Decode, put on the grid, write, hash; a refused file becomes a Film with its reason."""
    try:
        film = decode(data)
    except FilmRefused as refusal:
        return Film(sha256=sha256, refused=refusal.code, reason=str(refusal))
    grid = to_grid(film.pixels, spec)
    grids.write(grid, row)
    height, width = film.shape
    concerns = "|".join(concern.code for concern in inspect(film)) if examine else None
    return Film(
        sha256=sha256,
        row=row,
        pixels=pixels_sha256(film),
        width=width,
        height=height,
        bits=film.bits,
        concerns=concerns,
    )


class Grids:
    """The file of all grids, written for one builder as long as that lives."""

    def __init__(self, path: Path, builder: int):
        self._file, self._builder = os.open(path, os.O_WRONLY), builder

    def write(self, grid: np.ndarray, row: int) -> None:
        """Put a grid into its row, or end this process if nobody waits for it. Raises OSError for a full disk."""
        if os.getppid() != self._builder:
            sys.exit()
        if os.pwrite(self._file, grid.data.cast("B"), row * grid.size) != grid.size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def pixels_sha256(film: Radiograph) -> str:
    """A hash of what a film shows, whatever the container: of its size and its samples in 8 or 16 bits."""
    if film.bits is not None and film.bits <= 8:
        samples = cv2.convertScaleAbs(film.pixels, alpha=255)
    else:
        samples = np.rint(film.pixels * np.float32(65535)).astype(np.uint16)
    found = hashlib.sha256(f"{film.shape} {samples.dtype} ".encode())
    found.update(samples.data)
    return found.hexdigest()


def _send(pipe: IO[bytes], answer: dict[str, Any]) -> None:
    write_all(pipe, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2] == "examine", int(sys.argv[3]))
