"""How a chest film lies: inverted, turned or mirrored, from a coarse look at where it is bright.

Each score is the correlation-like product of a small table of weights with the film, averaged to 8 × 8 cells and
standardised. The tables were fitted (logistic regression, then symmetrised and rounded to one digit) on NIH train_val
films at 64 and at 128 px and on Kermany train films; quality.py has the limits and the rates on other films.
"""

from dataclasses import dataclass

import cv2
import numpy as np

# Positive where a frontal film is bright: spine, mediastinum and abdomen; negative beside the neck and in the lungs.
# Fitted against the film's negative, its three quarter turns and their negatives, all seven at once.
POSE_WEIGHTS = np.array(
    [
        [-4, -7, -5, 3, 3, -5, -7, -4],
        [1, 1, -3, 0, 0, -3, 1, 1],
        [1, 3, -5, 0, 0, -5, 3, 1],
        [-1, 1, -5, 3, 3, -5, 1, -1],
        [-2, -3, -2, 6, 6, -2, -3, -2],
        [-3, -4, 2, 8, 8, 2, -4, -3],
        [-5, -1, 4, 9, 9, 4, -1, -5],
        [-7, 4, 7, 7, 7, 7, 4, -7],
    ],
    np.float32,
)
# By how much another pose must fit better to be believed. Zero would find 1 % more and blame 0.5 % more sound films.
POSE_MARGIN = 0.1

# Antisymmetric: the heart lies in the lower half, on the picture's right.
HEART_SIDE_WEIGHTS = np.array(
    [
        [-1, 0, 0, 0, 0, 0, 0, 1],
        [0, 1, 1, -1, 1, -1, -1, 0],
        [1, 2, 0, -4, 4, 0, -2, -1],
        [1, 1, -4, -6, 6, 4, -1, -1],
        [1, 0, -9, -7, 7, 9, 0, -1],
        [1, 1, -7, -5, 5, 7, -1, -1],
        [2, 4, 1, 0, 0, -1, -4, -2],
        [2, 4, 3, 1, -1, -3, -4, -2],
    ],
    np.float32,
)


@dataclass(frozen=True)
class Pose:
    """How one film seems to lie."""

    inverted: bool  # dark and bright swapped
    quarter_turns: int  # anticlockwise turns that would put it upright
    heart_side: float  # once put right: above 0 with the heart on the picture's right, where it belongs


def measure_pose(pixels: np.ndarray) -> Pose:
    """pixels: (H, W) float32 in [0, 1], not constant."""
    cells = _cells(pixels)
    as_turned = [_score(np.rot90(cells, turns), POSE_WEIGHTS) for turns in range(4)]
    fits = np.array([as_turned, [-fit for fit in as_turned]])
    if fits.max() - fits[0, 0] < POSE_MARGIN:
        return Pose(False, 0, _score(cells, HEART_SIDE_WEIGHTS))
    inverted, turns = divmod(int(fits.argmax()), 4)
    put_right = np.rot90(-cells if inverted else cells, turns)
    return Pose(bool(inverted), turns, _score(put_right, HEART_SIDE_WEIGHTS))


def _cells(pixels: np.ndarray) -> np.ndarray:
    """The film averaged to 8 × 8 cells, of mean 0 and deviation 1."""
    cells = cv2.resize(pixels, (8, 8), interpolation=cv2.INTER_AREA)
    return (cells - cells.mean()) / (cells.std() + 1e-6)


def _score(cells: np.ndarray, weights: np.ndarray) -> float:
    return float((cells * weights).sum() / np.abs(weights).sum())
