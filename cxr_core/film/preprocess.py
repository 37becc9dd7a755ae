"""Turns a film into a model's input, and maps anything on that input back to the film.

This is the only such path. Its settings, the `InputSpec`, travel in the model's card. Training and reading call the
same `to_grid`, whose result is 8-bit, so that a cached film and a film just decoded give the same tensor bit for bit.
"""

from dataclasses import asdict, dataclass
from typing import Literal

import cv2
import numpy as np

from cxr_core.errors import SettingsError
from cxr_core.film.enlarge_cells import enlarge_cells
from cxr_core.workspace.json_files import JsonObject

Equalisation = Literal["none", "histogram", "clahe"]
Aspect = Literal["stretch", "pad", "crop"]

PREPROCESSING_VERSION = 1

# CLAHE as in Pizer et al. 1987 with the two settings that chest-film work commonly uses.
CLAHE_CLIP_LIMIT = 2.0
CLAHE_TILES = (8, 8)
MAX_BLUR = 10.0


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """How a film becomes the input of one model.

    side: pixels of the square input.  channels: 1, or 3 for a backbone that expects colour (the grey is repeated).
    mean, std: of the values in [0, 1], the same for each channel.
    aspect: `stretch` to the square, `pad` with black to it, or `crop` its middle.
    reduce_to: pixels of the square that every film is reduced to before it is enlarged to `side`, so that large and
    small copies of a film show the same detail; None = not reduced.  blur: standard deviation of the Gaussian that
    smooths the reduced film, in its pixels; 0 = none.
    """

    side: int
    channels: int = 3
    mean: float = 0.5
    std: float = 0.5
    equalisation: Equalisation = "none"
    aspect: Aspect = "stretch"
    version: int = PREPROCESSING_VERSION
    reduce_to: int | None = None
    blur: float = 0.0

    def __post_init__(self) -> None:
        if not 16 <= self.side <= 2048:
            raise SettingsError(f"input side {self.side} is outside 16 to 2048 pixels")
        if self.channels not in (1, 3):
            raise SettingsError(f"an input has 1 or 3 channels, not {self.channels}")
        if not (0 <= self.mean <= 1 and 0.001 <= self.std <= 10):
            raise SettingsError(
                f"mean {self.mean} and std {self.std}: expected a mean in [0, 1] and a std from 0.001 to 10"
            )
        if self.equalisation not in ("none", "histogram", "clahe"):
            raise SettingsError(
                f"unknown equalisation {self.equalisation!r}; choose none, histogram or clahe"
            )
        if self.aspect not in ("stretch", "pad", "crop"):
            raise SettingsError(
                f"unknown aspect policy {self.aspect!r}; choose stretch, pad or crop"
            )
        if self.reduce_to is not None and not 16 <= self.reduce_to <= self.side:
            raise SettingsError(
                f"films reduced to {self.reduce_to} pixels: expected 16 to {self.side}, the input side"
            )
        if not 0 <= self.blur <= MAX_BLUR:
            raise SettingsError(f"a blur of {self.blur} pixels: expected 0 to {MAX_BLUR:g}")
        if self.blur and self.reduce_to is None:
            raise SettingsError(
                f"a blur of {self.blur} pixels is of the reduced film, and reduce_to is not set; set reduce_to, which "
                f"may be the input side, {self.side}"
            )
        if self.version != PREPROCESSING_VERSION:
            raise SettingsError(
                f"this model was made with preprocessing version {self.version}; this program has "
                f"version {PREPROCESSING_VERSION}. Retrain it, or use the release it was made with."
            )

    def to_json(self) -> JsonObject:
        """The fields by name; `reduce_to` and `blur` only where films are reduced, as earlier versions know neither."""
        fields: JsonObject = asdict(self)
        if self.reduce_to is None:
            del fields["reduce_to"], fields["blur"]
        return fields


Box = tuple[int, int, int, int]  # top, left, bottom, right; the last two are outside


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a film lies on a model's input: `film_box` of the film fills `input_box` of the square.

    Points are continuous (row, column) in pixels, with pixel centres at half-integers.
    """

    film_shape: tuple[int, int]  # (H, W)
    side: int
    film_box: Box
    input_box: Box

    @classmethod
    def fit(cls, film_shape: tuple[int, int], spec: InputSpec) -> "Placement":
        """Place a film of (H, W) on the square input as the spec's aspect policy says."""
        height, width = film_shape
        film_box, input_box = (0, 0, height, width), (0, 0, spec.side, spec.side)
        if spec.aspect == "crop":
            film_box = _centred_box(min(height, width), min(height, width), film_shape)
        if spec.aspect == "pad":
            scale = spec.side / max(height, width)
            rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
            input_box = _centred_box(rows, columns, (spec.side, spec.side))
        return cls(film_shape=film_shape, side=spec.side, film_box=film_box, input_box=input_box)

    @property
    def scale(self) -> tuple[float, float]:
        """Input pixels per film pixel: (row, column)."""
        top, left, bottom, right = self.film_box
        to_top, to_left, to_bottom, to_right = self.input_box
        return (to_bottom - to_top) / (bottom - top), (to_right - to_left) / (right - left)

    @property
    def offset(self) -> tuple[float, float]:
        """Where the film's corner (0, 0) lies on the input: (row, column)."""
        row, column = self.scale
        return (
            self.input_box[0] - self.film_box[0] * row,
            self.input_box[1] - self.film_box[1] * column,
        )

    def to_input(self, points: np.ndarray) -> np.ndarray:
        """Film points to input points. points: (..., 2) as (row, column)."""
        return np.asarray(points, dtype=np.float64) * self.scale + self.offset

    def to_film(self, points: np.ndarray) -> np.ndarray:
        """Input points to film points. points: (..., 2) as (row, column)."""
        return (np.asarray(points, dtype=np.float64) - self.offset) / self.scale

    def map_to_film(self, cells: np.ndarray) -> np.ndarray:
        """A map over the input, of any size (h, w), on the film's own grid (H, W) float32, smooth.

        Pixels that the input did not show (cropped away) are NaN.
        """
        height, width = self.film_shape
        cells = enlarge_cells(cells)
        # OpenCV, not a product of two matrices: BLAS leaves its threads spinning, and the next forward pass takes
        # three times as long.
        entire_input = (0, 0, self.side, self.side)
        if self.film_box == (0, 0, height, width) and self.input_box == entire_input:
            return cv2.resize(cells, (width, height), interpolation=cv2.INTER_LINEAR)
        per_cell = self.side / np.array(cells.shape)
        # Pixel centres: film i + 0.5 -> cell j + 0.5.
        scale = self.scale / per_cell
        shift = (0.5 * np.array(self.scale) + self.offset) / per_cell - 0.5
        matrix = np.array([[scale[1], 0.0, shift[1]], [0.0, scale[0], shift[0]]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        placed = cv2.warpAffine(
            cells, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        for axis, size in enumerate((height, width)):
            centre = (np.arange(size) + 0.5) * self.scale[axis] + self.offset[axis]
            unseen = (centre < 0) | (centre > self.side)
            if axis == 0:
                placed[unseen] = np.nan
            else:
                placed[:, unseen] = np.nan
        return placed


def to_grid(pixels: np.ndarray, spec: InputSpec) -> np.ndarray:
    """A film's pixels on the model's grid, before normalisation: (S, S) uint8.

    pixels: (H, W) float32 in [0, 1]. Area-averaged when shrunk, bilinear when enlarged, reduced and blurred before that
    where the spec says so; equalised last, so that films of every size are equalised alike. Sources: Pizer et al. 1987
    (CLAHE).
    """
    placement = Placement.fit(pixels.shape, spec)
    top, left, bottom, right = placement.film_box
    shown = np.ascontiguousarray(pixels[top:bottom, left:right])
    top, left, bottom, right = placement.input_box
    placed = np.zeros((spec.side, spec.side), np.float32)
    rows, columns = bottom - top, right - left
    if spec.reduce_to is not None:
        scale = spec.reduce_to / spec.side
        shown = _resize_film(shown, max(1, round(rows * scale)), max(1, round(columns * scale)))
        if spec.blur:
            shown = cv2.GaussianBlur(shown, (0, 0), spec.blur, borderType=cv2.BORDER_REPLICATE)
    placed[top:bottom, left:right] = _resize_film(shown, rows, columns)
    grid: np.ndarray = np.rint(placed * 255.0).clip(0, 255).astype(np.uint8)
    if spec.equalisation == "histogram":
        grid = cv2.equalizeHist(grid)
    elif spec.equalisation == "clahe":
        grid = cv2.createCLAHE(CLAHE_CLIP_LIMIT, CLAHE_TILES).apply(grid)
    return grid


def normalise_grids(grids: np.ndarray, spec: InputSpec) -> np.ndarray:
    """Grids (B, S, S) uint8 as a batch (B, C, S, S) float32; each channel the same grey."""
    mean, std = np.float32(spec.mean), np.float32(spec.std)
    grey = (grids.astype(np.float32) * np.float32(1 / 255) - mean) / std
    return np.repeat(grey[:, None], spec.channels, axis=1)


def to_model_input(pixels: np.ndarray, spec: InputSpec) -> np.ndarray:
    """A film's pixels (H, W) in [0, 1] as the model's input (1, C, S, S) float32."""
    return normalise_grids(to_grid(pixels, spec)[None], spec)


def _centred_box(rows: int, columns: int, within: tuple[int, int]) -> Box:
    top, left = (within[0] - rows) // 2, (within[1] - columns) // 2
    return top, left, top + rows, left + columns


def _resize_film(pixels: np.ndarray, rows: int, columns: int) -> np.ndarray:
    shrinks = rows <= pixels.shape[0] and columns <= pixels.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(pixels, (columns, rows), interpolation=method)
