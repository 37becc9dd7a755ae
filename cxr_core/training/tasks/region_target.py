"""Where the evidence for a finding may lie, as something to learn: the heart for cardiomegaly, else heart and lungs.

films -> the installed segmenter -> the share of each cell that the region covers -> more columns of labels

Evidence outside the region is penalised, so that the network has to find its reasons inside (Ross et al. 2017,
arXiv:1703.03717, with the evidence of the head in place of the input's gradient). A film without a trusted outline
teaches nothing of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from cxr_core.data.film_set import Films
from cxr_core.data.manifest import Manifest
from cxr_core.errors import RunError
from cxr_core.evaluation.explanations.evaluate_attribution import CHEST, HEART, on_cells, regions_of
from cxr_core.film.preprocess import InputSpec
from cxr_core.models.networks.film_classifier import FilmClassifier
from cxr_core.reading.agreement import MEASURED_FINDING
from cxr_core.training.tasks.outlining import trusted_anatomies
from cxr_core.workspace.atomic import atomic_file

REGIONS = "regions.npz"  # images, shares, known: in the run's folder, so that a resumed run learns the same
CELLS = 32  # a side: finer than any head's map, coarse enough to keep


class WithEvidence(nn.Module):
    """A network's logits, and behind them the cells of its evidence for the first K findings: (B, L + K * h * w)."""

    def __init__(self, network: FilmClassifier, findings: int):
        super().__init__()
        self.network, self.findings = network, findings

    def forward(self, films: Tensor) -> Tensor:
        features = self.network.forward_features(films)
        cells = self.network.head.evidence(features)[:, : self.findings]
        return torch.cat([self.network.forward_head(features), cells.flatten(1)], dim=1)


def kept_regions(
    run: Path,
    films: Manifest,
    findings: Sequence[str],
    spec: InputSpec,
    progress: Callable[[int, int], None],
    stop: Callable[[], bool],
) -> np.ndarray:
    """(N, K, CELLS, CELLS) float32 in [0, 1]: each finding's region on each film; NaN where no outline can be trusted.

    Outlined once, then read from the run's folder. Raises RecipeError when no segmenter is installed, Cancelled when
    asked to stop meanwhile, and RunError when that folder has the regions of other films.
    """
    path, names = run / REGIONS, [film.name for film in films.paths]
    if not path.exists():
        _keep(path, films, names, findings, spec, progress, stop)
    with np.load(path) as kept:
        if kept["images"].tolist() != names or kept["shares"].shape[1] != len(findings):
            raise RunError(
                f"{path} is not of the films of this run; remove it, and they are outlined again"
            )
        shares = kept["shares"].astype(np.float32) / 255
        shares[~kept["known"]] = np.nan
    return shares


def with_regions(films: Films, regions: np.ndarray) -> Films:
    """The same films with the regions, flattened, as further labels. regions: as `kept_regions` gives them."""
    return replace(films, labels=np.column_stack([films.labels, regions.reshape(len(regions), -1)]))


def moved(flat: Tensor, move: Callable[[Tensor], Tensor]) -> Tensor:
    """Regions (B, K * CELLS * CELLS) moved as their films are; unknown ones stay unknown."""
    regions = flat.view(len(flat), -1, CELLS, CELLS)
    unknown = torch.isnan(regions)
    return move(torch.nan_to_num(regions)).masked_fill(unknown, torch.nan).flatten(1)


def outside(flat_evidence: Tensor, flat_regions: Tensor) -> Tensor:
    """The squared evidence of the cells that a film's region does not touch, summed over all films.

    flat_evidence: (B, K * h * h) logits of each cell.  flat_regions: (B, K * CELLS * CELLS), NaN where unknown.
    """
    regions = flat_regions.view(len(flat_regions), -1, CELLS, CELLS)
    known = ~torch.isnan(regions[:, :, 0, 0])
    side = round((flat_evidence.shape[1] / regions.shape[1]) ** 0.5)
    evidence = flat_evidence.float().view(len(flat_evidence), -1, side, side)
    touched = functional.adaptive_max_pool2d(torch.nan_to_num(regions), side)
    return (((1 - touched) * evidence**2).sum(dim=(2, 3)) * known).sum()


def _keep(
    path: Path,
    films: Manifest,
    names: list[str],
    findings: Sequence[str],
    spec: InputSpec,
    progress: Callable[[int, int], None],
    stop: Callable[[], bool],
) -> None:
    shares = np.zeros((len(names), len(findings), CELLS, CELLS), np.uint8)
    known = np.zeros(len(names), bool)
    wanted = [HEART if key == MEASURED_FINDING else CHEST for key in findings]
    for row, anatomy in enumerate(trusted_anatomies(films, progress, stop)):
        if anatomy is None:
            continue
        known[row], regions = True, regions_of(anatomy)
        for index, name in enumerate(wanted):
            shares[row, index] = np.rint(on_cells(regions[name], spec, (CELLS, CELLS)) * 255)
    with atomic_file(path) as draft:
        np.savez_compressed(draft, images=np.array(names), shares=shares, known=known)
