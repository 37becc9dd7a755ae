"""Maps of heart and lungs become outlines and the ends of two diameters, or the reason why not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from cxr_core.film.preprocess import Placement
from cxr_core.findings import STRUCTURES

Point = tuple[float, float]  # (x, y) in film pixels, continuous
Line = tuple[Point, Point]  # the end on the left of the film first

MEASURED_SIDE = 768  # px of the square on which maps are measured: a pixel is 0.2 % of a thorax
# Shares of the model's square. Smaller is no heart or lung that a ratio could rest on; drawings and films of all
# datasets here have hearts of 4 to 25 % and lungs of 4 to 30 %.
LEAST_HEART, LEAST_LUNG = 0.015, 0.02
RATIOS = (0.25, 0.85)  # of which anatomy allows; outside it an outline is wrong
LEAST_AGREEMENT = 0.85  # Dice of one structure between two looks at the same film
MOST_BEYOND = 0.05  # of the thorax: a heart farther outside the lungs is no heart


@dataclass(frozen=True, kw_only=True, eq=False)
class Anatomy:
    """Heart and lungs of one film, as a model outlines them.

    maps: (3, h, w) float32 logits in the order of STRUCTURES, over the model's square.  outlines: (P, 2) points (x, y)
    in film pixels of each structure; empty when it was not found.  ratio: of the heart's greatest transverse diameter
    to the thorax's; half_width: of its 95 % interval.  failures: why there is no ratio.  doubts: why not to trust it.
    """

    model: str
    version: str
    maps: np.ndarray
    placement: Placement
    outlines: Mapping[str, np.ndarray]
    heart: Line | None
    thorax: Line | None
    ratio: float | None
    spread: float  # standard deviation of the ratio between several looks at the film
    half_width: float
    failures: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    def masks(self) -> dict[str, np.ndarray]:
        """(H, W) bool of each structure, on the film's own grid, cleaned as the outlines are."""
        found = {}
        for name, points in self.outlines.items():
            mask = np.zeros(self.placement.film_shape, np.uint8)
            if len(points):
                # A pixel belongs to what its middle lies in; OpenCV counts from pixel middles.
                cv2.fillPoly(mask, [np.rint((points - 0.5) * 16).astype(np.int32)], 1, shift=4)
            found[name] = mask.astype(bool)
        return found


def anatomy_of(
    looks: np.ndarray,
    placement: Placement,
    *,
    model: str,
    version: str,
    offset: float,
    factor: float,
) -> Anatomy:
    """The anatomy of one film as it is, and how far other looks at it agree.

    looks: (V, 3, h, w) float32 logits of the same square, in the order of STRUCTURES; the film as it is comes first. It
    alone is measured: the mean of several looks was farther from the truth (docs/decisions.md).
    offset, factor: the interval is value ± factor * (offset + spread of the looks' ratios), as the model's card says.
    """
    masks, *others = [_cleaned(look) for look in looks]
    failures = _failures(masks)
    ends = None if failures else _ends(masks)
    each = [_ratio_of(look) for look in (masks, *others)] if others else []
    ratios = [ratio for ratio in each if ratio is not None]
    ratio = ends and _ratio(ends)
    if ratio is not None and not RATIOS[0] <= ratio <= RATIOS[1]:
        failures, ratio, ends = (
            ((f"{IMPLAUSIBLE} The heart would measure {ratio:.2f} of the thorax."),),
            None,
            None,
        )
    spread = float(np.std(ratios)) if len(ratios) > 1 else 0.0
    lines = ends and tuple(_on_film(line, placement) for line in ends)
    return Anatomy(
        model=model,
        version=version,
        maps=looks[0],
        placement=placement,
        outlines={
            name: _outline(mask, placement) for name, mask in zip(STRUCTURES, masks, strict=True)
        },
        heart=lines[0] if lines else None,
        thorax=lines[1] if lines else None,
        ratio=ratio or None,
        spread=spread,
        half_width=factor * (offset + spread),
        failures=failures,
        doubts=() if failures else _doubts(masks, looks, len(ratios) < len(each)),
    )


def diameters_of(masks: np.ndarray) -> tuple[float, float]:
    """The greatest transverse diameters of heart and thorax in pixels. masks: (3, H, W) bool, of STRUCTURES, whole.

    Raises ValueError when one of them is empty.
    """
    if not masks.any(axis=(1, 2)).all():
        raise ValueError("an empty mask has no diameter")
    (heart, thorax) = _ends(masks)
    return heart[1][0] - heart[0][0], thorax[1][0] - thorax[0][0]


NO_HEART = "No heart was found on this picture."
ONE_LUNG = "The {} lung was not found, so the thorax has no second border."
HEART_CUT = "The heart reaches the edge of the film, so its diameter is not whole."
IMPLAUSIBLE = "The outlines make no anatomy that can be measured."
LUNG_CUT = "The {} lung reaches the side of the film: the thorax may be wider than measured."
DISAGREE = "Two looks at the same film outline the {} differently."


def _cleaned(maps: np.ndarray) -> np.ndarray:
    """(3, M, M) bool: of each map the largest connected region, its holes filled."""
    return np.stack(
        [_largest(cv2.resize(each, (MEASURED_SIDE, MEASURED_SIDE)) > 0) for each in maps]
    )


def _largest(mask: np.ndarray) -> np.ndarray:
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(mask.shape, np.uint8)
    if contours:
        cv2.drawContours(filled, [max(contours, key=cv2.contourArea)], -1, 1, cv2.FILLED)
    return filled.astype(bool)


def _failures(masks: np.ndarray) -> tuple[str, ...]:
    """Why these masks cannot be measured; nothing when they can."""
    heart, left, right = masks
    share = masks.mean(axis=(1, 2))
    if share[0] < LEAST_HEART:
        return (NO_HEART,)
    for name, size in (("left", share[1]), ("right", share[2])):
        if size < LEAST_LUNG:
            return (ONE_LUNG.format(name),)
    if heart[:, 0].any() or heart[:, -1].any():
        return (HEART_CUT,)
    middle = {name: _middle(mask) for name, mask in zip(STRUCTURES, masks, strict=True)}
    low, high = sorted((middle["left_lung"], middle["right_lung"]))
    if not low < middle["heart"] < high:
        return (f"{IMPLAUSIBLE} The heart does not lie between the lungs.",)
    inner, outer = _extent(heart), _extent(left | right)
    beyond = max(outer[0] - inner[0], inner[1] - outer[1])
    if beyond > MOST_BEYOND * (outer[1] - outer[0]):
        return (f"{IMPLAUSIBLE} The heart reaches beyond the lungs.",)
    return ()


def _doubts(masks: np.ndarray, looks: np.ndarray, some_failed: bool) -> tuple[str, ...]:
    found = []
    for name, mask in (("left", masks[1]), ("right", masks[2])):
        if mask[:, 0].any() or mask[:, -1].any():
            found.append(LUNG_CUT.format(name))
    for index, name in enumerate(STRUCTURES):
        shared = [_dice(looks[0, index] > 0, look[index] > 0) for look in looks[1:]]
        if shared and min(shared) < LEAST_AGREEMENT:
            found.append(DISAGREE.format(name.replace("_", " ")))
    if some_failed and not found:
        found.append(DISAGREE.format("heart"))
    return tuple(found)


def _ratio_of(masks: np.ndarray) -> float | None:
    return None if _failures(masks) else _ratio(_ends(masks))


def _ratio(ends: tuple[Line, Line]) -> float:
    heart, thorax = ends
    return (heart[1][0] - heart[0][0]) / (thorax[1][0] - thorax[0][0])


def _ends(masks: np.ndarray) -> tuple[Line, Line]:
    """The ends of heart and thorax, (x, y) in pixels of the measured square.

    A heart that fills one side has no lung beside it: it then reaches the wall of the thorax itself.
    """
    return _widest(masks[0]), _widest(np.any(masks, axis=0))


def _widest(mask: Any) -> Line:
    """From the outer border of the leftmost pixels to that of the rightmost, each at the middle of their rows."""
    first, behind = _extent(mask)
    rows = [float(np.flatnonzero(mask[:, column]).mean()) + 0.5 for column in (first, behind - 1)]
    return (float(first), rows[0]), (float(behind), rows[1])


def _extent(mask: np.ndarray) -> tuple[int, int]:
    """The first column that a mask has, and the first one behind it."""
    columns = np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(columns[-1]) + 1


def _middle(mask: np.ndarray) -> float:
    return float(np.flatnonzero(mask.any(axis=0)).mean())


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    both = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / both if both else 1.0


def _outline(mask: np.ndarray, placement: Placement) -> np.ndarray:
    """(P, 2) points (x, y) on the film around a mask of the measured square, half a pixel inside its border."""
    contours, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    if not contours:
        return np.empty((0, 2))
    points = max(contours, key=cv2.contourArea)[:, 0, :] + 0.5
    return _to_film(points, placement)


def _on_film(line: Line, placement: Placement) -> Line:
    (x0, y0), (x1, y1) = _to_film(np.array(line), placement).tolist()
    return (x0, y0), (x1, y1)


def _to_film(points: np.ndarray, placement: Placement) -> np.ndarray:
    """(x, y) on the measured square -> (x, y) on the film."""
    on_input = points[:, ::-1] * (placement.side / MEASURED_SIDE)
    return placement.to_film(on_input)[:, ::-1]
