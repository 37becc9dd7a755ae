"""Draws synthetic chest films (phantoms) whose heart, thorax and opacity are known: for the demo, tests and newcomers.

A phantom is always labelled as one: its container is "drawing", and a PNG made of it carries a mark in a text chunk.
It is made as a film is: densities along the ray add up, lung takes away, and the sum goes through a film's tone curve.
The organs are in geometry.py, the look in rendering.py.
"""

import struct
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from cxr_core.errors import SettingsError
from cxr_core.film.grey_png import SIGNATURE, png_chunk
from cxr_core.film.phantom.geometry import Chest, build_chest
from cxr_core.film.phantom.rendering import blur_film, render_film
from cxr_core.film.radiograph import Radiograph, Sex, View

Lung = Literal["right", "left"]
Place = Literal["upper", "middle", "lower"]
# (row, column) in film pixels, continuous: the first pixel's middle is 0.5.
Point = tuple[float, float]

HEIGHT_OF: dict[Place, float] = {"upper": 0.25, "middle": 0.45, "lower": 0.63}
OPACITY_POSITION = 0.60  # of an opacity's middle, in halves of the thorax from the midline


@dataclass(frozen=True, kw_only=True)
class Opacity:
    """A soft patch of airless lung. strength: brightness added at its middle, at most. radius: of the film's width."""

    lung: Lung
    place: Place = "lower"
    strength: float = 0.3
    radius: float = 0.13


@dataclass(frozen=True, kw_only=True)
class PhantomSpec:
    """One phantom chest. Widths are fractions of the film's width, rounded to whole pixels.

    seed: of the noise only.  inverted: bone dark, as a film whose file is wrong about itself.
    mirrored: turned left to right, the heart on the wrong side.
    """

    height: int = 1024
    width: int = 1024
    thorax_width: float = 0.70
    heart_width: float = 0.315
    opacity: Opacity | None = None
    noise: float = 0.012  # standard deviation, of values in [0, 1]
    seed: int = 0
    view: View | None = "PA"
    age_years: float | None = 45.0
    sex: Sex | None = None
    inverted: bool = False
    mirrored: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.noise <= 0.2:
            raise SettingsError(f"noise={self.noise} is outside 0 to 0.2")
        if min(self.height, self.width) < 64:
            raise SettingsError(
                f"a phantom of {self.height}x{self.width} is too small; both sides must be 64 or more"
            )
        if not 0.3 <= self.thorax_width <= 0.9:
            raise SettingsError(
                f"thorax_width={self.thorax_width} is outside 0.3 to 0.9 of the film's width"
            )
        if not 0.25 <= self.heart_width / self.thorax_width <= 0.85:
            raise SettingsError(
                f"heart_width={self.heart_width} must be 0.25 to 0.85 of thorax_width={self.thorax_width}"
            )
        if self.opacity and not (
            0 <= self.opacity.strength <= 1 and 0.02 <= self.opacity.radius <= 0.3
        ):
            raise SettingsError(
                "an opacity's strength lies in 0 to 1 and its radius in 0.02 to 0.3 of the film's width"
            )

    @property
    def thorax_px(self) -> int:
        """The thorax's width in pixels."""
        return round(self.thorax_width * self.width)

    @property
    def heart_px(self) -> int:
        """The heart's width in pixels."""
        return round(self.heart_width * self.width)


@dataclass(frozen=True, kw_only=True, eq=False)
class PhantomTruth:
    """The known anatomy of a phantom.

    Masks are (H, W) bool; those of the lungs leave out heart and mediastinum, that of the opacity is where it adds
    brightness. Diameters run from the patient's right to the left, pixel border to pixel border.
    """

    heart: np.ndarray
    right_lung: np.ndarray
    left_lung: np.ndarray
    opacity: np.ndarray
    heart_ends: tuple[Point, Point]
    thorax_ends: tuple[Point, Point]

    @property
    def cardiothoracic_ratio(self) -> float:
        """The heart's greatest transverse diameter over the thorax's."""
        heart = abs(self.heart_ends[1][1] - self.heart_ends[0][1])
        thorax = abs(self.thorax_ends[1][1] - self.thorax_ends[0][1])
        return heart / thorax


SAMPLES: dict[str, PhantomSpec] = {
    "Synthetic: normal chest": PhantomSpec(seed=1),
    "Synthetic: wide heart": PhantomSpec(heart_width=0.445, seed=2),
    "Synthetic: opacity in the right lower lung": PhantomSpec(
        opacity=Opacity(lung="right"), seed=3
    ),
    "Synthetic: child with an opacity in the left lung": PhantomSpec(
        thorax_width=0.66,
        heart_width=0.33,
        opacity=Opacity(lung="left", place="middle"),
        seed=4,
        view="AP",
        age_years=4.0,
    ),
}


def draw_phantom(spec: PhantomSpec) -> Radiograph:
    """The film of a phantom, in 256 grey levels as a file would hold it. The same spec gives the same pixels."""
    anatomy = build_chest((spec.height, spec.width), spec.thorax_px, spec.heart_px)
    film = render_film(anatomy) + _opacity_brightness(spec, anatomy)
    noise = np.random.default_rng(spec.seed).standard_normal(film.shape, dtype=np.float32)
    film += spec.noise * 1.6 * cv2.GaussianBlur(noise, (3, 3), 0.6)
    if spec.mirrored:
        film = film[:, ::-1]
    levels = np.rint(np.clip(film, 0, 1) * 255).astype(np.uint8)
    if spec.inverted:
        levels = 255 - levels
    return Radiograph(
        pixels=np.ascontiguousarray(levels.astype(np.float32) / np.float32(255)),
        view=spec.view,
        age_years=spec.age_years,
        sex=spec.sex,
        container="drawing",
    )


def compute_truth(spec: PhantomSpec) -> PhantomTruth:
    """Masks and diameters of the phantom of this spec."""
    anatomy = build_chest((spec.height, spec.width), spec.thorax_px, spec.heart_px)
    masks = [
        anatomy.heart,
        anatomy.right_lung,
        anatomy.left_lung,
        _opacity_brightness(spec, anatomy) > 0,
    ]
    if spec.mirrored:
        masks = [np.ascontiguousarray(mask[:, ::-1]) for mask in masks]
    heart, right, left, opacity = masks
    heart_ends, thorax_ends = _transverse_ends(heart), _transverse_ends(right | left)
    if spec.mirrored:
        heart_ends, thorax_ends = heart_ends[::-1], thorax_ends[::-1]
    return PhantomTruth(
        heart=heart,
        right_lung=right,
        left_lung=left,
        opacity=opacity,
        heart_ends=heart_ends,
        thorax_ends=thorax_ends,
    )


def encode_png(film: Radiograph) -> bytes:
    """A phantom as an 8-bit grey PNG that is marked as one. Raises ValueError for a film of a patient."""
    if film.container != "drawing":
        raise ValueError("only a phantom may be marked as one")
    ok, encoded = cv2.imencode(".png", np.rint(film.pixels * 255).astype(np.uint8))
    assert ok, "an 8-bit grey picture always has a PNG"
    data = encoded.tobytes()
    return data[:_HEADER_END] + png_chunk(b"tEXt", _MARK) + data[_HEADER_END:]


def is_phantom_png(data: bytes) -> bool:
    """Whether a PNG carries the phantom's mark before its pixels; reads chunk headers only."""
    if not data.startswith(SIGNATURE):
        return False
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if (
            kind == b"tEXt"
            and length == len(_MARK)
            and data[at : at + 12 + length] == png_chunk(kind, _MARK)
        ):
            return True
        if kind in (b"IDAT", b"IEND"):
            return False
        at += 12 + length
    return False


# PNG specification, third edition: 11.2.1 IHDR (13 bytes), 11.3.3.2 tEXt.
_HEADER_END = len(SIGNATURE) + 12 + 13
_MARK = b"Silhouette\0drawing"


def _opacity_brightness(spec: PhantomSpec, anatomy: Chest) -> np.ndarray:
    """Brightness that the opacity adds, (H, W) float32: a soft, patchy disc that ends where its lung does."""
    patch = spec.opacity
    if patch is None:
        return np.zeros_like(anatomy.aeration)
    lung, side = (anatomy.right_lung, -1) if patch.lung == "right" else (anatomy.left_lung, 1)
    radius = patch.radius * spec.width
    across = (anatomy.lateral_position - side * OPACITY_POSITION) * (spec.thorax_px / 2 / radius)
    down = (anatomy.height - HEIGHT_OF[patch.place]) * (spec.height / radius)
    soft = np.clip(1 - across**2 - down**2, 0, 1) ** 0.8
    patches = 0.8 + 0.2 * np.sin(9 * across + 2) * np.sin(8 * down + 1)
    return blur_film(
        (patch.strength * soft * patches * np.sqrt(anatomy.aeration) * lung).astype(np.float32)
    )


def _transverse_ends(mask: np.ndarray) -> tuple[Point, Point]:
    """The outermost pixel borders of a mask, left and right on the picture, each at its middle row."""
    columns = np.flatnonzero(mask.any(axis=0))
    low, high = int(columns[0]), int(columns[-1])
    rows = [float(np.flatnonzero(mask[:, column]).mean()) + 0.5 for column in (low, high)]
    return (rows[0], float(low)), (rows[1], float(high + 1))
