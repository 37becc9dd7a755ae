"""Reduces an examination to what is kept for every film of a study, so that hundreds fit in memory."""

import base64
from dataclasses import replace

import cv2
import numpy as np

from cxr_core.film.radiograph import Radiograph
from cxr_core.reading.results import Examination, ModelOutput

COPY_JPEG_QUALITY = 90
THUMBNAIL_PX = 72


def strip_examination(examination: Examination) -> Examination:
    """The same examination in a few kilobytes: no pixels, no features, no probability maps.

    The film keeps its shape and facts; its pixels are a read-only view of one single zero.
    """
    film = examination.film
    if film is not None:
        film = replace(film, pixels=np.broadcast_to(np.float32(0), film.shape))
    anatomy = examination.segmentation
    if anatomy is not None:
        anatomy = replace(anatomy, maps=np.empty((0, 0, 0), np.float32))
    outputs = tuple(_strip_output(output) for output in examination.outputs)
    return replace(examination, film=film, outputs=outputs, segmentation=anatomy)


def encode_thumbnail(film: Radiograph) -> str:
    """A film as a small base64 JPEG for the worklist."""
    shrink = min(1.0, THUMBNAIL_PX / max(film.shape))
    height, width = (max(1, round(side * shrink)) for side in film.shape)
    small = cv2.resize(film.pixels, (width, height), interpolation=cv2.INTER_AREA)
    grey = np.rint(small * 255).clip(0, 255).astype(np.uint8)
    return base64.b64encode(cv2.imencode(".jpg", grey)[1].tobytes()).decode("ascii")


def compress_film(film: Radiograph) -> bytes:
    """A film as an 8-bit JPEG on its own pixel grid, to display again. Models never read it."""
    grey = np.rint(film.pixels * 255).astype(np.uint8)
    return cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, COPY_JPEG_QUALITY])[1].tobytes()


def _strip_output(output: ModelOutput) -> ModelOutput:
    # Copies: cells cut from a batch's array would keep the whole batch alive.
    evidence = {
        finding: replace(attribution, cells=attribution.cells.copy())
        for finding, attribution in output.attributions.items()
    }
    return replace(
        output,
        features=np.empty((0, 0, 0), np.float32),
        attributions=evidence,
        logits=output.logits.copy(),
    )
