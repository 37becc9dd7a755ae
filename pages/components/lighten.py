"""What of an examination is kept for every film of a study: a few kilobytes."""

from dataclasses import replace

import numpy as np

from cxr_core.reading.reading import Examination, ModelOutput


def light(examination: Examination) -> Examination:
    """The same examination for a few kilobytes: its film has a shape and facts but no pixels, its outputs no features.

    The pixels are a read-only view of one single zero.
    """
    film = examination.film
    if film is not None:
        film = replace(film, pixels=np.broadcast_to(np.float32(0), film.shape))
    return replace(examination, film=film, outputs=tuple(_without_features(output) for output in examination.outputs))


def _without_features(output: ModelOutput) -> ModelOutput:
    # Copies: cells cut from a batch's array would keep the whole batch alive.
    evidence = {key: replace(found, cells=found.cells.copy()) for key, found in output.evidence.items()}
    return replace(output, features=np.empty((0, 0, 0), np.float32), evidence=evidence, logits=output.logits.copy())
