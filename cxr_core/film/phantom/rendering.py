"""Renders a phantom chest as a film: densities along the ray add up, and a tone curve turns the sum into brightness.

Amounts are in the same unit throughout: a sum `a` is shown as 1 - exp(-a), so bone over lung stands out and bone over
the abdomen hardly does, as on a film. Positions are given as in geometry.py.
"""

import cv2
import numpy as np

from cxr_core.film.phantom.geometry import LUNG_LATERAL, Chest, Nodes, smooth_curve

BODY, LUNG, HEART, ABDOMEN, SPINE = 1.22, 0.78, 0.46, 0.45, 0.20
# Height -> half width of neck, shoulders and trunk.
BODY_BORDER: Nodes = (
    (0.0, 0.46),
    (0.035, 0.52),
    (0.08, 0.85),
    (0.13, 1.30),
    (0.2, 1.62),
    (0.36, 1.62),
    (0.5, 1.44),
    (0.7, 1.33),
    (1.0, 1.36),
)
# Distance from the midline -> height.
CLAVICLE: Nodes = (
    (0.08, 0.222),
    (0.3, 0.198),
    (0.6, 0.155),
    (0.9, 0.122),
    (1.2, 0.112),
)
# Height -> the lateral border.
SCAPULA: Nodes = (
    (0.13, 1.26),
    (0.2, 1.12),
    (0.3, 1.06),
    (0.44, 1.16),
)
POSTERIOR_RIBS = range(10)
ANTERIOR_RIBS = range(1, 7)
HILUM_HEIGHT = 0.435
# The same vessels in every phantom, so that a phantom's own seed changes its noise only.
MARKINGS_SEED = 20


def render_film(anatomy: Chest) -> np.ndarray:
    """Render the film of a chest, without opacity and noise: (H, W) float32 in [0, 1]."""
    away = np.abs(anatomy.lateral_position)
    air = anatomy.aeration * (1 - 0.75 * anatomy.bulk)
    total = _body_density(anatomy, away)
    total += _bone_density(anatomy.height, away) * (1 - 0.4 * anatomy.bulk)
    total -= LUNG * np.sqrt(air)
    total += HEART * anatomy.bulk * (1 - 0.85 * anatomy.below)
    total += _lung_markings(anatomy) * air
    total -= _trachea_and_stomach(anatomy)
    film: np.ndarray = 1 - np.exp(-blur_film(np.maximum(total, 0)))
    return film


def blur_film(picture: np.ndarray) -> np.ndarray:
    """Blur by a film's unsharpness, the same share of its height at every size. Zeros far from structures stay 0."""
    return cv2.GaussianBlur(picture, (0, 0), max(picture.shape[0] / 640, 0.5))


def _body_density(anatomy: Chest, away: np.ndarray) -> np.ndarray:
    """Soft tissue: rounded towards the skin, denser under the diaphragm."""
    height = anatomy.height
    share = away / smooth_curve(BODY_BORDER, height)
    # Flat in the middle, steep at the skin.
    thickness = np.sqrt(np.maximum(1 - (share * share) ** 2, 0))
    # Beside the lungs there is no dome, only a gradual increase.
    wall = np.clip((away - 0.955) / 0.09, 0, 1)
    gradual = np.clip((height - 0.62) / 0.36, 0, 1) ** 2
    denser = ABDOMEN * (0.7 + 0.5 * np.clip(height - 0.7, 0, 1))
    thicker = BODY * (0.78 + 0.22 * np.clip(height / 0.5, 0, 1))
    density: np.ndarray = thickness * (
        thicker + (wall * gradual + (1 - wall) * anatomy.below) * denser
    )
    return density


def _bone_density(height: np.ndarray, away: np.ndarray) -> np.ndarray:
    """Spine, ribs, clavicles, scapulae and the heads of the humeri."""
    bones = _rib_density(height, away)
    bones += (
        SPINE
        * np.exp(-((away / 0.13) ** 4))
        * (1 + 0.2 * np.cos(height * np.float32(2 * np.pi / 0.047)))
    )
    upper = slice(0, round(0.45 * len(height)))
    bones[upper] += _shoulder_girdle(height[upper], away)
    return bones


def _shoulder_girdle(height: np.ndarray, away: np.ndarray) -> np.ndarray:
    clavicle = _band_profile(height - smooth_curve(CLAVICLE, away), 0.011) * (
        np.clip((1.16 - away) / 0.05, 0, 1) * (away > 0.08)
    )
    scapula = _band_profile(away - smooth_curve(SCAPULA, height), 0.02) * (
        np.clip((0.44 - height) / 0.1, 0, 1) * (height > 0.14)
    )
    humerus = _disc_profile(((away - 1.36) / 0.19) ** 2 + ((height - 0.185) / 0.065) ** 2)
    return 0.24 * clavicle + 0.10 * scapula + 0.16 * humerus


def _rib_density(height: np.ndarray, away: np.ndarray) -> np.ndarray:
    """Ribs as the level lines of two fields: behind, from the spine out and down; in front, from the side inwards."""
    across = away / smooth_curve(LUNG_LATERAL, height)
    reach = np.minimum(across, 1)
    fall = 1 - np.sqrt(1 - 0.96 * reach * reach)
    behind = _level_bands(
        (height - 0.095 - 0.125 * fall - 0.03 * reach) / 0.068, POSTERIOR_RIBS, 0.18
    )
    before = _level_bands((height - 0.29 + 0.15 * reach - 0.10 * fall) / 0.080, ANTERIOR_RIBS, 0.20)
    behind *= 0.16 * np.clip((reach - 0.10) / 0.06, 0, 1)
    before *= 0.09 * np.clip((reach - 0.38) / 0.3, 0, 1)
    cage = (
        0.10 * np.maximum(1 - np.abs(across - 1) / 0.045, 0) * np.clip((height - 0.12) / 0.1, 0, 1)
    )
    ribs: np.ndarray = (behind + before + cage) * (
        np.clip((1.02 - across) / 0.02, 0, 1) * np.clip((0.93 - height) / 0.1, 0, 1)
    )
    return ribs


def _level_bands(field: np.ndarray, levels: range, half_width: float) -> np.ndarray:
    """Bands along the whole-number levels of a field, their rims (the cortex) denser than their middles."""
    nearest = np.rint(np.clip(field, levels[0], levels[-1]))
    distance = np.abs(field - nearest) / half_width
    middle = np.minimum(distance, 1) ** 2
    bands: np.ndarray = np.clip((1.1 - distance) * 5, 0, 1) * (0.65 + 0.35 * middle * middle)
    return bands


def _band_profile(distance: np.ndarray, half_width: float) -> np.ndarray:
    share = np.abs(distance) / half_width
    profile: np.ndarray = np.clip((1.2 - share) / 0.5, 0, 1) * (0.7 + 0.3 * np.minimum(share, 1))
    return profile


def _disc_profile(distance_squared: np.ndarray) -> np.ndarray:
    profile: np.ndarray = np.sqrt(np.maximum(1 - distance_squared, 0))
    return profile


def _trachea_and_stomach(anatomy: Chest) -> np.ndarray:
    """Air outside the lungs: the windpipe down to its fork and the bubble under the left dome."""
    height, position = anatomy.height, anatomy.lateral_position
    trachea = np.exp(-(((position + 0.01) / 0.065) ** 4)) * np.clip((0.36 - height) / 0.08, 0, 1)
    bubble = _disc_profile(((position - 0.52) / 0.24) ** 2 + ((height - 0.875) / 0.042) ** 2)
    air: np.ndarray = 0.34 * trachea + 0.30 * bubble * anatomy.below
    return air


def _lung_markings(anatomy: Chest) -> np.ndarray:
    """Hila, vessels that branch from them, and the fine grain of the lung: (H, W) float32, about 0 to 0.6."""
    shape = anatomy.below.shape
    rng = np.random.default_rng(MARKINGS_SEED)
    canvas = np.zeros(shape, np.uint8)
    for side in (-1, 1):
        for angle in np.linspace(-1.35, 1.45, 12) + rng.uniform(-0.12, 0.12, 12):
            start = np.array([0.24 * side, HILUM_HEIGHT]) + rng.uniform(-0.03, 0.03, 2)
            path = _random_vessel(rng, start, side, angle, rng.uniform(0.45, 0.75))
            _draw_vessel(canvas, anatomy, path, 0.009, 220)
            for fork in (3, 5, 7):
                turned = angle + rng.choice([-1, 1]) * rng.uniform(0.3, 0.7)
                branch = _random_vessel(rng, path[fork], side, turned, rng.uniform(0.15, 0.35))
                _draw_vessel(canvas, anatomy, branch, 0.0075 - 0.0006 * fork, 190 - 10 * fork)
    coarse = rng.standard_normal((72, 72), dtype=np.float32)
    grain = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)
    beside_hilum = (np.abs(anatomy.lateral_position) - 0.235) / 0.10
    hila = np.exp(-(beside_hilum**2)) * np.exp(-(((anatomy.height - HILUM_HEIGHT) / 0.07) ** 2))
    markings: np.ndarray = blur_film(canvas) * np.float32(0.22 / 255) + 0.30 * hila + 0.03 * grain
    return markings


def _random_vessel(
    rng: np.random.Generator, start: np.ndarray, side: int, angle: float, length: float
) -> np.ndarray:
    """A bending path outwards: (11, 2) points of (distance beside the midline, height)."""
    bends = angle + np.cumsum(rng.normal(0, 0.11, 10))
    # A unit beside the midline is about 0.35 of the film's width, a unit of height the whole.
    steps = np.stack([side * np.cos(bends), 0.42 * np.sin(bends)], axis=1) * (length / 10)
    path: np.ndarray = start + np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    return path


def _draw_vessel(
    canvas: np.ndarray, anatomy: Chest, path: np.ndarray, width: float, level: int
) -> None:
    """Draw a path that thins and fades towards its end. width: of the film's height, where it starts."""
    first, second = anatomy.lateral_position[0, :2]
    columns = (path[:, 0] - first) / (second - first)
    points = np.stack([columns, path[:, 1] * canvas.shape[0]], axis=1)
    shift = 4  # OpenCV's fixed-point coordinates: sixteenths of a pixel
    fixed = np.rint(points * 2**shift).astype(np.int32)
    for i in range(10):
        left = 1 - i / 10
        thickness = max(1, round(width * left * canvas.shape[0]))
        cv2.line(
            canvas,
            fixed[i].tolist(),
            fixed[i + 1].tolist(),
            level * (0.35 + 0.65 * left),
            thickness,
            cv2.LINE_AA,
            shift,
        )
