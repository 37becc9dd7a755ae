"""Finds validation labels of cardiomegaly that the measured ratio contradicts, to choose thresholds without them.

Mined labels miss most enlarged hearts, so thresholds that keep a share of the "absent" films would lie among the
present ones. The calibration needs no repair: it knows how often labels are wrong, and leaving films out would mislead
it.
"""

import numpy as np

from cxr_core.findings import RATIO_LIMIT

# Of the heart over the thorax. On AP films the heart lies farther from the detector and appears wider; 0.55 is usual.
LIMITS = {"PA": RATIO_LIMIT, "AP": 0.55}
MARGIN = 0.02  # by which a whole 95 % interval must lie beyond the limit
HALF_WIDTH = 1.96  # of a 95 % interval, in standard errors
MAX_CONFLICTS = 200
RULE = (
    f"the whole 95 % interval of the ratio lies {MARGIN:.2f} or more beyond {LIMITS['PA']:.2f} (PA) or "
    f"{LIMITS['AP']:.2f} (AP), on the other side than the label; at most the {MAX_CONFLICTS} clearest"
)


def find_label_conflicts(
    ratios: np.ndarray, standard_errors: np.ndarray, views: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """(N,) bool: the films whose label the ratio contradicts, at most MAX_CONFLICTS of them.

    ratios, standard_errors: (N,), NaN without one.  views: (N,) "PA", "AP" or any other text, whose films have no
    limit.  labels: (N,) 0 or 1. Where there are more, those are taken whose ratio lies most standard errors beyond the
    limit.
    """
    limits = np.array([LIMITS.get(view, np.nan) for view in views.tolist()])
    side = np.where(labels == 1, -1.0, 1.0)  # on which the ratio contradicts the label
    beyond = side * (ratios - limits)
    is_conflict = beyond - HALF_WIDTH * standard_errors >= MARGIN  # never for NaN
    strength = np.where(is_conflict, beyond / np.maximum(standard_errors, 1e-9), -np.inf)
    clearest = np.argsort(-strength, kind="stable")[:MAX_CONFLICTS]
    conflicts = np.zeros(len(labels), bool)
    conflicts[clearest] = is_conflict[clearest]
    return conflicts
