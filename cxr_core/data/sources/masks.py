"""Masks of structures, as a folder `masks/STRUCTURE/NAME` beside a film's `images/NAME` holds them."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError
from cxr_core.film.preprocess import InputSpec, to_grid
from cxr_core.findings import STRUCTURES


def load_masks(manifest: Manifest, spec: InputSpec, structures: Sequence[str]) -> np.ndarray:
    """(N, K, S, S) uint8: how much of each pixel of the model's square a structure covers, 255 = all of it.

    The films' order and the structures' order are kept. Raises DataError that names a mask that is missing, cannot be
    read, or has another shape than its film.
    """
    plain = InputSpec(side=spec.side, aspect=spec.aspect)
    masks = np.empty((len(manifest.table), len(structures), spec.side, spec.side), np.uint8)
    sizes = manifest.table[["height", "width"]].to_numpy()
    for row, (path, size) in enumerate(zip(manifest.paths, sizes, strict=True)):
        for index, structure in enumerate(structures):
            mask = mask_of(path, structure)
            if np.isfinite(size).all() and mask.shape != tuple(size.astype(int)):
                raise DataError(
                    f"the mask of the {structure} of {path.name} has {mask.shape[1]} x {mask.shape[0]} px, its film "
                    f"{size[1]:.0f} x {size[0]:.0f}; they must be the same"
                )
            masks[row, index] = to_grid(mask.astype(np.float32), plain)
    return masks


def swapped(masks: Sequence[np.ndarray]) -> bool:
    """Whether the heart does not lie between the lungs, so that its mask must be that of something else.

    masks: (H, W) bool of STRUCTURES, in this order. An empty one says nothing.
    """
    if not all(mask.any() for mask in masks):
        return False
    heart, *lungs = (
        float(np.average(np.arange(mask.shape[1]), weights=mask.sum(axis=0))) for mask in masks
    )
    return not min(lungs) < heart < max(lungs)


def films_with_swapped_masks(manifest: Manifest) -> np.ndarray:
    """(N,) bool: the films beside which masks of all structures lie that are `swapped`. Unreadable ones are not."""
    return np.array([_is_swapped(path) for path in manifest.paths], bool)


def _is_swapped(film: Path) -> bool:
    folder = film.parent.parent / "masks"
    if not all((folder / structure / film.name).is_file() for structure in STRUCTURES):
        return False
    try:
        return swapped([mask_of(film, structure) for structure in STRUCTURES])
    except DataError:  # whoever needs the mask says what is wrong with it
        return False


def mask_of(film: Path, structure: str) -> np.ndarray:
    """(H, W) bool of a film's mask. Raises DataError when there is none that can be read."""
    path = film.parent.parent / "masks" / structure / film.name
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise DataError(
            f"{film.name} has no mask of the {structure}: {path} cannot be read ({error.strerror}). Masks lie in "
            "masks/STRUCTURE/ beside images/, under the film's own name"
        ) from error
    mask = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if len(data) else None
    if mask is None:
        raise DataError(f"{path} is no picture that can be read as a mask")
    return mask > 127
