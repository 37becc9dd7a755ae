"""Measures how a chest film lies: inverted, turned or mirrored, from where it is bright and where its edges run.

Inverted or turned: the score is the correlation-like product of a small table of weights with the film, averaged to
8 × 8 cells and standardised. The table was fitted (logistic regression, then symmetrised and rounded to one digit) on
7,500 films: NIH train_val at 64 and at 128 px and Kermany train; quality.py gives the rates on other films.

Mirrored: histograms of oriented gradients (Dalal and Triggs 2005) of the film at 64 × 64, 8 directions in 8 × 8 cells,
weighted by the 512 numbers of `heart_side.npy`. They are antisymmetric, so a film and its mirror image differ in sign
only, and any symmetric film scores 0. Fitted by logistic regression (film against mirror image, C = 0.1, rounded to
int8) on 15,856 films: NIH train_val at 64 and at 128 px, and Kermany train.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

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
# By how much another pose must fit better to be believed. Zero would find 1 % more, and flag 0.5 % more sound films.
POSE_MARGIN = 0.1

SIDE = 64
CELLS = 8
DIRECTIONS = 8
HEART_SIDE_WEIGHTS = Path(__file__).with_name("heart_side.npy")
# An edge counts by its strength relative to its surroundings, or the borders of the film would count most.
SURROUNDINGS_PX = 8.0
MIN_STRENGTH = 0.01


@dataclass(frozen=True)
class Pose:
    """How one film seems to lie.

    inverted: dark and bright are swapped.  quarter_turns: anticlockwise turns that would put it upright.
    heart_side: once upright, above 0 with the heart on the picture's right, where it belongs; see
    `measure_heart_side`.  misfit: by how much that pose fits better than the film as it lies, beyond POSE_MARGIN; 0
    for a film as it should be.
    """

    inverted: bool
    quarter_turns: int
    heart_side: float
    misfit: float = 0.0


def measure_pose(pixels: np.ndarray) -> Pose:
    """How a film lies. pixels: (H, W) float32 in [0, 1], not constant."""
    film = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    cells = cv2.resize(film, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    cells = (cells - cells.mean()) / (cells.std() + 1e-6)
    scores = [_score_pose(np.rot90(cells, turns)) for turns in range(4)]
    fits = np.array([scores, [-score for score in scores]])
    misfit = float(fits.max() - fits[0, 0]) - POSE_MARGIN
    if misfit < 0:
        return Pose(False, 0, measure_heart_side(film))
    inverted, turns = divmod(int(fits.argmax()), 4)
    positive = 1 - film if inverted else film
    upright = np.ascontiguousarray(np.rot90(positive, turns))
    return Pose(bool(inverted), turns, measure_heart_side(upright), misfit)


def measure_heart_side(film: np.ndarray) -> float:
    """Above 0 when the heart seems to lie on the picture's right, as it should; sound films: -0.04 to 0.1.

    film: (64, 64) float32 in [0, 1], upright, dense tissue bright.
    """
    weights = _load_heart_side_weights()
    return float((edge_histograms(film) * weights).sum() / np.abs(weights).sum())


def edge_histograms(film: np.ndarray) -> np.ndarray:
    """(8 directions, 8, 8) float32: mean strength of the edges of each direction in each cell.

    Direction k is an angle of k · 45° from the columns' axis; an angle in between counts for both neighbours.
    """
    smooth = cv2.GaussianBlur(film, (0, 0), 0.7)
    across, down = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    strength = np.hypot(across, down)
    strength /= cv2.GaussianBlur(strength, (0, 0), SURROUNDINGS_PX) + MIN_STRENGTH
    angle = np.arctan2(down, across) * (DIRECTIONS / (2 * np.pi))
    half = DIRECTIONS / 2
    histograms = []
    for direction in range(DIRECTIONS):
        share = np.maximum(0, 1 - np.abs((angle - direction + half) % DIRECTIONS - half))
        cells = cv2.resize(strength * share, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
        histograms.append(cells)
    return np.stack(histograms)


def _score_pose(cells: np.ndarray) -> float:
    return float((cells * POSE_WEIGHTS).sum() / np.abs(POSE_WEIGHTS).sum())


@cache
def _load_heart_side_weights() -> np.ndarray:
    weights: np.ndarray = np.load(HEART_SIDE_WEIGHTS, allow_pickle=False).astype(np.float32)
    weights.setflags(write=False)
    return weights
