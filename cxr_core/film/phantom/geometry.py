"""Builds the geometry of a phantom chest: smooth borders through a few nodes, and the organs that they enclose.

Heights are fractions of the film's height, counted from its top. Distances from the midline are fractions of half the
thorax's width, so that one set of nodes serves every build. "Right" and "left" are the patient's: the right lung
lies on the picture's left.
"""

from dataclasses import dataclass

import numpy as np

Nodes = tuple[tuple[float, float], ...]

LUNG_APEX, LUNG_TIP = 0.07, 0.36  # height; distance from the midline
APEX_DEPTH = 0.085  # over which both borders open like a circle
# Height -> distance from the midline. The lateral border is greatest, exactly 1, at one node above the diaphragm.
LUNG_LATERAL: Nodes = (
    (0.07, 0.52),
    (0.12, 0.60),
    (0.2, 0.715),
    (0.3, 0.82),
    (0.45, 0.92),
    (0.66, 1.0),
    (0.78, 0.995),
    (1.0, 0.93),
)
LUNG_MEDIAL: Nodes = ((0.07, 0.19), (0.12, 0.14), (0.2, 0.10), (1.0, 0.08))
# Distance from the midline -> height of the diaphragm; the left dome lies lower than the right one.
DIAPHRAGM: Nodes = (
    (0.0, 0.80),
    (0.2, 0.772),
    (0.45, 0.752),
    (0.68, 0.770),
    (0.84, 0.803),
    (0.94, 0.845),
    (1.0, 0.890),
)
LEFT_DOME_LOWER_BY = 0.022

# Great vessels and upper mediastinum: height -> distance from the midline; the aortic arch bulges on the left.
VESSELS_RIGHT: Nodes = (
    (0.0, 0.15),
    (0.2, 0.15),
    (0.3, 0.17),
    (0.4, 0.18),
    (0.5, 0.20),
    (0.6, 0.16),
    (1.0, 0.12),
)
VESSELS_LEFT: Nodes = (
    (0.0, 0.15),
    (0.2, 0.14),
    (0.245, 0.17),
    (0.285, 0.225),
    (0.33, 0.20),
    (0.37, 0.18),
    (0.42, 0.225),
    (0.5, 0.24),
    (0.6, 0.16),
    (1.0, 0.12),
)

# The heart: depth below its top as a fraction of its height -> part of the heart's width on that side of the midline.
HEART_TOP, HEART_BOTTOM = 0.39, 0.835
HEART_RIGHT: Nodes = (
    (0.0, 0.06),
    (0.12, 0.18),
    (0.35, 0.29),
    (0.58, 0.34),
    (0.78, 0.325),
    (0.92, 0.25),
    (1.0, 0.10),
)
HEART_LEFT: Nodes = (
    (0.0, 0.10),
    (0.1, 0.27),
    (0.3, 0.37),
    (0.55, 0.52),
    (0.74, 0.63),
    (0.85, 0.66),
    (0.95, 0.60),
    (1.0, 0.38),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Chest:
    """The organs of one phantom chest on its film's grid, before any mirroring.

    height: a film row's fraction of the height.
    lateral_position: a column's signed distance from the midline in halves of the thorax, the patient's left positive.
    right_lung, left_lung: without heart and mediastinum, as films show them.  below.
    aeration, bulk: how much lung (also behind the heart), and how much heart and great vessels, lie along a ray, from
    0 to 1.
    """

    height: np.ndarray  # (H, 1) float32
    lateral_position: np.ndarray  # (1, W) float32
    heart: np.ndarray  # (H, W) bool
    right_lung: np.ndarray  # (H, W) bool
    left_lung: np.ndarray  # (H, W) bool
    below: np.ndarray  # (H, W) bool
    aeration: np.ndarray  # (H, W) float32
    bulk: np.ndarray  # (H, W) float32


def build_chest(shape: tuple[int, int], thorax_px: int, heart_px: int) -> Chest:
    """The chest on a grid of (H, W) whose lungs span thorax_px columns and whose heart spans heart_px."""
    rows, columns = shape
    height = ((np.arange(rows, dtype=np.float32) + 0.5) / rows)[:, None]
    # Entire columns to the midline, so that both diameters end on pixel borders.
    middle = columns // 2
    start = middle - thorax_px // 2
    lateral_position = (
        (np.arange(columns, dtype=np.float32) + 0.5 - start) * np.float32(2 / thorax_px) - 1
    )[None, :]
    ends = [
        (border - start) * (2 / thorax_px) - 1
        for border in _heart_borders(height, heart_px, middle)
    ]
    heart = (lateral_position > ends[0]) & (lateral_position < ends[1])
    vessels_right, vessels_left = (
        -smooth_curve(VESSELS_RIGHT, height),
        smooth_curve(VESSELS_LEFT, height),
    )
    vessels = (
        (lateral_position > vessels_right)
        & (lateral_position < vessels_left)
        & (height < HEART_BOTTOM)
    )
    lateral, medial = _lung_borders(height)
    above = height < smooth_curve(DIAPHRAGM, np.abs(lateral_position)) + LEFT_DOME_LOWER_BY * (
        lateral_position > 0
    )
    right, left = (
        (side * lateral_position > medial) & (side * lateral_position < lateral) & above
        for side in (-1, 1)
    )
    seen = ~heart & ~vessels
    thickness = (
        _chord_length(np.abs(lateral_position), medial, lateral)
        * np.clip((height - LUNG_APEX) / 0.3, 0, 1) ** 0.45
    )
    vessel_bulk = 0.8 * _chord_length(lateral_position, vessels_right, vessels_left) * vessels
    return Chest(
        height=height,
        lateral_position=lateral_position,
        heart=heart,
        right_lung=right & seen,
        left_lung=left & seen,
        below=~above,
        aeration=thickness * (right | left),
        bulk=np.maximum(_chord_length(lateral_position, ends[0], ends[1]) * heart, vessel_bulk),
    )


def smooth_curve(nodes: Nodes, at: np.ndarray) -> np.ndarray:
    """A smooth curve through (position, value) nodes that never overshoots them; constant beyond its ends.

    Source: Fritsch and Butland 1984, monotone cubic interpolation with harmonic mean slopes.
    """
    x, y = np.array(nodes, dtype=np.float32).T
    step = np.diff(x)
    secant = np.diff(y) / step
    before, after = secant[:-1], secant[1:]
    same_sign = before * after > 0
    harmonic = 2 * before * after / np.where(same_sign, before + after, 1)
    slope = np.concatenate([secant[:1], np.where(same_sign, harmonic, 0), secant[-1:]])
    clipped = np.clip(at, x[0], x[-1])
    i = np.clip(np.searchsorted(x, clipped, side="right") - 1, 0, len(step) - 1)
    t = (clipped - x[i]) / step[i]
    rise = step[i] * ((t**3 - 2 * t**2 + t) * slope[i] + (t**3 - t**2) * slope[i + 1])
    values: np.ndarray = y[i] + (3 * t**2 - 2 * t**3) * (y[i + 1] - y[i]) + rise
    return values.astype(np.float32)


def _lung_borders(height: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(lateral, medial) distances from the midline, (H, 1); both meet in a rounded apex and coincide above it."""
    depth = np.clip((height - LUNG_APEX) / APEX_DEPTH, 0, 1)
    opening = np.sqrt(1 - (1 - depth) ** 2)
    lateral = LUNG_TIP + (smooth_curve(LUNG_LATERAL, height) - LUNG_TIP) * opening
    medial = LUNG_TIP + (smooth_curve(LUNG_MEDIAL, height) - LUNG_TIP) * opening
    return lateral, medial


def _heart_borders(height: np.ndarray, heart_px: int, middle: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns of the heart's borders on the picture's left and right, (H, 1); they coincide outside its height."""
    depth = (height - HEART_TOP) / (HEART_BOTTOM - HEART_TOP)
    inside = (depth > 0) & (depth < 1)
    widest_right, widest_left = _largest_value(HEART_RIGHT), _largest_value(HEART_LEFT)
    right_px = round(heart_px * widest_right)
    low = middle - smooth_curve(HEART_RIGHT, depth) * (right_px / widest_right)
    high = middle + smooth_curve(HEART_LEFT, depth) * ((heart_px - right_px) / widest_left)
    return np.where(inside, low, middle), np.where(inside, high, middle)


def _largest_value(nodes: Nodes) -> float:
    return max(value for _, value in nodes)


def _chord_length(across: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """How thick a body of elliptic section from low to high is, in [0, 1]; 0 outside."""
    half = np.maximum((high - low) / 2, 1e-6).astype(np.float32)
    middle = ((low + high) / 2).astype(np.float32)
    thickness: np.ndarray = np.sqrt(np.maximum(1 - ((across - middle) / half) ** 2, 0))
    return thickness
