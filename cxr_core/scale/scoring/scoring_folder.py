"""The folder of a scoring: Parquet files that appear complete or not at all, and a manifest made from them.

DIR/scoring.json                      what scores the films: models, decision, profile of the site; written first
DIR/requests.jsonl                    what each command was asked to score, and how many films that has
DIR/shards/part=0000/00000000.parquet rows of films in no order; a thousand files in a part
DIR/manifest.parquet                  every film with its hash, status and shard; written last
DIR/manifest.json                     counts

The shards alone say what is done, so a kill loses nothing but the films that no shard holds yet.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from cxr_core.errors import RecordError, ScaleError
from cxr_core.findings import sort_for_display
from cxr_core.presentation.wording import format_count
from cxr_core.reading.reader import Reader
from cxr_core.reading.site_profile import ModelProfile, SiteProfile
from cxr_core.scale.scoring.columns import REPEATS, Row, build_schema
from cxr_core.scale.scoring.film_files import name_reading
from cxr_core.version import VERSION
from cxr_core.workspace.atomic import atomic_file, remove_unfinished
from cxr_core.workspace.json_files import read_json_object, write_json
from cxr_core.workspace.json_record import Count, JsonRecord, read_record_file
from cxr_core.workspace.jsonl import append_line, utc_now
from cxr_core.workspace.paths import printable
from cxr_core.workspace.process_lock import hold_lock

RECORD, SHARDS = "scoring.json", "shards"
MANIFEST, COUNTS = "manifest.parquet", "manifest.json"
REQUESTS = "requests.jsonl"
LOCK = ".scoring.lock"
METADATA = b"silhouette"  # of a shard: the record of the scoring, and the counts of the shard
SHARDS_OF_A_PART = 1000
# The pattern of their names; other files in the folder are not of the scoring.
SHARD_NAMES = "[0-9]" * 8 + ".parquet"
MANIFEST_COLUMNS = ("file", "stamp", "sha256", "pixels_sha256", "repeats", "status", "refusal_code")


@dataclass(frozen=True, kw_only=True)
class ScoringModel(JsonRecord):
    """A model that reads the films. findings: empty for the segmenter.  backend: what computes its forward pass."""

    model: str
    version: str
    weights_sha256: str
    findings: tuple[str, ...] = ()
    backend: str = "torch"


@dataclass(frozen=True, kw_only=True)
class ScoringRecord(JsonRecord):
    """What scores the films of a folder: two scorings with the same record give the same numbers.

    prevalence: of findings, as the user chose it.  site_profile: what the site has installed.
    """

    WRITES_DEFAULTS: ClassVar[bool] = True

    schema: int = 1
    program: str = VERSION
    models: tuple[ScoringModel, ...]
    decision: str
    prevalence: Mapping[str, float] = field(default_factory=dict)
    site_profile: tuple[ModelProfile, ...] = ()

    @property
    def findings(self) -> tuple[str, ...]:
        """Every finding that a model answers, in the order of the pages."""
        return tuple(sort_for_display({key for model in self.models for key in model.findings}))

    def describe_difference(self, other: "ScoringRecord") -> str:
        """In which parts another record differs: `models, decision`; empty where it is the same."""
        names = [each.name for each in fields(self)]
        return ", ".join(
            name.replace("_", " ") for name in names if getattr(self, name) != getattr(other, name)
        )


@dataclass(frozen=True, kw_only=True)
class ScoringCounts(JsonRecord):
    """How many films a scoring holds. refusals: by code.  repeats: films with the bytes of another one.

    finished: when all films that were asked for had their rows; empty before.
    """

    WRITES_DEFAULTS: ClassVar[bool] = True

    films: Count = 0
    read: Count = 0
    refusals: Mapping[str, Count] = field(default_factory=dict)
    repeats: Count = 0
    shards: Count = 0
    finished: str = ""

    @classmethod
    def of_rows(cls, rows: Sequence[Row]) -> "ScoringCounts":
        """The counts of one shard."""
        refusals = Counter(row["refusal_code"] or "" for row in rows if row["status"] != "read")
        return cls(
            films=len(rows),
            read=len(rows) - refusals.total(),
            refusals=dict(sorted(refusals.items())),
            repeats=sum(row.get("repeats") is not None for row in rows),
            shards=1,
        )

    def __sub__(self, other: "ScoringCounts") -> "ScoringCounts":
        refusals = Counter(self.refusals) - Counter(other.refusals)
        return ScoringCounts(
            films=self.films - other.films,
            read=self.read - other.read,
            refusals=dict(sorted(refusals.items())),
            repeats=self.repeats - other.repeats,
            shards=self.shards - other.shards,
        )

    def __add__(self, other: "ScoringCounts") -> "ScoringCounts":
        refusals = Counter(self.refusals) + Counter(other.refusals)
        return ScoringCounts(
            films=self.films + other.films,
            read=self.read + other.read,
            refusals=dict(sorted(refusals.items())),
            repeats=self.repeats + other.repeats,
            shards=self.shards + other.shards,
        )


class FinishedFilm(NamedTuple):
    """What a shard says of a film. sha256: None where it could not be opened."""

    stamp: str
    sha256: str | None
    shard: int

    @property
    def reading(self) -> str:
        """What `name_reading` calls its reading; empty where it could not be opened."""
        return name_reading(self.sha256 or "", self.stamp)


@dataclass(frozen=True, eq=False)
class FinishedFilms:
    """What the shards hold already, by file."""

    films: Mapping[str, FinishedFilm] = field(default_factory=dict)
    counts: ScoringCounts = field(default_factory=ScoringCounts)
    next_shard: int = 0


def describe_scoring(
    reader: Reader,
    decision: str,
    prevalence: Mapping[str, float],
    profile: SiteProfile | None,
) -> ScoringRecord:
    """The record of what a reader would write. Raises ScaleError without a model that reads films."""
    if not reader.cards:
        raise ScaleError("no model is installed; install one on the Models page, then score again")
    models = [
        ScoringModel(
            model=each.card.model,
            version=each.card.version,
            weights_sha256=each.card.weights_sha256,
            findings=each.card.findings,
            backend=each.backend,
        )
        for each in reader.classifiers
    ]
    if reader.segmenter is not None:
        card = reader.segmenter.card
        segmenter = ScoringModel(
            model=card.model,
            version=card.version,
            weights_sha256=card.weights_sha256,
            backend=reader.segmenter.backend,
        )
        models.append(segmenter)
    return ScoringRecord(
        models=tuple(models),
        decision=decision,
        prevalence=dict(prevalence),
        site_profile=profile.models if profile else (),
    )


class ScoringFolder:
    """The folder of one scoring."""

    def __init__(self, path: Path, record: ScoringRecord):
        self.path, self.record = path, record
        self.schema = build_schema(record.findings)

    @classmethod
    def load(cls, path: Path) -> "ScoringFolder":
        """A scoring that exists. Raises ScaleError where there is none that can be read."""
        try:
            record = read_record_file(path / RECORD, ScoringRecord)
        except (OSError, RecordError) as error:
            raise ScaleError(
                f"{printable(path)} holds no scoring that can be read ({error}); give the folder that "
                "python -m cxr_core score has written"
            ) from error
        return cls(path, record)

    @classmethod
    def begin(cls, path: Path, record: ScoringRecord, *, resume: bool) -> "ScoringFolder":
        """A new folder, or with `resume` one that a scoring by the same models has begun.

        Raises ScaleError for a folder with anything else in it, and where nothing can be written.
        """
        if (path / RECORD).exists():
            former = cls.load(path).record
            if not resume:
                raise ScaleError(
                    f"{printable(path)} holds a scoring already; go on with --resume, or give another --out"
                )
            if difference := record.describe_difference(former):
                raise ScaleError(
                    f"{printable(path)} is another scoring: it differs in {difference}. Give another --out"
                )
            return cls(path, record)
        if path.is_dir() and any(entry.name != LOCK for entry in path.iterdir()):
            raise ScaleError(
                f"{printable(path)} holds other files and no scoring; give a new or an empty folder"
            )
        folder = cls(path, record)
        with folder.explain_errors():
            path.mkdir(parents=True, exist_ok=True)
            write_json(path / RECORD, record.to_json(), durable=True)
        return folder

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Be the only one that writes here. Raises ScaleError while another process does."""
        with self.explain_errors(), hold_lock(self.path / LOCK) as is_free:
            if not is_free:
                raise ScaleError(
                    f"another process scores into {printable(self.path)}; wait for it, or stop it first"
                )
            for part in self._parts():
                remove_unfinished(part)
            yield

    @contextmanager
    def explain_errors(self) -> Iterator[None]:
        """Turn an error of the disk into a sentence."""
        try:
            yield
        except OSError as error:
            raise ScaleError(
                f"{printable(self.path)} cannot be written: {error.strerror or error}. Free space or repair the disk, "
                "then go on with --resume; the shards that are there are kept"
            ) from error

    def note_request(self, data: Sequence[str], films: int) -> None:
        """Record what a command was asked to score, and how many films that has. Raises OSError."""
        append_line(
            self.path / REQUESTS,
            {"time": utc_now(), "data": list(map(printable, data)), "films": films},
        )

    def write_shard(self, number: int, rows: Sequence[Row]) -> ScoringCounts:
        """Write one shard, complete and on the disk when this returns. Raises OSError."""
        counts = ScoringCounts.of_rows(rows)
        content = {"scoring": self.record.to_json(), "counts": counts.to_json()}
        schema = self.schema.with_metadata({METADATA: json.dumps(content).encode()})
        path = self._shard_path(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path, durable=True) as temporary:
            pq.write_table(
                pa.Table.from_pylist([dict(row) for row in rows], schema),
                temporary,
                compression="zstd",
            )
        return counts

    def read_finished(self) -> FinishedFilms:
        """What the shards hold. Raises ScaleError for a damaged one."""
        films: dict[str, FinishedFilm] = {}
        counts, numbers = ScoringCounts(), [-1]
        for path in self.list_shards():
            numbers.append(int(path.stem))
            table = self._read_shard(path, ("file", "stamp", "sha256"))
            counts += read_shard_counts(path)
            for file, stamp, sha256 in _iterate_rows(table):
                films[file] = FinishedFilm(stamp, sha256, numbers[-1])
        return FinishedFilms(films, counts, max(numbers) + 1)

    def remove_rows(
        self, number: int, files: Collection[str]
    ) -> tuple[Sequence[Row], ScoringCounts]:
        """Write a shard again without the rows of some files. Returns these rows and their counts. Raises OSError."""
        path = self._shard_path(number)
        rows = self._read_shard(path, None).to_pylist()
        removed = [row for row in rows if row["file"] in files]
        kept = [row for row in rows if row["file"] not in files]
        if kept:
            self.write_shard(number, kept)
        else:
            path.unlink()
        return removed, replace(ScoringCounts.of_rows(removed), shards=0 if kept else 1)

    def clear_outdated_repeats(self) -> int:
        """Make `repeats` null where the film that it names has another reading by now, and return in how many rows.

        Raises OSError, and ScaleError for a damaged shard.
        """
        named = {
            file for each in self.read_columns([REPEATS]) for file in each[REPEATS].to_pylist()
        }
        readings: dict[str, str] = {}
        for table in self.read_columns(("file", "stamp", "sha256")):
            for file, stamp, sha256 in _iterate_rows(table):
                if file in named:
                    readings[file] = name_reading(sha256 or "", stamp)
        cleared = 0
        for path in self.list_shards():
            table = self._read_shard(path, ("stamp", "sha256", REPEATS))
            outdated = [
                file is not None and readings.get(file) != name_reading(sha256, stamp)
                for stamp, sha256, file in _iterate_rows(table)
            ]
            if any(outdated):
                rows = self._read_shard(path, None).to_pylist()
                for row, is_outdated in zip(rows, outdated, strict=True):
                    row[REPEATS] = None if is_outdated else row[REPEATS]
                self.write_shard(int(path.stem), rows)
            cleared += sum(outdated)
        return cleared

    def find_row(self, number: int, reading: str) -> Row:
        """A row with a reading in a shard, by what `name_reading` calls it."""
        table = self._read_shard(self._shard_path(number), None)
        places = range(len(table))
        stamps, hashes = table["stamp"].to_pylist(), table["sha256"].to_pylist()
        place = next(i for i in places if name_reading(hashes[i] or "", stamps[i]) == reading)
        row: Row = table.slice(place, 1).to_pylist()[0]
        return row

    def list_shards(self) -> list[Path]:
        """The files of all shards, in the order in which they were written."""
        return sorted(path for part in self._parts() for path in part.glob(SHARD_NAMES))

    def write_manifest(self, counts: ScoringCounts) -> None:
        """Write manifest.parquet and manifest.json from the shards. Raises OSError."""
        with atomic_file(self.path / MANIFEST, durable=True) as temporary:
            schema = pa.schema([(name, pa.string()) for name in (*MANIFEST_COLUMNS, "shard")])
            with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
                for path in self.list_shards():
                    table = self._read_shard(path, MANIFEST_COLUMNS)
                    name = path.relative_to(self.path).as_posix()
                    shard = pa.array([name] * len(table), pa.string())
                    writer.write_table(table.append_column("shard", shard).cast(schema))
        content = {"scoring": self.record.to_json(), "counts": counts.to_json()}
        write_json(self.path / COUNTS, {**content, "written": utc_now()})

    def require_finished(self) -> None:
        """Raises ScaleError for a scoring that runs, or that was stopped or killed before it had all its films."""
        counts = read_manifest_counts(self.path)
        if counts is None or not counts.finished or counts.shards != len(self.list_shards()):
            raise ScaleError(
                f"the scoring {printable(self.path)} is not finished; wait until it is, or go on with it by "
                "python -m cxr_core score --resume"
            )

    def read_columns(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """Some columns of each shard. Raises ScaleError for a damaged one."""
        for path in self.list_shards():
            yield self._read_shard(path, names)

    def _read_shard(self, path: Path, columns: Sequence[str] | None) -> pa.Table:
        try:
            with pq.ParquetFile(path) as file:
                found = {column.name: column.type for column in file.schema_arrow}
                for name in columns or ():
                    if found.get(name) != self.schema.field(name).type:
                        raise _damaged(path, f"its column {name} is missing or of another type")
                return file.read(columns=None if columns is None else [*columns])
        except (OSError, pa.ArrowException) as error:
            raise _damaged(path, error) from error

    def _parts(self) -> list[Path]:
        return sorted((self.path / SHARDS).glob("part=*"))

    def _shard_path(self, number: int) -> Path:
        part = f"part={number // SHARDS_OF_A_PART:04}"
        return self.path / SHARDS / part / f"{number:08}.parquet"


def read_shard_counts(path: Path) -> ScoringCounts:
    """The counts in the metadata of a shard. Raises ScaleError for a file that is none."""
    try:
        metadata: Any = json.loads(pq.read_metadata(path).metadata[METADATA])
        return ScoringCounts.from_json(metadata["counts"])
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError, RecordError) as error:
        raise _damaged(path, error) from error


def read_manifest_counts(path: Path) -> ScoringCounts | None:
    """The counts of a scoring as it was when a command ended last; None before, and where they are damaged."""
    content = read_json_object(path / COUNTS)
    try:
        return None if content is None else ScoringCounts.from_json(content.get("counts"))
    except RecordError:
        return None


def describe_counts(counts: ScoringCounts) -> str:
    """`4,139 films, 12 refused (undecodable 11, oversized 1)`."""
    words = format_count(counts.films, "films")
    refused = counts.films - counts.read
    if not refused:
        return words
    codes = ", ".join(f"{code} {films:,}" for code, films in counts.refusals.items())
    return f"{words}, {refused:,} refused ({codes})"


def _iterate_rows(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


def _damaged(path: Path, problem: object) -> ScaleError:
    return ScaleError(
        f"{printable(path)} is no shard that can be read ({problem}); remove it, and its films are scored again with "
        "--resume"
    )
