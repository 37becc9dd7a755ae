"""What a dataset holds, in numbers: how often each finding is, what goes together, whose films they are.

An unknown label, age, sex or view is counted as unknown, never as the other value.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxr_core.data.age_bands import AGE_BANDS, assign_age_bands
from cxr_core.data.manifest import PARTS, Manifest

UNKNOWN = "unknown"
UNDIVIDED = "undivided"
SEXES = ("F", "M")
VIEWS = ("PA", "AP")
# How many films a patient has, from and to; the last has no end.
FILMS_OF_A_PATIENT = (
    (1, 1),
    (2, 2),
    (3, 3),
    (4, 4),
    (5, 5),
    (6, 10),
    (11, 20),
    (21, 50),
    (51, None),
)
Z95 = 1.959963984540054  # the 97.5 % quantile of the normal distribution


@dataclass(frozen=True, kw_only=True)
class Prevalence:
    """How often one finding is positive in one part.  unknown: films of the part whose label nobody knows."""

    finding: str
    part: str
    positives: int
    known: int
    unknown: int

    @property
    def share(self) -> float:
        """Positives among the films with a known label, in [0, 1]; NaN when there are none."""
        return self.positives / self.known if self.known else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the share."""
        return wilson(self.positives, self.known)


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """Films by level, in each part.  counts: part -> one number per level; the level "unknown" comes last."""

    levels: tuple[str, ...]
    counts: dict[str, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True, eq=False)
class CoOccurrence:
    """Which findings are seen on the same film.

    together: (L, L) films positive for both; the diagonal has all positives of one.
    known: (L, L) films positive for the row's finding whose label for the column's is known.
    """

    findings: tuple[str, ...]
    together: np.ndarray
    known: np.ndarray

    @property
    def share(self) -> np.ndarray:
        """(L, L) share of the row's films that have the column's finding too; NaN when none is known."""
        return np.divide(
            self.together, self.known, out=np.full(self.known.shape, np.nan), where=self.known > 0
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Summary:
    """Everything that the Data page draws.  films_per_patient: patients for each of FILMS_OF_A_PATIENT."""

    films: int
    patients: int
    parts: dict[str, tuple[int, int]]  # films and patients of each part
    prevalence: tuple[Prevalence, ...]
    co_occurrence: CoOccurrence
    ages: Distribution
    sexes: Distribution
    views: Distribution
    films_per_patient: tuple[int, ...]


def summarise(manifest: Manifest) -> Summary:
    """All the numbers at once, over every row of the manifest."""
    table = manifest.table
    part = table["split"].fillna(UNDIVIDED)
    films = part.value_counts()
    patients = table.groupby(part)["patient"].nunique()
    return Summary(
        films=len(table),
        patients=int(table["patient"].nunique()),
        parts={
            name: (int(films[name]), int(patients[name]))
            for name in (*PARTS, UNDIVIDED)
            if name in films
        },
        prevalence=prevalence(manifest),
        co_occurrence=co_occurrence(manifest),
        ages=distribution(part, assign_age_bands(table["age"]), [band.name for band in AGE_BANDS]),
        sexes=distribution(part, table["sex"], SEXES),
        views=distribution(part, table["view"], VIEWS),
        films_per_patient=films_per_patient(table["patient"]),
    )


def prevalence(manifest: Manifest) -> tuple[Prevalence, ...]:
    """One entry per finding and part, in the project's order of findings and the usual one of parts."""
    part = manifest.table["split"].fillna(UNDIVIDED)
    found = []
    for key in manifest.findings:
        by_part = manifest.table[key].groupby(part)
        positives, known, films = by_part.sum(), by_part.count(), by_part.size()
        found += [
            Prevalence(
                finding=key,
                part=name,
                positives=round(float(positives[name])),
                known=int(known[name]),
                unknown=int(films[name] - known[name]),
            )
            for name in (*PARTS, UNDIVIDED)
            if name in films
        ]
    return tuple(found)


def wilson(positives: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share of `positives` among `n`; (0, 1) when n is 0.

    Source: Wilson 1927, J. Am. Stat. Assoc. 22:209, without continuity correction.
    """
    if n == 0:
        return 0.0, 1.0
    share, z2 = positives / n, Z95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def co_occurrence(manifest: Manifest) -> CoOccurrence:
    """Over all parts; see CoOccurrence."""
    labels = manifest.labels(manifest.findings)
    positive, known = (labels == 1).astype(np.float32), (~np.isnan(labels)).astype(np.float32)
    # Counts up to 2^24 are exact in float32.
    together, known_of = positive.T @ positive, positive.T @ known
    return CoOccurrence(
        findings=manifest.findings,
        together=together.astype(np.int64),
        known=known_of.astype(np.int64),
    )


def distribution(part: pd.Series, value: pd.Series, levels: Sequence[str]) -> Distribution:
    """Films by value in each part; what is missing or not among `levels` counts as unknown."""
    every = (*levels, UNKNOWN)
    codes = pd.Categorical(value, categories=list(levels)).codes.astype(np.int64)
    codes[codes < 0] = len(levels)
    found = {}
    for name in (*PARTS, UNDIVIDED):
        here = codes[(part == name).to_numpy()]
        if len(here):
            found[name] = tuple(int(count) for count in np.bincount(here, minlength=len(every)))
    return Distribution(levels=every, counts=found)


def films_per_patient(patient: pd.Series) -> tuple[int, ...]:
    """Patients that have so many films, for each of FILMS_OF_A_PATIENT."""
    films = patient.value_counts().to_numpy()
    return tuple(
        int(((films >= low) & (films <= (high or np.inf))).sum())
        for low, high in FILMS_OF_A_PATIENT
    )
