"""Datasets that are registered: read, decoded once, doctored, with every choice about them on record.

<workspace>/datasets/<name>/dataset.json     folders, kind, when prepared, choices
                            manifest.parquet every film listed, with its facts and status
                            issues.json      what the doctor found, with the films concerned
                            report.html, report.json, quarantine.csv
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cxr_core.data.cache.pixel_cache import PixelCache
from cxr_core.data.checks.decision import Choice, fingerprint
from cxr_core.data.checks.issue import Issue
from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError
from cxr_core.film.preprocess import InputSpec
from cxr_core.findings import FINDINGS
from cxr_core.workspace.paths import workspace

# What the doctor looks at, and what pages show as thumbnails: small, the whole film, nothing equalised.
THUMBNAIL = InputSpec(side=128, channels=1, aspect="pad")

RECORD, MANIFEST, ISSUES_FILE, QUARANTINE = (
    "dataset.json",
    "manifest.parquet",
    "issues.json",
    "quarantine.csv",
)
REPORT_HTML, REPORT_JSON = "report.html", "report.json"
SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One registered dataset, as it lies in its folder under the workspace."""

    name: str
    folder: Path
    folders: tuple[Path, ...]
    kind: str
    prepared: str  # ISO 8601, UTC
    choices: tuple[Choice, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> "Dataset":
        """Read a dataset's record. Raises DataError when it is missing or damaged."""
        try:
            record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
            if record["schema"] != SCHEMA:
                raise ValueError(f"schema {record['schema']}")
            return cls(
                name=folder.name,
                folder=folder,
                folders=tuple(Path(each) for each in record["folders"]),
                kind=record["kind"],
                prepared=record["prepared"],
                choices=tuple(Choice(**each) for each in record["choices"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{folder} holds no dataset that can be read ({error}); forget it on the Data page, or prepare its "
                f"films again under the name {folder.name}"
            ) from error

    @property
    def report(self) -> Path:
        """The doctor's report, as a page."""
        return self.folder / REPORT_HTML

    def manifest(self) -> Manifest:
        """Every film listed, whatever its status. About 0.3 s for 112,120 rows."""
        return Manifest.load(self.folder / MANIFEST)

    def findings(self) -> tuple[str, ...]:
        """The findings that it has labels of, told without reading a row. Raises DataError as `manifest` would."""
        try:
            columns = set(pq.read_schema(self.folder / MANIFEST).names)
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(
                f"{self.folder / MANIFEST} cannot be read; prepare {self.name} again"
            ) from error
        return tuple(key for key in FINDINGS if key in columns)

    def issues(self) -> tuple[Issue, ...]:
        """What the doctor found, the worst first, chosen about or not."""
        try:
            found = json.loads((self.folder / ISSUES_FILE).read_text(encoding="utf-8"))
            return tuple(Issue.from_record(each) for each in found)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{self.folder / ISSUES_FILE} cannot be read; prepare {self.name} again"
            ) from error

    def choice_about(self, issue: Issue) -> Choice | None:
        """The choice that holds for an issue, if any."""
        sought = fingerprint(issue)
        return next((choice for choice in self.choices if choice.fingerprint == sought), None)

    def blocking(self) -> tuple[Issue, ...]:
        """Blocking issues that nobody has chosen about. Training stops while there are any."""
        return tuple(
            issue
            for issue in self.issues()
            if issue.severity == "blocking" and self.choice_about(issue) is None
        )

    def require_sound(self) -> None:
        """Raises DataError while a blocking issue is open; the sentence says how to choose."""
        stopped = self.blocking()
        if stopped:
            found = "; ".join(f"{issue.code}: {issue.message}" for issue in stopped)
            raise DataError(
                f"{self.name} is stopped by {len(stopped)} blocking finding{'s' if len(stopped) > 1 else ''}. {found} "
                f"Read {self.report}, then mend the data or choose: python -m train.prepare --data {self.name} "
                f"--exclude {stopped[0].code} (or --accept {stopped[0].code})"
            )

    def thumbnails(self, images: Sequence[str]) -> np.ndarray:
        """(n, 128, 128) uint8, the films padded to squares, in the order of `images` (values of the image column).

        Black for a film that is missing or unreadable.
        """
        cache = PixelCache(THUMBNAIL)
        rows = cache.entries([Path(image) for image in images])["row"].to_numpy()
        shown = np.zeros((len(images), THUMBNAIL.side, THUMBNAIL.side), np.uint8)
        shown[rows >= 0] = cache.grids()[rows[rows >= 0]]
        return shown

    def to_record(self) -> dict[str, Any]:
        """What dataset.json holds."""
        return {
            "schema": SCHEMA,
            "folders": [str(folder) for folder in self.folders],
            "kind": self.kind,
            "prepared": self.prepared,
            "choices": [choice.__dict__ for choice in self.choices],
        }


def registered() -> list[Dataset]:
    """Every dataset that is prepared and whose record can be read, by name."""
    return [found for found in _looked_at().values() if found is not None]


def damaged() -> list[Path]:
    """The folders of datasets whose record cannot be read; they keep their names until they are forgotten."""
    return [folder for folder, found in _looked_at().items() if found is None]


def _looked_at() -> dict[Path, Dataset | None]:
    found: dict[Path, Dataset | None] = {}
    for record in sorted(register().glob(f"*/{RECORD}")):
        try:
            found[record.parent] = Dataset.load(record.parent)
        except DataError as error:
            if not isinstance(error.__cause__, FileNotFoundError):  # forgotten meanwhile
                found[record.parent] = None
    return found


def find(name: str) -> Dataset:
    """A registered dataset. Raises DataError that lists the names there are."""
    folder = register() / name
    if re.fullmatch(r"[\w.+-]+", name) and (folder / RECORD).is_file():
        return Dataset.load(folder)
    known = ", ".join(dataset.name for dataset in registered()) or "none"
    raise DataError(f"{name} is neither a folder nor a registered dataset; registered: {known}")


def folder_for(folders: Sequence[Path], name: str | None) -> Path:
    """Where a dataset of these folders is registered, or is to be: the name asked for, else one made of theirs.

    A name whose record is damaged is free for who asks for it by name. Raises DataError when a name belongs to other
    folders.
    """
    there = registered()
    for dataset in there:
        if set(dataset.folders) == set(folders) and name in (None, dataset.name):
            return dataset.folder
    if name is not None:
        if not re.fullmatch(r"\w[\w.+-]{0,79}", name):
            raise DataError(
                f"a dataset cannot be named {name!r}; use letters, digits, dots, + and -"
            )
        if other := next((dataset for dataset in there if dataset.name == name), None):
            films = ", ".join(map(str, other.folders))
            raise DataError(
                f"the name {name} belongs to {films}; choose another name, or forget that dataset first"
            )
        return register() / name
    made = (
        re.sub(r"[^\w.+-]+", "-", "+".join(folder.name for folder in folders)).strip("-.+")[:60]
        or "dataset"
    )
    taken = {*(dataset.name for dataset in there), *(folder.name for folder in damaged())}
    free = next(
        each
        for each in (made, *(f"{made}-{number}" for number in range(2, 10**6)))
        if each not in taken
    )
    return register() / free


def register() -> Path:
    """The folder of all registered datasets."""
    return workspace() / "datasets"
