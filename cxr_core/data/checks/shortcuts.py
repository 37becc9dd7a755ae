"""What a model could learn instead of the finding: views, ages, sexes, sources and sizes that go with a label.

Every group of films (AP, men, a source …) is held against the rest for every finding, by an odds ratio whose interval
knows that a patient's films are not independent. As many comparisons find something by chance, an interval that
decides is widened for all of them together (Bonferroni), and the whole of it must lie beyond BAND.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from cxr_core.data.checks.issue import Issue, counted
from cxr_core.data.checks.odds_ratio import OddsRatio, odds_ratio
from cxr_core.data.manifest import Manifest
from cxr_core.findings import FINDINGS

CONFIDENCE = 0.95
# Reported beyond 1.25 or 1/1.25. A cue of that strength, shared by half of the films, tells sick from well with an
# AUROC of 0.53 at the most; what is weaker is not worth learning, nor worth a warning.
BAND = 1.25
# More sizes, or more sources, than these are not told apart one by one.
MOST_SIZES = 8
MOST_SOURCES = 20
NAMED = 3


@dataclass(frozen=True, eq=False)
class Comparison:
    """A group of films and what it is held against. inside: (N,) float32, 1, 0, or NaN for films of neither."""

    code: str
    group: str
    rest: str
    inside: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Association:
    """How strongly one finding goes with one group of films. strong: beyond BAND, all comparisons considered."""

    code: str
    group: str
    rest: str
    finding: str
    odds: OddsRatio
    strong: bool

    def __str__(self) -> str:
        """AP films have 3.27 times the odds of consolidation (3.00 to 3.56)."""
        return f"{self.group} have {self.ratio()}"

    def ratio(self) -> str:
        """3.27 times the odds of consolidation (3.00 to 3.56)."""
        return f"{times(self.odds.value)} times the odds of {self._name} ({self._interval})"

    def line(self) -> str:
        """consolidation: 3.27 (3.00 to 3.56), AP films."""
        return f"{self._name}: {times(self.odds.value)} ({self._interval}), {self.group}"

    @property
    def _name(self) -> str:
        return FINDINGS[self.finding].name.lower()

    @property
    def _interval(self) -> str:
        low, high = self.odds.interval(CONFIDENCE)
        return f"{times(low)} to {times(high)}"


def shortcuts(films: Manifest) -> Iterator[Issue]:
    """One issue for each kind of group that goes with a label, naming the strongest findings."""
    found = associations(films)
    yield from _both_views(films, found)
    for code in dict.fromkeys(association.code for association in found):
        strongest = _of_each_finding([each for each in found if each.code == code and each.strong])
        if strongest:
            yield Issue(
                code=code,
                message=_sentence(strongest),
                count=len(strongest),
                examples=tuple(each.line() for each in strongest),
            )


def associations(films: Manifest) -> tuple[Association, ...]:
    """Every finding held against every group of films, reported or not.

    Findings without a positive or without a negative film, and groups of a single patient, are left out.
    """
    patient = pd.factorize(films.table["patient"])[0]
    labels = films.labels(films.findings).T  # (L, N)
    found = [
        (comparison, finding, odds)
        for comparison in _comparisons(films.table)
        for finding, label in zip(films.findings, labels, strict=True)
        if (odds := odds_ratio(label, comparison.inside, patient)) is not None
    ]
    confidence = 1 - (1 - CONFIDENCE) / max(1, len(found))
    return tuple(
        Association(
            code=comparison.code,
            group=comparison.group,
            rest=comparison.rest,
            finding=finding,
            odds=odds,
            strong=odds.nearest(confidence) > BAND,
        )
        for comparison, finding, odds in found
    )


def times(ratio: float) -> str:
    """A ratio with about three figures; what is too far from 1 to be told exactly is cut off."""
    if ratio > 1000:
        return "more than 1,000"
    if ratio < 0.001:
        return "less than 0.001"
    digits = 0 if ratio >= 100 else 1 if ratio >= 10 else 2 if ratio >= 0.1 else 3
    return f"{ratio:.{digits}f}"


def _comparisons(table: pd.DataFrame) -> Iterator[Comparison]:
    yield _against(
        table["split"], "prevalence_shift", "test", "train", "test films", "training films"
    )
    yield _against(table["view"], "view_with_label", "AP", "PA", "AP films", "PA films")
    yield _against(table["sex"], "sex_with_label", "M", "F", "films of men", "films of women")
    age = table["age"]
    middle = age.median()
    group, rest = (
        f"films of patients over {middle:g} years",
        f"films of patients up to {middle:g} years",
    )
    yield Comparison("age_with_label", group, rest, _membership(age > middle, age))
    yield from _each(table["source"], "source_with_label", "films from {}", MOST_SOURCES)
    yield from _each(table["bits"], "bits_with_label", "films of {:g} bits", MOST_SOURCES)
    yield from _sizes(table)


def _sizes(table: pd.DataFrame) -> Iterator[Comparison]:
    """Each size against the others; where there are many, films with more pixels than the median against the rest."""
    pixels = table["width"] * table["height"]
    size = table["width"] * 2**16 + table["height"]  # one number for each pair
    if size.nunique() <= MOST_SIZES:
        names = {key: f"{key // 2**16:.0f} × {key % 2**16:.0f}" for key in size.dropna().unique()}
        yield from _each(size.map(names), "resolution_with_label", "films of {} px", MOST_SIZES)
        return
    middle = pixels.median()
    group = f"films of more than {middle / 1e6:.2g} million pixels"
    yield Comparison(
        "resolution_with_label", group, "smaller films", _membership(pixels > middle, pixels)
    )


def _each(values: pd.Series, code: str, group: str, most: int) -> Iterator[Comparison]:
    """Each of the most frequent values against all others; of two values the rarer one alone, as they mirror."""
    counts = values.value_counts()
    for value in (
        counts.index[1:2] if len(counts) == 2 else counts.index[:most] if len(counts) > 2 else ()
    ):
        rest = group.format(counts.index[0]) if len(counts) == 2 else "all others"
        yield Comparison(code, group.format(value), rest, _membership(values == value, values))


def _against(
    values: pd.Series, code: str, group: str, rest: str, group_name: str, rest_name: str
) -> Comparison:
    return Comparison(
        code,
        group_name,
        rest_name,
        _membership(values == group, values.where(values.isin([group, rest]))),
    )


def _membership(inside: pd.Series, known: pd.Series) -> np.ndarray:
    """(N,) float32: 1 inside, 0 outside, NaN where what decides it is not known."""
    return np.where(known.notna(), inside.fillna(False).astype(bool), np.nan).astype(np.float32)


def _both_views(films: Manifest, found: Sequence[Association]) -> Iterator[Issue]:
    """A note that films of both views are there, with the odds ratios of the first findings, however weak."""
    counts = films.table["view"].value_counts()
    if not {"PA", "AP"} <= set(counts.index):
        return
    of_view = [association for association in found if association.code == "view_with_label"]
    message = f"{counts['PA']:,} PA and {counts['AP']:,} AP. {_sentence(of_view) if of_view else ''}".strip()
    count = int(counts["PA"] + counts["AP"])
    yield Issue(
        code="mixed_views",
        message=message,
        count=count,
        examples=tuple(each.line() for each in of_view),
    )


def _of_each_finding(found: Sequence[Association]) -> list[Association]:
    """Of each finding the association that lies furthest from 1, by its interval's near end; the furthest first."""
    strongest: dict[str, Association] = {}
    for association in sorted(found, key=lambda association: -association.odds.nearest(CONFIDENCE)):
        strongest.setdefault(association.finding, association)
    return list(strongest.values())


def _sentence(found: Sequence[Association]) -> str:
    """Against PA films, AP films have 11.5 times the odds of edema (10.0 to 13.3), 3.27 times the odds of …"""
    named = [str(found[0])]
    for before, association in pairwise(found[:NAMED]):
        named.append(association.ratio() if association.group == before.group else str(association))
    if len(found) > NAMED:
        named.append(f"{counted(len(found) - NAMED, 'findings')} more")
    listed = ", ".join(named[:-1]) + " and " + named[-1] if len(named) > 1 else named[0]
    return f"Against {found[0].rest}, {listed}. Intervals: 95 %, by patient."
