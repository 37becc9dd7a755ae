"""How a chest film lies: inverted or turned, from a coarse look at where it is bright.

The score is the correlation-like product of a small table of weights with the film, averaged to 8 × 8 cells and
standardised. The table was fitted (logistic regression, then symmetrised and rounded to one digit) on 7,500 films: NIH
train_val at 64 and at 128 px and Kermany train; quality.py tells the rates on other films.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from cxr_core.film.heart_side import SIDE, measure_heart_side

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


@dataclass(frozen=True)
class Pose:
    """How one film seems to lie."""

    inverted: bool  # dark and bright swapped
    quarter_turns: int  # anticlockwise turns that would put it upright
    heart_side: (
        float  # once put right: above 0 with the heart on the picture's right, where it belongs
    )


def measure_pose(pixels: np.ndarray) -> Pose:
    """pixels: (H, W) float32 in [0, 1], not constant."""
    film = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    cells = cv2.resize(film, (8, 8), interpolation=cv2.INTER_AREA)
    cells = (cells - cells.mean()) / (cells.std() + 1e-6)
    as_turned = [_score(np.rot90(cells, turns)) for turns in range(4)]
    fits = np.array([as_turned, [-fit for fit in as_turned]])
    if fits.max() - fits[0, 0] < POSE_MARGIN:
        return Pose(False, 0, measure_heart_side(film))
    inverted, turns = divmod(int(fits.argmax()), 4)
    put_right = np.ascontiguousarray(np.rot90(1 - film if inverted else film, turns))
    return Pose(bool(inverted), turns, measure_heart_side(put_right))


def _score(cells: np.ndarray) -> float:
    return float((cells * POSE_WEIGHTS).sum() / np.abs(POSE_WEIGHTS).sum())
