"""For whom a model is good: its figures by sex, age, view and source, and how far each group lies from the others.

Groups and the others are measured on the same resamples of patients, so a patient who is in both counts in both.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cxr_core.data.age_bands import assign_age_bands
from cxr_core.evaluation.bootstrap.bootstrap import RESAMPLES, drawn, figures_of
from cxr_core.evaluation.bootstrap.grouped_ranking import auroc_of_groups
from cxr_core.evaluation.bootstrap.resamples import Draws
from cxr_core.evaluation.metrics import metrics
from cxr_core.evaluation.metrics.multiple_testing import Corrected, corrected, of_resamples
from cxr_core.models.card import OperatingPoint
from cxr_core.models.figures import Figure

LEAST = 10  # patients with a positive film, and patients with a negative one, that a group needs for its figures
SEXES = {"F": "female", "M": "male"}
MEASURED = ("auroc", "sensitivity", "specificity", "calibration")

PLACES = ("inside", "outside")

Key = tuple[str, str]  # kind of group and name
Drawn = Mapping[tuple[Key, str], np.ndarray]  # by group and name in MEASURED


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

    def to_json(self) -> dict[str, Any]:
        """As metrics.json carries it."""
        return {
            **{
                name: getattr(self, name)
                for name in ("by", "name", "n", "positives", "patients", "enough")
            },
            **{name: figure.to_json() for name, figure in self.figures.items()},
            "difference": {name: found.to_json() for name, found in self.differences.items()},
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

    def to_json(self) -> dict[str, Any]:
        """As metrics.json carries it."""
        return {
            "operating_point": self.operating_point.name,
            "threshold": self.operating_point.threshold,
            "least_patients_of_each_class": LEAST,
            "compared": self.compared,
            "correction": "intervals of differences after Bonferroni, p_adjusted after Holm",
            "unknown": dict(self.unknown),
            "groups": [group.to_json() for group in self.groups],
        }


def subgroups(
    rows: pd.DataFrame, point: OperatingPoint, *, resamples: int = RESAMPLES, seed: int = 0
) -> Subgroups:
    """One finding's rows of a predictions table, labels known, group by group.

    rows: patient, label, probability, age in years, sex, view; and source if there. A kind of group that the films have
    only one of is left out.
    """
    labels, patients = rows["label"].to_numpy(np.float64), rows["patient"].to_numpy(str)
    kinds = {by: names for by, names in _names(rows) if len(names.dropna().unique()) > 1}
    masks = {
        (by, name): (names == name).to_numpy(bool, na_value=False)
        for by, names in kinds.items()
        for name in sorted(names.dropna().unique())
    }
    told = {by: names.notna().to_numpy() for by, names in kinds.items()}
    figured = {key: mask for key, mask in masks.items() if _enough(labels[mask], patients[mask])}
    others = {key: told[key[0]] & ~mask for key, mask in figured.items()}
    compared = [key for key, films in others.items() if _enough(labels[films], patients[films])]
    inside, outside = _drawn(rows, point.threshold, figured, told, resamples, seed)
    apart = {
        name: corrected(
            {key: of_resamples(inside[key, name] - outside[key, name]) for key in compared}
        )
        for name in MEASURED
    }

    def group(key: Key, mask: np.ndarray) -> Group:
        values = {name: inside[key, name] for name in MEASURED if key in figured}
        return Group(
            by=key[0],
            name=key[1],
            n=int(mask.sum()),
            positives=int(labels[mask].sum()),
            patients=len(np.unique(patients[mask])),
            enough=key in figured,
            figures=figures_of(values, labels[mask]),
            differences={name: apart[name][key] for name in MEASURED if key in compared},
        )

    return Subgroups(
        operating_point=point,
        groups=tuple(group(key, mask) for key, mask in masks.items()),
        compared=len(compared),
        unknown={by: int(names.isna().sum()) for by, names in kinds.items()},
    )


def _names(rows: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    """Each kind of group, and the group that each film is in."""
    yield "sex", rows["sex"].map(SEXES)
    yield "age", assign_age_bands(pd.to_numeric(rows["age"]))
    for by in ("view", "source"):
        if by in rows:
            yield by, rows[by]


def _drawn(
    rows: pd.DataFrame,
    threshold: float,
    figured: Mapping[Key, np.ndarray],
    told: Mapping[str, np.ndarray],
    resamples: int,
    seed: int,
) -> tuple[Drawn, Drawn]:
    """(1 + resamples,) on the same resamples: of each group's films, and of all others that tell of its kind."""
    probabilities, labels = (rows[name].to_numpy(np.float64) for name in ("probability", "label"))

    def measured(draws: Draws) -> dict[Any, np.ndarray]:
        found: dict[Any, np.ndarray] = {}
        for by in dict.fromkeys(by for by, _ in figured):
            kind, films = (
                {key: mask[told[by]] for key, mask in figured.items() if key[0] == by},
                told[by],
            )
            found |= _of_kind(probabilities[films], labels[films], threshold, kind, draws.of(films))
        return found

    values: Mapping[Any, np.ndarray] = {}
    if figured:
        values = drawn(measured, rows["patient"].to_numpy(str), resamples=resamples, seed=seed)
    inside, outside = (
        {(key, name): each for (where, key, name), each in values.items() if where == place}
        for place in PLACES
    )
    return inside, outside


def _enough(labels: np.ndarray, patients: np.ndarray) -> bool:
    return all(len(np.unique(patients[labels == label])) >= LEAST for label in (0, 1))


def _of_kind(
    probabilities: np.ndarray,
    labels: np.ndarray,
    threshold: float,
    masks: Mapping[Key, np.ndarray],
    draws: Draws,
) -> dict[tuple[str, Key, str], np.ndarray]:
    """(R,) each of MEASURED, of each group of one kind and of all other films, by place, group and name."""
    group_of = np.full(len(labels), len(masks))  # those of groups without figures together
    for place, mask in enumerate(masks.values()):
        group_of[mask] = place
    areas = auroc_of_groups(probabilities, labels, group_of, int(group_of.max()) + 1, draws)
    together = _sums(probabilities, labels, threshold, draws)
    found: dict[tuple[str, Key, str], np.ndarray] = {}
    for group, (key, mask) in enumerate(masks.items()):
        own = _sums(probabilities[mask], labels[mask], threshold, draws.of(mask))
        for where, sums, area in zip(PLACES, (own, together - own), areas, strict=True):
            figures = {"auroc": area[group], **_of_sums(sums)}
            found |= {(where, key, name): values for name, values in figures.items()}
    return found


def _sums(
    probabilities: np.ndarray, labels: np.ndarray, threshold: float, draws: Draws
) -> np.ndarray:
    """(5, R) the four cells of the confusion, and what was predicted less what is so."""
    counts = metrics.confusion(probabilities >= threshold, labels, draws)
    cells = (
        counts.true_positive,
        counts.false_positive,
        counts.false_negative,
        counts.true_negative,
    )
    return np.stack([*cells, draws @ (probabilities - labels)])


def _of_sums(sums: np.ndarray) -> dict[str, np.ndarray]:
    """(R,) each of MEASURED that sums over films decide. sums: as `_sums` gives them."""
    counts, films = metrics.Confusion(*sums[:4]), sums[:4].sum(axis=0)
    with np.errstate(invalid="ignore"):
        return {
            "sensitivity": counts.sensitivity,
            "specificity": counts.specificity,
            "calibration": sums[4] / films,
        }
