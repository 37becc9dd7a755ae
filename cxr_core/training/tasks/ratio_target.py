"""The cardiothoracic ratio as something to learn: measured on every film, where labels are few and text-mined.

films -> the installed segmenter -> ratios -> one more column of labels, between 0 and 1

A film's ratio becomes a soft label, the logistic of its distance from where a heart is called enlarged; binary
cross-entropy then learns it as it learns the findings. Only trusted ratios are learnt from; the others are unknown.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from cxr_core.data.film_set import Films
from cxr_core.data.manifest import Manifest
from cxr_core.errors import RunError
from cxr_core.reading.cardiothoracic.ratio import ENLARGED
from cxr_core.training.tasks.outlining import trusted_anatomies
from cxr_core.workspace.atomic import atomic_write

RATIOS = "ratios.csv"  # image, ratio: what was measured, in the run's folder, so that a resumed run learns the same
# How far from ENLARGED a soft label reaches 0.73; ratios of adults spread about as far.
SCALE = 0.05


def kept_ratios(
    run: Path, films: Manifest, progress: Callable[[int, int], None], stop: Callable[[], bool]
) -> np.ndarray:
    """(N,) float32: the ratio of each film, NaN where none can be trusted.

    Measured once, then read from the run's folder. Raises Cancelled when asked to stop meanwhile, and RunError when
    that folder has the ratios of other films.
    """
    path, names = run / RATIOS, [film.name for film in films.paths]
    if path.exists():
        return _read(path, names)

    found = [
        np.nan if anatomy is None else anatomy.ratio
        for anatomy in trusted_anatomies(films, progress, stop)
    ]
    atomic_write(
        path, pd.DataFrame({"image": names, "ratio": found}).round({"ratio": 4}).to_csv(index=False)
    )
    return _read(path, names)


def _read(path: Path, names: list[str]) -> np.ndarray:
    kept = pd.read_csv(path)
    if list(kept.get("image", ())) != names:
        raise RunError(
            f"{path} is not of the films of this run; remove it, and their ratios are measured again"
        )
    return kept["ratio"].to_numpy(np.float32)


def with_ratios(films: Films, ratios: np.ndarray) -> Films:
    """The same films with the ratio as a last label. ratios: (N,), NaN where unknown."""
    soft = expit((ratios - ENLARGED) / SCALE).astype(np.float32)
    return replace(films, labels=np.column_stack([films.labels, soft]))
