"""Maps a film, as it is read, back to the pixels that its file stores, on which an archive draws.

On the way to a reading the stored pixels were set upright by the decoder (`display.Turn`), and then turned and mirrored
as a person asked (`Adjustments`). Nothing is cropped or resized: pixels outside a shutter are only painted black.
"""

from dataclasses import dataclass

import numpy as np

from cxr_core.dicom_io.header import FilmHeader
from cxr_core.errors import ReadingError
from cxr_core.film.adjustments import Adjustments
from cxr_core.film.decoding.dicom_header.display import Turn

NO_TURN = Turn(exchange=False, mirror=False, flip=False)


@dataclass(frozen=True)
class StoredGrid:
    """The stored pixels of one film. rows, columns: of them.  turn, adjustments: what was then done to them."""

    rows: int
    columns: int
    turn: Turn
    adjustments: Adjustments

    @classmethod
    def of_film(
        cls, header: FilmHeader, film_shape: tuple[int, int], adjustments: Adjustments
    ) -> "StoredGrid":
        """The grid of a film of (H, W) as it is read. Raises ReadingError where header and film do not agree."""
        grid = cls(header.rows, header.columns, header.turn or NO_TURN, adjustments)
        if grid.to_film_shape() != film_shape:
            raise ReadingError(
                f"the film has {film_shape[0]} × {film_shape[1]} px where its header says {grid.to_film_shape()}, so "
                "places on it cannot be named; export the film again"
            )
        return grid

    def to_film_shape(self) -> tuple[int, int]:
        """(H, W) of the film as it is read."""
        crosswise = self.turn.exchange != bool(self.adjustments.quarter_turns % 2)
        return (self.columns, self.rows) if crosswise else (self.rows, self.columns)

    def mask_to_stored(self, mask: np.ndarray) -> np.ndarray:
        """A mask (H, W) on the film -> (rows, columns) on the stored pixels, C-contiguous."""
        if self.adjustments.mirrored:
            mask = mask[:, ::-1]
        mask = np.rot90(mask, self.adjustments.quarter_turns)
        if self.turn.flip:
            mask = mask[::-1]
        if self.turn.mirror:
            mask = mask[:, ::-1]
        return np.ascontiguousarray(mask.T if self.turn.exchange else mask)

    def points_to_stored(self, points: np.ndarray) -> np.ndarray:
        """(N, 2) points (x, y) on the film -> (column, row) on the stored pixels.

        Both are continuous, with the first pixel's middle at 0.5, as DICOM counts (PS3.3 C.18.6).
        """
        height, width = self.to_film_shape()
        x, y = np.asarray(points, np.float64).T
        if self.adjustments.mirrored:
            x = width - x
        for _ in range(self.adjustments.quarter_turns):
            x, y = y, width - x  # a quarter back: the film's rows become columns again
            height, width = width, height
        if self.turn.flip:
            y = height - y
        if self.turn.mirror:
            x = width - x
        return np.stack([y, x] if self.turn.exchange else [x, y], axis=1)
