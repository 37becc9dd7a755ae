"""How alike two films are: by a short description of each, and by their pixels laid over one another.

The description is a perceptual hash kept as numbers: the low frequencies of a small picture's cosine transform (as in
pHash, Zauner 2010), weighted by frequency, since the spectrum of radiographs falls with it, and scaled to length 1. The
product of two is their correlation. Signs alone, the usual 64 bits, lose films that were cut
(docs/experiments/near-duplicates.md).
"""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.fft import dct

from cxr_core.film.preprocess import InputSpec, Placement

SMALL_PX = 32  # the picture that is transformed
COARSE, FINE = (
    8,
    12,
)  # frequencies along each axis: to look for candidates, and to look at each again
# Shares cut off left, top, right and bottom before a film is described, so that films cut by about as much are found.
CUTS = (
    (0.0, 0.0, 0.0, 0.0),
    (0.025, 0.025, 0.025, 0.025),
    (0.05, 0.05, 0.05, 0.05),
    (0.045, 0.0, 0.0, 0.0),
    (0.0, 0.045, 0.0, 0.0),
    (0.0, 0.0, 0.045, 0.0),
    (0.0, 0.0, 0.0, 0.045),
)
ALIGNED_PX, COMPARED_PX = 64, 96
BLUR_PX = 3.0  # what is coarser than this on 96 pixels does not count as detail
BORDER = 0.1  # of the film, where a cut leaves nothing to compare
ALIGNMENT = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 30, 1e-3)


@dataclass(frozen=True, eq=False)
class Descriptions:
    """Of N films, each cut in several ways; vectors of length 1, or 0 for an even film.

    coarse: (cuts, N, 63) float32.  fine: (cuts, N, 143) float16, which halves a quarter of a gigabyte at 112,120 films.
    """

    coarse: np.ndarray
    fine: np.ndarray

    @classmethod
    def empty(cls, count: int) -> "Descriptions":
        """Room for so many films."""
        return cls(
            np.zeros((len(CUTS), count, COARSE**2 - 1), np.float32),
            np.zeros((len(CUTS), count, FINE**2 - 1), np.float16),
        )

    def describe(self, position: int, film: np.ndarray) -> None:
        """Fill in one film. film: (h, w) uint8."""
        for number, cut in enumerate(CUTS):
            frequencies = _transform(_cut_sides(film, cut))
            self.coarse[number, position] = _flatten(frequencies[:COARSE, :COARSE])
            self.fine[number, position] = _flatten(frequencies)


def remove_padding(grid: np.ndarray, shape: tuple[int, int], spec: InputSpec) -> np.ndarray:
    """The part of a grid (S, S) that shows the film. shape: (H, W) of the film."""
    top, left, bottom, right = Placement.fit(shape, spec).input_box
    return grid[top:bottom, left:right]


def compare_pixels(film: np.ndarray, other: np.ndarray) -> float:
    """The correlation of two films' fine detail, in [-1, 1], after one was moved and stretched to fit the other.

    film, other: (h, w) uint8. The coarse shapes of two chests are always alike; ribs, vessels and devices are not.
    Alignment: Evangelidis and Psarakis 2008 (OpenCV's findTransformECC), affine. -1 where the films do not fit at all.
    """
    start = np.eye(2, 3, dtype=np.float32)
    small, small_other = (_resize(each, ALIGNED_PX).astype(np.float32) for each in (film, other))
    try:
        _, found = cv2.findTransformECC(small, small_other, start, cv2.MOTION_AFFINE, ALIGNMENT)
    except cv2.error:  # it did not converge
        return -1.0
    warp = np.array(found, np.float32)
    warp[:, 2] *= COMPARED_PX / ALIGNED_PX
    size = (COMPARED_PX, COMPARED_PX)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    aligned = cv2.warpAffine(
        _resize(other, COMPARED_PX), warp, size, flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    detail, other_detail = _extract_detail(_resize(film, COMPARED_PX)), _extract_detail(aligned)
    length = float(np.linalg.norm(detail) * np.linalg.norm(other_detail))
    return float((detail * other_detail).sum()) / length if length else -1.0


def _extract_detail(film: np.ndarray) -> np.ndarray:
    """What is finer than BLUR_PX, without the border, with mean 0."""
    film = film.astype(np.float32)
    border = round(BORDER * len(film))
    detail = (film - cv2.GaussianBlur(film, (0, 0), BLUR_PX))[border:-border, border:-border]
    return detail - float(detail.mean())


def _resize(film: np.ndarray, side: int) -> np.ndarray:
    return cv2.resize(film, (side, side), interpolation=cv2.INTER_AREA)


def _cut_sides(film: np.ndarray, shares: tuple[float, float, float, float]) -> np.ndarray:
    height, width = film.shape
    left, top, right, bottom = shares
    rows = slice(round(top * height), height - round(bottom * height))
    return film[rows, round(left * width) : width - round(right * width)]


def _transform(film: np.ndarray) -> np.ndarray:
    """(12, 12) float32: the low frequencies of a film, each weighted by its distance from frequency 0."""
    small = _resize(film, SMALL_PX).astype(np.float32)
    frequencies: np.ndarray = _BASIS @ small @ _BASIS.T * _WEIGHTS
    return frequencies


def _flatten(frequencies: np.ndarray) -> np.ndarray:
    """All but frequency 0, the brightness, scaled to length 1."""
    values = frequencies.ravel()[1:]
    length = float(np.linalg.norm(values))
    return values / length if length > 0 else values


_BASIS = dct(np.eye(SMALL_PX, dtype=np.float32), axis=0, norm="ortho")[:FINE]
_WEIGHTS = np.hypot(*np.mgrid[:FINE, :FINE]).astype(np.float32)
