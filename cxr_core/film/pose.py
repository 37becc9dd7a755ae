"""How a chest film lies: inverted or turned, from a coarse look at where it is bright.

Each score is the correlation-like product of a small table of weights with the film, averaged to a few cells and
standardised. The tables were fitted (logistic regression, then symmetrised and rounded to one digit) on 7,500 films:
2,500 each of NIH train_val at 64 and at 128 px and of Kermany train. Rates below are on other films.
"""

from dataclasses import dataclass

import cv2
import numpy as np

# Positive where a frontal film is bright: the spine and the mediastinum below the middle; negative at the upper
# corners (air beside the neck) and in the lungs.
POLARITY_WEIGHTS = np.array([[-5, 0, 0, -5], [0, -2, -2, 0], [-3, 4, 4, -3], [-2, 9, 9, -2]], np.float32)

# The same idea at 8 × 8 cells, against the film turned by 90°, 180° and 270°.
UPRIGHT_WEIGHTS = np.array(
    [
        [2, -6, -6, 1, 1, -6, -6, 2],
        [3, 2, -4, -2, -2, -4, 2, 3],
        [2, 4, -4, -1, -1, -4, 4, 2],
        [-3, -1, -6, -2, -2, -6, -1, -3],
        [-4, -5, -2, 2, 2, -2, -5, -4],
        [-4, -4, 4, 9, 9, 4, -4, -4],
        [-4, -2, 4, 8, 8, 4, -2, -4],
        [-2, 7, 8, 6, 6, 8, 7, -2],
    ],
    np.float32,
)


@dataclass(frozen=True)
class Pose:
    """Scores of one film; about 1 for a film as it should be."""

    polarity: float  # negative: dark and bright are probably swapped
    upright: float  # how much better it fits as it lies than turned; negative: probably turned


def measure_pose(pixels: np.ndarray) -> Pose:
    """pixels: (H, W) float32 in [0, 1], not constant."""
    polarity = _score(_cells(pixels, 4), POLARITY_WEIGHTS)
    cells = _cells(pixels, 8)
    # An inverted film is judged as if it had been put right, or every inverted film would also seem turned.
    cells = -cells if polarity < 0 else cells
    as_it_lies, *turned = (_score(np.rot90(cells, turns), UPRIGHT_WEIGHTS) for turns in range(4))
    return Pose(polarity=polarity, upright=as_it_lies - max(turned))


def _cells(pixels: np.ndarray, side: int) -> np.ndarray:
    """The film averaged to (side, side) cells, of mean 0 and deviation 1."""
    cells = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
    return (cells - cells.mean()) / (cells.std() + 1e-6)


def _score(cells: np.ndarray, weights: np.ndarray) -> float:
    return float((cells * weights).sum() / np.abs(weights).sum())
