"""The installed segmenter, ready to outline: frozen, shared by every thread, changed by none.

pixels -> grid -> two looks at it (as it is; smaller and brighter) -> maps -> Anatomy
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from cxr_core.errors import ReadingError
from cxr_core.film.preprocess import Placement, normalise, to_grid
from cxr_core.film.radiograph import Radiograph
from cxr_core.models.networks.segmenter import Segmenter
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.models.store import load_segmenter, load_segmenter_card
from cxr_core.reading.cardiothoracic.contours import Anatomy, anatomy_of
from cxr_core.reading.classifier import one_at_a_time

GAMMA = 0.8  # of the second look
SHRUNK = 0.9  # the size of the film in the second look, around the middle
LOOKS = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Outliner:
    """A card and its network."""

    card: SegmenterCard
    network: Segmenter

    @classmethod
    def load(cls, folder: Path) -> "Outliner":
        """The outliner of a model folder. Raises ModelError when the folder is not whole."""
        card = load_segmenter_card(folder)
        network = load_segmenter(folder, card).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return cls(card=card, network=network)

    def outline(self, film: Radiograph) -> Anatomy:
        """Heart and lungs of one film. Raises ReadingError when the network gives no finite number."""
        return self.outline_grid(self.grid(film), film.shape)

    def grid(self, film: Radiograph) -> np.ndarray:
        """A film on the model's grid: (S, S) uint8."""
        return to_grid(film.pixels, self.card.input_spec)

    def outline_grid(self, grid: np.ndarray, film_shape: tuple[int, int]) -> Anatomy:
        """Outline a film already on the model's grid. grid: (S, S) uint8; film_shape: (H, W)."""
        return self.outline_grids(grid[None], [film_shape])[0]

    def outline_grids(self, grids: np.ndarray, film_shapes: list[tuple[int, int]]) -> list[Anatomy]:
        """Outline films in one forward pass. grids: (B, S, S) uint8; film_shapes: (H, W) of each."""
        interval = self.card.ratio_interval
        return [
            anatomy_of(
                looks,
                Placement.fit(shape, self.card.input_spec),
                model=self.card.model,
                version=self.card.version,
                offset=interval.offset,
                factor=interval.factor,
            )
            for looks, shape in zip(self.looks(grids), film_shapes, strict=True)
        ]

    def looks(self, grids: np.ndarray) -> np.ndarray:
        """(B, LOOKS, 3, h, w) float32 logits of films (B, S, S) uint8, all looks on the same square.

        Raises ReadingError when the network gives no finite number.
        """
        inputs = normalise(
            np.concatenate([grids, np.stack([_changed(grid) for grid in grids])]),
            self.card.input_spec,
        )
        with one_at_a_time, torch.inference_mode():
            films = torch.from_numpy(inputs).contiguous(memory_format=torch.channels_last)
            maps = self.network(films).float().contiguous().numpy()
        if not np.isfinite(maps).all():
            raise ReadingError(
                f"{self.card.model} {self.card.version} gave maps that are not finite"
            )
        as_they_are, changed = maps[: len(grids)], maps[len(grids) :]
        return np.stack([as_they_are, [_back(film) for film in changed]], axis=1)


def _changed(grid: np.ndarray) -> np.ndarray:
    """A film (S, S) uint8 brighter and smaller, about its middle."""
    side = grid.shape[0]
    brighter = np.rint(255 * (grid / np.float32(255)) ** GAMMA).astype(np.uint8)
    return cv2.warpAffine(
        brighter, _about_middle(SHRUNK, side), (side, side), flags=cv2.INTER_LINEAR
    )


def _back(maps: np.ndarray) -> np.ndarray:
    """The maps (3, h, w) of a changed film, where they lie on the film as it is."""
    cells = maps.shape[-1]
    matrix = _about_middle(1 / SHRUNK, cells)
    return np.stack(
        [cv2.warpAffine(m, matrix, (cells, cells), borderMode=cv2.BORDER_REPLICATE) for m in maps]
    )


def _about_middle(scale: float, side: int) -> np.ndarray:
    """The matrix that scales a square of that many pixels about its middle, for pixel middles at whole numbers."""
    shift = (1 - scale) * (side - 1) / 2
    return np.array([[scale, 0, shift], [0, scale, shift]])
