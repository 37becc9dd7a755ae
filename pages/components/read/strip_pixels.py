"""What of a film and its examination is kept for every film of a study, so that hundreds fit in memory."""

from dataclasses import replace

import cv2
import numpy as np

from cxr_core.film.radiograph import Radiograph
from cxr_core.reading.results import Examination, ModelOutput


def light(examination: Examination) -> Examination:
    """The same examination for a few kilobytes: a film with a shape and facts but no pixels, no features, no maps.

    The pixels are a read-only view of one single zero.
    """
    film = examination.film
    if film is not None:
        film = replace(film, pixels=np.broadcast_to(np.float32(0), film.shape))
    outputs = tuple(_without_features(output) for output in examination.outputs)
    anatomy = examination.anatomy and replace(
        examination.anatomy, maps=np.empty((0, 0, 0), np.float32)
    )
    return replace(examination, film=film, outputs=outputs, anatomy=anatomy)


def compressed(film: Radiograph) -> bytes:
    """A film as an 8-bit JPEG on its own grid, to look at again; its reading stays the one of the file itself."""
    grey = np.rint(film.pixels * 255).astype(np.uint8)
    return cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def _without_features(output: ModelOutput) -> ModelOutput:
    # Copies: cells cut from a batch's array would keep the whole batch alive.
    evidence = {
        key: replace(found, cells=found.cells.copy()) for key, found in output.evidence.items()
    }
    return replace(
        output,
        features=np.empty((0, 0, 0), np.float32),
        evidence=evidence,
        logits=output.logits.copy(),
    )
