"""Computes a model's figures by sex, age, view and source, and how much each subgroup differs from the others.

A subgroup and the others are measured on the same resamples of patients, so a patient who is in both counts in both.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from cxr_core.data.age_bands import assign_age_bands
from cxr_core.evaluation.bootstrap.bootstrap import RESAMPLES, bootstrap_patients, to_figures
from cxr_core.evaluation.bootstrap.ranking import compute_group_aurocs
from cxr_core.evaluation.bootstrap.resamples import Resamples
from cxr_core.evaluation.metrics import metrics
from cxr_core.evaluation.metrics.multiple_testing import (
    ADJUSTMENT,
    adjust_for_multiple_testing,
    estimate_difference,
)
from cxr_core.evaluation.metrics.reported import take_calibrated
from cxr_core.evaluation.metrics.results import AdjustedDifference, Subgroup, Subgroups
from cxr_core.models.card import OperatingPoint

# Patients with a positive film, and patients with a negative one, that a subgroup needs for its figures.
MIN_PATIENTS = 10
SEXES = {"F": "female", "M": "male"}
SUBGROUP_FIGURES = ("auroc", "sensitivity", "specificity", "calibration")

GroupKey = tuple[str, str]  # kind of subgroup and name, such as "sex" and "female"
GroupValues = dict[tuple[GroupKey, str], np.ndarray]  # (R,) by subgroup and name of the figure


@dataclass(frozen=True, kw_only=True, eq=False)
class _Films:
    """The films of one finding. level_of: by kind of subgroup, the one that each film is in, missing where unknown."""

    probabilities: np.ndarray  # (N,)
    calibrated: np.ndarray  # (N,) held against the labels
    labels: np.ndarray  # (N,) 0 or 1
    patients: np.ndarray  # (N,) numbers, in the order of the patients' names
    threshold: float
    level_of: Mapping[str, pd.Series]

    @cached_property
    def known(self) -> dict[str, np.ndarray]:
        """(N,) bool by kind of subgroup: which films say what they are."""
        return {by: levels.notna().to_numpy() for by, levels in self.level_of.items()}

    @cached_property
    def masks(self) -> dict[GroupKey, np.ndarray]:
        """(N,) bool: the films of each subgroup."""
        masks = {}
        for by, levels in self.level_of.items():
            for name in sorted(levels.dropna().unique()):
                masks[by, name] = (levels == name).to_numpy(bool, na_value=False)
        return masks

    def have_enough(self, films: np.ndarray) -> bool:
        """Whether these films (N,) bool are of patients enough, of both classes."""
        patients, labels = self.patients[films], self.labels[films]
        counts = [len(np.unique(patients[labels == label])) for label in (0, 1)]
        return min(counts) >= MIN_PATIENTS


def compute_subgroups(
    rows: pd.DataFrame, point: OperatingPoint, *, resamples: int = RESAMPLES
) -> Subgroups:
    """The figures of one finding, subgroup by subgroup.

    rows: of a predictions table, labels known: patient, label, probability, age in years, sex, view; and source if
    there is one. A kind of subgroup that the films have only one of is left out.
    """
    levels = {by: names for by, names in list_levels(rows) if len(names.dropna().unique()) > 1}
    films = _Films(
        probabilities=rows["probability"].to_numpy(np.float64),
        calibrated=take_calibrated(rows),
        labels=rows["label"].to_numpy(np.float64),
        patients=np.unique(rows["patient"].to_numpy(str), return_inverse=True)[1],
        threshold=point.threshold,
        level_of=levels,
    )
    measured = {key: mask for key, mask in films.masks.items() if films.have_enough(mask)}
    compared = [
        key for key, mask in measured.items() if films.have_enough(films.known[key[0]] & ~mask)
    ]
    inside, outside = _bootstrap_groups(films, measured, resamples)
    adjusted = {}
    for name in SUBGROUP_FIGURES:
        differences = {
            key: estimate_difference(inside[key, name] - outside[key, name]) for key in compared
        }
        adjusted[name] = adjust_for_multiple_testing(differences)
    groups = []
    for key, mask in films.masks.items():
        values = {name: inside[key, name] for name in SUBGROUP_FIGURES if key in measured}
        figures = to_figures(values, films.labels[mask])
        own: dict[str, AdjustedDifference] = {}
        if key in compared:
            own = {name: adjusted[name][key] for name in SUBGROUP_FIGURES}
        groups.append(
            Subgroup(
                by=key[0],
                name=key[1],
                n=int(mask.sum()),
                positives=int(films.labels[mask].sum()),
                patients=len(np.unique(films.patients[mask])),
                enough=key in measured,
                figures=figures,
                differences=own,
            )
        )
    return Subgroups(
        operating_point=point.name,
        threshold=point.threshold,
        least_patients=MIN_PATIENTS,
        compared=len(compared),
        correction=ADJUSTMENT,
        unknown={by: int(names.isna().sum()) for by, names in levels.items()},
        groups=tuple(groups),
    )


def list_levels(rows: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    """Each kind of subgroup, and the one that each film is in."""
    yield "sex", rows["sex"].map(SEXES)
    yield "age", assign_age_bands(pd.to_numeric(rows["age"]))
    for by in ("view", "source"):
        if by in rows:
            yield by, rows[by]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Kind:
    """The subgroups of one kind. keys: those that are measured; all that are too small come last, as one.

    masks: (N, G) bool, the films of each.
    """

    keys: tuple[GroupKey, ...]
    masks: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """(N,) bool: the films that say what they are."""
        return np.asarray(self.masks.any(axis=1))


def _list_kinds(films: _Films, measured: Mapping[GroupKey, np.ndarray]) -> list[_Kind]:
    kinds = []
    for by in dict.fromkeys(by for by, _ in measured):
        keys = tuple(key for key in measured if key[0] == by)
        masks = [measured[key] for key in keys]
        too_small = films.known[by] & ~np.any(masks, axis=0)
        if too_small.any():
            masks.append(too_small)
        kinds.append(_Kind(keys=keys, masks=np.stack(masks, axis=1)))
    return kinds


def _bootstrap_groups(
    films: _Films, measured: Mapping[GroupKey, np.ndarray], resamples: int
) -> tuple[GroupValues, GroupValues]:
    """(1 + resamples,) on the same resamples: of each subgroup, and of all other films that say what they are."""
    if not measured:
        return {}, {}
    kinds = _list_kinds(films, measured)
    # The sums of all subgroups of all kinds at once: each pass over the resamples costs as much as many a sum.
    masks = np.concatenate([kind.masks for kind in kinds], axis=1)
    cells = _list_cells(films, masks)
    gaps = masks * (films.calibrated - films.labels)[:, None]
    ends = np.cumsum([kind.masks.shape[1] for kind in kinds])[:-1]

    def measure(sample: Resamples) -> dict[tuple[str, GroupKey, str], np.ndarray]:
        counts = (sample @ cells).reshape(-1, masks.shape[1], 4)
        sums = np.concatenate([counts, (sample @ gaps)[:, :, None]], axis=2)
        values: dict[tuple[str, GroupKey, str], np.ndarray] = {}
        for kind, own in zip(kinds, np.split(sums, ends, axis=1), strict=True):
            inside, outside = _measure_kind(films, kind, own, sample.select(kind.known))
            for (key, name), figures in inside.items():
                values["inside", key, name] = figures
            for (key, name), figures in outside.items():
                values["outside", key, name] = figures
        return values

    values = bootstrap_patients(measure, films.patients, resamples=resamples)
    inside: GroupValues = {}
    outside: GroupValues = {}
    for (side, key, name), of_resamples in values.items():
        place = inside if side == "inside" else outside
        place[key, name] = of_resamples
    return inside, outside


def _list_cells(films: _Films, masks: np.ndarray) -> np.ndarray:
    """(N, 4 G) bool: whether a film is in the first subgroup and a true positive, a false positive, and so on."""
    called, positive = films.probabilities >= films.threshold, films.labels == 1
    cells = np.stack(
        [called & positive, called & ~positive, ~called & positive, ~called & ~positive], axis=1
    )
    joined: np.ndarray = (masks[:, :, None] & cells[:, None, :]).reshape(len(masks), -1)
    return joined


def _measure_kind(
    films: _Films, kind: _Kind, sums: np.ndarray, resamples: Resamples
) -> tuple[GroupValues, GroupValues]:
    """SUBGROUP_FIGURES (R,) of each subgroup of one kind, and of all films outside it.

    sums: (R, G, 5) of each subgroup the cells of its confusion, and its predictions less its labels.
    resamples: of the films that say what they are.
    """
    known, groups = kind.known, kind.masks.shape[1]
    group_of = kind.masks[known].argmax(axis=1)
    aurocs, other_aurocs = compute_group_aurocs(
        films.probabilities[known], films.labels[known], group_of, groups, resamples
    )
    total = sums.sum(axis=1)
    inside: GroupValues = {}
    outside: GroupValues = {}
    for place, key in enumerate(kind.keys):
        own = sums[:, place]
        inside |= _to_group_values(key, aurocs[place], own.T)
        outside |= _to_group_values(key, other_aurocs[place], (total - own).T)
    return inside, outside


def _to_group_values(key: GroupKey, auroc: np.ndarray, sums: np.ndarray) -> GroupValues:
    """(R,) each of SUBGROUP_FIGURES. sums: (5, R), as `_measure_kind` has them."""
    confusion, films = metrics.Confusion(*sums[:4]), sums[:4].sum(axis=0)
    with np.errstate(invalid="ignore"):
        return {
            (key, "auroc"): auroc,
            (key, "sensitivity"): confusion.sensitivity,
            (key, "specificity"): confusion.specificity,
            (key, "calibration"): sums[4] / films,
        }
