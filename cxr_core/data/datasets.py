"""Datasets that are registered: read, decoded once, doctored, with every choice about them on record.

    <workspace>/datasets/<name>/dataset.json     folders, kind, when prepared, choices
                                manifest.parquet every film listed, with its facts and status
                                issues.json      what the doctor found, with the films concerned
                                report.html, report.json, quarantine.csv
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from cxr_core.data.issue import Issue
from cxr_core.data.manifest import Manifest
from cxr_core.film.preprocess import InputSpec

# What the doctor looks at, and what pages show as thumbnails: small, the whole film, nothing equalised.
THUMBNAIL = InputSpec(side=128, channels=1, aspect="pad")

Resolution = Literal["accept", "exclude"]
# stage ("reading tables", "decoding", "examining"), done, total; raise Cancelled from it to stop: what was done is kept
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What somebody decided about an issue. It holds while the issue concerns the same films."""

    code: str
    choice: Resolution
    note: str
    when: str  # ISO 8601, UTC
    count: int
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One registered dataset, as it lies in its folder under the workspace."""

    name: str
    folder: Path
    folders: tuple[Path, ...]
    kind: str
    prepared: str  # ISO 8601, UTC
    choices: tuple[Choice, ...] = ()

    @property
    def report(self) -> Path:
        """The doctor's report, as a page."""
        raise NotImplementedError

    def manifest(self) -> Manifest:
        """Every film listed, whatever its status. About 0.3 s for 112,120 rows."""
        raise NotImplementedError

    def issues(self) -> tuple[Issue, ...]:
        """What the doctor found, the worst first, chosen about or not."""
        raise NotImplementedError

    def choice_about(self, issue: Issue) -> Choice | None:
        """The choice that holds for an issue, if any."""
        raise NotImplementedError

    def blocking(self) -> tuple[Issue, ...]:
        """Blocking issues that nobody has chosen about. Training stops while there are any."""
        raise NotImplementedError

    def thumbnails(self, images: Sequence[str]) -> np.ndarray:
        """(n, 128, 128) uint8, the films padded to squares, in the order of `images` (values of the image column).

        Black for a film that is missing or unreadable.
        """
        raise NotImplementedError


def registered() -> list[Dataset]:
    """Every dataset that is prepared, by name."""
    raise NotImplementedError


def prepare(
    folders: Sequence[Path],
    *,
    progress: Progress,
    kind: str | None = None,
    name: str | None = None,
    choices: Sequence[tuple[str, Resolution]] = (),
    note: str = "",
) -> Dataset:
    """Read, decode, doctor and register the dataset in these folders, again if it is registered already.

    Raises DataError with a sentence; what was registered before is then intact.
    """
    raise NotImplementedError


def choose(dataset: Dataset, code: str, choice: Resolution, note: str = "") -> Dataset:
    """Record a choice about an issue; excluded films are left out from then on. Raises DataError for a wrong code."""
    raise NotImplementedError


def withdraw(dataset: Dataset, code: str) -> Dataset:
    """Take a choice back."""
    raise NotImplementedError


def forget(dataset: Dataset) -> None:
    """Remove a dataset from the register, with its report; the films themselves are never touched."""
    raise NotImplementedError
