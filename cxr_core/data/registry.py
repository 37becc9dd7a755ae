"""Keeps the registered datasets: their folders, the films listed, the issues found and the decisions about them.

<workspace>/datasets/<name>/dataset.json     folders, kind, when prepared, decisions
                            manifest.parquet every film listed, with its properties and status
                            issues.json      what the dataset checks report, with the films concerned
                            report.html, report.json, quarantine.csv
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from cxr_core.data.cache.pixel_cache import PixelCache
from cxr_core.data.checks.decision import Decision, find_decision
from cxr_core.data.checks.issue import Issue
from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError, RecordError
from cxr_core.film.preprocess import InputSpec
from cxr_core.presentation.wording import format_count
from cxr_core.workspace.atomic import finish_replacement
from cxr_core.workspace.json_files import JsonObject, parse_json, read_bounded
from cxr_core.workspace.json_record import JsonRecord, PathText, read_record_file
from cxr_core.workspace.paths import printable, workspace

# What the dataset checks look at, and what pages show as thumbnails: small, the whole film, not equalised.
THUMBNAIL = InputSpec(side=128, channels=1, aspect="pad")

RECORD = "dataset.json"
MANIFEST = "manifest.parquet"
ISSUES_FILE = "issues.json"
QUARANTINE = "quarantine.csv"
REPORT_HTML = "report.html"
REPORT_JSON = "report.json"
SCHEMA: Literal[1] = 1


@dataclass(frozen=True, kw_only=True)
class DatasetRecord(JsonRecord):
    """dataset.json: what a `Dataset` says beside its name and place. own_labels: None in records from before 0.2."""

    KEYS: ClassVar[Mapping[str, str]] = {"decisions": "choices"}
    WRITES_DEFAULTS: ClassVar[bool] = True

    schema: Literal[1] = SCHEMA
    folders: tuple[PathText, ...]
    kind: str
    prepared: str
    decisions: tuple[Decision, ...] = ()
    label_mapping: Mapping[str, str] = field(default_factory=dict)
    own_labels: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One registered dataset, as its folder in the workspace holds it.

    label_mapping: the dataset's own labels -> a finding's key, `ignore` or `no_finding`.  own_labels: those that were
    mapped for this dataset itself; the others follow the datasets that it joins.
    """

    name: str
    folder: Path
    folders: tuple[Path, ...]
    kind: str
    prepared: str  # ISO 8601, UTC
    decisions: tuple[Decision, ...] = ()
    label_mapping: Mapping[str, str] = field(default_factory=dict)
    own_labels: tuple[str, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> "Dataset":
        """Read a dataset's record. Raises DataError when it is missing or damaged."""
        finish_replacement(folder)
        try:
            record = read_record_file(folder / RECORD, DatasetRecord)
        except (OSError, RecordError) as error:
            raise DataError(
                f"{folder} holds no dataset that can be read ({error}); remove it on the Data page, or prepare its "
                f"films again under the name {folder.name}"
            ) from error
        return cls(
            name=folder.name,
            folder=folder,
            folders=tuple(map(Path, record.folders)),
            kind=record.kind,
            prepared=record.prepared,
            decisions=record.decisions,
            label_mapping=record.label_mapping,
            own_labels=tuple(record.label_mapping)
            if record.own_labels is None
            else record.own_labels,
        )

    def to_json(self) -> JsonObject:
        """As dataset.json stores it."""
        record = DatasetRecord(
            folders=tuple(map(str, self.folders)),
            kind=self.kind,
            prepared=self.prepared,
            decisions=self.decisions,
            label_mapping=self.label_mapping,
            own_labels=self.own_labels,
        )
        return record.to_json()

    @property
    def report(self) -> Path:
        """The report of the dataset checks, as a page."""
        return self.folder / REPORT_HTML

    def load_manifest(self) -> Manifest:
        """Every film listed, whatever its status. Takes about 0.3 s for 112,120 rows."""
        return Manifest.load(self.folder / MANIFEST)

    def load_issues(self) -> tuple[Issue, ...]:
        """What the dataset checks report, the most severe first, decided or not."""
        path = self.folder / ISSUES_FILE
        try:
            records = parse_json(read_bounded(path))
            if not isinstance(records, list):
                raise RecordError("it holds no list of issues")
            return tuple(map(Issue.from_json, records))
        except (OSError, RecordError) as error:
            raise DataError(
                f"{path} cannot be read ({error}); prepare {self.name} again"
            ) from error

    def decision_about(self, issue: Issue) -> Decision | None:
        """The decision that applies to an issue, if there is one."""
        return find_decision(self.decisions, issue)

    def open_blocking_issues(self) -> tuple[Issue, ...]:
        """Blocking issues without a decision. Training is stopped while there are any."""
        return tuple(
            issue
            for issue in self.load_issues()
            if issue.severity == "blocking" and self.decision_about(issue) is None
        )

    def require_sound(self) -> None:
        """Raises DataError while a blocking issue is open; the message says how to decide."""
        issues = self.open_blocking_issues()
        if not issues:
            return
        reasons = "; ".join(f"{issue.code}: {issue.message}" for issue in issues)
        raise DataError(
            f"{self.name} is stopped by {format_count(len(issues), 'blocking issues')}. {reasons} "
            f"Read {self.report}, then correct the data or decide: python -m train.prepare --data {self.name} "
            f"--exclude {issues[0].code} (or --accept {issues[0].code})"
        )

    def load_thumbnails(self, images: Sequence[str]) -> np.ndarray:
        """(n, 128, 128) uint8, the films padded to squares, in the order of `images` (values of the image column).

        Black for a film that is missing or unreadable. Raises DataError when the cache is damaged or knows no film.
        """
        cache = PixelCache(THUMBNAIL)
        rows = cache.load_entries(list(map(Path, images)))["row"].to_numpy()
        if cache.index.count_rows() == 0:
            raise DataError(
                f"{cache.folder} holds no decoded film any more; prepare {self.name} again, which makes it anew"
            )
        thumbnails = np.zeros((len(images), THUMBNAIL.side, THUMBNAIL.side), np.uint8)
        decoded = rows >= 0
        thumbnails[decoded] = cache.open_grids()[rows[decoded]]
        return thumbnails


def list_datasets() -> list[Dataset]:
    """Every registered dataset whose record can be read, by name."""
    return [dataset for dataset in _load_records().values() if dataset is not None]


def list_damaged_folders() -> list[Path]:
    """The folders of datasets whose record cannot be read; their names stay taken until they are removed."""
    return [folder for folder, dataset in _load_records().items() if dataset is None]


def _load_records() -> dict[Path, Dataset | None]:
    """Each dataset's folder, and the dataset; None for one whose record is missing or damaged."""
    datasets: dict[Path, Dataset | None] = {}
    for folder in sorted(datasets_folder().glob("[!.]*/")):
        try:
            datasets[folder] = Dataset.load(folder)
        except DataError:
            if any(folder.glob("[!.]*")):  # else it is about to be written
                datasets[folder] = None
    return datasets


def find_dataset(name: str) -> Dataset:
    """A registered dataset by name. Raises DataError that lists the registered names."""
    name = unicodedata.normalize("NFC", name)
    folder = datasets_folder() / name
    if re.fullmatch(r"[\w.+-]+", name) and (folder / RECORD).is_file():
        return Dataset.load(folder)
    known = ", ".join(dataset.name for dataset in list_datasets()) or "none"
    raise DataError(f"{name} is neither a folder nor a registered dataset; registered: {known}")


def recorded_mapping(folders: Sequence[Path]) -> dict[str, str]:
    """The mapping of labels on record for these folders: their dataset's, then those of datasets that they join.

    Raises DataError when two of the latter map a label to different findings, and the former does not decide.
    """
    own = own_mapping(folders)
    mapping = dict(own)
    for dataset in list_datasets():
        if not set(dataset.folders) < set(folders):
            continue
        for label, target in dataset.label_mapping.items():
            if mapping.setdefault(label, target) != target and label not in own:
                raise DataError(
                    f"the datasets given together map {printable(label)} to {mapping[label]} and, in {dataset.name}, "
                    f"to {target}; map it alike in both"
                )
    return mapping


def own_mapping(folders: Sequence[Path]) -> dict[str, str]:
    """What was mapped for the dataset of exactly these folders itself, without what it has from those that it joins."""
    mapping: dict[str, str] = {}
    for dataset in list_datasets():
        if set(dataset.folders) == set(folders):
            mapping |= {
                label: target
                for label, target in dataset.label_mapping.items()
                if label in dataset.own_labels
            }
    return mapping


def choose_folder(folders: Sequence[Path], name: str | None) -> Path:
    """Where a dataset of these folders is registered or will be: under the given name, else one made of theirs.

    A given name whose record is damaged may be taken over. Raises DataError when the name belongs to other folders.
    """
    if name is not None:
        name = unicodedata.normalize("NFC", name)  # a Mac writes ö as two characters
    datasets = list_datasets()
    for dataset in datasets:
        if set(dataset.folders) == set(folders) and name in (None, dataset.name):
            return dataset.folder
    if name is None:
        return datasets_folder() / _free_name(folders, datasets)
    if not re.fullmatch(r"\w[\w.+-]{0,79}", name):
        raise DataError(f"a dataset cannot be named {name!r}; use letters, digits, dots, + and -")
    for dataset in datasets:
        if dataset.name == name:
            owners = ", ".join(map(str, dataset.folders))
            raise DataError(
                f"the name {name} belongs to {owners}; choose another name, or remove that dataset first"
            )
    return datasets_folder() / name


def _free_name(folders: Sequence[Path], datasets: Sequence[Dataset]) -> str:
    """A name made of the folders' own, with a number when it is taken."""
    joined = unicodedata.normalize("NFC", "+".join(folder.name for folder in folders))
    base = re.sub(r"[^\w.+-]+", "-", joined).strip("-.+")[:60] or "dataset"
    taken = {dataset.name for dataset in datasets}
    taken |= {folder.name for folder in list_damaged_folders()}
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    return name


def datasets_folder() -> Path:
    """The folder of all registered datasets."""
    return workspace() / "datasets"
