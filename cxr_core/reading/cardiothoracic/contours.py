"""Turns segmentation maps of heart and lungs into contours and the ends of two diameters, or says why it cannot."""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from cxr_core.film.preprocess import Placement
from cxr_core.findings import STRUCTURES

Point = tuple[float, float]  # (x, y) in film pixels, continuous
Line = tuple[Point, Point]  # the end on the left of the film first

MEASURED_SIDE = 768  # px of the square on which maps are measured: a pixel is 0.2 % of a thorax
# Shares of the model's square. Smaller is no heart or lung that a ratio could rest on; drawings and films of all
# datasets here have hearts of 4 to 25 % and lungs of 4 to 30 %.
MIN_HEART_SHARE, MIN_LUNG_SHARE = 0.015, 0.02
PLAUSIBLE_RATIOS = (0.25, 0.85)  # outside this range a contour is wrong
MIN_DICE = 0.85  # of one structure between the film and a test-time augmentation of it
MAX_HEART_OVERHANG = (
    0.05  # of the thorax: a heart that reaches farther outside the lungs is no heart
)

NO_HEART = "No heart was found on this picture."
NO_LUNG = "The {} lung was not found, so the thorax has no second border."
HEART_CUT_OFF = "The heart reaches the edge of the film, so its diameter is incomplete."
IMPLAUSIBLE = "The contours do not form an anatomy that can be measured."
LUNG_CUT_OFF = "The {} lung reaches the side of the film: the thorax may be wider than measured."
UNSTABLE = "The contour of the {} changes when the film is made slightly smaller and brighter."


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentationResult:
    """Heart and lungs of one film, as a model segments them.

    maps: (3, h, w) float32 logits in the order of STRUCTURES, over the model's square.  contours: (P, 2) points (x, y)
    in film pixels of each structure; empty when it was not found.  heart, thorax: ends of the transverse diameters.
    ratio: of the heart's greatest transverse diameter to the thorax's.  spread: standard deviation of the ratio between
    the film and its test-time augmentations.  half_width: of the ratio's 95 % interval.  errors: why there is no ratio.
    warnings: why it is not to be trusted.
    """

    model: str
    version: str
    maps: np.ndarray
    placement: Placement
    contours: Mapping[str, np.ndarray]
    heart: Line | None
    thorax: Line | None
    ratio: float | None
    spread: float
    half_width: float
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def masks(self) -> dict[str, np.ndarray]:
        """(H, W) bool of each structure on the film's own grid: what its contour encloses."""
        masks = {}
        for name, points in self.contours.items():
            mask = np.zeros(self.placement.film_shape, np.uint8)
            if len(points):
                # A pixel belongs to the structure that its middle lies in; OpenCV counts from pixel middles.
                cv2.fillPoly(mask, [np.rint((points - 0.5) * 16).astype(np.int32)], 1, shift=4)
            masks[name] = mask.astype(bool)
        return masks


def find_contours(
    augmented_maps: np.ndarray,
    placement: Placement,
    *,
    model: str,
    version: str,
    offset: float,
    factor: float,
) -> SegmentationResult:
    """Contours and diameters of one film, and how far its test-time augmentations agree with it.

    augmented_maps: (T, 3, h, w) float32 logits of the same square, in the order of STRUCTURES; the film itself comes
    first. It alone is measured: the mean over augmentations was farther from the truth (docs/decisions.md).
    offset, factor: of the model's card; the interval is ratio ± factor * (offset + spread).
    """
    masks, *augmented_masks = [_clean_masks(maps) for maps in augmented_maps]
    errors = _find_errors(masks)
    ratio, heart, thorax = None, None, None
    if not errors:
        heart_ends, thorax_ends = _measure_ends(masks)
        ratio = _ratio_of_ends(heart_ends, thorax_ends)
        if PLAUSIBLE_RATIOS[0] <= ratio <= PLAUSIBLE_RATIOS[1]:
            heart = _line_on_film(heart_ends, placement)
            thorax = _line_on_film(thorax_ends, placement)
        else:
            errors = (f"{IMPLAUSIBLE} The heart would measure {ratio:.2f} of the thorax.",)
            ratio = None
    ratios = []
    if augmented_masks:
        ratios = [_measure_ratio(one) for one in (masks, *augmented_masks)]
    known_ratios = [known for known in ratios if known is not None]
    warnings: tuple[str, ...] = ()
    if not errors:
        warnings = _find_warnings(masks, augmented_maps, len(known_ratios) < len(ratios))
    spread = float(np.std(known_ratios)) if len(known_ratios) > 1 else 0.0
    contours = {
        name: _find_contour(mask, placement) for name, mask in zip(STRUCTURES, masks, strict=True)
    }
    return SegmentationResult(
        model=model,
        version=version,
        maps=augmented_maps[0],
        placement=placement,
        contours=contours,
        heart=heart,
        thorax=thorax,
        ratio=ratio,
        spread=spread,
        half_width=factor * (offset + spread),
        errors=errors,
        warnings=warnings,
    )


def measure_mask_diameters(masks: np.ndarray) -> tuple[float, float]:
    """The greatest transverse diameters of heart and thorax in pixels. masks: (3, H, W) bool, in STRUCTURES' order.

    The masks are taken as they are, not cleaned. Raises ValueError when one of them is empty.
    """
    if not masks.any(axis=(1, 2)).all():
        raise ValueError("an empty mask has no diameter")
    heart, thorax = _measure_ends(masks)
    return heart[1][0] - heart[0][0], thorax[1][0] - thorax[0][0]


def _clean_masks(maps: np.ndarray) -> np.ndarray:
    """(3, M, M) bool: of each map the largest connected region, its holes filled."""
    return np.stack(
        [_largest_region(cv2.resize(one, (MEASURED_SIDE, MEASURED_SIDE)) > 0) for one in maps]
    )


def _largest_region(mask: np.ndarray) -> np.ndarray:
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(mask.shape, np.uint8)
    if contours:
        cv2.drawContours(filled, [max(contours, key=cv2.contourArea)], -1, 1, cv2.FILLED)
    return filled.astype(bool)


def _find_errors(masks: np.ndarray) -> tuple[str, ...]:
    """Why these masks cannot be measured; nothing when they can."""
    heart, left, right = masks
    heart_share, left_share, right_share = [np.count_nonzero(one) / one.size for one in masks]
    if heart_share < MIN_HEART_SHARE:
        return (NO_HEART,)
    for name, share in (("left", left_share), ("right", right_share)):
        if share < MIN_LUNG_SHARE:
            return (NO_LUNG.format(name),)
    if heart[:, 0].any() or heart[:, -1].any():
        return (HEART_CUT_OFF,)
    low, high = sorted((_middle_column(left), _middle_column(right)))
    if not low < _middle_column(heart) < high:
        return (f"{IMPLAUSIBLE} The heart does not lie between the lungs.",)
    inner, outer = _column_range(heart), _column_range(left | right)
    overhang = max(outer[0] - inner[0], inner[1] - outer[1])
    if overhang > MAX_HEART_OVERHANG * (outer[1] - outer[0]):
        return (f"{IMPLAUSIBLE} The heart reaches beyond the lungs.",)
    return ()


def _find_warnings(
    masks: np.ndarray, augmented_maps: np.ndarray, some_failed: bool
) -> tuple[str, ...]:
    """Why a ratio of these masks is not to be trusted. some_failed: an augmentation could not be measured."""
    warnings = []
    for name, mask in (("left", masks[1]), ("right", masks[2])):
        if mask[:, 0].any() or mask[:, -1].any():
            warnings.append(LUNG_CUT_OFF.format(name))
    film_maps, *others = augmented_maps
    for index, name in enumerate(STRUCTURES):
        shared = [_dice(film_maps[index] > 0, maps[index] > 0) for maps in others]
        if shared and min(shared) < MIN_DICE:
            warnings.append(UNSTABLE.format(name.replace("_", " ")))
    if some_failed and not warnings:
        warnings.append(UNSTABLE.format("heart"))
    return tuple(warnings)


def _measure_ratio(masks: np.ndarray) -> float | None:
    if _find_errors(masks):
        return None
    return _ratio_of_ends(*_measure_ends(masks))


def _ratio_of_ends(heart: Line, thorax: Line) -> float:
    return (heart[1][0] - heart[0][0]) / (thorax[1][0] - thorax[0][0])


def _measure_ends(masks: np.ndarray) -> tuple[Line, Line]:
    """The ends of heart and thorax, (x, y) in pixels of the measured square.

    A heart that fills one side has no lung beside it: it then reaches the wall of the thorax itself.
    """
    return _widest_line(masks[0]), _widest_line(np.any(masks, axis=0))


def _widest_line(mask: np.ndarray) -> Line:
    """From the outer border of the leftmost pixels to that of the rightmost, each at the middle of their rows."""
    first, end = _column_range(mask)
    rows = [float(np.flatnonzero(mask[:, column]).mean()) + 0.5 for column in (first, end - 1)]
    return (float(first), rows[0]), (float(end), rows[1])


def _column_range(mask: np.ndarray) -> tuple[int, int]:
    """The first column that a mask has, and the first one behind it."""
    columns = np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(columns[-1]) + 1


def _middle_column(mask: np.ndarray) -> float:
    return float(np.flatnonzero(mask.any(axis=0)).mean())


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    total = np.count_nonzero(one) + np.count_nonzero(other)
    return 2 * np.count_nonzero(one & other) / total if total else 1.0


def _find_contour(mask: np.ndarray, placement: Placement) -> np.ndarray:
    """(P, 2) points (x, y) on the film around a mask of the measured square, half a pixel inside its border."""
    contours, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )
    if not contours:
        return np.empty((0, 2))
    points = max(contours, key=cv2.contourArea)[:, 0, :] + 0.5
    return _points_on_film(points, placement)


def _line_on_film(line: Line, placement: Placement) -> Line:
    (x0, y0), (x1, y1) = _points_on_film(np.array(line), placement).tolist()
    return (x0, y0), (x1, y1)


def _points_on_film(points: np.ndarray, placement: Placement) -> np.ndarray:
    """(x, y) on the measured square -> (x, y) on the film."""
    on_input = points[:, ::-1] * (placement.side / MEASURED_SIDE)
    return placement.to_film(on_input)[:, ::-1]
