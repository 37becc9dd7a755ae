"""Measures how much of a classifier's positive attribution lies inside heart and lungs."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from cxr_core.data.cache.pixel_cache import Progress, ignore_progress
from cxr_core.data.manifest import Manifest
from cxr_core.evaluation.bootstrap.means import bootstrap_means
from cxr_core.film.preprocess import InputSpec, to_grid
from cxr_core.inference import segment_films
from cxr_core.models.figures import AttributionInside, ModelVersion, RegionShare
from cxr_core.reading.cardiothoracic.contours import SegmentationResult
from cxr_core.reading.cardiothoracic.ratio import MEASURED_FINDING
from cxr_core.reading.segmenter import Segmenter

CHEST, HEART = "chest", "heart"


def evaluate_attribution(
    segmenter: Segmenter,
    films: Manifest,
    attributions: Mapping[str, Sequence[np.ndarray]],
    spec: InputSpec,
    progress: Progress = ignore_progress,
) -> dict[str, AttributionInside]:
    """The share of each finding's attribution inside heart and lungs; for cardiomegaly inside the heart as well.

    attributions: by finding the cells (h, w) of each film, in the films' order.  spec: of the classifier's input.
    Films without a contour of heart and both lungs are left out and counted, as are those without positive attribution.
    """
    count = len(films.table)
    shares = {
        key: {name: np.full(count, np.nan) for name in _regions_of_interest(key)}
        for key in attributions
    }
    areas = {name: np.full(count, np.nan) for name in (CHEST, HEART)}
    segmented = np.zeros(count, bool)
    for row, segmentation in enumerate(segment_films(segmenter, films, progress)):
        if segmentation.errors:
            continue
        segmented[row] = True
        for name, region in segmented_regions(segmentation).items():
            areas[name][row] = float(coverage_of_cells(region, spec, (spec.side, spec.side)).mean())
            for key, cells in attributions.items():
                if name in shares[key]:
                    inside = coverage_of_cells(region, spec, cells[row].shape)
                    shares[key][name][row] = share_inside_region(cells[row], inside)
    patients = films.table["patient"].to_numpy(str)
    model = ModelVersion(model=segmenter.card.model, version=segmenter.card.version)
    figures = {}
    for key, by_region in shares.items():
        present = np.zeros(count, bool)
        if key in films.findings:
            present = films.table[key].to_numpy() == 1
        figures[key] = AttributionInside(
            segmenter=model,
            films=count,
            not_segmented=int((~segmented).sum()),
            without_evidence=int((segmented & np.isnan(by_region[CHEST])).sum()),
            regions=compute_region_shares(by_region, areas, patients),
            present=compute_region_shares(by_region, areas, patients, present),
        )
    return figures


def compute_region_shares(
    shares: Mapping[str, np.ndarray],
    areas: Mapping[str, np.ndarray],
    patients: np.ndarray,
    selected: np.ndarray | None = None,
) -> dict[str, RegionShare]:
    """Mean shares of attribution inside each region, with patient-bootstrapped 95 % intervals.

    shares: (N,) by region, as `share_inside_region`; NaN where a film has no contours or no positive attribution.
    areas: (N,) the region's share of the model's square.  selected: (N,) bool, the films to use; None for all.
    The control of a region is its area on the same films, the share of a uniform map.
    """
    figures = {}
    for region, of_films in shares.items():
        share = of_films if selected is None else np.where(selected, of_films, np.nan)
        control = np.where(np.isnan(share), np.nan, areas[region])
        columns = {"share": share, "control": control, "difference": share - control}
        figures[region] = RegionShare(**bootstrap_means(columns, patients))
    return figures


def share_inside_region(cells: np.ndarray, inside: np.ndarray) -> float:
    """The share of a map's positive attribution that lies inside a region; NaN when no cell is positive.

    cells: (h, w) attribution.  inside: (h, w) in [0, 1], how much of each cell the region covers; a cell's attribution
    counts as spread evenly over it.
    """
    positive = np.maximum(np.asarray(cells, np.float64), 0)
    total = positive.sum()
    return float((positive * inside).sum() / total) if total > 0 else float("nan")


def coverage_of_cells(region: np.ndarray, spec: InputSpec, shape: tuple[int, ...]) -> np.ndarray:
    """(h, w) float in [0, 1]: how much of each cell of a model's map a region of the film covers.

    region: (H, W) bool on the film's own grid.  spec: of the model's input, on which the film is placed.
    """
    plain = InputSpec(side=spec.side, aspect=spec.aspect)
    placed = to_grid(region.astype(np.float32), plain).astype(np.float32) / 255
    return cv2.resize(placed, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)


def segmented_regions(segmentation: SegmentationResult) -> dict[str, np.ndarray]:
    """(H, W) bool on the film's own grid: heart and lungs together, and the heart."""
    masks = segmentation.masks()
    return {CHEST: np.any(list(masks.values()), axis=0), HEART: masks["heart"]}


def _regions_of_interest(finding: str) -> tuple[str, ...]:
    return (CHEST, HEART) if finding == MEASURED_FINDING else (CHEST,)
