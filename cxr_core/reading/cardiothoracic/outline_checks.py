"""Checks outlines of heart and lungs: whether they can be measured at all, and what makes their ratio less certain.

Nothing here decides by a step what a ratio is worth. Towards each limit beyond which there is no ratio, `taper` falls
to 0; what is odd about outlines that can be measured adds a variance to the ratio, from none where it begins. The
amounts were measured on films of heart_ctr, as they are and after changes (docs/experiments/heart_ratio.md).
"""

from dataclasses import dataclass

import numpy as np

from cxr_core.findings import STRUCTURES

# Shares of the model's square. Smaller is no heart or lung that a ratio could rest on; drawings and films of all
# datasets here have hearts of 4 to 25 % and lungs of 4 to 30 %.
MIN_HEART_SHARE, MIN_LUNG_SHARE = 0.015, 0.02
PLAUSIBLE_RATIOS = (0.25, 0.85)  # outside this range a contour is wrong
# Of the thorax: a heart that reaches farther outside the lungs is no heart.
MAX_HEART_OVERHANG = 0.05
MIN_DICE = 0.85  # of one structure between the film and a test-time augmentation of it
# How far inside a limit a ratio counts fully: shares of the model's square, its side and the thorax, and ratios.
CLEAR_SHARE, CLEAR_SIDE, CLEAR_OVERHANG, CLEAR_RATIO = 0.015, 0.02, 0.05, 0.1

# Standard deviation of the ratio's error, beyond what its interval says, of lungs that touch the side of the film along
# its whole height; it grows with that length. Outlines that change with the augmentation add nothing: the interval,
# which holds that change, held the error on them.
CUT_LUNG_ERROR = 0.13

NO_HEART = "No heart was found on this picture."
NO_LUNG = "The {} lung was not found, so the thorax has no second border."
HEART_CUT_OFF = "The heart reaches the edge of the film, so its diameter is incomplete."
IMPLAUSIBLE = "The contours do not form an anatomy that can be measured."
LUNG_CUT_OFF = "The {} lung reaches the side of the film: the thorax may be wider than measured."
UNSTABLE = "The contour of the {} changes when the film is made slightly smaller and brighter."


@dataclass(frozen=True)
class Limit:
    """A limit that outlines must keep to be measured.

    message: what is wrong beyond it.  margin: how far inside it the outlines lie, 0 or less beyond.  clear_from: the
    margin from which it no longer matters.
    """

    message: str
    margin: float
    clear_from: float

    @property
    def taper(self) -> float:
        """The factor on the ratio's weight: 0 at the limit, 1 from `clear_from` on."""
        return min(max(self.margin / self.clear_from, 0.0), 1.0)


def list_limits(masks: np.ndarray) -> list[Limit]:
    """The limits that masks (3, M, M) bool must keep, up to the first that they do not."""
    heart, left, right = masks
    limits = [Limit(NO_HEART, _share(heart) - MIN_HEART_SHARE, CLEAR_SHARE)]
    for name, lung in (("left", left), ("right", right)):
        limits.append(Limit(NO_LUNG.format(name), _share(lung) - MIN_LUNG_SHARE, CLEAR_SHARE))
    if any(limit.margin < 0 for limit in limits):
        return limits
    side = heart.shape[1]
    inner, outer = column_range(heart), column_range(left | right)
    limits.append(Limit(HEART_CUT_OFF, min(inner[0], side - inner[1]) / side, CLEAR_SIDE))
    low, high = sorted((_middle_column(left), _middle_column(right)))
    middle = _middle_column(heart)
    between = min(middle - low, high - middle) / side
    limits.append(
        Limit(f"{IMPLAUSIBLE} The heart does not lie between the lungs.", between, CLEAR_SIDE)
    )
    overhang = max(outer[0] - inner[0], inner[1] - outer[1]) / (outer[1] - outer[0])
    reaches_beyond = f"{IMPLAUSIBLE} The heart reaches beyond the lungs."
    limits.append(Limit(reaches_beyond, MAX_HEART_OVERHANG - overhang, CLEAR_OVERHANG))
    return limits


def limit_ratio(ratio: float) -> Limit:
    """The limit that a plausible ratio keeps."""
    low, high = PLAUSIBLE_RATIOS
    message = f"{IMPLAUSIBLE} The heart would measure {ratio:.2f} of the thorax."
    return Limit(message, min(ratio - low, high - ratio), CLEAR_RATIO)


def find_broken(limits: list[Limit]) -> Limit | None:
    """The first limit that is not kept."""
    return next((limit for limit in limits if limit.margin <= 0), None)


def measure_taper(limits: list[Limit]) -> float:
    """The least taper of all limits: 0 where one is not kept."""
    return min(limit.taper for limit in limits)


def find_warnings(
    masks: np.ndarray, augmented_maps: np.ndarray, augmentation_failed: bool
) -> tuple[tuple[str, ...], float]:
    """Why a ratio of these masks is less certain, and the variance that this adds to it.

    masks: (3, M, M) bool.  augmented_maps: (T, 3, h, w) logits, those of the film itself first.
    """
    warnings, variance = [], 0.0
    for name, mask in (("left", masks[1]), ("right", masks[2])):
        contact = float(max(mask[:, 0].mean(), mask[:, -1].mean()))
        variance += (CUT_LUNG_ERROR * contact) ** 2
        if contact:
            warnings.append(LUNG_CUT_OFF.format(name))
    film_maps, *others = augmented_maps
    for index, name in enumerate(STRUCTURES):
        shared = [_dice(film_maps[index] > 0, maps[index] > 0) for maps in others]
        if shared and min(shared) < MIN_DICE:
            warnings.append(UNSTABLE.format(name.replace("_", " ")))
    if augmentation_failed and not warnings:
        warnings.append(UNSTABLE.format("heart"))
    return tuple(warnings), variance


def column_range(mask: np.ndarray) -> tuple[int, int]:
    """The first column that a mask has, and the first one behind it."""
    columns = np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(columns[-1]) + 1


def _share(mask: np.ndarray) -> float:
    """The share of a mask's pixels that are set; its mean takes ten times as long."""
    return np.count_nonzero(mask) / mask.size


def _middle_column(mask: np.ndarray) -> float:
    return float(np.flatnonzero(mask.any(axis=0)).mean())


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    total = np.count_nonzero(one) + np.count_nonzero(other)
    return 2 * np.count_nonzero(one & other) / total if total else 1.0
