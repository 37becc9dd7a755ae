"""A dataset as one table: a row per film, a column per fact, unknown as missing. Saved as Parquet.

image    path of the file, unique                       status  "present", "missing", "unreadable" or "excluded"
patient  who it shows, unique within the manifest       reason  why it is unreadable or excluded
split    "train", "val", "test", or missing: undivided  sha256  of the decoded pixels, once the film has been decoded
source   the folder it came from                        width, height, bits  of the decoded film
view     "PA", "AP" or missing                          concerns  what to distrust about it: codes joined by "|"
age      years                                          <finding key>  1, 0 or NaN (unknown is not negative)
sex      "F", "M" or missing

Boxes lie beside the table, a row per box, in fractions of the film's width and height.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cxr_core.data.checks.issue import Issue
from cxr_core.errors import DataError
from cxr_core.findings import FINDINGS
from cxr_core.workspace.atomic import atomic_file

PARTS = ("train", "val", "test")
STATUSES = ("present", "missing", "unreadable", "excluded")
TEXTS = (
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
NUMBERS = ("age", "width", "height", "bits")
FACTS = (*TEXTS[:5], "age", "sex", *TEXTS[6:9], "width", "height", "bits", "concerns")
REQUIRED = ("image", "patient", "split", "source")
BOX = ("image", "finding", "left", "top", "width", "height")
SCHEMA = 1


def as_table(columns: Mapping[str, Any]) -> pd.DataFrame:
    """Columns as a manifest's table: those that are left out are unknown, every type is the schema's.

    Raises DataError when a required column is missing or a path occurs twice.
    """
    lacking = [name for name in REQUIRED if name not in columns]
    if lacking:
        raise DataError(f"a manifest needs the columns {', '.join(lacking)}")
    table = pd.DataFrame(dict(columns))
    if "status" not in table:
        table["status"] = "present"
    for name in TEXTS:
        table[name] = (
            table[name].astype("str")
            if name in table
            else pd.Series(None, table.index, dtype="str")
        )
    for name in NUMBERS:
        table[name] = (
            pd.to_numeric(table[name]).astype(np.float32) if name in table else np.float32(np.nan)
        )
    findings = [key for key in FINDINGS if key in table]
    table[findings] = table[findings].astype(np.float32)
    if table["image"].duplicated().any():
        raise DataError(
            f"{table.loc[table['image'].duplicated(), 'image'].iloc[0]} occurs twice in the manifest"
        )
    return table[[*FACTS, *findings]].reset_index(drop=True)


def no_boxes() -> pd.DataFrame:
    """A table of boxes without any."""
    return pd.DataFrame(
        {name: pd.Series(dtype="str" if name in BOX[:2] else np.float32) for name in BOX}
    )


@dataclass(frozen=True, eq=False)
class Manifest:
    """The films of one or several folders.

    terms: what the data's licence asks of its users.  boxes: image, finding, left, top, width, height, the last four
    in [0, 1] of the film.  noticed: what the source saw while it read its tables, for the doctor.
    """

    table: pd.DataFrame
    kind: str
    terms: str
    boxes: pd.DataFrame = field(default_factory=no_boxes)
    noticed: tuple[Issue, ...] = ()

    def __post_init__(self) -> None:
        lacking = set(FACTS) - set(self.table.columns)
        if lacking:
            raise DataError(f"a manifest needs the columns {', '.join(sorted(lacking))}")
        if self.table.empty:
            raise DataError(
                "no film was found in the folders given; expected PNG, JPEG or DICOM files"
            )

    @property
    def findings(self) -> tuple[str, ...]:
        """The findings that have a column, in the project's order."""
        return tuple(key for key in FINDINGS if key in self.table.columns)

    @property
    def paths(self) -> list[Path]:
        """The files, in the table's order."""
        return [Path(image) for image in self.table["image"]]

    @property
    def names(self) -> pd.Series:
        """The files' names without their folders."""
        return self.table["image"].str.rsplit("/", n=1).str[-1]

    def with_table(self, table: pd.DataFrame) -> "Manifest":
        """The same dataset with other rows. Raises DataError when none is left."""
        return replace(self, table=table.reset_index(drop=True))

    def usable(self) -> "Manifest":
        """The films whose files are there, readable and not excluded. Raises DataError when there are none."""
        rows = self.table[self.table["status"] == "present"]
        if rows.empty:
            counts = ", ".join(
                f"{count} {status}" for status, count in self.table["status"].value_counts().items()
            )
            raise DataError(f"no film of the {len(self.table)} listed can be used: {counts}")
        return self.with_table(rows)

    def part(self, split: str) -> "Manifest":
        """The films of one part. Raises DataError when there are none."""
        rows = self.table[self.table["split"] == split]
        if rows.empty:
            there = (
                ", ".join(sorted(self.table["split"].dropna().unique()))
                or "none: it has not been divided"
            )
            raise DataError(f"the data has no part {split!r}; it has {there}")
        return self.with_table(rows)

    def within(self, age_min: int | None, age_max: int | None) -> "Manifest":
        """The films of patients of these ages; an unknown age stays."""
        age = self.table["age"]
        outside = (age < (age_min or 0)) | (age >= (np.inf if age_max is None else age_max + 1))
        return self.with_table(self.table[~outside])

    def labels(self, findings: tuple[str, ...]) -> np.ndarray:
        """(N, L) float32: 1, 0 or NaN. Raises DataError for a finding without a column."""
        lacking = [key for key in findings if key not in self.table.columns]
        if lacking:
            raise DataError(
                f"the data has no labels for {', '.join(lacking)}; it has {', '.join(self.findings)}"
            )
        return self.table[list(findings)].to_numpy(np.float32, copy=True)

    def counts(self, findings: tuple[str, ...] | None = None) -> dict[str, dict[str, Any]]:
        """Films, patients and positives of each part; films that are not divided count as "undivided"."""
        chosen = [key for key in findings or self.findings if key in self.table.columns]
        found = {}
        for part, rows in self.table.groupby(self.table["split"].fillna("undivided"), sort=False):
            found[str(part)] = {
                "films": len(rows),
                "patients": int(rows["patient"].nunique()),
                "positives": {key: int((rows[key] == 1).sum()) for key in chosen},
            }
        return {part: found[part] for part in (*PARTS, "undivided") if part in found}

    def split_sha256(self) -> str:
        """A hash of which films lie in which part, whatever their order or folder."""
        rows = zip(self.table["split"].fillna(""), self.table["patient"], self.names, strict=True)
        return _hash_of(f"{split}/{patient}/{name}" for split, patient, name in rows)

    def data_sha256(self) -> str:
        """A hash of the films' pixels, whatever their order, names, containers or parts.

        Raises DataError when they have not all been decoded.
        """
        if self.table["sha256"].isna().any():
            raise DataError(
                "the films have not been decoded yet; prepare the dataset first (python -m train.prepare)"
            )
        return _hash_of(self.table["sha256"])

    def save(self, path: Path) -> None:
        """Write it as one Parquet file, the boxes as a list in each row; visible only once it is whole."""
        table = pa.Table.from_pandas(self.table, preserve_index=False)
        boxes = {
            image: [
                dict(zip(BOX[1:], box, strict=True))
                for box in rows[list(BOX[1:])].itertuples(index=False)
            ]
            for image, rows in self.boxes.groupby("image", sort=False)
        }
        form = pa.list_(
            pa.struct([("finding", pa.string()), *((name, pa.float32()) for name in BOX[2:])])
        )
        table = table.append_column(
            "boxes", pa.array([boxes.get(image, []) for image in self.table["image"]], form)
        )
        noticed = [asdict(issue) for issue in self.noticed]
        facts = {"schema": SCHEMA, "kind": self.kind, "terms": self.terms, "noticed": noticed}
        table = table.replace_schema_metadata(
            {**(table.schema.metadata or {}), b"manifest": json.dumps(facts)}
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as draft:
            pq.write_table(table, draft, compression="zstd")

    @classmethod
    def load(cls, path: Path) -> "Manifest":
        """Read what `save` wrote. Raises DataError when it is missing, damaged or of another schema."""
        try:
            table = pq.read_table(path)
            facts = json.loads((table.schema.metadata or {})[b"manifest"])
        except (OSError, KeyError, ValueError, pa.ArrowException) as error:
            raise DataError(
                f"{path} is no manifest of this program; prepare the dataset again"
            ) from error
        if facts["schema"] != SCHEMA:
            raise DataError(
                f"{path} has schema {facts['schema']}, not {SCHEMA}; prepare the dataset again"
            )
        noticed = tuple(Issue.from_record(each) for each in facts["noticed"])
        boxes = _boxes(table.select(["image", "boxes"]))
        return cls(
            as_table(table.drop(["boxes"]).to_pandas()),
            facts["kind"],
            facts["terms"],
            boxes,
            noticed,
        )


def _boxes(table: pa.Table) -> pd.DataFrame:
    """The list column of a saved manifest as a row per box."""
    lists = table["boxes"].combine_chunks()
    frame = pa.Table.from_struct_array(lists.flatten()).to_pandas()
    frame.insert(
        0, "image", table["image"].combine_chunks().take(lists.value_parent_indices()).to_pandas()
    )
    return frame.astype({"finding": "str", "image": "str"})


def _hash_of(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
