"""Finds shortcuts: groups of films (by view, age, sex, source or size) that are associated with a label.

A model could learn such a group instead of the finding. Each group (AP films, men, one source …) is compared with the
rest for every finding, by an odds ratio whose interval allows for several films of one patient. Since some of many
comparisons find something by chance, the interval that decides is widened for all of them together (Bonferroni), and it
must lie entirely beyond MIN_ODDS_RATIO.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from cxr_core.data.checks.issue import Issue
from cxr_core.data.manifest import Manifest
from cxr_core.presentation.wording import finding_in_sentence, format_count

CONFIDENCE = 0.95
# Reported beyond 1.25 or 1/1.25. A cue of that strength, shared by half of the films, separates films with and without
# the finding with an AUROC of at most 0.53; a weaker one is neither worth learning nor worth a warning.
MIN_ODDS_RATIO = 1.25
# With more sizes, or more sources, than these they are not compared one by one.
MAX_SIZES = 8
MAX_SOURCES = 20
MAX_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class OddsRatio:
    """The odds of a label in a group over the odds of it in the rest.

    log: natural logarithm of the ratio.  error: its standard error.  degrees: degrees of freedom of that error, one
    fewer than the patients on the scarcest side of the table.
    """

    log: float
    error: float
    degrees: int

    @property
    def value(self) -> float:
        """The ratio, above 0; 1 when the label and the group are unrelated."""
        return float(np.exp(self.log))

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """The two-sided interval of the ratio, by Student's t on the logarithm."""
        half_width = self._half_width(confidence)
        return float(np.exp(self.log - half_width)), float(np.exp(self.log + half_width))

    def lower_strength(self, confidence: float) -> float:
        """The end of the interval nearer to 1, of the ratio or its inverse; below 1 when the interval contains 1."""
        return float(np.exp(abs(self.log) - self._half_width(confidence)))

    def _half_width(self, confidence: float) -> float:
        return float(stdtrit(self.degrees, (1 + confidence) / 2)) * self.error


def estimate_odds_ratio(
    label: np.ndarray, group: np.ndarray, patient: np.ndarray
) -> OddsRatio | None:
    """The odds ratio of a label with a group; None where there is nothing to compare, or fewer than two patients.

    label, group: (N,) 1, 0 or NaN; a film with either unknown is left out.  patient: (N,) integers from 0.

    The error is that of a logistic regression on the group, clustered by patient (Liang & Zeger 1986, doi
    10.1093/biomet/73.1.13), and never less than Woolf's for independent films (1955, doi
    10.1111/j.1469-1809.1955.tb01348.x). An empty cell gives every cell half a film (Haldane-Anscombe).
    """
    films = _count_films(label, group, patient)
    of_arm, of_class = films.sum(axis=1), films.sum(axis=0)  # both (2, patients)
    degrees = int(np.count_nonzero(np.concatenate([of_arm, of_class]), axis=1).min()) - 1
    if degrees < 1:
        return None
    table = films.sum(axis=2).astype(float)
    if not table.all():
        table += 0.5
    share = table[:, :1] / table.sum(axis=1, keepdims=True)
    variance = (1 / table).sum(axis=1, keepdims=True)  # Woolf's, of the log odds of each arm
    # (2, patients) what each patient adds to the log odds of each arm
    contribution = (films[:, 0] - of_arm * share) * variance
    of_patient = contribution[0] - contribution[1]
    patients = np.count_nonzero(of_arm[0] + of_arm[1])
    # Not a dot product: BLAS would wake its threads for it and wait, 20 ms each time on a busy machine.
    clustered = np.square(of_patient).sum() * patients / (patients - 1)
    odds, odds_of_rest = table[:, 0] / table[:, 1]
    error = np.sqrt(max(clustered, variance.sum()))
    return OddsRatio(log=float(np.log(odds / odds_of_rest)), error=float(error), degrees=degrees)


def _count_films(label: np.ndarray, group: np.ndarray, patient: np.ndarray) -> np.ndarray:
    """(2, 2, patients) films: in the group, in the rest; each with the label, without it."""
    known = ~(np.isnan(label) | np.isnan(group))
    patients = int(patient.max(initial=0)) + 1
    cell = (2 * (group[known] == 0) + (label[known] == 0)) * patients + patient[known]
    return np.bincount(cell, minlength=4 * patients).reshape(2, 2, patients)


@dataclass(frozen=True, eq=False)
class GroupComparison:
    """A group of films and what it is compared with. inside: (N,) float32, 1, 0, or NaN for films of neither."""

    code: str
    group: str
    rest: str
    inside: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Association:
    """How strongly one finding is associated with one group of films.

    strong: beyond MIN_ODDS_RATIO, allowing for all comparisons made.
    """

    code: str
    group: str
    rest: str
    finding: str
    odds: OddsRatio
    strong: bool

    def __str__(self) -> str:
        """AP films have 3.27 times the odds of consolidation (3.00 to 3.56)."""
        return f"{self.group} have {self.describe_ratio()}"

    def describe_ratio(self) -> str:
        """3.27 times the odds of consolidation (3.00 to 3.56)."""
        return f"{format_odds(self.odds.value)} times the odds of {self._finding_name} ({self._interval})"

    def format_line(self) -> str:
        """consolidation: 3.27 (3.00 to 3.56), AP films."""
        return (
            f"{self._finding_name}: {format_odds(self.odds.value)} ({self._interval}), {self.group}"
        )

    @property
    def _finding_name(self) -> str:
        return finding_in_sentence(self.finding)

    @property
    def _interval(self) -> str:
        low, high = self.odds.interval(CONFIDENCE)
        return f"{format_odds(low)} to {format_odds(high)}"


def find_shortcuts(films: Manifest) -> Iterator[Issue]:
    """One issue for each kind of group that is associated with a label, naming the strongest findings."""
    associations = measure_associations(films)
    yield from _note_both_views(films, associations)
    for code in dict.fromkeys(association.code for association in associations):
        strong = [each for each in associations if each.code == code and each.strong]
        strongest = _strongest_by_finding(strong)
        if strongest:
            yield Issue(
                code=code,
                message=_describe_associations(strongest),
                count=len(strongest),
                examples=tuple(association.format_line() for association in strongest),
            )


def measure_associations(films: Manifest) -> tuple[Association, ...]:
    """Every finding compared with every group of films, reported or not.

    Findings without a positive or without a negative film, and groups of a single patient, are left out.
    """
    patient = pd.factorize(films.table["patient"])[0]
    labels = films.label_matrix(films.findings).T  # (L, N)
    measured: list[tuple[GroupComparison, str, OddsRatio]] = []
    for comparison in _list_comparisons(films.table):
        for finding, label in zip(films.findings, labels, strict=True):
            odds = estimate_odds_ratio(label, comparison.inside, patient)
            if odds is not None:
                measured.append((comparison, finding, odds))
    confidence = 1 - (1 - CONFIDENCE) / max(1, len(measured))
    return tuple(
        Association(
            code=comparison.code,
            group=comparison.group,
            rest=comparison.rest,
            finding=finding,
            odds=odds,
            strong=odds.lower_strength(confidence) > MIN_ODDS_RATIO,
        )
        for comparison, finding, odds in measured
    )


def format_odds(ratio: float) -> str:
    """A ratio with about three figures; beyond 1,000 or 1/1,000 only the limit is given."""
    if ratio > 1000:
        return "more than 1,000"
    if ratio < 0.001:
        return "less than 0.001"
    for limit, digits in ((100, 0), (10, 1), (0.1, 2)):
        if ratio >= limit:
            return f"{ratio:.{digits}f}"
    return f"{ratio:.3f}"


def _list_comparisons(table: pd.DataFrame) -> Iterator[GroupComparison]:
    yield _compare_two(
        table["split"], "prevalence_shift", ("test", "train"), ("test films", "training films")
    )
    yield _compare_two(table["view"], "view_with_label", ("AP", "PA"), ("AP films", "PA films"))
    yield _compare_two(
        table["sex"], "sex_with_label", ("M", "F"), ("films of men", "films of women")
    )
    age = table["age"]
    median = age.median()
    yield GroupComparison(
        "age_with_label",
        f"films of patients over {median:g} years",
        f"films of patients up to {median:g} years",
        _membership(age > median, age),
    )
    yield from _compare_each(table["source"], "source_with_label", "films from {}", MAX_SOURCES)
    yield from _compare_each(table["bits"], "bits_with_label", "films of {:g} bits", MAX_SOURCES)
    yield from _compare_sizes(table)


def _compare_sizes(table: pd.DataFrame) -> Iterator[GroupComparison]:
    """Each size with the others; where there are many, films with more pixels than the median with the rest."""
    code = "resolution_with_label"
    pixels = table["width"] * table["height"]
    size = table["width"] * 2**16 + table["height"]  # one number for each pair
    if size.nunique() <= MAX_SIZES:
        names = {key: f"{key // 2**16:.0f} × {key % 2**16:.0f}" for key in size.dropna().unique()}
        yield from _compare_each(size.map(names), code, "films of {} px", MAX_SIZES)
        return
    median = pixels.median()
    group = f"films of more than {median / 1e6:.2g} million pixels"
    yield GroupComparison(code, group, "smaller films", _membership(pixels > median, pixels))


def _compare_each(
    values: pd.Series, code: str, group: str, max_values: int
) -> Iterator[GroupComparison]:
    """Each of the most frequent values with all others; of two values only the rarer one, as they mirror each other."""
    counts = values.value_counts()
    if len(counts) < 2:
        return
    if len(counts) == 2:
        compared, rest = counts.index[1:], group.format(counts.index[0])
    else:
        compared, rest = counts.index[:max_values], "all others"
    for value in compared:
        inside = _membership(values == value, values)
        yield GroupComparison(code, group.format(value), rest, inside)


def _compare_two(
    column: pd.Series, code: str, values: tuple[str, str], names: tuple[str, str]
) -> GroupComparison:
    """Films with the first value with those of the second; films with any other value are left out."""
    known = column.where(column.isin(values))
    return GroupComparison(code, names[0], names[1], _membership(column == values[0], known))


def _membership(inside: pd.Series, known: pd.Series) -> np.ndarray:
    """(N,) float32: 1 inside, 0 outside, NaN where the value that decides is unknown."""
    return np.where(known.notna(), inside.fillna(False).astype(bool), np.nan).astype(np.float32)


def _note_both_views(films: Manifest, associations: Sequence[Association]) -> Iterator[Issue]:
    """A note that there are films of both views, with the odds ratios of the first findings, however weak."""
    counts = films.table["view"].value_counts()
    if not {"PA", "AP"} <= set(counts.index):
        return
    of_view = [association for association in associations if association.code == "view_with_label"]
    message = f"{counts['PA']:,} PA and {counts['AP']:,} AP."
    if of_view:
        message += f" {_describe_associations(of_view)}"
    yield Issue(
        code="mixed_views",
        message=message,
        count=int(counts["PA"] + counts["AP"]),
        examples=tuple(association.format_line() for association in of_view),
    )


def _strongest_by_finding(associations: Sequence[Association]) -> list[Association]:
    """For each finding the association whose interval lies furthest from 1; the strongest finding first."""
    strongest: dict[str, Association] = {}
    for association in sorted(associations, key=lambda each: -each.odds.lower_strength(CONFIDENCE)):
        strongest.setdefault(association.finding, association)
    return list(strongest.values())


def _describe_associations(associations: Sequence[Association]) -> str:
    """As in: Compared with PA films, AP films have 11.5 times the odds of edema (10.0 to 13.3)."""
    first = associations[0]
    parts = [str(first)]
    for before, association in pairwise(associations[:MAX_NAMED]):
        same_group = association.group == before.group
        parts.append(association.describe_ratio() if same_group else str(association))
    if len(associations) > MAX_NAMED:
        parts.append(f"{format_count(len(associations) - MAX_NAMED, 'findings')} more")
    listed = parts[0]
    if len(parts) > 1:
        listed = f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"Compared with {first.rest}, {listed}. Intervals: 95 %, by patient."
