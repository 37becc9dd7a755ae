"""Measures how many films of each subgroup are decided, and how often wrongly, when one cut is made for all films."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cxr_core.evaluation.bootstrap.bootstrap import bootstrap_patients
from cxr_core.evaluation.bootstrap.resamples import Resamples
from cxr_core.evaluation.metrics.coverage import RankedCalls, decide_share, to_figure
from cxr_core.evaluation.metrics.results import GroupCoverage
from cxr_core.evaluation.metrics.subgroups import MIN_PATIENTS, list_levels

GroupKey = tuple[str, str]  # kind of subgroup and name, such as "sex" and "female"


def list_group_levels(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """By kind of subgroup, the one that each film is in; without kinds of which the films have only one."""
    return {by: names for by, names in list_levels(rows) if len(names.dropna().unique()) > 1}


def measure_group_coverage(
    ranked: RankedCalls,
    share: float,
    labels: np.ndarray,
    patients: np.ndarray,
    levels: Mapping[str, pd.Series],
) -> tuple[GroupCoverage, ...]:
    """Each subgroup when a rule decides this share of all N films, with intervals by patient.

    ranked: of the rule.  labels: (N,) 0 or 1.  patients: (N,).  levels: see `list_group_levels`.
    """
    decided = decide_share(ranked.sureness, share)
    wrong = decided * (ranked.called != (labels == 1))
    masks = {
        (by, str(name)): (names == name).to_numpy(bool, na_value=False)
        for by, names in levels.items()
        for name in sorted(names.dropna().unique())
    }
    measured = [key for key, mask in masks.items() if _has_enough(labels[mask], patients[mask])]
    values: dict[tuple[GroupKey, str], np.ndarray] = {}
    if measured:
        inside = np.stack([masks[key] for key in measured], axis=1)  # (N, G)
        counts = np.concatenate(
            [inside, inside * decided[:, None], inside * wrong[:, None]], axis=1
        )

        def measure(sample: Resamples) -> dict[tuple[GroupKey, str], np.ndarray]:
            films, decided_films, wrong_films = np.split(sample @ counts, 3, axis=1)
            with np.errstate(invalid="ignore", divide="ignore"):
                shares, errors = decided_films / films, wrong_films / decided_films
            both = {(key, "decided"): shares[:, place] for place, key in enumerate(measured)}
            return both | {(key, "error"): errors[:, place] for place, key in enumerate(measured)}

        values = bootstrap_patients(measure, patients)
    groups = []
    for key, mask in masks.items():
        weights = {"decided": mask.astype(np.float64), "error": mask * decided}
        figures = {
            name: to_figure(
                values[key, name], round(float(weight.sum())), round(float(weight @ labels))
            )
            for name, weight in weights.items()
            if key in measured
        }
        groups.append(
            GroupCoverage(
                by=key[0],
                name=key[1],
                films=int(mask.sum()),
                positives=int(labels[mask].sum()),
                decided=figures.get("decided"),
                error=figures.get("error"),
            )
        )
    return tuple(groups)


def _has_enough(labels: np.ndarray, patients: np.ndarray) -> bool:
    """Whether the films of a subgroup are of patients enough, of both classes."""
    return min(len(np.unique(patients[labels == label])) for label in (0, 1)) >= MIN_PATIENTS
