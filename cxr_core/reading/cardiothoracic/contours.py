"""Turns segmentation maps of heart and lungs into contours and the ends of two diameters, or says why it cannot."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from cxr_core.film.preprocess import Placement
from cxr_core.findings import STRUCTURES
from cxr_core.reading.cardiothoracic.outline_checks import (
    column_range,
    find_broken,
    find_warnings,
    limit_ratio,
    list_limits,
    measure_taper,
)

Point = tuple[float, float]  # (x, y) in film pixels, continuous
Line = tuple[Point, Point]  # the end on the left of the film first

MEASURED_SIDE = 768  # px of the square on which maps are measured: a pixel is 0.2 % of a thorax
# 95 % of errors lie within so many standard errors, which is how an interval and a standard error say the same.
NORMAL_QUANTILE = 1.96


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentationResult:
    """Heart and lungs of one film, as a model segments them.

    maps: (3, h, w) float32 logits in the order of STRUCTURES, over the model's square.  contours: (P, 2) points (x, y)
    in film pixels of each structure; empty when it was not found.  heart, thorax: ends of the transverse diameters.
    ratio: of the heart's greatest transverse diameter to the thorax's.  spread: standard deviation of the ratio between
    the film and its test-time augmentations.  half_width: of the ratio's 95 % interval.  errors: why there is no ratio.
    warnings: why it is not to be trusted.  taper: factor on the ratio's weight in [0, 1], 0 where there is no ratio and
    towards each limit beyond which there is none; see `outline_checks`.  backend: what computed the maps, by name.
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
    taper: float = 1.0
    backend: str = "torch"

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
    backend: str = "torch",
) -> SegmentationResult:
    """Contours and diameters of one film, and how far its test-time augmentations agree with it.

    augmented_maps: (T, 3, h, w) float32 logits of the same square, in the order of STRUCTURES; the film itself comes
    first. It alone is measured: the mean over augmentations was farther from the truth (docs/decisions.md).
    offset, factor: of the model's card; the interval is ratio ± factor * (offset + spread), and wider where
    outlines are odd.  backend: what computed the maps, by name.
    """
    masks, *augmented_masks = [_clean_masks(maps) for maps in augmented_maps]
    ratio, taper, problem = _measure_ratio(masks)
    heart, thorax = None, None
    warnings: tuple[str, ...] = ()
    spread, variance = 0.0, 0.0
    if ratio is not None:
        heart, thorax = (_line_on_film(ends, placement) for ends in _measure_ends(masks))
        spread = float(np.std([_ratio_of_masks(one) for one in (masks, *augmented_masks)]))
        failed = any(find_broken(list_limits(one)) for one in augmented_masks)
        warnings, variance = find_warnings(masks, augmented_maps, failed)
    half_width = math.hypot(factor * (offset + spread), NORMAL_QUANTILE * math.sqrt(variance))
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
        half_width=half_width,
        errors=(problem,) if problem else (),
        warnings=warnings,
        taper=taper,
        backend=backend,
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


def _measure_ratio(masks: np.ndarray) -> tuple[float | None, float, str]:
    """The ratio of masks (3, M, M) with its taper, or None with 0 and the reason why there is none."""
    limits = list_limits(masks)
    if find_broken(limits) is None:
        ratio = _ratio_of_ends(*_measure_ends(masks))
        limits.append(limit_ratio(ratio))
    broken = find_broken(limits)
    if broken is not None:
        return None, 0.0, broken.message
    return ratio, measure_taper(limits), ""


def _ratio_of_masks(masks: np.ndarray) -> float:
    """The ratio of masks however odd they are, 0 without a heart: an augmentation has no limits to keep."""
    return _ratio_of_ends(*_measure_ends(masks)) if masks[0].any() else 0.0


def _ratio_of_ends(heart: Line, thorax: Line) -> float:
    return (heart[1][0] - heart[0][0]) / (thorax[1][0] - thorax[0][0])


def _measure_ends(masks: np.ndarray) -> tuple[Line, Line]:
    """The ends of heart and thorax, (x, y) in pixels of the measured square.

    A heart that fills one side has no lung beside it: it then reaches the wall of the thorax itself.
    """
    return _widest_line(masks[0]), _widest_line(np.any(masks, axis=0))


def _widest_line(mask: np.ndarray) -> Line:
    """From the outer border of the leftmost pixels to that of the rightmost, each at the middle of their rows."""
    first, end = column_range(mask)
    rows = [float(np.flatnonzero(mask[:, column]).mean()) + 0.5 for column in (first, end - 1)]
    return (float(first), rows[0]), (float(end), rows[1])


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
