"""Two to five evaluations on the same films, paired: figures of each, and how far they lie apart."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from cxr_core.errors import DataError
from cxr_core.evaluation.bootstrap.bootstrap import RESAMPLES, drawn, figures_of
from cxr_core.evaluation.bootstrap.resamples import Draws
from cxr_core.evaluation.metrics import metrics
from cxr_core.evaluation.metrics.delong import WIDTH, auroc_delong, auroc_difference
from cxr_core.evaluation.metrics.multiple_testing import Corrected, corrected, of_resamples
from cxr_core.models.figures import Figure

MOST = 5
MEASURED = ("auroc", "average_precision", "brier", "log_loss", "ece")
DELONG, BOOTSTRAP = "DeLong, as each film is of another patient", "bootstrap over patients"

Pair = tuple[str, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class Contender:
    """One evaluation. table: as predictions.csv has it.

    learnt: SHA-256 of the pixels of all films that its model was trained or tuned on; None when nobody knows.
    """

    name: str
    table: pd.DataFrame
    learnt: frozenset[str] | None = None


@dataclass(frozen=True, kw_only=True)
class FindingComparison:
    """One finding on the films that all share. auroc_by: how interval and test of the AUROC were found.

    figures: of each contender, by name in MEASURED.  differences: first less second of each pair, corrected for pairs.
    """

    n: int
    positives: int
    patients: int
    auroc_by: str
    figures: Mapping[str, Mapping[str, Figure]]
    differences: Mapping[Pair, Mapping[str, Corrected]]

    def to_json(self) -> dict[str, Any]:
        """As comparison.json carries it."""
        return {
            **{name: getattr(self, name) for name in ("n", "positives", "patients", "auroc_by")},
            "figures": {
                who: {name: each.to_json() for name, each in of.items()}
                for who, of in self.figures.items()
            },
            "differences": [
                {
                    "first": one,
                    "second": other,
                    **{name: each.to_json() for name, each in apart.items()},
                }
                for (one, other), apart in self.differences.items()
            ],
        }


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All of it. films: of each contender.  shared: films that all have.  warnings: sentences for people."""

    films: Mapping[str, int]
    shared: int
    warnings: tuple[str, ...]
    findings: Mapping[str, FindingComparison]

    def to_json(self) -> dict[str, Any]:
        """comparison.json as a value."""
        return {
            "schema": 1,
            "films": dict(self.films),
            "shared": self.shared,
            "correction": "intervals of differences after Bonferroni, p_adjusted after Holm, for the number of pairs",
            "warnings": list(self.warnings),
            "findings": {key: found.to_json() for key, found in self.findings.items()},
        }


def compare(
    contenders: Sequence[Contender], *, resamples: int = RESAMPLES, seed: int = 0
) -> Comparison:
    """Compare evaluations on the films, and findings, that all of them have.

    A film is told by the hash of its pixels; where an evaluation has none, by patient and name. Raises DataError for
    fewer than two or more than five, for two of one name, and when they share no labelled film.
    """
    names = [each.name for each in contenders]
    if not 2 <= len(names) <= MOST or len(set(names)) < len(names):
        raise DataError(
            f"found {', '.join(names) or 'nothing'}; compare two to {MOST} evaluations of different names"
        )
    hashed = not any(_hashes(each).isna().any() for each in contenders)
    tables = [_by_film(each.table, hashed) for each in contenders]
    shared, disagreeing = _shared(tables)
    found = {
        str(key): _of_finding(names, rows, resamples, seed)
        for key, rows in shared.groupby("finding", sort=False)
    }
    films = {name: set(table["film"]) for name, table in zip(names, tables, strict=True)}
    count = shared["film"].nunique()
    told = [
        *_unhashed(contenders),
        *_different(films, count, disagreeing, hashed),
        *_seen(contenders),
    ]
    return Comparison(
        films={name: len(each) for name, each in films.items()},
        shared=count,
        warnings=tuple(told),
        findings=found,
    )


def _by_film(table: pd.DataFrame, hashed: bool) -> pd.DataFrame:
    """The table with a column `film`; of films that look alike to the last bit the first stays."""
    film = (
        table["sha256"]
        if hashed
        else table["patient"].astype(str) + "/" + table["image"].astype(str)
    )
    return table.assign(film=film).drop_duplicates(["film", "finding"])


def _shared(tables: Sequence[pd.DataFrame]) -> tuple[pd.DataFrame, int]:
    """Rows that all have, with the probabilities as columns 0, 1, …; and how many labels were not the same."""
    key = ["film", "finding"]
    joined = tables[0][[*key, "patient", "label"]].assign(**{"0": tables[0]["probability"]})
    for place, table in enumerate(tables[1:], start=1):
        columns = table[[*key, "probability", "label"]]
        joined = joined.merge(
            columns.rename(columns={"probability": str(place), "label": f"label_{place}"}), on=key
        )
    labels = joined[["label", *(f"label_{place}" for place in range(1, len(tables)))]].to_numpy(
        np.float64
    )
    known = ~np.isnan(labels).any(axis=1)
    alike = labels.min(axis=1) == labels.max(axis=1)
    if not (known & alike).any():
        raise DataError(
            "the evaluations share no film with a label of the same finding, so they cannot be compared"
        )
    return joined[known & alike], int((known & ~alike).sum())


def _of_finding(
    names: Sequence[str], rows: pd.DataFrame, resamples: int, seed: int
) -> FindingComparison:
    labels, patients = rows["label"].to_numpy(np.float64), rows["patient"].to_numpy(str)
    said = {name: rows[str(place)].to_numpy(np.float64) for place, name in enumerate(names)}

    def measured(draws: Draws) -> dict[Any, np.ndarray]:
        return {
            (who, name): values
            for who, probabilities in said.items()
            for name, values in _figures(probabilities, labels, draws).items()
        }

    values: Mapping[Any, np.ndarray] = drawn(measured, patients, resamples=resamples, seed=seed)
    figures = {
        who: figures_of({name: values[who, name] for name in MEASURED}, labels) for who in names
    }
    pairs = list(combinations(names, 2))
    apart = {
        name: {(a, b): of_resamples(values[a, name] - values[b, name]) for a, b in pairs}
        for name in MEASURED
    }
    alone = len(np.unique(patients)) == len(patients)
    if alone:
        figures = {
            who: {**of, "auroc": auroc_delong(said[who], labels)} for who, of in figures.items()
        }
        apart["auroc"] = {(a, b): _delong(said[a], said[b], labels) for a, b in pairs}
    told = {name: corrected(found) for name, found in apart.items()}
    return FindingComparison(
        n=len(labels),
        positives=int(labels.sum()),
        patients=len(np.unique(patients)),
        auroc_by=DELONG if alone else BOOTSTRAP,
        figures=figures,
        differences={pair: {name: told[name][pair] for name in MEASURED} for pair in pairs},
    )


def _figures(probabilities: np.ndarray, labels: np.ndarray, draws: Draws) -> dict[str, np.ndarray]:
    """(R,) each of MEASURED."""
    ranked = metrics.ranking(probabilities, labels, draws)
    return {
        "auroc": ranked.auroc,
        "average_precision": ranked.average_precision,
        "brier": metrics.brier(probabilities, labels, draws),
        "log_loss": metrics.log_loss(probabilities, labels, draws),
        "ece": metrics.expected_calibration_error(probabilities, labels, draws),
    }


def _delong(first: np.ndarray, second: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """The difference of two AUROCs and its standard error, NaN where undefined."""
    found = auroc_difference(first, second, labels)
    if found.value is None or found.high is None:
        return np.nan if found.value is None else found.value, np.nan
    return found.value, (found.high - found.value) / WIDTH


def _unhashed(contenders: Sequence[Contender]) -> Iterator[str]:
    """Which evaluations lack hashes, and what is told by names instead."""
    lacking = {each.name: _hashes(each) for each in contenders}
    lacking = {name: hashes for name, hashes in lacking.items() if hashes.isna().any()}
    if lacking:
        counts = (
            f"{name} lacks {int(each.isna().sum()):,} of its {len(each):,}"
            for name, each in lacking.items()
        )
        yield (
            f"Not all films have a hash of their pixels: {', '.join(counts)}. So films are told by patient and name "
            "alone, in all evaluations: whether films of one name are the same, or films of two names, cannot be "
            "checked. Evaluate again to have hashes."
        )


def _different(
    tables: Mapping[str, set[str]], shared: int, disagreeing: int, hashed: bool
) -> Iterator[str]:
    """What keeps films from being the same. tables: the films of each contender.  shared: labelled and in all."""
    common = set.intersection(*tables.values())
    if any(films != common for films in tables.values()):
        counts = ", ".join(f"{name} has {len(films):,}" for name, films in tables.items())
        told = "The test sets differ" if hashed else "As far as names tell, the test sets differ"
        yield f"{told}: {counts} films; {len(common):,} are in all of them."
    if shared < len(common):
        yield f"Of the {len(common):,} films in all of them, {shared:,} have the same label in all; only those count."
    if disagreeing:
        yield f"{disagreeing:,} labels are not the same in all evaluations; those films are left out."


def _seen(contenders: Sequence[Contender]) -> Iterator[str]:
    """Who has learnt from films that somebody is measured on, by hashes, and of which films that cannot be told."""
    for each in contenders:
        if each.learnt is None:
            yield (
                f"Whether {each.name} has learnt from these films cannot be told: no list of the films that its model "
                "was trained and tuned on is kept with it."
            )
            continue
        for other in contenders:
            hashes = _hashes(other)
            both, without = int(hashes.isin(each.learnt).sum()), int(hashes.isna().sum())
            whose = "its own" if other is each else f"{other.name}'s"
            if both:
                yield f"{each.name} was trained or tuned on {both:,} of {whose} {len(hashes):,} test films."
            if without:
                yield (
                    f"Whether {each.name} has learnt from {without:,} of {whose} {len(hashes):,} test films cannot be "
                    "told: they have no hashes."
                )


def _hashes(contender: Contender) -> pd.Series:
    """The hash of each picture once, and a missing one for each film that has none."""
    films = contender.table.drop_duplicates(["patient", "image"])
    hashes = films["sha256"] if "sha256" in films else pd.Series(None, films.index, dtype="object")
    return hashes[hashes.isna() | ~hashes.duplicated()]
