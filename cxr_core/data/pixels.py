"""Every film of a manifest decoded once onto a model's grid, held in memory."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError, FilmRefused
from cxr_core.film.decode import decode
from cxr_core.film.preprocess import InputSpec, to_grid


def load_grids(manifest: Manifest, spec: InputSpec, progress: Callable[[int, int], None] | None = None) -> np.ndarray:
    """(N, S, S) uint8, in the manifest's order. progress: called with films done and films in all.

    Raises DataError that names the first film which cannot be decoded.
    """
    paths = list(manifest.table["image"])
    grids = np.empty((len(paths), spec.side, spec.side), np.uint8)

    def load(index: int) -> None:
        grids[index] = _grid_of(paths[index], spec)

    with ThreadPoolExecutor() as threads:
        for done, _ in enumerate(threads.map(load, range(len(paths))), start=1):
            if progress and (done % 500 == 0 or done == len(paths)):
                progress(done, len(paths))
    return grids


def _grid_of(path: Path, spec: InputSpec) -> np.ndarray:
    try:
        return to_grid(decode(path.read_bytes()).pixels, spec)
    except (OSError, FilmRefused) as error:
        raise DataError(f"{path} cannot be used for training: {error}") from error
