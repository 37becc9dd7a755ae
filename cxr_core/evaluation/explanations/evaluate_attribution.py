"""A classifier's evidence on films that a segmenter outlines: how much of it lies inside heart and lungs."""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from cxr_core.data.cache.pixel_cache import Progress, quiet
from cxr_core.data.manifest import Manifest
from cxr_core.evaluation.explanations.attribution_inside import heat_figures, share_inside
from cxr_core.evaluation.segmentation.evaluate_outlines import anatomies
from cxr_core.film.preprocess import InputSpec, to_grid
from cxr_core.reading.agreement import MEASURED_FINDING
from cxr_core.reading.cardiothoracic.contours import Anatomy
from cxr_core.reading.segmenter import Outliner

CHEST, HEART = "chest", "heart"


def heat_in_chest(
    outliner: Outliner,
    films: Manifest,
    evidence: Mapping[str, Sequence[np.ndarray]],
    spec: InputSpec,
    progress: Progress = quiet,
) -> dict[str, dict[str, Any]]:
    """The figures of each finding, as `heat.heat_figures`: inside heart and lungs, for cardiomegaly the heart as well.

    evidence: by finding the cells (h, w) of each film, in the films' order.  spec: of the classifier's input.
    Films without an outline of heart and both lungs are left out and counted, as are those without positive evidence.
    """
    shares = {
        key: {name: np.full(len(cells), np.nan) for name in _regions(key)}
        for key, cells in evidence.items()
    }
    areas = {name: np.full(len(films.table), np.nan) for name in (CHEST, HEART)}
    outlined = np.zeros(len(films.table), bool)
    for row, anatomy in enumerate(anatomies(outliner, films, progress)):
        if anatomy.failures:
            continue
        outlined[row] = True
        for name, region in regions_of(anatomy).items():
            areas[name][row] = float(on_cells(region, spec, (spec.side, spec.side)).mean())
            for key, cells in evidence.items():
                if name in shares[key]:
                    inside = on_cells(region, spec, cells[row].shape)
                    shares[key][name][row] = share_inside(cells[row], inside)
    patients = films.table["patient"].to_numpy(str)
    found = {}
    for key, of_finding in shares.items():
        label = (
            films.table[key].to_numpy()
            if key in films.findings
            else np.full(len(films.table), np.nan)
        )
        found[key] = {
            "outlines": {"model": outliner.card.model, "version": outliner.card.version},
            "films": len(outlined),
            "without_outlines": int((~outlined).sum()),
            "without_evidence": int((outlined & np.isnan(of_finding[CHEST])).sum()),
            **heat_figures(of_finding, areas, label == 1, patients),
        }
    return found


def on_cells(region: np.ndarray, spec: InputSpec, shape: tuple[int, ...]) -> np.ndarray:
    """(h, w) float in [0, 1]: how much of each cell of a model's map a region of the film covers.

    region: (H, W) bool on the film's own grid.  spec: of the model's input, on which the film is placed.
    """
    placed = (
        to_grid(region.astype(np.float32), InputSpec(side=spec.side, aspect=spec.aspect)).astype(
            np.float32
        )
        / 255
    )
    return cv2.resize(placed, (shape[1], shape[0]), interpolation=cv2.INTER_AREA)


def _regions(finding: str) -> tuple[str, ...]:
    return (CHEST, HEART) if finding == MEASURED_FINDING else (CHEST,)


def regions_of(anatomy: Anatomy) -> dict[str, np.ndarray]:
    """(H, W) bool on the film's own grid: heart and lungs together, and the heart."""
    masks = anatomy.masks()
    return {CHEST: np.any(list(masks.values()), axis=0), HEART: masks["heart"]}
