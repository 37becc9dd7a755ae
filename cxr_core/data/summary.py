"""Summarises a dataset: how frequent findings are, which ones occur together, and who the patients are.

An unknown label, age, sex or view is counted as unknown, never as the other value.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxr_core.data.age_bands import AGE_BANDS, assign_age_bands
from cxr_core.data.manifest import NO_SPLIT, SPLITS, Manifest

UNKNOWN = "unknown"
SEXES = ("F", "M")
VIEWS = ("PA", "AP")
# Numbers of films that a patient has, from and to; the last has no end.
FILMS_PER_PATIENT = (
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
    """How frequent one finding is in one split.  unknown: films of the split without a known label."""

    finding: str
    split: str
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
        return wilson_interval(self.positives, self.known)


@dataclass(frozen=True, kw_only=True)
class LevelCounts:
    """Films by level, in each split.  counts: split -> one number per level; the level "unknown" comes last."""

    levels: tuple[str, ...]
    counts: dict[str, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True, eq=False)
class CoOccurrence:
    """Which findings occur on the same film.

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
    """Everything that the Data page draws.

    splits: films and patients of each split.  films_per_patient: patients for each of FILMS_PER_PATIENT.
    """

    films: int
    patients: int
    splits: dict[str, tuple[int, int]]
    prevalence: tuple[Prevalence, ...]
    co_occurrence: CoOccurrence
    ages: LevelCounts
    sexes: LevelCounts
    views: LevelCounts
    films_per_patient: tuple[int, ...]


def summarise_manifest(manifest: Manifest) -> Summary:
    """All the numbers at once, over every row of the manifest."""
    table = manifest.table
    split = table["split"].fillna(NO_SPLIT)
    films = split.value_counts()
    patients = table.groupby(split)["patient"].nunique()
    splits = {}
    for name in (*SPLITS, NO_SPLIT):
        if name in films:
            splits[name] = (int(films[name]), int(patients[name]))
    age_bands = [band.name for band in AGE_BANDS]
    return Summary(
        films=len(table),
        patients=int(table["patient"].nunique()),
        splits=splits,
        prevalence=count_prevalence(manifest),
        co_occurrence=count_co_occurrence(manifest),
        ages=count_levels(split, assign_age_bands(table["age"]), age_bands),
        sexes=count_levels(split, table["sex"], SEXES),
        views=count_levels(split, table["view"], VIEWS),
        films_per_patient=count_films_per_patient(table["patient"]),
    )


def count_prevalence(manifest: Manifest) -> tuple[Prevalence, ...]:
    """One entry per finding and split, in the project's order of findings and the usual one of splits."""
    split = manifest.table["split"].fillna(NO_SPLIT)
    entries = []
    for key in manifest.findings:
        by_split = manifest.table[key].groupby(split)
        positives, known, films = by_split.sum(), by_split.count(), by_split.size()
        for name in (*SPLITS, NO_SPLIT):
            if name in films:
                entry = Prevalence(
                    finding=key,
                    split=name,
                    positives=round(float(positives[name])),
                    known=int(known[name]),
                    unknown=int(films[name] - known[name]),
                )
                entries.append(entry)
    return tuple(entries)


def wilson_interval(positives: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share of `positives` among `n`; (0, 1) when n is 0.

    Source: Wilson 1927, J. Am. Stat. Assoc. 22:209, without continuity correction.
    """
    if n == 0:
        return 0.0, 1.0
    share, z2 = positives / n, Z95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def count_co_occurrence(manifest: Manifest) -> CoOccurrence:
    """Over all splits; see CoOccurrence."""
    labels = manifest.label_matrix(manifest.findings)
    positive, known = (labels == 1).astype(np.float32), (~np.isnan(labels)).astype(np.float32)
    # Counts up to 2^24 are exact in float32.
    together, known_together = positive.T @ positive, positive.T @ known
    return CoOccurrence(
        findings=manifest.findings,
        together=together.astype(np.int64),
        known=known_together.astype(np.int64),
    )


def count_levels(split: pd.Series, value: pd.Series, levels: Sequence[str]) -> LevelCounts:
    """Films by value in each split; what is missing or not among `levels` counts as unknown."""
    codes = pd.Categorical(value, categories=list(levels)).codes.astype(np.int64)
    codes[codes < 0] = len(levels)
    counts = {}
    for name in (*SPLITS, NO_SPLIT):
        in_split = codes[(split == name).to_numpy()]
        if len(in_split):
            counts[name] = tuple(np.bincount(in_split, minlength=len(levels) + 1).tolist())
    return LevelCounts(levels=(*levels, UNKNOWN), counts=counts)


def count_films_per_patient(patient: pd.Series) -> tuple[int, ...]:
    """How many patients have so many films, for each of FILMS_PER_PATIENT."""
    films = patient.value_counts().to_numpy()
    counts = []
    for low, high in FILMS_PER_PATIENT:
        counts.append(int(((films >= low) & (films <= (high or np.inf))).sum()))
    return tuple(counts)
