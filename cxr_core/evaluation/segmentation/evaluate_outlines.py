"""A segmenter on films: what it measured on each, beside the masks that people drew where there are some."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cxr_core.data.film_set import load_films
from cxr_core.data.manifest import Manifest
from cxr_core.data.sources.masks import mask_of, swapped
from cxr_core.errors import DataError
from cxr_core.evaluation.segmentation.metrics import (
    Outlined,
    agreement,
    boundary_distance,
    dice,
    outline_figures,
)
from cxr_core.findings import STRUCTURES
from cxr_core.reading.cardiothoracic.contours import Anatomy, diameters_of
from cxr_core.reading.segmenter import Outliner

Progress = Callable[[int, int], None]
RECORDED = "ctr.csv"  # image, ctr: a ratio that came with the data, in a table beside images/


def anatomies(
    outliner: Outliner, films: Manifest, progress: Progress = lambda *_: None
) -> Iterator[Anatomy]:
    """The anatomy of each film, in the manifest's order, from the pixel cache.

    films: usable and decoded. progress: told (films outlined, films). Raises ReadingError for maps that are no numbers.
    """
    cached = load_films(films, outliner.card.input_spec)
    for row, (height, width) in enumerate(_shapes(films)):
        yield outliner.outline_grid(cached.grids_of(slice(row, row + 1))[0], (height, width))
        progress(row + 1, len(films.table))


def outlined(
    outliner: Outliner, films: Manifest, progress: Progress = lambda *_: None
) -> list[Outlined]:
    """Each film outlined and compared with its masks, which lie in masks/STRUCTURE/ beside images/.

    films: usable and decoded, without swapped masks. Raises DataError for a film without masks, or with an empty one.
    """
    found = anatomies(outliner, films, progress)
    patients = films.table["patient"].astype(str)
    return [
        compare(anatomy, masks_of(path, shape), patient)
        for anatomy, path, shape, patient in zip(
            found, films.paths, _shapes(films), patients, strict=True
        )
    ]


def compare(anatomy: Anatomy, masks: Mapping[str, np.ndarray], patient: str) -> Outlined:
    """One film's outlines against its masks (H, W) bool, none empty, on the film's own grid."""
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
        trusted=anatomy.ratio is not None and not anatomy.doubts,
    )


def measured(
    outliner: Outliner, films: Manifest, progress: Progress = lambda *_: None
) -> tuple[pd.DataFrame, list[Outlined]]:
    """One row per film, in the manifest's order, and the comparison of those that have masks.

    The table: image, patient, source, view, ratio, low, high (NaN where it could not be measured), trusted, reason,
    and where there are masks, and not swapped ones, true_ratio, dice_STRUCTURE and distance_px_STRUCTURE. Raises
    DataError as `outlined`.
    """
    rows: list[dict[str, Any]] = []
    compared: list[Outlined] = []
    facts = (
        films.table[["patient", "source", "view"]]
        .astype(object)
        .where(lambda table: table.notna(), "")
    )
    for anatomy, path, shape, fact in zip(
        anatomies(outliner, films, progress),
        films.paths,
        _shapes(films),
        facts.to_dict("records"),
        strict=True,
    ):
        row = {"image": path.name, **fact, **_measured(anatomy)}
        masks = masks_of(path, shape) if has_masks(path) else {}
        if masks and not swapped([masks[name] for name in STRUCTURES]):
            one = compare(anatomy, masks, str(fact["patient"]))
            compared.append(one)
            row["true_ratio"] = one.true_ratio
            row |= {f"dice_{name}": one.dice[name] for name in STRUCTURES}
            row |= {f"distance_px_{name}": one.distance_px[name] for name in STRUCTURES}
        rows.append(row)
    return pd.DataFrame(rows), compared


def against_masks(compared: list[Outlined]) -> dict[str, Any] | None:
    """The figures of `outline_figures`; None when no film has masks."""
    return outline_figures(compared) if compared else None


def recorded_ratios(films: Manifest) -> np.ndarray:
    """(N,) the ratio that the data itself records in ctr.csv beside images/; NaN where there is none.

    Raises DataError when such a table has no columns image and ctr, or a ratio that is no number.
    """
    tables = {
        folder: _recorded(folder / RECORDED)
        for folder in {path.parent.parent for path in films.paths}
    }
    return np.array(
        [tables[path.parent.parent].get(path.name, np.nan) for path in films.paths], np.float64
    )


def against_recorded(table: pd.DataFrame) -> dict[str, Any] | None:
    """How far the measured ratio agrees with the recorded one; None when none is recorded.

    table: with ratio, recorded_ratio (NaN = none) and patient. empty: films that record none; unmeasured: films that
    record one and could not be measured. Both are left out.
    """
    there = table["recorded_ratio"].notna()
    both = table[there & table["ratio"].notna()]
    if not len(both):
        return None
    figures = agreement(
        both["ratio"].to_numpy(), both["recorded_ratio"].to_numpy(), both["patient"].to_numpy()
    )
    return {
        "table": RECORDED,
        **figures,
        "empty": int((~there).sum()),
        "unmeasured": int(there.sum()) - len(both),
    }


def has_masks(film: Path) -> bool:
    """Whether masks of any structure lie beside the folder of a film."""
    return any((film.parent.parent / "masks" / name).is_dir() for name in STRUCTURES)


def masks_of(film: Path, shape: tuple[int, int]) -> dict[str, np.ndarray]:
    """(H, W) bool of each structure. Raises DataError for a mask that is missing, empty or of another shape."""
    masks = {name: mask_of(film, name) for name in STRUCTURES}
    for name, mask in masks.items():
        if mask.shape != shape:
            raise DataError(
                f"the mask of the {name} of {film.name} has {mask.shape[1]} x {mask.shape[0]} px, its film "
                f"{shape[1]} x {shape[0]}; they must be the same"
            )
        if not mask.any():
            raise DataError(
                f"the mask of the {name} of {film.name} is empty; leave the film out of the data"
            )
    return masks


def _shapes(films: Manifest) -> list[tuple[int, int]]:
    """(H, W) of each film."""
    sizes = films.table[["height", "width"]].to_numpy().astype(int)
    return [(int(height), int(width)) for height, width in sizes]


def _measured(anatomy: Anatomy) -> dict[str, Any]:
    """The columns of one film that need no mask."""
    ratio = np.nan if anatomy.ratio is None else anatomy.ratio
    return {
        "ratio": ratio,
        "low": max(0.0, ratio - anatomy.half_width),
        "high": ratio + anatomy.half_width,
        "trusted": anatomy.ratio is not None and not anatomy.doubts,
        "reason": " ".join((*anatomy.failures, *anatomy.doubts)),
    }


def _recorded(path: Path) -> dict[str, float]:
    """Film -> ratio of one table; nothing when there is no such table."""
    if not path.is_file():
        return {}
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        return {
            row["image"]: float(row["ctr"])
            for row in table.to_dict("records")
            if row["ctr"].strip()
        }
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{path} cannot be read as a table of the columns image and ctr: {error}"
        ) from error
