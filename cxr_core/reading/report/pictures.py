"""Prepares the pictures of an HTML report: sized for paper and held in the page itself."""

import base64
from dataclasses import dataclass, replace

import cv2
import numpy as np

from cxr_core.film.preprocess import Placement
from cxr_core.reading.report.colormap import overlay_heatmap

LONGEST_SIDE_PX = 1024  # of a picture in the report; more would only make the file large
BAR_GREY = 0.42  # under the colour bar: about the grey of a lung


@dataclass(frozen=True)
class EmbeddedPicture:
    """A picture as an `img` element takes it. source: a data URI."""

    source: str
    caption: str


def embed_picture(pixels: np.ndarray, caption: str) -> EmbeddedPicture:
    """A picture of (H, W) grey or (H, W, 3) sRGB uint8 pixels."""
    ordered = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    _, png = cv2.imencode(".png", ordered)
    data = base64.b64encode(png.tobytes()).decode("ascii")
    return EmbeddedPicture(f"data:image/png;base64,{data}", caption)


def to_grey(pixels: np.ndarray) -> np.ndarray:
    """Pixels (H, W) in [0, 1] as uint8."""
    return np.asarray(np.rint(pixels * 255).clip(0, 255).astype(np.uint8))


def shrink_film(pixels: np.ndarray) -> np.ndarray:
    """A film's (H, W) pixels with at most LONGEST_SIDE_PX on a side."""
    return resize_film(pixels) if max(pixels.shape) > LONGEST_SIDE_PX else pixels


def resize_film(pixels: np.ndarray) -> np.ndarray:
    """A film's (H, W) pixels with LONGEST_SIDE_PX on the longer side, whether that shrinks or enlarges it."""
    scale = LONGEST_SIDE_PX / max(pixels.shape)
    height, width = (max(1, round(side * scale)) for side in pixels.shape)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(pixels, (width, height), interpolation=method)


def shrink_placement(placement: Placement, film_shape: tuple[int, ...]) -> Placement:
    """The same placement for the film shrunk to (H, W), to the nearest pixel of it."""
    rows = film_shape[0] / placement.film_shape[0]
    columns = film_shape[1] / placement.film_shape[1]
    top, left, bottom, right = placement.film_box
    box = (round(top * rows), round(left * columns), round(bottom * rows), round(right * columns))
    return replace(placement, film_shape=(film_shape[0], film_shape[1]), film_box=box)


def draw_colour_bar() -> EmbeddedPicture:
    """The colours of a heatmap from no evidence to the full scale, over the grey of a lung."""
    shares = np.linspace(0, 1, 256, dtype=np.float32)[None].repeat(8, axis=0)
    bar = overlay_heatmap(np.full_like(shares, BAR_GREY), shares, 1.0)
    return embed_picture(bar, "colour bar")
