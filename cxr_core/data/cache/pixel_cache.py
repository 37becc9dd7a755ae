"""Stores every film decoded once: its grid in one memory-mapped file per geometry, and what is known of it in an index.

    <workspace>/cache/<geometry>/geometry.json   side, equalisation, aspect, preprocessing version
                                 grids.u8        rows of side x side bytes, one per film
                                 index.sqlite    which row belongs to which film, written only after the row itself

A build that is killed at any moment loses at most the films it was decoding; the next one continues. A file that has
changed is another film. Builds of one geometry take turns, a portion of films at a time. Files are opened and hashed
before a turn, so that a disk which does not answer holds up nobody else. Reading the cache needs no lock. What is
damaged is made anew by the next build; until then, whoever reads it gets a sentence that says so.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from cxr_core.data.cache.file_hashes import hash_files
from cxr_core.data.cache.index import FILM_COLUMNS, CacheIndex, Film
from cxr_core.data.cache.worker import CHANGED, GEOMETRY, GRIDS, INDEX, FilmTask
from cxr_core.data.cache.worker_pool import DIED, WorkerPool
from cxr_core.errors import DataError
from cxr_core.film.decoding.decode import DECODING_VERSION
from cxr_core.film.preprocess import InputSpec
from cxr_core.workspace.atomic import atomic_write
from cxr_core.workspace.outside_files import FileIdentity, format_stamp
from cxr_core.workspace.paths import workspace
from cxr_core.workspace.process_lock import wait_for_lock

Progress = Callable[[int, int], None]  # films done, films in all; what it raises stops the build
COMMIT_FILMS = 256
PORTION_FILMS, PORTION_BYTES = 1024, 1 << 30
WAIT_S = 30.0
REMEDY = "Free some space or repair the disk, or set CXR_WORKSPACE to another; what is decoded so far is kept."


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
            with FileLock(self.folder / ".making.lock", timeout=WAIT_S):
                self._create_missing_files()
        except Timeout as error:
            raise DataError(
                f"another program has been making the pixel cache {self.folder} for {WAIT_S:g} s; end it, and try again"
            ) from error
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

        examine: also inspect the quality of each film (film/quality.py).  on_wait: called several times a second while
        another build of this geometry has its turn. What progress and on_wait raise stops the build; progress is called
        several times a second too. Returns the files that could not be opened, with the reason; those that cannot be
        decoded have it in their entries. Raises DataError for a full disk, and when processes are killed all the time.
        """
        with self._explain_errors(), wait_for_lock(self.folder / ".lock", on_wait):
            self._replace_damaged_files()
        missing = self._list_missing(paths, examine)
        done = len(paths) - len(missing)
        progress(done, len(paths))
        if not missing:
            return {}

        def report(before: int, count: int) -> None:
            progress(before + count, len(paths))

        unread: dict[str, str] = {}
        workers = workers or os.cpu_count() or 1
        with self._explain_errors(), WorkerPool(self.folder, examine, workers) as pool:
            for portion in _split_into_portions(missing):
                hashed = hash_files(portion, partial(report, done, 0))
                with wait_for_lock(self.folder / ".lock", on_wait):
                    unread |= hashed.unread
                    unread |= self._decode_portion(
                        pool,
                        hashed.identities,
                        examine,
                        partial(report, done),
                    )
                done += len(portion)
                progress(done, len(paths))
        return unread

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
        """(rows, S, S) uint8, memory-mapped, read-only. Raises DataError when the file is damaged."""
        path, side, rows = self.folder / GRIDS, self.spec.side, self.index.count_rows()
        if rows == 0:
            return np.empty((0, side, side), np.uint8)
        try:
            return np.memmap(path, np.uint8, "r", shape=(rows, side, side))
        except (OSError, ValueError) as error:  # ValueError: for a file that is too short
            reason = getattr(error, "strerror", None) or "it is too short for its films"
            raise DataError(
                f"{path} cannot be used: {reason}. Prepare the dataset again, which makes it anew"
            ) from error

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
    def _explain_errors(self) -> Iterator[None]:
        """Raises DataError for what the system refuses."""
        try:
            yield
        except OSError as error:
            raise DataError(
                f"{self.folder} cannot be filled further: {error.strerror}. {REMEDY}"
            ) from error

    def _create_missing_files(self) -> None:
        """Make what is not there yet; what is there is left alone, whatever it is. Raises OSError."""
        if not os.path.lexists(self.folder / GEOMETRY):
            atomic_write(self.folder / GEOMETRY, _format_geometry(self.spec))
        if not os.path.lexists(self.folder / GRIDS):
            (self.folder / GRIDS).touch()
        if not os.path.lexists(self.index.path):
            self.index.create_tables()

    def _replace_damaged_files(self) -> None:
        """Make damaged files anew: without its grids or its index, every film is decoded again."""
        geometry, grids = self.folder / GEOMETRY, self.folder / GRIDS
        try:
            if (
                not geometry.is_file()
                or geometry.read_bytes() != _format_geometry(self.spec).encode()
            ):
                _remove(geometry)
            if self.index.is_damaged() or not self._has_every_grid(grids):
                for path in (*self.folder.glob(f"{INDEX}*"), grids):
                    _remove(path)
            self._create_missing_files()
        except OSError as error:
            raise DataError(
                f"the damaged pixel cache {self.folder} cannot be made anew: {error.strerror}; delete its folder"
            ) from error

    def _has_every_grid(self, grids: Path) -> bool:
        size = self.index.count_rows() * self.spec.side**2
        return grids.is_file() and grids.stat().st_size >= size

    def _list_missing(self, paths: Sequence[Path], examine: bool) -> list[str]:
        """The files that are to be decoded. A film that ended its processes is tried again, each time."""
        entries = self.load_entries(paths)
        done = entries["sha256"].notna() & (entries["refused"] != DIED)
        if examine:
            done &= entries["concerns"].notna() | entries["refused"].notna()
        return [
            os.path.abspath(path) for path, is_done in zip(paths, done, strict=True) if not is_done
        ]

    def _decode_portion(
        self,
        pool: WorkerPool,
        identities: Mapping[str, FileIdentity],
        examine: bool,
        progress: Callable[[int], None],
    ) -> dict[str, str]:
        """Decode files in batches that become visible together, each after its grids are safe on the disk.

        progress: takes how many of the files are done. Returns those that could not be opened.
        """
        files: dict[str, list[str]] = {}  # by their hashes
        for path, identity in identities.items():
            files.setdefault(identity.sha256, []).append(path)
        known = self.index.find_films(files)
        pending = [film for film in known.values() if _is_done(film, examine)]
        tasks = self._assign_rows(files, known, {film.sha256 for film in pending})
        unread: dict[str, str] = {}
        done = sum(len(files[film.sha256]) for film in pending)
        try:
            for answer in pool.decode_films(tasks):
                progress(done)
                if answer is None:
                    continue
                if answer.failed is not None:
                    raise DataError(
                        f"{self.folder} cannot be filled further: {answer.failed}. {REMEDY}"
                    )
                if answer.film is None:
                    unread[answer.path] = answer.unread or CHANGED
                    done += 1
                    continue
                pending.append(answer.film)
                done += len(files[answer.film.sha256])
                if len(pending) >= COMMIT_FILMS:
                    self._commit_films(pending, files, identities)
        finally:
            self._commit_films(pending, files, identities)
        return unread

    def _assign_rows(
        self, files: Mapping[str, Sequence[str]], known: Mapping[str, Film], done: set[str]
    ) -> list[FilmTask]:
        """The films to decode, each with a row of its own: the one that it has, or a new one."""
        end = self.index.count_rows()
        tasks = []
        for sha256, (path, *_) in files.items():
            if sha256 in done:
                continue
            row = known[sha256].row if sha256 in known else -1
            if row < 0:
                row, end = end, end + 1
            tasks.append(FilmTask(row, path, sha256))
        _extend_file(self.folder / GRIDS, end * self.spec.side**2)
        return tasks

    def _commit_films(
        self,
        films: list[Film],
        files: Mapping[str, Sequence[str]],
        identities: Mapping[str, FileIdentity],
    ) -> None:
        """Make films visible: their grids first, then their entries and those of their files. Empties the list."""
        with (self.folder / GRIDS).open("rb+") as grids:
            os.fsync(grids.fileno())
        paths = [path for film in films for path in files[film.sha256]]
        self.index.add_films(
            films, [(path, identities[path].stamp, identities[path].sha256) for path in paths]
        )
        films.clear()


def _geometry_name(spec: InputSpec) -> str:
    """The decoder's version is part of it: a program that reads some file otherwise decodes every film again."""
    geometry = f"{spec.side}-{spec.aspect}-{spec.equalisation}-v{spec.version}"
    if spec.reduce_to is not None:
        geometry += f"-reduced{spec.reduce_to}-blur{spec.blur:g}"
    return f"{geometry}-decoding{DECODING_VERSION}"


def _format_geometry(spec: InputSpec) -> str:
    fields = spec.to_json()
    keys = ("side", "equalisation", "aspect", "version", "reduce_to", "blur")
    return json.dumps({key: fields[key] for key in keys if key in fields}) + "\n"


def _remove(path: Path) -> None:
    """Remove a file, or the folder or link in its place; nothing when there is none. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _extend_file(path: Path, size: int) -> None:
    """Make a file at least so large; what is not written yet takes no room on the disk."""
    if path.stat().st_size < size:
        os.truncate(path, size)


def _current_stamp(path: Path) -> str | None:
    try:
        return format_stamp(path.stat())
    except OSError:
        return None


def _is_done(film: Film, examine: bool) -> bool:
    """Whether nothing is left to find out about a film."""
    if film.refused is not None:
        return film.refused != DIED
    return film.concerns is not None or not examine


def _split_into_portions(paths: Sequence[str]) -> Iterator[list[str]]:
    """Files that the system keeps in memory from their hashing to their decoding."""
    portion: list[str] = []
    size = 0
    for path in paths:
        with suppress(OSError):
            size += os.path.getsize(path)
        portion.append(path)
        if len(portion) == PORTION_FILMS or size > PORTION_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion
