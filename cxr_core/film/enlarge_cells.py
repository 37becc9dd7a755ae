"""Enlarges a coarse map smoothly, and leaves its maximum where it is."""

import numpy as np

FINE_SIDE = 256  # pixels of the enlarged map, about; between them, linear interpolation cannot be told from this one


def enlarge_cells(cells: np.ndarray) -> np.ndarray:
    """A map of about FINE_SIDE on its longer side: (h, w) to (h·n, w·n) with an odd n; a large map as it is.

    Monotone cubic interpolation, along the columns and then along the rows. Every cell's centre keeps its value, and no
    value lies outside those of the four cells around it: the maximum does not move, nothing overshoots, and the
    contours around a single cell are round. With bilinear interpolation they are diamonds.
    The viewer's `layerValue` (pages/components/viewer/heatmap.js) does the same arithmetic.
    Source: Fritsch and Butland 1984 (slope at a cell: the harmonic mean of the steps beside it; 0 at an extremum).
    """
    cells = np.asarray(cells, np.float32)
    factor = (
        2 * (FINE_SIDE // (2 * max(cells.shape))) + 1
    )  # odd: a pixel lies on each cell's centre
    if factor == 1:
        return cells
    return np.asarray(_enlarge_columns(_enlarge_columns(cells, factor).T, factor).T, np.float32)


def _enlarge_columns(cells: np.ndarray, factor: int) -> np.ndarray:
    """Interpolate down each column: (h, w) to (h·factor, w)."""
    step = np.diff(cells, axis=0)  # (h-1, w)
    flat = np.zeros_like(cells[:1])  # beyond the outermost centres nothing changes
    before, after = np.concatenate([flat, step]), np.concatenate([step, flat])
    goes_on = before * after > 0
    slope = np.where(goes_on, 2 * before * after / np.where(goes_on, before + after, 1), 0)
    low, start, end, step = cells[:-1, None], slope[:-1, None], slope[1:, None], step[:, None]
    t = (np.arange(factor, dtype=np.float32) / factor)[:, None]
    between = low + t * (start + t * (3 * step - 2 * start - end + t * (start + end - 2 * step)))
    centres = np.concatenate([between.reshape(-1, cells.shape[1]), cells[-1:]])
    return np.pad(centres, ((factor // 2, factor // 2), (0, 0)), mode="edge")
