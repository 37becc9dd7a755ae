"""How much of a classifier's evidence lies inside heart and lungs, against what an even map would give."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from cxr_core.evaluation.segmentation.metrics import means_of


def share_inside(cells: np.ndarray, inside: np.ndarray) -> float:
    """The share of a map's positive evidence that lies inside a region; NaN when no cell is positive.

    cells: (h, w) evidence.  inside: (h, w) in [0, 1], how much of each cell the region covers; a cell's evidence is
    taken as spread evenly over it.
    """
    positive = np.maximum(np.asarray(cells, np.float64), 0)
    whole = positive.sum()
    return float((positive * inside).sum() / whole) if whole > 0 else float("nan")


def heat_figures(
    shares: Mapping[str, np.ndarray],
    areas: Mapping[str, np.ndarray],
    present: np.ndarray,
    patients: np.ndarray,
) -> dict[str, Any]:
    """Mean shares of evidence inside each region, with patient-bootstrapped 95 % intervals.

    shares: (N,) by region as `share_inside` gives them, NaN where a film has no outlines or no positive evidence.
    areas: (N,) the region's share of the model's square.  present: (N,) bool, labelled as having the finding.
    Each region: share; control, its area on the same films, which a map without any preference would give; difference
    of the two, paired. Undefined is None. "present" has the same of the films that are labelled present.
    """
    found: dict[str, Any] = {
        region: _region(shares[region], areas[region], patients) for region in shares
    }
    chosen = {region: np.where(present, share, np.nan) for region, share in shares.items()}
    found["present"] = {
        region: _region(chosen[region], areas[region], patients) for region in shares
    }
    return found


def _region(shares: np.ndarray, areas: np.ndarray, patients: np.ndarray) -> dict[str, Any]:
    control = np.where(np.isnan(shares), np.nan, areas)
    return means_of({"share": shares, "control": control, "difference": shares - control}, patients)
