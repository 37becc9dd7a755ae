"""Segments heart and lungs with the installed segmenter, which every thread shares and none changes.

pixels -> grid -> the film and one test-time augmentation (smaller and brighter) -> maps -> contours and diameters
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch

from cxr_core.errors import ModelError, ReadingError
from cxr_core.film.preprocess import Placement, normalise_grids, to_grid
from cxr_core.film.radiograph import Radiograph
from cxr_core.models.exported.backend import TORCH, BackendChoice, load_exported
from cxr_core.models.exported.runtimes import Runtime
from cxr_core.models.networks.batch_norm_folding import fold_batch_norm
from cxr_core.models.networks.segmenter import FilmSegmenter
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.models.store import load_segmenter, load_segmenter_card
from cxr_core.reading.cardiothoracic.contours import SegmentationResult, find_contours
from cxr_core.reading.cores import PROCESS_CORES, CoreScheduler
from cxr_core.workspace.paths import printable

# The test-time augmentation: whether contours stay where they are says how far they can be trusted.
AUGMENTED_GAMMA = 0.8
AUGMENTED_SIZE = 0.9  # of the film, about its middle
AUGMENTATIONS = 2  # the film itself counts as the first


@dataclass(frozen=True, kw_only=True, eq=False)
class Segmenter:
    """A card and its network. exported, backend: as a `Classifier` has them."""

    card: SegmenterCard
    network: FilmSegmenter
    cores: CoreScheduler = PROCESS_CORES
    exported: Runtime | None = None
    backend: str = TORCH

    @classmethod
    def load(cls, folder: Path, backend: BackendChoice = TORCH) -> "Segmenter":
        """The segmenter of a model folder, which has segmented some noise.

        Raises ModelError for a damaged one, and when the backend cannot be had.
        """
        card = load_segmenter_card(folder)
        network = load_segmenter(folder, card).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        segmenter = cls(card=card, network=network)
        try:
            fold_batch_norm(network, segmenter._predict_noise)
            return segmenter.use_backend(backend)
        except (ReadingError, RuntimeError) as error:
            raise ModelError(f"{printable(folder)} cannot segment a film: {error}") from error

    def use_backend(self, choice: BackendChoice) -> "Segmenter":
        """This segmenter with another backend, as `Classifier.use_backend`."""
        found = load_exported(self.card, choice, self.cores.cores)
        if found is None:
            return replace(self, exported=None, backend=TORCH)
        backend, runtime = found
        segmenter = replace(self, exported=runtime, backend=backend)
        segmenter._predict_noise()
        return segmenter

    def segment(self, film: Radiograph) -> SegmentationResult:
        """Heart and lungs of one film. Raises ReadingError when the network gives no finite number."""
        return self.segment_grid(self.prepare_grid(film), film.shape)

    def prepare_grid(self, film: Radiograph) -> np.ndarray:
        """A film on the model's grid: (S, S) uint8."""
        return to_grid(film.pixels, self.card.input_spec)

    def segment_grid(self, grid: np.ndarray, film_shape: tuple[int, int]) -> SegmentationResult:
        """Segment a film that is on the model's grid already. grid: (S, S) uint8.  film_shape: (H, W)."""
        return self.segment_grids(grid[None], [film_shape])[0]

    def segment_grids(
        self, grids: np.ndarray, film_shapes: Sequence[tuple[int, int]]
    ) -> list[SegmentationResult]:
        """Segment films in one forward pass. grids: (B, S, S) uint8.  film_shapes: (H, W) of each."""
        interval = self.card.ratio_interval
        batch = self.predict_augmented(grids)
        return [
            find_contours(
                augmented_maps,
                Placement.fit(film_shape, self.card.input_spec),
                model=self.card.model,
                version=self.card.version,
                offset=interval.offset,
                factor=interval.factor,
                backend=self.backend,
            )
            for augmented_maps, film_shape in zip(batch, film_shapes, strict=True)
        ]

    def predict_augmented(self, grids: np.ndarray) -> np.ndarray:
        """(B, AUGMENTATIONS, 3, h, w) float32 logits of films (B, S, S) uint8, all on the film's own square.

        Raises ReadingError when the network gives no finite number.
        """
        augmented = np.stack([_augment_grid(grid) for grid in grids])
        inputs = normalise_grids(np.concatenate([grids, augmented]), self.card.input_spec)
        with self.cores.forward_pass():
            maps = self._compute_maps(inputs)
        if not np.isfinite(maps).all():
            raise ReadingError(
                f"{self.card.model} {self.card.version} gave maps that are not finite"
            )
        film_maps, augmented_maps = maps[: len(grids)], maps[len(grids) :]
        return np.stack([film_maps, [_undo_augmentation(one) for one in augmented_maps]], axis=1)

    def _compute_maps(self, inputs: np.ndarray) -> np.ndarray:
        """(B, 3, h, w) float32 logits of model inputs (B, C, S, S)."""
        if self.exported is not None:
            (maps,) = self.exported.run(inputs)
            return maps
        films = torch.from_numpy(inputs).contiguous(memory_format=torch.channels_last)
        return np.asarray(self.network(films).float().contiguous().numpy())

    def _predict_noise(self) -> np.ndarray:
        """The maps of a film of noise."""
        side = self.card.input_spec.side
        noise = np.random.default_rng(0).integers(0, 256, (1, side, side), np.uint8)
        return self.predict_augmented(noise)


def _augment_grid(grid: np.ndarray) -> np.ndarray:
    """A film (S, S) uint8 made brighter, and smaller about its middle."""
    side = grid.shape[0]
    brighter = np.rint(255 * (grid / np.float32(255)) ** AUGMENTED_GAMMA).astype(np.uint8)
    matrix = _scale_about_middle(AUGMENTED_SIZE, side)
    return cv2.warpAffine(brighter, matrix, (side, side), flags=cv2.INTER_LINEAR)


def _undo_augmentation(maps: np.ndarray) -> np.ndarray:
    """The maps (3, h, w) of an augmented film, where they lie on the film itself."""
    cells = maps.shape[-1]
    matrix = _scale_about_middle(1 / AUGMENTED_SIZE, cells)
    return np.stack(
        [cv2.warpAffine(m, matrix, (cells, cells), borderMode=cv2.BORDER_REPLICATE) for m in maps]
    )


def _scale_about_middle(scale: float, side: int) -> np.ndarray:
    """The matrix that scales a square of that many pixels about its middle, for pixel middles at whole numbers."""
    shift = (1 - scale) * (side - 1) / 2
    return np.array([[scale, 0, shift], [0, scale, shift]])
