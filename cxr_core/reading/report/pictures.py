"""Prepares the pictures of a report: sized for paper and held in the report itself."""

import base64
from dataclasses import dataclass, replace

import cv2
import numpy as np

from cxr_core.film.preprocess import Placement
from cxr_core.reading.cardiothoracic.overlay import draw_measurement
from cxr_core.reading.report.colormap import overlay_heatmap
from cxr_core.reading.report.report import Report

LONGEST_SIDE_PX = 1024  # of a picture in the report; more would only make the file large
BAR_GREY = 0.42  # under the colour bar: about the grey of a lung


@dataclass(frozen=True, eq=False)
class EmbeddedPicture:
    """A picture that is held in the report itself. pixels: (H, W) grey or (H, W, 3) sRGB uint8."""

    pixels: np.ndarray
    caption: str

    @property
    def png(self) -> bytes:
        """The bytes of its file."""
        is_grey = self.pixels.ndim == 2
        ordered = self.pixels if is_grey else cv2.cvtColor(self.pixels, cv2.COLOR_RGB2BGR)
        _, png = cv2.imencode(".png", ordered)
        return png.tobytes()

    @property
    def source(self) -> str:
        """The picture as the `src` of an `img` element."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode('ascii')}"


def draw_film(report: Report) -> EmbeddedPicture | None:
    """The film with outlines and diameters, as far as there are any; None where the file did not decode."""
    film, segmentation = report.film, report.examination.segmentation
    if film is None:
        return None
    caption = name_film(report)
    measurements = report.reading.measurements
    if segmentation is None or not measurements:
        return EmbeddedPicture(to_grey(shrink_film(film.pixels)), caption)
    measurement = measurements[0]
    caption += " with the outlines of heart and lungs"
    if measurement.heart is not None:
        caption += " and both diameters"
    if measurement.edited:
        caption += ", their ends set by hand"
    grey = to_grey(resize_film(film.pixels))
    return EmbeddedPicture(draw_measurement(grey, film.shape, segmentation, measurement), caption)


def name_film(report: Report) -> str:
    """What a caption calls the film."""
    return "The synthetic film" if report.is_drawing else "The film"


def to_grey(pixels: np.ndarray) -> np.ndarray:
    """Pixels (H, W) in [0, 1] as uint8."""
    return cv2.convertScaleAbs(pixels, alpha=255)


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
    return EmbeddedPicture(bar, "colour bar")
