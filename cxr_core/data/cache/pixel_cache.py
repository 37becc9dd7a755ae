"""Every film decoded once: its grid in one memory-mapped file per geometry, and what is known of it in an index.

    <workspace>/cache/<geometry>/geometry.json   side, equalisation, aspect, preprocessing version
                                 grids.u8        rows of side x side bytes, one per film
                                 index.sqlite    which row is whose, written only after the row itself

A build that is killed at any moment loses at most the films it was at; the next one goes on from there. A file that
has changed is another film. Two builds of one geometry take turns; reading needs no lock.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from cxr_core.data.cache.builder import Builder
from cxr_core.data.cache.index import COLUMNS, CacheIndex, Film, stamp_of
from cxr_core.data.cache.worker import GEOMETRY, GRIDS, INDEX
from cxr_core.errors import DataError
from cxr_core.film.preprocess import InputSpec
from cxr_core.workspace.atomic import atomic_write
from cxr_core.workspace.paths import workspace

Progress = Callable[[int, int], None]  # films done, films in all; what it raises stops the build
COMMIT_FILMS = 256


def quiet(done: int, total: int) -> None:
    """No progress shown."""


class PixelCache:
    """The grids of one geometry. Channels, mean and standard deviation of a spec come after it and do not matter."""

    def __init__(self, spec: InputSpec, root: Path | None = None):
        """root: the folder of all geometries, by default the workspace's `cache`. Raises DataError if not writable."""
        self.spec = spec
        self.folder = (root or workspace() / "cache") / _name(spec)
        self.index = CacheIndex(self.folder / INDEX)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(
                self.folder / ".making.lock"
            ):  # SQLite fails at once where two make one index
                if not (self.folder / GEOMETRY).exists():
                    _write_geometry(self.folder, spec)
                (self.folder / GRIDS).touch()
                self.index.create()
        except OSError as error:
            raise DataError(
                f"the pixel cache {self.folder} cannot be written: {error.strerror}"
            ) from error

    def build(
        self,
        paths: Sequence[Path],
        progress: Progress = quiet,
        *,
        examine: bool = False,
        workers: int | None = None,
        waiting: Callable[[], None] = lambda: None,
    ) -> dict[str, str]:
        """Decode the files that are not known yet, or have changed, on `workers` processes (default: one per core).

        examine: also note what is to be distrusted about each film (film/quality.py).  waiting: called once when
        another build of this geometry has to end first. Returns the files that could not be opened, with the
        system's reason; those that cannot be decoded have it in their entries. Raises DataError for a full disk.
        """
        with self._turn(waiting):
            known = self.entries(paths)
            done = known["sha256"].notna() & (
                known["concerns"].notna() | known["refused"].notna() | (not examine)
            )
            missing = [path for path, there in zip(paths, done, strict=True) if not there]
            before = len(paths) - len(missing)
            progress(before, len(paths))
            if not missing:
                return {}
            return self._decode(
                missing, lambda count: progress(before + count, len(paths)), examine, workers
            )

    def entries(self, paths: Sequence[Path]) -> pd.DataFrame:
        """What is known of each file, in the order given: the fields of `Film`, with sha256 missing for a file that is
        unknown, changed or gone, and row -1 for one without a grid."""
        names = [os.path.abspath(path) for path in paths]
        known = pd.DataFrame(self.index.entries(names), columns=["path", "stamp", *COLUMNS])
        found = known.set_index("path").reindex(names)
        found = found.where(found["stamp"] == pd.Series(map(_stamp, paths), names, dtype="str"))
        found["row"] = found["row"].fillna(-1).astype(int)
        texts = ["sha256", "pixels", "concerns", "refused", "reason"]
        found[texts] = found[texts].astype("str")
        return found[list(COLUMNS)].reset_index(drop=True)

    def grids(self) -> np.ndarray:
        """(rows, S, S) uint8, memory-mapped, read-only."""
        side, rows = self.spec.side, self.index.rows()
        if rows == 0:
            return np.empty((0, side, side), np.uint8)
        return np.memmap(self.folder / GRIDS, np.uint8, "r", shape=(rows, side, side))

    def rows_of(self, paths: Sequence[Path]) -> np.ndarray:
        """(N,) the row of each film's grid. Raises DataError that names the first film without one, and why."""
        found = self.entries(paths)
        for path, row, reason in zip(paths, found["row"], found["reason"], strict=True):
            if row < 0:
                why = (
                    "it is missing, or has changed; prepare the dataset again"
                    if pd.isna(reason)
                    else reason
                )
                raise DataError(f"{path} has no pixels: {why}")
        return found["row"].to_numpy()

    @contextmanager
    def _turn(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Alone among the builds of this geometry."""
        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            waiting()
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _decode(
        self,
        paths: Sequence[Path],
        progress: Callable[[int], None],
        examine: bool,
        workers: int | None,
    ) -> dict[str, str]:
        """Build in batches that become visible together, each after its grids are safe on the disk."""
        first = self.index.rows()
        tasks = list(enumerate(map(os.path.abspath, paths), start=first))
        _grow(self.folder / GRIDS, (first + len(tasks)) * self.spec.side**2)
        unread: dict[str, str] = {}
        pending: list[dict[str, Any]] = []
        with Builder(self.folder, examine, workers or os.cpu_count() or 1) as builder:
            try:
                for done, answer in enumerate(builder.run(tasks), start=1):
                    if "failed" in answer:
                        raise DataError(
                            f"{self.folder} cannot be filled further: {answer['failed']}. {MEND}"
                        )
                    if "unread" in answer:
                        unread[answer["path"]] = answer["unread"]
                    else:
                        pending.append(answer)
                    if len(pending) == COMMIT_FILMS:
                        self._commit(pending)
                    progress(done)
            finally:
                self._commit(pending)
        return unread

    def _commit(self, answers: list[dict[str, Any]]) -> None:
        """Make films visible: their grids first, then their entries. Empties the list."""
        with (self.folder / GRIDS).open("rb+") as grids:
            os.fdatasync(grids.fileno())
        self.index.add(
            [Film(**{name: answer[name] for name in COLUMNS}) for answer in answers],
            [(answer["path"], answer["stamp"], answer["sha256"]) for answer in answers],
        )
        answers.clear()


MEND = "Free some space, or set CXR_WORKSPACE to a larger disk; what is decoded so far is kept."


def _name(spec: InputSpec) -> str:
    return f"{spec.side}-{spec.aspect}-{spec.equalisation}-v{spec.version}"


def _write_geometry(folder: Path, spec: InputSpec) -> None:
    geometry = {key: getattr(spec, key) for key in ("side", "equalisation", "aspect", "version")}
    atomic_write(folder / GEOMETRY, json.dumps(geometry) + "\n")


def _grow(path: Path, size: int) -> None:
    """A file at least so large; what is not written yet takes no room on the disk."""
    if path.stat().st_size < size:
        os.truncate(path, size)


def _stamp(path: Path) -> str | None:
    try:
        return stamp_of(path)
    except OSError:
        return None
