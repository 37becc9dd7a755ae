"""From bytes to a finished reading by every shipped model: one film at a time, and a folder of them."""

import io
import math
import statistics

import numpy as np
from PIL import Image

from benchmarks.table import Row, milliseconds, p95, paired
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom
from cxr_core.reading.reader import Reader
from cxr_core.workspace.malloc import keep_freed_memory

FILMS = 32
ROUNDS, SEGMENTATIONS = 7, 40
# A trial run: whether this part still works, at a size that says nothing about speed.
TRIAL = {"FILMS": 4, "ROUNDS": 1, "SEGMENTATIONS": 2}


def rows() -> list[Row]:
    keep_freed_memory()  # as the commands and the server do
    films = [png(seed) for seed in range(FILMS)]
    with Reader.installed() as reader:
        reader.warm()
        for data in films[:4]:
            reader.examine(data)
        times = [milliseconds(lambda data=data: reader.examine(data)) for data in films * 3]

        def alone() -> None:
            for data in films:
                reader.examine(data)

        gain, _ = paired(alone, lambda: list(reader.examine_many(films)), ROUNDS)
        film = draw_phantom(PhantomSpec())
        outliner = reader.segmenter
        outlining = (
            [milliseconds(lambda: outliner.segment(film)) for _ in range(SEGMENTATIONS)]
            if outliner
            else [math.nan]
        )
    return [
        Row("bytes of a 1024x1024 PNG to a reading by all models, p95", p95(times), "ms", "<= 250"),
        Row(
            "throughput of a folder / one film at a time, whose models also read side by side",
            gain,
            "x",
            "",
        ),
        Row(
            "heart and lungs of a 1024x1024 film outlined and measured",
            statistics.median(outlining),
            "ms",
            "<= 60",
        ),
    ]


def png(seed: int) -> bytes:
    """A drawn chest of 1024 x 1024 as a plain PNG, without the mark of a drawing."""
    buffer = io.BytesIO()
    pixels = draw_phantom(PhantomSpec(seed=seed)).pixels
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()
