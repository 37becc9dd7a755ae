"""Restricts an evaluation to the patients whom the model is for, and counts the films outside by reason.

The rule is the one by which a reading is refused: `Population.excludes`. Unknown ages and views are inside.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError
from cxr_core.evaluation.metrics.results import EvaluatedData, EvaluatedPopulation
from cxr_core.models.card import Population
from cxr_core.presentation.wording import format_count

ALL_MEASURED = (
    "All films of the split were measured, also any of patients whom the model is not for. An evaluation that is made "
    "now keeps to the intended population."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class PopulationFilms:
    """The films of a split, by whether the model is for their patients. outside: None when it is for all of them."""

    inside: Manifest
    outside: Manifest | None
    record: EvaluatedPopulation


def select_population(films: Manifest, population: Population) -> PopulationFilms:
    """Divide films into those inside and outside a model's intended population.

    Raises DataError when none is inside, which names the reasons.
    """
    reasons = find_reasons_outside(films, population)
    inside = reasons == ""
    counts = Counter(reasons[~inside].tolist())
    if not inside.any():
        raise DataError(
            f"none of the {format_count(len(reasons), 'films')} shows a patient whom the model is for "
            f"({population.text}): {join_reasons(counts)}. Give other films"
        )
    table = films.table
    record = EvaluatedPopulation(
        text=population.text,
        films=len(table),
        patients=int(table["patient"].nunique()),
        data_sha256=films.data_sha256(),
        outside=dict(counts.most_common()),
        unknown=dict(_count_unknown(films.with_table(table[inside]), population)),
    )
    return PopulationFilms(
        inside=films.with_table(table[inside]),
        outside=None if inside.all() else films.with_table(table[~inside]),
        record=record,
    )


def describe_population(data: EvaluatedData) -> str:
    """Which films of the split were measured, in sentences."""
    record = data.population
    if record is None:
        return ALL_MEASURED
    sentences = [f"Intended population: {record.text}."]
    if record.outside:
        left_out = sum(record.outside.values())
        verbs = (
            "lies outside it and is not counted"
            if left_out == 1
            else "lie outside it and are not counted"
        )
        sentences.append(
            f"{left_out:,} of {format_count(record.films, 'films')} {verbs}: "
            f"{join_reasons(record.outside)}."
        )
    else:
        sentences.append("No film lies outside it.")
    for name, count in record.unknown.items():
        verb = "counts" if count == 1 else "count"
        sentences.append(f"{format_count(count, 'films')} of unknown {name} {verb} as inside.")
    return " ".join(sentences)


def find_reasons_outside(films: Manifest, population: Population) -> np.ndarray:
    """(N,) why each film is outside; empty for those inside."""
    ages = films.table["age"].to_numpy(np.float64)
    views = films.table["view"]
    reasons = [
        population.excludes(
            None if np.isnan(age) else float(age), view if isinstance(view, str) else None
        )
        for age, view in zip(ages, views, strict=True)
    ]
    return np.array([reason or "" for reason in reasons], dtype=object)


def _count_unknown(films: Manifest, population: Population) -> Iterator[tuple[str, int]]:
    """How many films inside do not say what the population is limited by."""
    limits = {
        "age": population.age_min is not None or population.age_max is not None,
        "view": bool(population.views),
    }
    for name, is_limited in limits.items():
        count = int(films.table[name].isna().sum())
        if is_limited and count:
            yield name, count


def join_reasons(counts: Mapping[str, int]) -> str:
    """`in 30 films the patient is younger than 18, in 6 the view is AP`."""
    parts: list[str] = []
    for reason, count in counts.items():
        number = f"{count:,}" if parts else format_count(count, "films")
        parts.append(f"in {number} {reason}")
    return ", ".join(parts)
