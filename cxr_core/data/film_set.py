"""Holds films as a model receives them: preprocessed grids and labels, in the order of a manifest.

Evaluation, calibration and the training loader all take them from here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from cxr_core.data.cache.pixel_cache import PixelCache, Progress, ignore_progress
from cxr_core.data.manifest import Manifest
from cxr_core.film.preprocess import InputSpec


@dataclass(frozen=True, eq=False)
class FilmSet:
    """N films.

    grids: (rows, S, S) uint8, of which these films are some; memory-mapped, read-only. Or features (rows, F, h, w)
    float32 that a network computed from them.  rows: (N,) the row of each film.
    labels: (N, L) float32: 1, 0 or NaN (unknown); or masks (N, K, S, S) uint8.
    """

    grids: np.ndarray
    rows: np.ndarray
    labels: np.ndarray

    @classmethod
    def from_grids(cls, grids: np.ndarray, labels: np.ndarray) -> "FilmSet":
        """All of an array's grids (N, S, S), in its order."""
        return cls(grids, np.arange(len(grids)), labels)

    def __len__(self) -> int:
        return len(self.rows)

    def take_grids(self, positions: np.ndarray | slice) -> np.ndarray:
        """(n, S, S) uint8, a copy in memory. positions: among these films."""
        return np.take(np.asarray(self.grids), self.rows[positions], axis=0)

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """Grids (up to size, S, S) uint8 of all films, in order."""
        for start in range(0, len(self), size):
            yield self.take_grids(slice(start, start + size))


def load_film_set(
    manifest: Manifest,
    spec: InputSpec,
    findings: tuple[str, ...] = (),
    progress: Progress = ignore_progress,
) -> FilmSet:
    """The films of a manifest, in its order; what the cache lacks, or has changed, is decoded first.

    Raises DataError for a film that cannot be decoded, and for a finding without labels.
    """
    labels = manifest.label_matrix(findings)
    cache = PixelCache(spec)
    paths = manifest.paths
    cache.build(paths, progress, on_wait=partial(progress, 0, len(paths)))
    rows = cache.find_rows(paths)
    return FilmSet(cache.open_grids(), rows, labels)
