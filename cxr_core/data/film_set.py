"""The films of a manifest, ready to train on or to measure: their grids in the pixel cache, and their labels."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cxr_core.data.cache.pixel_cache import PixelCache, Progress, quiet
from cxr_core.data.manifest import Manifest
from cxr_core.film.preprocess import InputSpec


@dataclass(frozen=True, eq=False)
class Films:
    """N films.

    grids: (rows, S, S) uint8, of which these films are some; memory-mapped, read-only. Or features (rows, F, h, w)
    float32 that a network found in them.  rows: (N,) where each lies.
    labels: (N, L) float32: 1, 0 or NaN (unknown); or masks (N, K, S, S) uint8.
    """

    grids: np.ndarray
    rows: np.ndarray
    labels: np.ndarray

    @classmethod
    def of(cls, grids: np.ndarray, labels: np.ndarray) -> "Films":
        """All of an array's grids (N, S, S), in its order."""
        return cls(grids, np.arange(len(grids)), labels)

    def __len__(self) -> int:
        return len(self.rows)

    def grids_of(self, chosen: np.ndarray | slice) -> np.ndarray:
        """(n, S, S) uint8, a copy in memory. chosen: positions among these films."""
        return np.take(np.asarray(self.grids), self.rows[chosen], axis=0)

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """Grids (up to size, S, S) uint8 of all films, in order."""
        for start in range(0, len(self), size):
            yield self.grids_of(slice(start, start + size))


def load_films(
    manifest: Manifest, spec: InputSpec, findings: tuple[str, ...] = (), progress: Progress = quiet
) -> Films:
    """The films of a manifest, in its order; what is not in the cache yet, or has changed, is decoded first.

    Raises DataError for a film that cannot be decoded, and for a finding without labels.
    """
    labels = manifest.labels(findings)
    cache = PixelCache(spec)
    cache.build(manifest.paths, progress)
    rows = cache.rows_of(manifest.paths)
    return Films(cache.grids(), rows, labels)
