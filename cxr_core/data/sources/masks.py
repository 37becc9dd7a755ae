"""Loads masks of structures, which lie in a folder `masks/STRUCTURE/NAME` beside a film's `images/NAME`."""

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from cxr_core.data.identifiers import normalise_stem
from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError, FileRefused
from cxr_core.film.limits import MAX_BYTES
from cxr_core.film.preprocess import InputSpec, to_grid
from cxr_core.findings import STRUCTURES
from cxr_core.workspace.outside_files import read_outside_file
from cxr_core.workspace.paths import printable

FILMS_LOOKED_AT = 100  # to tell whether a dataset has masks at all


def load_masks(manifest: Manifest, spec: InputSpec, structures: Sequence[str]) -> np.ndarray:
    """(N, K, S, S) uint8: how much of each pixel of the model's square a structure covers, 255 = all of it.

    The films' order and the structures' order are kept. Raises DataError that names a mask that is missing, cannot be
    read, is empty, or has another shape than its film.
    """
    mask_spec = InputSpec(side=spec.side, aspect=spec.aspect)
    masks = np.empty((len(manifest.table), len(structures), spec.side, spec.side), np.uint8)
    sizes = manifest.table[["height", "width"]].to_numpy()
    for row, (path, size) in enumerate(zip(manifest.paths, sizes, strict=True)):
        for index, structure in enumerate(structures):
            mask = load_mask(path, structure)
            if np.isfinite(size).all() and mask.shape != tuple(size.astype(int)):
                raise DataError(
                    f"the mask of the {structure} of {path.name} has {mask.shape[1]} x {mask.shape[0]} px, its film "
                    f"{size[1]:.0f} x {size[0]:.0f}; they must be the same"
                )
            if not mask.any():
                raise DataError(
                    f"the mask of the {structure} of {path.name} is empty; leave the film out of the data"
                )
            masks[row, index] = to_grid(mask.astype(np.float32), mask_spec)
    return masks


def load_mask(film: Path, structure: str) -> np.ndarray:
    """(H, W) bool of a film's mask. Raises DataError when there is none that can be read."""
    path = _mask_path(film, structure)
    try:
        data = np.frombuffer(read_outside_file(path, MAX_BYTES), np.uint8)
    except FileRefused as refusal:
        raise DataError(
            f"{film.name} has no mask of the {structure}: {printable(path)} cannot be read ({refusal.reason}). "
            "Masks lie in masks/STRUCTURE/ next to images/, under the film's own name"
        ) from refusal
    mask = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if len(data) else None
    if mask is None:
        raise DataError(f"{printable(path)} is not an image that can be read as a mask")
    return mask > min(127, int(mask.max()) // 2)  # some masks hold 0 and 1, not 0 and 255


def masks_are_swapped(masks: Sequence[np.ndarray]) -> bool:
    """Whether the heart does not lie between the lungs, so that its mask must show another structure.

    masks: (H, W) bool of STRUCTURES, in this order. With an empty mask the answer is False.
    """
    if not all(mask.any() for mask in masks):
        return False
    heart, *lungs = (
        float(np.average(np.arange(mask.shape[1]), weights=mask.sum(axis=0))) for mask in masks
    )
    return not min(lungs) < heart < max(lungs)


def has_masks(manifest: Manifest) -> bool:
    """Whether any of the first films has a mask of every structure."""
    return any(
        all(_mask_path(film, structure).is_file() for structure in STRUCTURES)
        for film in manifest.paths[:FILMS_LOOKED_AT]
    )


def find_swapped_masks(manifest: Manifest) -> np.ndarray:
    """(N,) bool: the films that have masks of all structures, and these are swapped. Unreadable masks do not count."""
    return np.array([_has_swapped_masks(path) for path in manifest.paths], bool)


def _has_swapped_masks(film: Path) -> bool:
    if not all(_mask_path(film, structure).is_file() for structure in STRUCTURES):
        return False
    try:
        return masks_are_swapped([load_mask(film, structure) for structure in STRUCTURES])
    except DataError:  # a run that needs the mask says what is wrong with it
        return False


def _mask_path(film: Path, structure: str) -> Path:
    """The mask under the film's own name, or under the same one in another spelling or with another suffix."""
    folder = film.parent.parent / "masks" / structure
    if (folder / film.name).is_file():
        return folder / film.name
    try:
        changed = folder.stat().st_mtime_ns
    except OSError:
        return folder / film.name
    names = _list_stems(folder, changed).get(normalise_stem(film.name), ())
    return folder / (names[0] if len(names) == 1 else film.name)


@lru_cache(maxsize=16)
def _list_stems(folder: Path, changed: int) -> dict[str, tuple[str, ...]]:
    """The files of a folder by the form of their names that is compared. changed: its time; a new one is read again."""
    stems: dict[str, tuple[str, ...]] = {}
    for name in sorted(os.listdir(folder)):
        stem = normalise_stem(name)
        stems[stem] = (*stems.get(stem, ()), name)
    return stems
