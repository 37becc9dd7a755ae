"""A dataset as the Data page shows it: its tables, figures and charts. Read-only, and without pixels of any film."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from cxr_core.data.checks.decision import Decision
from cxr_core.data.checks.issue import Issue
from cxr_core.data.manifest import Manifest
from cxr_core.data.registry import Dataset
from cxr_core.data.selection import FilmIndex
from cxr_core.data.summary import Summary, summarise_films


@dataclass(frozen=True, kw_only=True)
class FilmFacts:
    """One row of a manifest; None where something is unknown. quality_flags: codes of the film's quality flags."""

    image: str
    patient: str
    source: str
    status: str
    reason: str | None
    split: str | None
    view: str | None
    sex: str | None
    age: float | None
    width: float | None
    height: float | None
    bits: float | None
    quality_flags: tuple[str, ...]

    @classmethod
    def from_row(cls, row: pd.Series) -> Self:
        """Read a row of `Manifest.table`."""
        return cls(
            image=str(row["image"]),
            patient=str(row["patient"]),
            source=str(row["source"]),
            status=str(row["status"]),
            reason=text_or_none(row["reason"]),
            split=text_or_none(row["split"]),
            view=text_or_none(row["view"]),
            sex=text_or_none(row["sex"]),
            age=number_or_none(row["age"]),
            width=number_or_none(row["width"]),
            height=number_or_none(row["height"]),
            bits=number_or_none(row["bits"]),
            quality_flags=tuple(filter(None, (text_or_none(row["concerns"]) or "").split("|"))),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class FilmCollection:
    """Films of a dataset. summary: of all of them.  box_rows: image -> rows of the manifest's boxes."""

    manifest: Manifest
    index: FilmIndex
    summary: Summary
    box_rows: dict[str, np.ndarray]

    @classmethod
    def from_manifest(cls, manifest: Manifest, issues: tuple[Issue, ...]) -> Self:
        """Compute everything once."""
        index = FilmIndex(manifest, issues)
        boxes = manifest.boxes.groupby("image").indices if len(manifest.boxes) else {}
        return cls(
            manifest=manifest,
            index=index,
            summary=summarise_films(index),
            box_rows={str(image): rows for image, rows in boxes.items()},
        )

    def find_image(self, image: str | None) -> int | None:
        """The row of a film; None when the dataset does not list it."""
        (rows,) = np.nonzero((self.manifest.table["image"] == image).to_numpy())
        return int(rows[0]) if len(rows) else None

    def facts_of(self, row: int) -> FilmFacts:
        """What the manifest records about the film in a row."""
        return FilmFacts.from_row(self.manifest.table.iloc[row])

    def images_of(self, rows: Iterable[int]) -> list[str]:
        """The paths of the films in some rows."""
        return [str(image) for image in self.manifest.table["image"].iloc[list(rows)]]


@dataclass(frozen=True, kw_only=True, eq=False)
class DatasetContents:
    """What a dataset holds. usable: the films that may be trained on, None when there are none.  listed: every row.

    decisions: for each issue the decision that applies to it, or None.
    """

    issues: tuple[Issue, ...]
    decisions: tuple[Decision | None, ...]
    usable: FilmCollection | None
    listed: FilmCollection

    @classmethod
    def from_dataset(cls, dataset: Dataset) -> Self:
        """Load a dataset's tables. Raises DataError when they are damaged."""
        manifest, issues = dataset.load_manifest(), dataset.load_issues()
        decisions = tuple(dataset.decision_about(issue) for issue in issues)
        listed = FilmCollection.from_manifest(manifest, issues)
        is_present = manifest.table["status"] == "present"
        usable: FilmCollection | None = None
        if is_present.all():
            usable = listed
        elif is_present.any():
            usable = FilmCollection.from_manifest(manifest.select_usable(), issues)
        return cls(issues=issues, decisions=decisions, usable=usable, listed=listed)

    @property
    def open_blocking_issues(self) -> Sequence[Issue]:
        """Blocking issues without a decision."""
        pairs = zip(self.issues, self.decisions, strict=True)
        return [
            issue for issue, decision in pairs if issue.severity == "blocking" and decision is None
        ]


def text_or_none(value: object) -> str | None:
    """A text of a table; None where it is missing."""
    return value if isinstance(value, str) and value else None


def number_or_none(value: float | None) -> float | None:
    """A number of a table; None where it is missing."""
    if value is None or np.isnan(value):
        return None
    return float(value)
