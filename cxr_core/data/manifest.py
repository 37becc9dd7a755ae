"""A dataset as one table: a row per film, a column per fact, unknown as NaN.

image    path of the file                        age    years or NaN
patient  who it shows, unique within the manifest  sex    "F", "M" or None
split    "train", "val" or "test"                view   "PA", "AP" or None
source   the folder it came from                 <finding key>  1, 0 or NaN (unknown is not negative)
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxr_core.errors import DataError
from cxr_core.findings import FINDINGS

FACTS = ("image", "patient", "split", "source", "view", "age", "sex")


@dataclass(frozen=True, eq=False)
class Manifest:
    """The films of one or several folders. terms: what the data's licence asks of its users."""

    table: pd.DataFrame
    kind: str
    terms: str

    def __post_init__(self) -> None:
        missing = set(FACTS) - set(self.table.columns)
        if missing:
            raise DataError(f"a manifest needs the columns {', '.join(sorted(missing))}")
        if self.table.empty:
            raise DataError("no film was found in the folders given; expected PNG or JPEG files that the tables name")

    @property
    def findings(self) -> tuple[str, ...]:
        """The findings that have a column, in the project's order."""
        return tuple(key for key in FINDINGS if key in self.table.columns)

    def part(self, split: str) -> "Manifest":
        """The films of one part. Raises DataError when there are none."""
        rows = self.table[self.table["split"] == split].reset_index(drop=True)
        if rows.empty:
            there = ", ".join(sorted(self.table["split"].unique()))
            raise DataError(f"the data has no part {split!r}; it has {there}")
        return Manifest(rows, self.kind, self.terms)

    def within(self, age_min: int | None, age_max: int | None) -> "Manifest":
        """The films of patients of these ages; an unknown age stays."""
        age = self.table["age"]
        outside = (age < (age_min or 0)) | (age >= (np.inf if age_max is None else age_max + 1))
        return Manifest(self.table[~outside].reset_index(drop=True), self.kind, self.terms)

    def labels(self, findings: tuple[str, ...]) -> np.ndarray:
        """(N, L) float32: 1, 0 or NaN. Raises DataError for a finding without a column."""
        missing = [key for key in findings if key not in self.table.columns]
        if missing:
            raise DataError(f"the data has no labels for {', '.join(missing)}; it has {', '.join(self.findings)}")
        return self.table[list(findings)].to_numpy(np.float32)

    def split_sha256(self) -> str:
        """A hash of which films lie in which part, whatever their order or folder."""
        names = self.table["image"].map(lambda path: path.name)
        rows = zip(self.table["split"], self.table["patient"], names, strict=True)
        return _hash_of(f"{split}/{patient}/{name}" for split, patient, name in rows)

    def data_sha256(self) -> str:
        """A hash of the films' files themselves, whatever their order, names or parts."""
        return _hash_of(hashlib.sha256(path.read_bytes()).hexdigest() for path in self.table["image"])


def _hash_of(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
