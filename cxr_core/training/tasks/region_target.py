"""Penalises attribution outside the heart (cardiomegaly) or outside heart and lungs (other findings) in training.

films -> the installed segmenter -> the share of each cell that the region covers -> more columns of labels

The network then has to find its reasons inside the region (Ross et al. 2017, arXiv:1703.03717, with the attribution of
the head instead of the input's gradient). A film without a trusted segmentation carries no penalty.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cxr_core.data.film_set import FilmSet
from cxr_core.data.manifest import Manifest
from cxr_core.errors import RunError
from cxr_core.evaluation.explanations.attribution_inside import (
    CHEST,
    HEART,
    coverage_of_cells,
    segmented_regions,
)
from cxr_core.film.preprocess import InputSpec
from cxr_core.models.networks.film_classifier import FilmClassifier
from cxr_core.reading.cardiothoracic.contours import SegmentationResult
from cxr_core.reading.cardiothoracic.ratio import MEASURED_FINDING
from cxr_core.training.tasks.segmentation_inputs import trusted_segmentations
from cxr_core.workspace.atomic import atomic_file

REGIONS = "regions.npz"  # images, shares, known: in the run's folder, so that a resumed run trains on the same
REGION_SIDE = 32  # cells: finer than any head's map, coarse enough to keep
FULL_COVERAGE = 255


class WithAttribution(nn.Module):
    """A network's logits, followed by the cells of its attribution for the first K findings: (B, L + K * h * w)."""

    def __init__(self, network: FilmClassifier, findings: int):
        super().__init__()
        self.network, self.findings = network, findings

    def forward(self, films: Tensor) -> Tensor:
        """(B, L + K * h * w)."""
        features = self.network.forward_features(films)
        cells = self.network.head.attribute_to_cells(features)[:, : self.findings]
        return torch.cat([self.network.forward_head(features), cells.flatten(1)], dim=1)


def load_or_make_regions(
    run: Path,
    films: Manifest,
    findings: Sequence[str],
    spec: InputSpec,
    progress: Callable[[int, int], None],
    stop: Callable[[], bool],
) -> np.ndarray:
    """(N, K, REGION_SIDE, REGION_SIDE) float32 in [0, 1]: each finding's region on each film; NaN where unknown.

    Made once, then read from the run's folder. Raises RecipeError when no segmenter is installed, Cancelled when asked
    to stop meanwhile, and RunError when that folder has the regions of other films.
    """
    path, names = run / REGIONS, [film.name for film in films.paths]
    if not path.exists():
        _write_regions(path, films, findings, spec, trusted_segmentations(films, progress, stop))
    with np.load(path) as archive:
        if archive["images"].tolist() != names or archive["shares"].shape[1] != len(findings):
            raise RunError(
                f"{path} belongs to other films than those of this run; remove it, and they are segmented again"
            )
        shares: np.ndarray = archive["shares"].astype(np.float32) / FULL_COVERAGE
        shares[~archive["known"]] = np.nan
    return shares


def append_regions(films: FilmSet, regions: np.ndarray) -> FilmSet:
    """The same films with the regions, flattened, as further labels. regions: those of `load_or_make_regions`."""
    return replace(films, labels=np.column_stack([films.labels, regions.reshape(len(regions), -1)]))


def transform_regions(flat: Tensor, transform: Callable[[Tensor], Tensor]) -> Tensor:
    """Regions (B, K * REGION_SIDE²) with the geometry of their augmented films; unknown ones stay unknown."""
    regions = flat.view(len(flat), -1, REGION_SIDE, REGION_SIDE)
    unknown = torch.isnan(regions)
    return transform(torch.nan_to_num(regions)).masked_fill(unknown, torch.nan).flatten(1)


def sum_outside_attribution(flat_attribution: Tensor, flat_regions: Tensor) -> Tensor:
    """The squared attribution of the cells that a film's region does not touch, summed over all films.

    flat_attribution: (B, K * h * h) logits of each cell.  flat_regions: (B, K * REGION_SIDE²), NaN where unknown.
    """
    regions = flat_regions.view(len(flat_regions), -1, REGION_SIDE, REGION_SIDE)
    known = ~torch.isnan(regions[:, :, 0, 0])
    side = round((flat_attribution.shape[1] / regions.shape[1]) ** 0.5)
    cells = flat_attribution.float().view(len(flat_attribution), -1, side, side)
    touched = functional.adaptive_max_pool2d(torch.nan_to_num(regions), side)
    return (((1 - touched) * cells**2).sum(dim=(2, 3)) * known).sum()


def _write_regions(
    path: Path,
    films: Manifest,
    findings: Sequence[str],
    spec: InputSpec,
    segmentations: Iterable[SegmentationResult | None],
) -> None:
    """Write each finding's region on each film, in 8 bits a cell."""
    names = [film.name for film in films.paths]
    shares = np.zeros((len(names), len(findings), REGION_SIDE, REGION_SIDE), np.uint8)
    known = np.zeros(len(names), bool)
    region_names = [HEART if key == MEASURED_FINDING else CHEST for key in findings]
    for row, segmentation in enumerate(segmentations):
        if segmentation is None:
            continue
        known[row], regions = True, segmented_regions(segmentation)
        for index, name in enumerate(region_names):
            coverage = coverage_of_cells(regions[name], spec, (REGION_SIDE, REGION_SIDE))
            shares[row, index] = np.rint(coverage * FULL_COVERAGE)
    with atomic_file(path) as draft:
        np.savez_compressed(draft, images=np.array(names), shares=shares, known=known)
