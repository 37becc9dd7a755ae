"""For whom a model is good: its figures by sex, age, view and source, and how far each group lies from the others.

Groups and the others are measured on the same resamples of patients, so a patient who is in both counts in both.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cxr_core.evaluation import metrics
from cxr_core.evaluation.differences import Corrected, corrected, of_resamples
from cxr_core.evaluation.draws import Draws
from cxr_core.evaluation.intervals import RESAMPLES, Figure, drawn, figures_of
from cxr_core.models.card import OperatingPoint

LEAST = 10  # patients with a positive film, and patients with a negative one, that a group needs for its figures
AGES = (("0-17", 0, 18), ("18-39", 18, 40), ("40-59", 40, 60), ("60-79", 60, 80), ("80+", 80, 200))  # years
SEXES = {"F": "female", "M": "male"}
MEASURED = ("auroc", "sensitivity", "specificity", "calibration")


@dataclass(frozen=True, kw_only=True)
class Group:
    """The films of one group, such as by "sex" those of "female" patients.

    enough: whether there are patients enough for figures; without, `figures` and `differences` are empty.
    figures: by name in MEASURED; calibration is the mean of what was predicted less the share that is positive.
    differences: to the films of all other groups of the same kind, corrected for the number of groups compared.
    """

    by: str
    name: str
    n: int
    positives: int
    patients: int
    enough: bool
    figures: Mapping[str, Figure]
    differences: Mapping[str, Corrected]

    def as_json(self) -> dict[str, Any]:
        """As metrics.json carries it."""
        return {
            **{name: getattr(self, name) for name in ("by", "name", "n", "positives", "patients", "enough")},
            **{name: figure.as_json() for name, figure in self.figures.items()},
            "difference": {name: found.as_json() for name, found in self.differences.items()},
        }


@dataclass(frozen=True, kw_only=True)
class Subgroups:
    """All groups of one finding. compared: how many of them the differences are corrected for.

    unknown: films that do not say, by kind of group; they are in no group.
    """

    operating_point: OperatingPoint
    groups: tuple[Group, ...]
    compared: int
    unknown: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """As metrics.json carries it."""
        return {
            "operating_point": self.operating_point.name,
            "threshold": self.operating_point.threshold,
            "least_patients_of_each_class": LEAST,
            "compared": self.compared,
            "correction": "intervals of differences after Bonferroni, p_adjusted after Holm",
            "unknown": dict(self.unknown),
            "groups": [group.as_json() for group in self.groups],
        }


def subgroups(rows: pd.DataFrame, point: OperatingPoint, *, resamples: int = RESAMPLES, seed: int = 0) -> Subgroups:
    """One finding's rows of a predictions table, labels known, group by group.

    rows: patient, label, probability, age in years, sex, view; and source if there. A kind of group that the films have
    only one of is left out.
    """
    probabilities, labels = (rows[name].to_numpy(np.float64) for name in ("probability", "label"))
    patients = rows["patient"].to_numpy(str)
    kinds = {by: names for by, names in _names(rows) if len(names.dropna().unique()) > 1}
    masks = {
        (by, name): (names == name).to_numpy(bool, na_value=False)
        for by, names in kinds.items()
        for name in _order(names)
    }
    others = {key: kinds[key[0]].notna().to_numpy() & ~mask for key, mask in masks.items()}
    enough = {key for key, mask in masks.items() if _enough(labels[mask], patients[mask])}
    compared = {key for key in enough if _enough(labels[others[key]], patients[others[key]])}

    def measured(draws: Draws) -> dict[str, np.ndarray]:
        found = {}
        for which, chosen, where in (("in", masks, enough), ("out", others, compared)):
            for key in sorted(where):
                films = chosen[key]
                of_group = _figures(probabilities[films], labels[films], point.threshold, draws.of(films))
                found |= {(which, key, name): values for name, values in of_group.items()}
        return found  # type: ignore[return-value]

    values: Mapping[Any, np.ndarray] = drawn(measured, patients, resamples=resamples, seed=seed) if enough else {}
    apart = {
        name: corrected({key: of_resamples(values["in", key, name] - values["out", key, name]) for key in compared})
        for name in MEASURED
    }
    groups = tuple(
        Group(
            by=key[0],
            name=key[1],
            n=int(mask.sum()),
            positives=int(labels[mask].sum()),
            patients=len(np.unique(patients[mask])),
            enough=key in enough,
            figures=figures_of({name: values["in", key, name] for name in MEASURED}, labels[mask])
            if key in enough
            else {},
            differences={name: apart[name][key] for name in MEASURED} if key in compared else {},
        )
        for key, mask in masks.items()
    )
    unknown = {by: int(names.isna().sum()) for by, names in kinds.items()}
    return Subgroups(operating_point=point, groups=groups, compared=len(compared), unknown=unknown)


def age_band(age: pd.Series) -> pd.Series:
    """Years as a band of AGES; unknown ages, and those that nobody reaches, as missing."""
    found = pd.Series(None, age.index, dtype="object")
    for name, low, high in AGES:
        found[(age >= low) & (age < high)] = name
    return found


def _names(rows: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    """Each kind of group, and the group that each film is in."""
    yield "sex", rows["sex"].map(SEXES)
    yield "age", age_band(pd.to_numeric(rows["age"]))
    for by in ("view", "source"):
        if by in rows:
            yield by, rows[by]


def _order(names: pd.Series) -> list[str]:
    """Age bands and others alike in the order of their names."""
    return sorted(names.dropna().unique())


def _enough(labels: np.ndarray, patients: np.ndarray) -> bool:
    return all(len(np.unique(patients[labels == label])) >= LEAST for label in (0, 1))


def _figures(probabilities: np.ndarray, labels: np.ndarray, threshold: float, draws: Draws) -> dict[str, np.ndarray]:
    """(R,) each of MEASURED."""
    counts = metrics.confusion(probabilities >= threshold, labels, draws)
    with np.errstate(invalid="ignore"):
        gap = (draws @ (probabilities - labels)) / draws.sum()
    return {
        "auroc": metrics.auroc(probabilities, labels, draws),
        "sensitivity": counts.sensitivity,
        "specificity": counts.specificity,
        "calibration": gap,
    }
