"""Summarises a dataset: how frequent findings are, which ones occur together, and who the patients are.

An unknown label, age, sex or view is counted as unknown, never as the other value.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cxr_core.data.age_bands import AGE_BANDS
from cxr_core.data.selection import DIMENSIONS, EVERY_FILM, UNKNOWN, FilmIndex, Selection

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
CHARTED_COLUMNS = ("view", "sex", "source", "size")
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
    """Films by level, in each split.  counts: split -> one number per level."""

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

    splits: films and patients of each split.  levels: films by level of view, sex, source and size.
    films_per_patient: patients for each of FILMS_PER_PATIENT.
    """

    films: int
    patients: int
    splits: dict[str, tuple[int, int]]
    prevalence: tuple[Prevalence, ...]
    co_occurrence: CoOccurrence
    ages: LevelCounts
    levels: dict[str, LevelCounts]
    films_per_patient: tuple[int, ...]


def summarise_films(index: FilmIndex, selection: Selection = EVERY_FILM) -> Summary:
    """The numbers of the films that a selection leaves, as charts that filter one another show them.

    The restriction of a dimension does not count for its own numbers, so that a chart keeps its other bars: with one
    split selected, `splits` still has all, and everything else is of that split alone. Splits, levels and findings
    without a film are there with 0. Takes 20 ms of a processor for 112,120 films and 14
    findings.
    """
    masks = {
        dimension: index.match_dimension(selection, dimension)
        for dimension in DIMENSIONS
        if selection.restricts(dimension)
    }

    def match_others(own: str = "") -> np.ndarray:
        fits = np.ones(len(index), dtype=bool)
        for dimension, mask in masks.items():
            if dimension != own:
                fits &= mask
        return fits

    fits, for_findings, for_splits = match_others(), match_others("finding"), match_others("split")
    bands = (*(band.name for band in AGE_BANDS), UNKNOWN)
    return Summary(
        films=int(fits.sum()),
        patients=index.count_patients(np.flatnonzero(fits)),
        splits=count_splits(index, for_splits),
        prevalence=count_prevalence(index, for_findings),
        co_occurrence=count_co_occurrence(index, for_findings),
        ages=count_levels(index, match_others("age"), index.age_band, bands),
        levels={
            column: count_levels(
                index, match_others(column), index.codes[column], index.levels[column]
            )
            for column in CHARTED_COLUMNS
        },
        films_per_patient=count_films_per_patient(index, match_others("films")),
    )


def count_splits(index: FilmIndex, fits: np.ndarray) -> dict[str, tuple[int, int]]:
    """Films and patients of each split of the dataset, among the films that fit."""
    counts = {}
    for code, split in enumerate(index.levels["split"]):
        rows = np.flatnonzero(fits & (index.codes["split"] == code))
        counts[split] = (len(rows), index.count_patients(rows))
    return counts


def count_prevalence(index: FilmIndex, fits: np.ndarray) -> tuple[Prevalence, ...]:
    """One entry per finding and split, in the project's order of findings and the usual one of splits."""
    by_split = {}
    for code, split in enumerate(index.levels["split"]):
        labels = index.labels[fits & (index.codes["split"] == code)]
        by_split[split] = (len(labels), (labels == 1).sum(axis=0), (labels >= 0).sum(axis=0))
    return tuple(
        Prevalence(
            finding=key,
            split=split,
            positives=int(positives[position]),
            known=int(known[position]),
            unknown=films - int(known[position]),
        )
        for position, key in enumerate(index.findings)
        for split, (films, positives, known) in by_split.items()
    )


def wilson_interval(positives: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share of `positives` among `n`; (0, 1) when n is 0.

    Source: Wilson 1927, J. Am. Stat. Assoc. 22:209, without continuity correction.
    """
    if n == 0:
        return 0.0, 1.0
    share, z2 = positives / n, Z95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def count_co_occurrence(index: FilmIndex, fits: np.ndarray) -> CoOccurrence:
    """Over all splits; see CoOccurrence."""
    labels = index.labels[fits]
    positive, known = (labels == 1).astype(np.float32), (labels >= 0).astype(np.float32)
    # Counts up to 2^24 are exact in float32.
    together, known_together = positive.T @ positive, positive.T @ known
    return CoOccurrence(
        findings=index.findings,
        together=together.astype(np.int64),
        known=known_together.astype(np.int64),
    )


def count_levels(
    index: FilmIndex, fits: np.ndarray, codes: np.ndarray, levels: Sequence[str]
) -> LevelCounts:
    """Films by level in each split of the dataset. codes: (N,) the place of each film's value among the levels."""
    counts = {}
    for code, split in enumerate(index.levels["split"]):
        found = codes[fits & (index.codes["split"] == code)]
        counts[split] = tuple(np.bincount(found, minlength=len(levels)).tolist())
    return LevelCounts(levels=tuple(levels), counts=counts)


def count_films_per_patient(index: FilmIndex, fits: np.ndarray) -> tuple[int, ...]:
    """How many patients have so many films in the dataset, for each of FILMS_PER_PATIENT, among the films that fit."""
    _, rows = np.unique(index.patients[fits], return_index=True)
    films = index.films_of_patient[fits][rows]
    counts = []
    for low, high in FILMS_PER_PATIENT:
        counts.append(int(((films >= low) & (films <= (high or np.inf))).sum()))
    return tuple(counts)
