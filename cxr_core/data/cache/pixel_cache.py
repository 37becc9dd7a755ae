"""Stores every film decoded once: its grid in one memory-mapped file per geometry, and what is known of it in an index.

    <workspace>/cache/<geometry>/geometry.json   side, equalisation, aspect, preprocessing version
                                 grids.u8        rows of side x side bytes, one per film
                                 index.sqlite    which row belongs to which film, written only after the row itself

A build that is killed at any moment loses at most the films it was decoding; the next one continues. A file that has
changed is another film. Two builds of one geometry take turns; reading needs no lock.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from cxr_core.data.cache.index import FILM_COLUMNS, CacheIndex, file_stamp
from cxr_core.data.cache.worker import GEOMETRY, GRIDS, INDEX, FilmAnswer
from cxr_core.data.cache.worker_pool import WorkerPool
from cxr_core.errors import DataError
from cxr_core.film.decoding.decode import DECODING_VERSION
from cxr_core.film.preprocess import InputSpec
from cxr_core.workspace.atomic import atomic_write
from cxr_core.workspace.paths import workspace

Progress = Callable[[int, int], None]  # films done, films in all; what it raises stops the build
COMMIT_FILMS = 256
REMEDY = "Free some space, or set CXR_WORKSPACE to a larger disk; what is decoded so far is kept."


def ignore_progress(done: int, total: int) -> None:
    """Shows no progress."""


class PixelCache:
    """The grids of one geometry. Channels, mean and deviation of a spec are applied later and do not matter."""

    def __init__(self, spec: InputSpec, root: Path | None = None):
        """root: the folder of all geometries, by default the workspace's `cache`. Raises DataError if not writable."""
        self.spec = spec
        self.folder = (root or workspace() / "cache") / _geometry_name(spec)
        self.index = CacheIndex(self.folder / INDEX)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # SQLite fails at once, without waiting, where two processes make one index.
            with FileLock(self.folder / ".making.lock"):
                if not (self.folder / GEOMETRY).exists():
                    _write_geometry(self.folder, spec)
                (self.folder / GRIDS).touch()
                self.index.create_tables()
        except OSError as error:
            raise DataError(
                f"the pixel cache {self.folder} cannot be written: {error.strerror}"
            ) from error

    def build(
        self,
        paths: Sequence[Path],
        progress: Progress = ignore_progress,
        *,
        examine: bool = False,
        workers: int | None = None,
        on_wait: Callable[[], None] = lambda: None,
    ) -> dict[str, str]:
        """Decode the files that are not known yet, or have changed, on `workers` processes (default: one per core).

        examine: also inspect the quality of each film (film/quality.py).  on_wait: called once when another build of
        this geometry has to end first. Returns the files that could not be opened, with the system's reason; those that
        cannot be decoded have it in their entries. Raises DataError for a full disk.
        """
        with self._take_turn(on_wait):
            entries = self.load_entries(paths)
            done = entries["sha256"].notna()
            if examine:
                done &= entries["concerns"].notna() | entries["refused"].notna()
            missing = [path for path, is_done in zip(paths, done, strict=True) if not is_done]
            before = len(paths) - len(missing)
            progress(before, len(paths))
            if not missing:
                return {}
            return self._decode_files(
                missing, lambda count: progress(before + count, len(paths)), examine, workers
            )

    def load_entries(self, paths: Sequence[Path]) -> pd.DataFrame:
        """What is known of each file, in the order given: the fields of `Film`.

        sha256 is missing for a file that is unknown, changed or gone; row is -1 for one without a grid.
        """
        names = [os.path.abspath(path) for path in paths]
        columns = ["path", "stamp", *FILM_COLUMNS]
        known = pd.DataFrame(self.index.load_entries(names), columns=columns)
        entries = known.set_index("path").reindex(names)
        stamps = pd.Series(map(_current_stamp, paths), names, dtype="str")
        entries = entries.where(entries["stamp"] == stamps)
        entries["row"] = entries["row"].fillna(-1).astype(int)
        texts = ["sha256", "pixels", "concerns", "refused", "reason"]
        entries[texts] = entries[texts].astype("str")
        return entries[list(FILM_COLUMNS)].reset_index(drop=True)

    def open_grids(self) -> np.ndarray:
        """(rows, S, S) uint8, memory-mapped, read-only."""
        side, rows = self.spec.side, self.index.count_rows()
        if rows == 0:
            return np.empty((0, side, side), np.uint8)
        return np.memmap(self.folder / GRIDS, np.uint8, "r", shape=(rows, side, side))

    def find_rows(self, paths: Sequence[Path]) -> np.ndarray:
        """(N,) the row of each film's grid. Raises DataError that names the first film without one, and why."""
        entries = self.load_entries(paths)
        for path, row, reason in zip(paths, entries["row"], entries["reason"], strict=True):
            if row >= 0:
                continue
            if pd.isna(reason):
                reason = "it is missing, or has changed; prepare the dataset again"
            raise DataError(f"{path} has no pixels: {reason}")
        return entries["row"].to_numpy()

    @contextmanager
    def _take_turn(self, on_wait: Callable[[], None]) -> Iterator[None]:
        """Hold the lock of this geometry's builds."""
        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            on_wait()
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _decode_files(
        self,
        paths: Sequence[Path],
        progress: Callable[[int], None],
        examine: bool,
        workers: int | None,
    ) -> dict[str, str]:
        """Decode in batches that become visible together, each after its grids are safe on the disk."""
        first = self.index.count_rows()
        tasks = list(enumerate(map(os.path.abspath, paths), start=first))
        _extend_file(self.folder / GRIDS, (first + len(tasks)) * self.spec.side**2)
        unread: dict[str, str] = {}
        pending: list[FilmAnswer] = []
        with WorkerPool(self.folder, examine, workers or os.cpu_count() or 1) as pool:
            try:
                for done, answer in enumerate(pool.decode_films(tasks), start=1):
                    if answer.failed is not None:
                        raise DataError(
                            f"{self.folder} cannot be filled further: {answer.failed}. {REMEDY}"
                        )
                    if answer.unread is not None:
                        unread[answer.path] = answer.unread
                    else:
                        pending.append(answer)
                    if len(pending) == COMMIT_FILMS:
                        self._commit_films(pending)
                    progress(done)
            finally:
                self._commit_films(pending)
        return unread

    def _commit_films(self, answers: list[FilmAnswer]) -> None:
        """Make films visible: their grids first, then their entries. Empties the list."""
        with (self.folder / GRIDS).open("rb+") as grids:
            os.fsync(grids.fileno())
        films = [(answer, answer.film) for answer in answers if answer.film is not None]
        self.index.add_films(
            [film for _, film in films],
            [(answer.path, answer.stamp, film.sha256) for answer, film in films],
        )
        answers.clear()


def _geometry_name(spec: InputSpec) -> str:
    """The decoder's version is part of it: a program that reads some file otherwise decodes every film again."""
    geometry = f"{spec.side}-{spec.aspect}-{spec.equalisation}-v{spec.version}"
    return f"{geometry}-decoding{DECODING_VERSION}"


def _write_geometry(folder: Path, spec: InputSpec) -> None:
    geometry = {key: getattr(spec, key) for key in ("side", "equalisation", "aspect", "version")}
    atomic_write(folder / GEOMETRY, json.dumps(geometry) + "\n")


def _extend_file(path: Path, size: int) -> None:
    """Make a file at least so large; what is not written yet takes no room on the disk."""
    if path.stat().st_size < size:
        os.truncate(path, size)


def _current_stamp(path: Path) -> str | None:
    try:
        return file_stamp(path)
    except OSError:
        return None
