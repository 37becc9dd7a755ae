"""Compares two to five evaluations on the films that they share, paired: figures of each, and their differences."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import numpy as np
import pandas as pd

from cxr_core.data.identifiers import canonical_patient, normalise_name
from cxr_core.errors import DataError
from cxr_core.evaluation.bootstrap.bootstrap import RESAMPLES, bootstrap_patients, to_figures
from cxr_core.evaluation.bootstrap.resamples import Resamples
from cxr_core.evaluation.metrics import metrics
from cxr_core.evaluation.metrics.delong import (
    Z_95,
    compare_aurocs_by_delong,
    compute_delong_auroc,
)
from cxr_core.evaluation.metrics.multiple_testing import (
    ADJUSTMENT,
    adjust_for_multiple_testing,
    estimate_difference,
)
from cxr_core.evaluation.metrics.reported import take_calibrated
from cxr_core.evaluation.metrics.results import AdjustedDifference
from cxr_core.models.figures import Figure
from cxr_core.workspace.json_record import JsonRecord

SCHEMA = 1
MAX_EVALUATIONS = 5
COMPARED_FIGURES = ("auroc", "average_precision", "brier", "log_loss", "ece")
DELONG, BOOTSTRAP = "DeLong, as each film is of another patient", "bootstrap over patients"


@dataclass(frozen=True, kw_only=True, eq=False)
class ComparedEvaluation:
    """One evaluation to compare. table: as predictions.csv has it.

    training_hashes: SHA-256 of the pixels of all films that its model was trained or tuned on; None when unknown.
    """

    name: str
    table: pd.DataFrame
    training_hashes: frozenset[str] | None = None


@dataclass(frozen=True, kw_only=True)
class PairDifference(JsonRecord):
    """First less second evaluation, by name of the figure, adjusted for the number of pairs."""

    SPREAD: ClassVar[str] = "figures"

    first: str
    second: str
    figures: Mapping[str, AdjustedDifference]


@dataclass(frozen=True, kw_only=True)
class FindingComparison(JsonRecord):
    """One finding on the films that all share. auroc_by: how interval and test of the AUROC were computed.

    figures: of each evaluation, by name in COMPARED_FIGURES.  differences: of each pair.
    """

    n: int
    positives: int
    patients: int
    auroc_by: str
    figures: Mapping[str, Mapping[str, Figure]]
    differences: tuple[PairDifference, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison(JsonRecord):
    """comparison.json. films: of each evaluation.  shared: films that all have.  warnings: sentences for people."""

    schema: int
    films: Mapping[str, int]
    shared: int
    correction: str
    warnings: tuple[str, ...]
    findings: Mapping[str, FindingComparison]


def compare_evaluations(
    evaluations: Sequence[ComparedEvaluation], *, resamples: int = RESAMPLES
) -> Comparison:
    """Compare evaluations on the films, and findings, that all of them have.

    A film is identified by the hash of its pixels; where an evaluation has none, by patient and name. Raises DataError
    for fewer than two or more than five, for two of one name, and when they share no labelled film.
    """
    names = [one.name for one in evaluations]
    if not 2 <= len(names) <= MAX_EVALUATIONS or len(set(names)) < len(names):
        given = ", ".join(names) or "nothing"
        raise DataError(
            f"found {given}; compare two to {MAX_EVALUATIONS} evaluations of different names"
        )
    hashed = not any(_hashes(one).isna().any() for one in evaluations)
    tables = [_identify_films(one.table, hashed) for one in evaluations]
    shared, disagreeing = _join_tables(tables)
    findings = {
        str(key): _compare_finding(names, rows, resamples)
        for key, rows in shared.groupby("finding", sort=False)
    }
    films = {name: set(table["film"]) for name, table in zip(names, tables, strict=True)}
    count = shared["film"].nunique()
    return Comparison(
        schema=SCHEMA,
        films={name: len(own) for name, own in films.items()},
        shared=count,
        correction=f"{ADJUSTMENT}, for the number of pairs",
        warnings=(
            *_warn_of_missing_hashes(evaluations),
            *_warn_of_different_films(films, count, disagreeing, hashed),
            *_warn_of_training_films(evaluations),
        ),
        findings=findings,
    )


def format_comparison(comparison: Comparison) -> Iterator[str]:
    """The comparison as lines of text: warnings, then for each finding figures and differences of each pair."""
    for warning in comparison.warnings:
        yield f"! {warning}"
    for key, finding in comparison.findings.items():
        yield f"{key}: {finding.positives} of {finding.n} films positive, {finding.patients} patients"
        for name, figures in finding.figures.items():
            yield f"  {name}: {_format_figures(figures)}"
        for pair in finding.differences:
            yield f"  {pair.first} - {pair.second}: {_format_figures(pair.figures)}"
            p = pair.figures["auroc"].p_adjusted
            yield f"    AUROC p {'undefined' if p is None else f'{p:.3g}'}, by {finding.auroc_by}"


def _format_figures(figures: Mapping[str, Figure] | Mapping[str, AdjustedDifference]) -> str:
    return ", ".join(f"{name} {_format_figure(figures[name])}" for name in COMPARED_FIGURES)


def _format_figure(figure: Figure | AdjustedDifference) -> str:
    if figure.value is None:
        return "undefined"
    bounds = "" if figure.low is None else f" ({figure.low:.3f} to {figure.high:.3f})"
    return f"{figure.value:.3f}{bounds}"


def _identify_films(table: pd.DataFrame, hashed: bool) -> pd.DataFrame:
    """The table with a column `film`; of films that are identical the first stays."""
    film = table["sha256"] if hashed else _names_of_films(table)
    return table.assign(film=film).drop_duplicates(["film", "finding"])


def _names_of_films(table: pd.DataFrame) -> pd.Series:
    patients = table["patient"].astype(str).map(canonical_patient).str.casefold()
    return patients + "/" + table["image"].astype(str).map(normalise_name)


def _join_tables(tables: Sequence[pd.DataFrame]) -> tuple[pd.DataFrame, int]:
    """Rows that all have, with the probabilities as columns 0, 1, …; and how many labels were not the same."""
    key = ["film", "finding"]
    joined = tables[0][[*key, "patient", "label"]].assign(**{"0": take_calibrated(tables[0])})
    label_columns = ["label"]
    for place, table in enumerate(tables[1:], start=1):
        label_columns.append(f"label_{place}")
        columns = table[[*key, "label"]].rename(columns={"label": f"label_{place}"})
        columns[str(place)] = take_calibrated(table)
        joined = joined.merge(columns, on=key)
    labels = joined[label_columns].to_numpy(np.float64)
    known = ~np.isnan(labels).any(axis=1)
    agreeing = labels.min(axis=1) == labels.max(axis=1)
    if not (known & agreeing).any():
        raise DataError(
            "the evaluations share no film with a label of the same finding, so they cannot be compared"
        )
    return joined[known & agreeing], int((known & ~agreeing).sum())


def _compare_finding(names: Sequence[str], rows: pd.DataFrame, resamples: int) -> FindingComparison:
    labels, patients = rows["label"].to_numpy(np.float64), rows["patient"].to_numpy(str)
    probabilities = {
        name: rows[str(place)].to_numpy(np.float64) for place, name in enumerate(names)
    }

    def measure(sample: Resamples) -> dict[tuple[str, str], np.ndarray]:
        values = {}
        for name in names:
            for figure, of_resamples in _compute(probabilities[name], labels, sample).items():
                values[name, figure] = of_resamples
        return values

    values = bootstrap_patients(measure, patients, resamples=resamples)
    figures = {
        name: to_figures({figure: values[name, figure] for figure in COMPARED_FIGURES}, labels)
        for name in names
    }
    pairs = list(combinations(names, 2))
    estimates = {}
    for figure in COMPARED_FIGURES:
        estimates[figure] = {
            (a, b): estimate_difference(values[a, figure] - values[b, figure]) for a, b in pairs
        }
    independent = len(np.unique(patients)) == len(patients)
    if independent:
        for name in names:
            figures[name]["auroc"] = compute_delong_auroc(probabilities[name], labels)
        estimates["auroc"] = {
            (a, b): _estimate_by_delong(probabilities[a], probabilities[b], labels)
            for a, b in pairs
        }
    adjusted = {name: adjust_for_multiple_testing(own) for name, own in estimates.items()}
    differences = []
    for pair in pairs:
        own = {name: adjusted[name][pair] for name in COMPARED_FIGURES}
        differences.append(PairDifference(first=pair[0], second=pair[1], figures=own))
    return FindingComparison(
        n=len(labels),
        positives=int(labels.sum()),
        patients=len(np.unique(patients)),
        auroc_by=DELONG if independent else BOOTSTRAP,
        figures=figures,
        differences=tuple(differences),
    )


def _compute(
    probabilities: np.ndarray, labels: np.ndarray, resamples: Resamples
) -> dict[str, np.ndarray]:
    """(R,) each of COMPARED_FIGURES."""
    ranking = metrics.rank_films(probabilities, labels, resamples)
    return {
        "auroc": ranking.auroc,
        "average_precision": ranking.average_precision,
        "brier": metrics.brier_score(probabilities, labels, resamples),
        "log_loss": metrics.log_loss(probabilities, labels, resamples),
        "ece": metrics.expected_calibration_error(probabilities, labels, resamples),
    }


def _estimate_by_delong(
    first: np.ndarray, second: np.ndarray, labels: np.ndarray
) -> tuple[float, float]:
    """The difference of two AUROCs and its standard error, NaN where undefined."""
    difference = compare_aurocs_by_delong(first, second, labels)
    if difference.value is None:
        return np.nan, np.nan
    if difference.high is None:
        return difference.value, np.nan
    return difference.value, (difference.high - difference.value) / Z_95


def _warn_of_missing_hashes(evaluations: Sequence[ComparedEvaluation]) -> Iterator[str]:
    """Which evaluations lack hashes, so that films are identified by name."""
    counts = []
    for one in evaluations:
        hashes = _hashes(one)
        if hashes.isna().any():
            counts.append(f"{one.name} lacks {int(hashes.isna().sum()):,} of its {len(hashes):,}")
    if counts:
        yield (
            f"Not all films have a hash of their pixels: {', '.join(counts)}. So films are identified by patient and "
            "name alone, in all evaluations: whether films of one name are the same, or films of two names, cannot be "
            "checked. Evaluate again to have hashes."
        )


def _warn_of_different_films(
    films: Mapping[str, set[str]], shared: int, disagreeing: int, hashed: bool
) -> Iterator[str]:
    """What keeps films from being the same. films: of each evaluation.  shared: labelled and in all."""
    common = set.intersection(*films.values())
    if any(own != common for own in films.values()):
        counts = ", ".join(f"{name} has {len(own):,}" for name, own in films.items())
        begin = "The test sets differ" if hashed else "As far as names tell, the test sets differ"
        yield f"{begin}: {counts} films; {len(common):,} are in all of them."
    if shared < len(common):
        yield f"Of the {len(common):,} films in all of them, {shared:,} have the same label in all; only those count."
    if disagreeing:
        yield f"{disagreeing:,} labels are not the same in all evaluations; those films are left out."


def _warn_of_training_films(evaluations: Sequence[ComparedEvaluation]) -> Iterator[str]:
    """Whose model was trained on films that an evaluation uses, and for which films that is unknown."""
    for one in evaluations:
        if one.training_hashes is None:
            yield (
                f"Whether {one.name} was trained on these films is unknown: no list of the films that its model was "
                "trained and tuned on is kept with it."
            )
            continue
        for other in evaluations:
            hashes = _hashes(other)
            known = int(hashes.isin(one.training_hashes).sum())
            unknown = int(hashes.isna().sum())
            whose = "its own" if other is one else f"{other.name}'s"
            if known:
                yield f"{one.name} was trained or tuned on {known:,} of {whose} {len(hashes):,} test films."
            if unknown:
                yield (
                    f"Whether {one.name} was trained on {unknown:,} of {whose} {len(hashes):,} test films is unknown: "
                    "they have no hashes."
                )


def _hashes(evaluation: ComparedEvaluation) -> pd.Series:
    """The hash of each picture once, and a missing one for each film that has none, told apart by patient and name."""
    films = evaluation.table
    if "sha256" not in films:
        films = films.assign(sha256=None)
    hashed = films["sha256"].notna()
    pictures = films[hashed].drop_duplicates("sha256")
    without_hash = films[~hashed].drop_duplicates(["patient", "image"])
    return pd.Series([*pictures["sha256"], *without_hash["sha256"]], dtype="object")
