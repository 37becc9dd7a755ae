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
from cxr_core.models.segmenter import Segmenter
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.models.store import load_segmenter, load_segmenter_card
from cxr_core.reading.anatomy import Anatomy, anatomy_of
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
        looks = self.looks(grid)
        interval = self.card.ratio_interval
        return anatomy_of(
            looks,
            Placement.fit(film_shape, self.card.input_spec),
            model=self.card.model,
            version=self.card.version,
            offset=interval.offset,
            factor=interval.factor,
        )

    def looks(self, grid: np.ndarray) -> np.ndarray:
        """(LOOKS, 3, h, w) float32 logits of one film (S, S) uint8, all on the same square."""
        maps = look(self.network, grid, self.card)
        if not np.isfinite(maps).all():
            raise ReadingError(f"{self.card.model} {self.card.version} gave maps that are not finite")
        return maps


def look(network: Segmenter, grid: np.ndarray, card: SegmenterCard) -> np.ndarray:
    """The maps of a film as it is, and smaller and brighter, from one forward pass. grid: (S, S) uint8."""
    side = grid.shape[0]
    brighter = np.rint(255 * (grid / np.float32(255)) ** GAMMA).astype(np.uint8)
    smaller = cv2.warpAffine(brighter, _about_middle(SHRUNK, side), (side, side), flags=cv2.INTER_LINEAR)
    inputs = torch.from_numpy(normalise(np.stack([grid, smaller]), card.input_spec))
    with one_at_a_time, torch.inference_mode():
        maps = network(inputs.contiguous(memory_format=torch.channels_last)).float().numpy()
    cells = maps.shape[-1]
    back = _about_middle(1 / SHRUNK, cells)
    maps[1] = [cv2.warpAffine(each, back, (cells, cells), borderMode=cv2.BORDER_REPLICATE) for each in maps[1]]
    return np.ascontiguousarray(maps)


def _about_middle(scale: float, side: int) -> np.ndarray:
    """The matrix that scales a square of that many pixels about its middle, for pixel middles at whole numbers."""
    shift = (1 - scale) * (side - 1) / 2
    return np.array([[scale, 0, shift], [0, scale, shift]])
