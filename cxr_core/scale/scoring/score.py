"""Scores an archive: lists its films, reads those that no shard holds yet, and writes shard after shard.

data -> films -> those without a row -> rows (this machine, or Ray) -> shards -> manifest
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from cxr_core.decisions import DEFAULT_DECISION
from cxr_core.errors import ArchiveError, Cancelled
from cxr_core.film.decoding.sandbox import DecodePool
from cxr_core.presentation.wording import format_count, format_duration
from cxr_core.reading.cores import PROCESS_CORES
from cxr_core.reading.reader import Reader
from cxr_core.scale.scoring.columns import Row, repeat_row
from cxr_core.scale.scoring.film_files import FilmFile, name_reading
from cxr_core.scale.scoring.film_list import list_films_to_score
from cxr_core.scale.scoring.local_reader import LocalReader, RepeatedFilm, SeenReadings
from cxr_core.scale.scoring.scoring_folder import (
    FinishedFilm,
    ScoringCounts,
    ScoringFolder,
    ScoringRecord,
    describe_scoring,
)
from cxr_core.site.profile_store import load_profile
from cxr_core.workspace.jsonl import utc_now
from cxr_core.workspace.log import add_details, log_task
from cxr_core.workspace.paths import printable

LOCAL = "local"
FILMS_PER_SHARD = 500
TELL_EVERY_S = 0.2
Tell = Callable[["ScoringProgress"], None]


class FilmReader(Protocol):
    """What reads films, here or on a cluster."""

    def read_films(
        self, films: Sequence[FilmFile], is_known: Callable[[str], bool]
    ) -> Iterator[Row | RepeatedFilm]:
        """A row for each film, in any order, or that it repeats another one's reading."""


@dataclass(frozen=True, kw_only=True)
class ScoringProgress:
    """How far a scoring is. done, total: films, with those that were done before.  counts: of the shards and the rest.

    films_per_second: since this call began to read; 0 before the first film.
    """

    done: int
    total: int
    counts: ScoringCounts
    films_per_second: float = 0.0

    def describe(self) -> str:
        """`5.2 films/s, about 3 h 05 min left, 12 refused (undecodable 11, oversized 1)`."""
        words = []
        if self.films_per_second:
            left = (self.total - self.done) / self.films_per_second
            words = [f"{self.films_per_second:.1f} films/s, about {format_duration(left)} left"]
        if self.counts.refusals:
            codes = ", ".join(f"{code} {films:,}" for code, films in self.counts.refusals.items())
            words.append(f"{sum(self.counts.refusals.values()):,} refused ({codes})")
        return ", ".join(words)


@dataclass(frozen=True, kw_only=True)
class ScoringOptions:
    """How an archive is scored. on: `local`, or the address of a Ray cluster.  resume: go on in a folder that exists.

    stop: asked after every film.  tell: called with the progress after every film.
    note: called before the first one with each sentence about films that are left out.
    """

    decision: str = DEFAULT_DECISION
    prevalence: Mapping[str, float] = field(default_factory=dict)
    on: str = LOCAL
    resume: bool = False
    leave_out_missing: bool = False
    films_per_shard: int = FILMS_PER_SHARD
    stop: Callable[[], bool] = lambda: False
    tell: Tell = lambda progress: None
    note: Callable[[str], None] = lambda sentence: None


@log_task("scoring")
def score_archive(data: Sequence[str], out: Path, options: ScoringOptions) -> ScoringCounts:
    """Read every film of some data that the folder `out` does not hold yet. Returns the counts of the whole folder.

    data: folders, tables of paths, registered datasets, storages, queries to an archive (PACS).
    Raises ScaleError, DataError or ArchiveError before a film is read, Cancelled when asked to stop and
    ArchiveUnreachable when an archive falls silent: what was read is kept.
    """
    listed = list_films_to_score(data, leave_out_missing=options.leave_out_missing)
    films = listed.films
    for sentence in listed.left_out:
        options.note(sentence)
    add_details(films=len(films), on=LOCAL if options.on == LOCAL else "ray")
    with _open_reader(options, len(films)) as (record, reader):
        folder = ScoringFolder.begin(out, record, resume=options.resume)
        with folder.hold(), folder.explain_errors():
            folder.note_request(data, len(films))
            scoring = _Scoring(folder, films, options)
            return scoring.run(reader.read_films(scoring.missing, scoring.seen.add))


def _open_reader(
    options: ScoringOptions, films: int
) -> AbstractContextManager[tuple[ScoringRecord, FilmReader]]:
    if options.on == LOCAL:
        return _open_local_reader(options, films)
    from cxr_core.scale.scoring.ray_reader import open_ray_reader  # needs the extra `cluster`

    return open_ray_reader(options.on, lambda reader: _describe(reader, options))


@contextmanager
def _open_local_reader(
    options: ScoringOptions, films: int
) -> Iterator[tuple[ScoringRecord, FilmReader]]:
    """Models are loaded once it is known that there are films, since that takes seconds."""
    with DecodePool(workers=max(1, min(PROCESS_CORES.cores, films))) as decoders:
        decoders.warm()
        reader = Reader.installed(decoders=decoders)
        record = _describe(reader, options)
        yield record, LocalReader(reader, record)


def _describe(reader: Reader, options: ScoringOptions) -> ScoringRecord:
    return describe_scoring(reader, options.decision, options.prevalence, load_profile())


class _Scoring:
    """One call of `score_archive`: rows go into shards, and repeated films take the row of the first."""

    def __init__(self, folder: ScoringFolder, films: Sequence[FilmFile], options: ScoringOptions):
        self.folder, self.options = folder, options
        finished = folder.read_finished()
        self.finished, self.counts = finished.films, finished.counts
        self.next_shard = finished.next_shard
        self.missing = [film for film in films if not self._is_finished(film)]
        new = sum(printable(film.location) not in self.finished for film in self.missing)
        self.total = finished.counts.films + new
        # A changed file is read again, but one whose bytes have their row already is not.
        self.shard_of = {each.reading: each.shard for each in self.finished.values() if each.sha256}
        self.seen = SeenReadings(self.shard_of.keys())
        self.removed: dict[str, Row] = {}  # rows that no shard holds any more, by their readings
        self.rows: list[Row] = []
        self.waiting: list[RepeatedFilm] = []  # for the row of a film that is still being read
        self.read_here, self.began, self.shown = 0, time.monotonic(), 0.0

    def run(self, results: Iterator[Row | RepeatedFilm]) -> ScoringCounts:
        """Write everything that comes. Raises Cancelled when asked to stop."""
        try:
            stopped = self._take_results(results)
        except ArchiveError:
            self._write_shard()  # of the films before the one that the archive does not give
            raise
        self._write_shard()
        repeats = self.counts.repeats - self.folder.clear_outdated_repeats()
        finished = "" if stopped else utc_now()
        self.counts = replace(self.counts, repeats=repeats, finished=finished)
        self.folder.write_manifest(self.counts)
        if stopped:
            films = format_count(self.total, "films")
            raise Cancelled(
                f"stopped: {self.counts.films:,} of {films} are scored; go on with --resume"
            )
        return self.counts

    def _take_results(self, results: Iterator[Row | RepeatedFilm]) -> bool:
        """Whether this was stopped before the last one."""
        for result in results:
            if isinstance(result, RepeatedFilm):
                self._take_repeat(result)
            else:
                self._take_row(result)
            self.read_here += 1
            if len(self.rows) >= self.options.films_per_shard:
                self._write_shard()
            self._tell()
            if self.options.stop():
                return True
        return False

    def _is_finished(self, film: FilmFile) -> bool:
        former = self._find_former(film)
        return former is not None and former.stamp == film.stamp

    def _take_row(self, row: Row) -> None:
        self.rows.append(row)
        if not row["sha256"]:
            return
        reading = _name_reading(row)
        self.shard_of[reading] = self.next_shard
        if self.waiting:
            repeats = [each for each in self.waiting if each.reading == reading]
            self.waiting = [each for each in self.waiting if each.reading != reading]
            self.rows += [repeat_row(row, each.film) for each in repeats]

    def _take_repeat(self, repeat: RepeatedFilm) -> None:
        former = self._find_former(repeat.film)
        if former is not None and former.reading == repeat.reading:
            return  # only its times have changed, or it was copied: its row holds
        if repeat.reading not in self.shard_of:
            self.waiting.append(repeat)
            return
        self.rows.append(repeat_row(self._find_row(repeat.reading), repeat.film))
        self.shard_of[repeat.reading] = self.next_shard

    def _find_row(self, reading: str) -> Row:
        """A row with this reading."""
        shard = self.shard_of[reading]
        if shard == self.next_shard:
            return next(row for row in self.rows if _name_reading(row) == reading)
        if reading in self.removed:
            return self.removed.pop(reading)
        return self.folder.find_row(shard, reading)

    def _find_former(self, film: FilmFile) -> FinishedFilm | None:
        return self.finished.get(printable(film.location))

    def _write_shard(self) -> None:
        if not self.rows:
            return
        self._remove_former_rows()
        self.counts += self.folder.write_shard(self.next_shard, self.rows)
        self.next_shard, self.rows = self.next_shard + 1, []

    def _remove_former_rows(self) -> None:
        """Take the rows of files that have changed since out of their shards: a film has one row.

        A row is kept in memory where no later one has its reading: the file may have been moved, and come later.
        """
        changed: dict[int, set[str]] = {}
        for row in self.rows:
            former = self.finished.get(row["file"])
            if former is not None:
                changed.setdefault(former.shard, set()).add(row["file"])
        for shard, files in changed.items():
            rows, counts = self.folder.remove_rows(shard, files)
            self.counts -= counts
            for row in rows:
                if self.shard_of.get(_name_reading(row)) == shard:
                    self.removed[_name_reading(row)] = row

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self.shown < TELL_EVERY_S and self.read_here < len(self.missing):
            return
        self.shown = now
        counts = self.counts + ScoringCounts.of_rows(self.rows)
        self.options.tell(
            ScoringProgress(
                done=min(counts.films, self.total),
                total=self.total,
                counts=counts,
                films_per_second=self.read_here / max(now - self.began, 1e-9),
            )
        )


def _name_reading(row: Row) -> str:
    return name_reading(row["sha256"] or "", row["stamp"])
