"""Segments films and compares them with the masks and the ratios that lie beside them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from cxr_core.data.cache.pixel_cache import Progress, ignore_progress
from cxr_core.data.identifiers import find_spellings, normalise_stem
from cxr_core.data.manifest import Manifest
from cxr_core.data.sources.csv_tables import read_table
from cxr_core.data.sources.masks import load_mask, masks_are_swapped
from cxr_core.errors import DataError
from cxr_core.evaluation.segmentation.metrics import (
    ComparedFilm,
    boundary_distance,
    compute_agreement,
    dice_coefficient,
)
from cxr_core.evaluation.segmentation.results import RecordedAgreement
from cxr_core.findings import STRUCTURES
from cxr_core.inference import FilmRatios, film_shapes, flag_films, segment_films
from cxr_core.reading.cardiothoracic.contours import SegmentationResult, measure_mask_diameters
from cxr_core.reading.cardiothoracic.ratio import RatioEstimate, estimate_ratio
from cxr_core.reading.segmenter import Segmenter
from cxr_core.workspace.paths import printable

RECORDED_RATIOS = "ctr.csv"  # a table beside images/ with the columns image and ctr


def compare_with_masks(
    segmenter: Segmenter, films: Manifest, progress: Progress = ignore_progress
) -> list[ComparedFilm]:
    """Segment each film and compare it with its masks, which lie in masks/STRUCTURE/ beside images/.

    films: usable and decoded, without swapped masks. Raises DataError for a film without masks, or with an empty one.
    """
    segmentations = segment_films(segmenter, films, progress)
    patients = films.table["patient"].astype(str)
    rows = zip(segmentations, films.paths, film_shapes(films), patients, strict=True)
    return [
        compare_film(segmentation, read_masks(path, shape), patient)
        for segmentation, path, shape, patient in rows
    ]


def compare_film(
    segmentation: SegmentationResult, masks: Mapping[str, np.ndarray], patient: str
) -> ComparedFilm:
    """One film's contours against its masks: (H, W) bool by structure, none empty, on the film's own grid."""
    segmented = segmentation.masks()
    heart, thorax = measure_mask_diameters(np.stack([masks[name] for name in STRUCTURES]))
    return ComparedFilm(
        patient=patient,
        dice={name: dice_coefficient(segmented[name], masks[name]) for name in STRUCTURES},
        distance_px={name: boundary_distance(segmented[name], masks[name]) for name in STRUCTURES},
        ratio=segmentation.ratio,
        spread=segmentation.spread,
        half_width=segmentation.half_width,
        true_ratio=heart / thorax,
        trusted=is_trusted(segmentation),
    )


def measure_films(
    segmenter: Segmenter, films: Manifest, progress: Progress = ignore_progress
) -> tuple[pd.DataFrame, list[ComparedFilm], FilmRatios]:
    """One row per film, in the manifest's order, the comparison of the films that have masks, and all ratios.

    Columns: image, patient, source, view, ratio, low, high (NaN where it could not be measured), trusted, reason; where
    there are masks, and not swapped ones, also true_ratio, dice_STRUCTURE and distance_px_STRUCTURE. Raises DataError
    as `compare_with_masks`.
    """
    film_columns = films.table[["patient", "source", "view"]].astype(object)
    film_columns = film_columns.where(film_columns.notna(), "").to_dict("records")
    segmentations = segment_films(segmenter, films, progress)
    rows: list[dict[str, object]] = []
    compared: list[ComparedFilm] = []
    estimates: list[RatioEstimate | None] = []
    for segmentation, flags, path, shape, columns in zip(
        segmentations, flag_films(films), films.paths, film_shapes(films), film_columns, strict=True
    ):
        estimates.append(estimate_ratio(segmentation, flags))
        row = {"image": path.name, **columns, **_measurement_columns(segmentation, estimates[-1])}
        masks = read_masks(path, shape) if has_masks(path) else {}
        if masks and not masks_are_swapped([masks[name] for name in STRUCTURES]):
            film = compare_film(segmentation, masks, str(columns["patient"]))
            compared.append(film)
            row["true_ratio"] = film.true_ratio
            row |= {f"dice_{name}": film.dice[name] for name in STRUCTURES}
            row |= {f"distance_px_{name}": film.distance_px[name] for name in STRUCTURES}
        rows.append(row)
    return pd.DataFrame(rows), compared, FilmRatios.of_estimates(estimates)


def read_recorded_ratios(films: Manifest) -> np.ndarray:
    """(N,) the ratio that the data itself records in ctr.csv beside images/; NaN where there is none.

    Raises DataError when a table lacks a column, or holds a ratio that is not a number.
    """
    paths = films.paths
    rows_of_folder: dict[Path, list[int]] = {}
    for row, path in enumerate(paths):
        rows_of_folder.setdefault(path.parent.parent, []).append(row)
    ratios = np.full(len(films.table), np.nan)
    for folder, rows in rows_of_folder.items():
        table = _read_ratio_table(folder / RECORDED_RATIOS)
        names = {paths[row].name for row in rows}
        spellings = find_spellings(names - table.keys(), table.keys() - names, normalise_stem)
        for row in rows:
            name = paths[row].name
            ratios[row] = table.get(spellings.get(name, name), np.nan)
    return ratios


def compare_with_recorded(table: pd.DataFrame) -> RecordedAgreement | None:
    """How far the measured ratio agrees with the recorded one; None when no film has both.

    table: with ratio, recorded_ratio (NaN = none) and patient.
    """
    recorded = table["recorded_ratio"].notna()
    both = table[recorded & table["ratio"].notna()]
    if not len(both):
        return None
    agreement = compute_agreement(
        both["ratio"].to_numpy(), both["recorded_ratio"].to_numpy(), both["patient"].to_numpy()
    )
    return RecordedAgreement(
        table=RECORDED_RATIOS,
        agreement=agreement,
        not_recorded=int((~recorded).sum()),
        unmeasured=int(recorded.sum()) - len(both),
    )


def has_masks(film: Path) -> bool:
    """Whether masks of any structure lie beside the folder of a film."""
    return any((film.parent.parent / "masks" / name).is_dir() for name in STRUCTURES)


def read_masks(film: Path, shape: tuple[int, int]) -> dict[str, np.ndarray]:
    """(H, W) bool of each structure. Raises DataError for a mask that is missing, empty or of another shape."""
    masks = {name: load_mask(film, name) for name in STRUCTURES}
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


def is_trusted(segmentation: SegmentationResult) -> bool:
    """Whether the ratio was measured without a warning."""
    return segmentation.ratio is not None and not segmentation.warnings


def _measurement_columns(
    segmentation: SegmentationResult, estimate: RatioEstimate | None
) -> dict[str, object]:
    """The columns of one film that need no mask."""
    return {
        "ratio": estimate.value if estimate else np.nan,
        "low": estimate.low if estimate else np.nan,
        "high": estimate.high if estimate else np.nan,
        "trusted": is_trusted(segmentation),
        "reason": " ".join((*segmentation.errors, *segmentation.warnings)),
    }


def _read_ratio_table(path: Path) -> dict[str, float]:
    """The ratio by film of one table; empty when there is no such table."""
    if not path.is_file():
        return {}
    try:
        images, ratios = read_table(str(path)).require_columns("image", "ctr")
        return {image: float(text) for image, text in zip(images, ratios, strict=True) if text}
    except ValueError as error:
        raise DataError(
            f"{printable(path)} has a ratio that is no number: {error}; correct the table"
        ) from error
