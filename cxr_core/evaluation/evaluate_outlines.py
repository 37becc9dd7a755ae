"""A segmenter's outlines of films beside the masks that people drew."""

from collections.abc import Callable, Mapping

import numpy as np

from cxr_core.data.films import load_films
from cxr_core.data.manifest import Manifest
from cxr_core.data.masks import mask_of
from cxr_core.evaluation.outlines import Outlined, boundary_distance, dice
from cxr_core.findings import STRUCTURES
from cxr_core.reading.anatomy import Anatomy, diameters_of
from cxr_core.reading.outline import Outliner

Progress = Callable[[int, int], None]


def outlined(outliner: Outliner, films: Manifest, progress: Progress = lambda *_: None) -> list[Outlined]:
    """Each film outlined and compared with its masks, which lie in masks/STRUCTURE/ beside images/.

    films: usable and decoded. Raises DataError for a film without masks.
    """
    cached = load_films(films, outliner.card.input_spec)
    sizes = films.table[["height", "width"]].to_numpy().astype(int)
    found = []
    for row, (path, (height, width)) in enumerate(zip(films.paths, sizes, strict=True)):
        anatomy = outliner.outline_grid(cached.grids_of(slice(row, row + 1))[0], (height, width))
        masks = {name: mask_of(path, name) for name in STRUCTURES}
        found.append(compare(anatomy, masks, str(films.table["patient"].iloc[row])))
        progress(row + 1, len(sizes))
    return found


def compare(anatomy: Anatomy, masks: Mapping[str, np.ndarray], patient: str) -> Outlined:
    """One film's outlines against its masks (H, W) bool, on the film's own grid."""
    found = anatomy.masks()
    heart, thorax = diameters_of(np.stack([masks[name] for name in STRUCTURES]))
    return Outlined(
        patient=patient,
        dice={name: dice(found[name], masks[name]) for name in STRUCTURES},
        distance_px={name: boundary_distance(found[name], masks[name]) for name in STRUCTURES},
        ratio=anatomy.ratio,
        spread=anatomy.spread,
        half_width=anatomy.half_width,
        true_ratio=heart / thorax,
    )
