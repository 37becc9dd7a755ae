"""Holds a dataset as one table, a row per film and a column per property, and stores it as Parquet.

image    path of the file, unique                       status  "present", "missing" or why it is not used
patient  who it shows, unique within the manifest       reason  why it is unreadable, excluded or left out
split    "train", "val", "test"; missing: none given    sha256  of the decoded pixels, once the film has been decoded
source   the folder it came from                        width, height, bits  of the decoded film
view     "PA", "AP" or missing                          concerns  codes of its quality flags, joined by "|"
age      years                                          <finding key>  1, 0 or NaN (unknown is not negative)
sex      "F", "M" or missing

Missing values are unknown. A film is not used when it is "unreadable", "excluded" by a decision, or "left_out" by its
source because it is no frontal film. Boxes are stored beside the table, a row per box, in fractions of the film's size.
"""

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cxr_core.data.account import LEFT_OUT, REASONS, FilmAccount, SourceCounts, account_for_films
from cxr_core.data.checks.issue import Issue
from cxr_core.data.identifiers import canonical_patient
from cxr_core.errors import DataError, RecordError, SplitMissing
from cxr_core.known_findings import is_finding_key, order_findings
from cxr_core.workspace.atomic import atomic_file
from cxr_core.workspace.json_files import parse_json
from cxr_core.workspace.json_record import Count, JsonRecord
from cxr_core.workspace.paths import printable

SPLITS = ("train", "val", "test")
NO_SPLIT = "undivided"  # stands for a missing split where films are counted
TEXT_COLUMNS = (
    "image",
    "patient",
    "split",
    "source",
    "view",
    "sex",
    "status",
    "reason",
    "sha256",
    "concerns",
)
NUMBER_COLUMNS = ("age", "width", "height", "bits")
COLUMNS = (
    "image",
    "patient",
    "split",
    "source",
    "view",
    "age",
    "sex",
    "status",
    "reason",
    "sha256",
    "width",
    "height",
    "bits",
    "concerns",
)
REQUIRED_COLUMNS = ("image", "patient", "split", "source")
BOX_COLUMNS = ("image", "finding", "left", "top", "width", "height")
BOX_LISTS = pa.list_(
    pa.struct([("finding", pa.string()), *((name, pa.float32()) for name in BOX_COLUMNS[2:])])
)
SCHEMA: Literal[1] = 1


def build_table(columns: Mapping[str, object]) -> pd.DataFrame:
    """A manifest's table from columns: those left out are unknown, and every column gets the schema's type.

    Raises DataError when a required column is missing or a path occurs twice.
    """
    missing = [name for name in REQUIRED_COLUMNS if name not in columns]
    if missing:
        raise DataError(f"a manifest needs the columns {', '.join(missing)}")
    table = pd.DataFrame(dict(columns))
    if "status" not in table:
        table["status"] = "present"
    for name in TEXT_COLUMNS:
        if name in table:
            table[name] = table[name].astype("str")
        else:
            table[name] = pd.Series(None, table.index, dtype="str")
    for name in NUMBER_COLUMNS:
        if name in table:
            table[name] = pd.to_numeric(table[name]).astype(np.float32)
        else:
            table[name] = np.float32(np.nan)
    findings = list_findings(table.columns)
    table[findings] = table[findings].astype(np.float32)
    repeated = table["image"].duplicated()
    if repeated.any():
        raise DataError(
            f"{table.loc[repeated, 'image'].iloc[0]} occurs twice in the data; give each folder once, and none that "
            "lies in another one given"
        )
    return table[[*COLUMNS, *findings]].reset_index(drop=True)


def list_findings(columns: Iterable[str]) -> list[str]:
    """The findings among the columns of a manifest, in the program's order: all but the facts about a film."""
    return order_findings(name for name in columns if name not in COLUMNS and is_finding_key(name))


def empty_boxes() -> pd.DataFrame:
    """A table of boxes without rows."""
    columns = {}
    for name in BOX_COLUMNS:
        dtype = "str" if name in ("image", "finding") else np.float32
        columns[name] = pd.Series(dtype=dtype)
    return pd.DataFrame(columns)


@dataclass(frozen=True, kw_only=True)
class SplitCounts(JsonRecord):
    """How many films and patients one split has, and how many films are positive for each finding."""

    WRITES_DEFAULTS: ClassVar[bool] = True

    films: Count = 0
    patients: Count = 0
    positives: Mapping[str, Count] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class UnusedColumn(JsonRecord):
    """A column of a table that the program does not use.

    values: the most frequent cells, cut to 40 characters.  may_be_label: whether most cells are 1 or 0, yes or no, or
    say nothing.  positives: cells that say yes.
    """

    WRITES_DEFAULTS: ClassVar[bool] = True

    name: str
    values: tuple[str, ...] = ()
    may_be_label: bool = False
    positives: Count = 0


@dataclass(frozen=True, kw_only=True)
class AppliedLayer(JsonRecord):
    """A label layer whose labels films have; see `label_layers`.

    sha256: of its decisions.  films: that it decides about, among these.  changed: labels that it changes, by finding.
    missing: films of it that are no longer there.
    """

    WRITES_DEFAULTS: ClassVar[bool] = True

    name: str
    sha256: str
    films: Count = 0
    changed: Mapping[str, Count] = field(default_factory=dict)
    missing: Count = 0


@dataclass(frozen=True, kw_only=True)
class ManifestProperties(JsonRecord):
    """What a manifest's file holds beside its table; see `Manifest`. Earlier versions did not count."""

    KEYS: ClassVar[Mapping[str, str]] = {"source_issues": "noticed"}
    WRITES_DEFAULTS: ClassVar[bool] = True

    schema: Literal[1] = SCHEMA
    kind: str
    terms: str
    source_issues: tuple[Issue, ...]
    counts: SourceCounts | None = None
    unused_columns: tuple[UnusedColumn, ...] = ()
    unknown_labels: Mapping[str, Count] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Manifest:
    """The films of one or several folders.

    terms: what the data's licence asks of its users.  boxes: image, finding, left, top, width, height, the last four
    in [0, 1] of the film.  source_issues: what the source reported while it read its tables.  counts: what it found
    that is no row of the table; None for a manifest that no source made.  unused_columns: of its tables, which may be
    mapped to findings.  unknown_labels: films by label, for names in cells and class folders that mean nothing.
    label_layers: those whose labels the table has; they are not saved with it.  own_labels: by image, the data's own
    labels of the films that layers decide about; None without layers.
    """

    table: pd.DataFrame
    kind: str
    terms: str
    boxes: pd.DataFrame = field(default_factory=empty_boxes)
    source_issues: tuple[Issue, ...] = ()
    counts: SourceCounts | None = None
    unused_columns: tuple[UnusedColumn, ...] = ()
    unknown_labels: Mapping[str, int] = field(default_factory=dict)
    label_layers: tuple[AppliedLayer, ...] = ()
    own_labels: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        missing = set(COLUMNS) - set(self.table.columns)
        if missing:
            raise DataError(f"a manifest needs the columns {', '.join(sorted(missing))}")
        if self.table.empty:
            raise DataError("none of the dataset's films was selected; select others")

    @property
    def findings(self) -> tuple[str, ...]:
        """The findings that have a column, in the project's order; those that a workspace defines come last."""
        return tuple(list_findings(self.table.columns))

    @property
    def paths(self) -> list[Path]:
        """The files, in the table's order."""
        return list(map(Path, self.table["image"]))

    @property
    def names(self) -> pd.Series:
        """The files' names without their folders."""
        return self.table["image"].str.rsplit("/", n=1).str[-1]

    def account_for_films(self) -> FilmAccount | None:
        """What became of every file found and row read; None when they were not counted.

        Raises ValueError when this is a part of the manifest that was counted.
        """
        if self.counts is None:
            return None
        status = self.table["status"]
        kinds = status.mask(status == LEFT_OUT, self.table["reason"]).value_counts()
        return account_for_films(
            self.counts, {str(kind): int(count) for kind, count in kinds.items()}
        )

    def with_table(self, table: pd.DataFrame) -> "Manifest":
        """The same dataset with other rows. Raises DataError when the table is empty."""
        return replace(self, table=table.reset_index(drop=True))

    def select_usable(self) -> "Manifest":
        """The films whose files are present, readable and not excluded. Raises DataError when there are none."""
        rows = self.table[self.table["status"] == "present"]
        if rows.empty:
            counts = _count_values(self.table["status"].str.replace("_", " "))
            reasons = self.table["reason"].dropna().value_counts()
            frequent = ""
            if len(reasons):
                reason = str(reasons.index[0])
                frequent = f". Most of these: {REASONS.get(reason, reason).rstrip('.')}"
            raise DataError(
                f"no film of the {len(self.table)} listed can be used: {counts}{frequent}. Copy missing films, correct "
                "or replace the others, and prepare the data again"
            )
        return self.with_table(rows)

    def select_split(self, split: str) -> "Manifest":
        """The films of one split. Raises SplitMissing when there are none."""
        rows = self.table[self.table["split"] == split]
        if rows.empty:
            splits = ", ".join(sorted(self.table["split"].dropna().unique()))
            raise SplitMissing(
                f"the data has no split {split!r}; it has {splits or 'none: it has not been split'}"
            )
        return self.with_table(rows)

    def match_ages(self, age_min: int | None, age_max: int | None) -> np.ndarray:
        """(N,) bool: films of patients of these ages, in whole years, both included; and films of unknown age."""
        age = self.table["age"].to_numpy()
        end = np.inf if age_max is None else age_max + 1
        outside = (age < (age_min or 0)) | (age >= end)
        return ~outside

    def label_matrix(self, findings: tuple[str, ...]) -> np.ndarray:
        """(N, L) float32: 1, 0 or NaN. Raises DataError for a finding without a column."""
        missing = [key for key in findings if key not in self.table.columns]
        if missing:
            raise DataError(
                f"the data has no labels for {', '.join(missing)}; it has {', '.join(self.findings)}"
            )
        return self.table[list(findings)].to_numpy(np.float32, copy=True)

    def count_by_split(self, findings: tuple[str, ...] | None = None) -> dict[str, SplitCounts]:
        """Films, patients and positives of each split, in the usual order; films without one count as "undivided"."""
        keys = [key for key in findings or self.findings if key in self.table.columns]
        counts = {}
        for split, rows in self.table.groupby(self.table["split"].fillna(NO_SPLIT), sort=False):
            counts[str(split)] = SplitCounts(
                films=len(rows),
                patients=int(rows["patient"].nunique()),
                positives={key: int((rows[key] == 1).sum()) for key in keys},
            )
        return {split: counts[split] for split in (*SPLITS, NO_SPLIT) if split in counts}

    def split_sha256(self) -> str:
        """A hash of which films lie in which split, whatever their order or folder.

        Leading zeros of a patient's number and the Unicode form of a name, which copying changes, do not count.
        """
        patients = self.table["patient"].map(canonical_patient)
        names = self.names.map(partial(unicodedata.normalize, "NFC"))
        rows = zip(self.table["split"].fillna(""), patients, names, strict=True)
        return hash_lines(f"{split}/{patient}/{name}" for split, patient, name in rows)

    def data_sha256(self) -> str:
        """A hash of the films' pixels, whatever their order, names, containers or splits.

        Raises DataError when they have not all been decoded.
        """
        if self.table["sha256"].isna().any():
            raise DataError(
                "the films have not been decoded yet; prepare the dataset first (python -m train.prepare)"
            )
        return hash_lines(self.table["sha256"])

    def save(self, path: Path) -> None:
        """Write one Parquet file, atomically, with the boxes as a list column."""
        table = pa.Table.from_pandas(self.table, preserve_index=False)
        table = table.append_column("boxes", self._box_lists())
        properties = ManifestProperties(
            kind=self.kind,
            terms=self.terms,
            source_issues=self.source_issues,
            counts=self.counts,
            unused_columns=self.unused_columns,
            unknown_labels=self.unknown_labels,
        )
        metadata = {**(table.schema.metadata or {}), b"manifest": json.dumps(properties.to_json())}
        table = table.replace_schema_metadata(metadata)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as temporary:
            pq.write_table(table, temporary, compression="zstd")

    def _box_lists(self) -> pa.Array:
        """For each film the list of its boxes, as Parquet stores them."""
        names = BOX_COLUMNS[1:]
        boxes: dict[object, list[dict[str, object]]] = {}
        for image, rows in self.boxes.groupby("image", sort=False):
            cells = rows[list(names)].itertuples(index=False)
            boxes[image] = [dict(zip(names, box, strict=True)) for box in cells]
        return pa.array([boxes.get(image, []) for image in self.table["image"]], BOX_LISTS)

    @classmethod
    def load(cls, path: Path) -> "Manifest":
        """Read what `save` wrote. Raises DataError when it is missing, damaged or of another schema."""
        try:
            with path.open("rb") as file:  # a folder would be read as a table of many files
                table = _cast_columns(pq.read_table(file))
            record = parse_json((table.schema.metadata or {}).get(b"manifest", b""))
            properties = ManifestProperties.from_json(record)
            manifest = cls(
                table=_require_values(build_table(table.drop(["boxes"]).to_pandas())),
                kind=properties.kind,
                terms=properties.terms,
                boxes=_read_boxes(table.select(["image", "boxes"])),
                source_issues=properties.source_issues,
                counts=properties.counts,
                unused_columns=properties.unused_columns,
                unknown_labels=properties.unknown_labels,
            )
            manifest.account_for_films()  # raises when the counts are those of other rows
        except FileNotFoundError as error:
            raise DataError(f"there is no {printable(path)}; prepare the dataset again") from error
        except OSError as error:
            raise DataError(
                f"{printable(path)} cannot be read ({error.strerror or error}); allow reading it, or prepare the "
                "dataset again"
            ) from error
        except (KeyError, ValueError, pa.ArrowException, RecordError, DataError) as error:
            raise DataError(
                f"{printable(path)} is no manifest of this program, or of another version of this program ({error}); "
                "prepare the dataset again"
            ) from error
        return manifest


def _cast_columns(table: pa.Table) -> pa.Table:
    """The table with the types of its columns. Raises ArrowException where a column is of another type."""
    texts = dict.fromkeys(TEXT_COLUMNS, pa.string())
    numbers = (*NUMBER_COLUMNS, *list_findings(table.column_names))
    types = {**texts, **dict.fromkeys(numbers, pa.float32()), "boxes": BOX_LISTS}
    fields = [pa.field(kind.name, types.get(kind.name, kind.type)) for kind in table.schema]
    return table.cast(pa.schema(fields, table.schema.metadata))


def _require_values(table: pd.DataFrame) -> pd.DataFrame:
    """The table itself. Raises ValueError for a film without a path or patient, and for a label that is none."""
    for name in ("image", "patient", "status"):
        if table[name].isna().any():
            raise ValueError(f"row {int(table[name].isna().argmax()) + 1} has no {name}")
    for key in list_findings(table.columns):
        if not table[key].isin((0, 1, np.nan)).all():
            raise ValueError(f"a label of {key} is neither 0, 1 nor unknown")
    return table


def _read_boxes(table: pa.Table) -> pd.DataFrame:
    """The list column of a saved manifest as a row per box."""
    lists = table["boxes"].combine_chunks()
    frame = pa.Table.from_struct_array(lists.flatten()).to_pandas()
    images = table["image"].combine_chunks().take(lists.value_parent_indices())
    frame.insert(0, "image", images.to_pandas())
    return frame.astype({"finding": "str", "image": "str"})


def _count_values(values: pd.Series) -> str:
    """How often each value occurs: "5 missing, 2 left out"."""
    return ", ".join(f"{count} {value}" for value, count in values.value_counts().items())


def hash_lines(lines: Iterable[str]) -> str:
    """SHA-256 of the lines, whatever their order."""
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
