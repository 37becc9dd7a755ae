"""Situations of windows and rescaling: PS3.3 C.11.1.1.2 and C.11.2.1.2."""

import numpy as np

from tests.film.corpus import Situation
from tests.film.situations.grey_films import (
    BY_STANDARD,
    WIDE,
    WINDOW,
    pixels,
    read,
    refuse,
    values,
    write,
)


def linear(centre: float = 2048, width: float = 5000) -> np.ndarray:
    """The film under a LINEAR window."""
    return np.clip((values() - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)


def exact() -> np.ndarray:
    """The film under a LINEAR_EXACT window."""
    return np.clip((values() - 2048) / 5000 + 0.5, 0, 1)


def sigmoid() -> np.ndarray:
    """The film under a SIGMOID window."""
    return 1 / (1 + np.exp(-4 * (values() - 2048) / 5000))


def step() -> np.ndarray:
    """The film under a window of width 1."""
    return (values() > 2047.5).astype(float)


SITUATIONS: tuple[Situation, ...] = (
    read("A window", lambda: write(**WINDOW), BY_STANDARD, linear),
    read(
        "VOILUTFunction LINEAR_EXACT",
        lambda: write(**WINDOW, VOILUTFunction="LINEAR_EXACT"),
        BY_STANDARD,
        exact,
    ),
    read(
        "VOILUTFunction SIGMOID",
        lambda: write(**WINDOW, VOILUTFunction="SIGMOID"),
        BY_STANDARD,
        sigmoid,
    ),
    read(
        "VOILUTFunction written twice",
        lambda: write(**WINDOW, VOILUTFunction=["LINEAR", "LINEAR"]),
        "Read as LINEAR.",
        linear,
    ),
    read(
        "VOILUTFunction with an empty first value",
        lambda: write(**WINDOW, VOILUTFunction=["", "SIGMOID"]),
        "Read as SIGMOID.",
        sigmoid,
    ),
    read(
        "VOILUTFunction in small letters",
        lambda: write(**WINDOW, VOILUTFunction="linear_exact"),
        "Read as LINEAR_EXACT.",
        exact,
    ),
    read(
        "VOILUTFunction LINEAR EXACT with a space",
        lambda: write(**WINDOW, VOILUTFunction="LINEAR EXACT"),
        "Read as LINEAR_EXACT.",
        exact,
    ),
    read(
        "VOILUTFunction that is empty",
        lambda: write(**WINDOW, VOILUTFunction=""),
        "Read as LINEAR.",
        linear,
    ),
    refuse(
        "VOILUTFunction CUBIC",
        lambda: write(**WINDOW, VOILUTFunction="CUBIC"),
        "a window of a kind that DICOM does not define",
    ),
    read(
        "A window of width 1",
        lambda: write(WindowCenter=2048, WindowWidth=1),
        "A step, as the standard has it.",
        step,
        frozenset({"clipped"}),
    ),
    read(
        "A window of width 0",
        lambda: write(WindowCenter=0, WindowWidth=0),
        "A placeholder: the whole range is shown.",
    ),
    read(
        "Several windows",
        lambda: write(WindowCenter=[2048, 40], WindowWidth=[5000, 80]),
        "The first is taken.",
        linear,
    ),
    read(
        "Several windows, the first empty",
        lambda: write(WindowCenter=["", "2048"], WindowWidth=["", "5000"]),
        "The first that is complete is taken.",
        linear,
    ),
    read(
        "Several windows, the first of width 0",
        lambda: write(WindowCenter=[0, 2048], WindowWidth=[0, 5000]),
        "The first that the standard allows is taken.",
        linear,
    ),
    read(
        "An empty window",
        lambda: write(WindowCenter="", WindowWidth=""),
        "The whole range is shown.",
    ),
    read(
        "A window with a decimal comma",
        lambda: (
            write(WindowCenter="2048.0", WindowWidth="5000.0")
            .replace(b"2048.0", b"2048,0")
            .replace(b"5000.0", b"5000,0")
        ),
        "Read as a number.",
        linear,
    ),
    refuse(
        "A window that is a word",
        lambda: write(WindowCenter="2048", WindowWidth="5000").replace(b"2048", b"AUTO"),
        "a window or a rescale that is no number",
    ),
    read(
        "A window in rescaled units",
        lambda: write(RescaleSlope=0.5, RescaleIntercept=-1024, WindowCenter=0, WindowWidth=2500),
        BY_STANDARD,
        lambda: np.clip((values() / 2 - 1024 + 0.5) / 2499 + 0.5, 0, 1),
    ),
    read(
        "RescaleSlope −1 with intercept 4095",
        lambda: write(4095 - values(), RescaleSlope=-1, RescaleIntercept=4095),
        "The range is turned round.",
        pixels,
    ),
    refuse(
        "RescaleSlope 0",
        lambda: write(RescaleSlope=0, RescaleIntercept=0),
        "rescales every pixel to the same value",
    ),
    read(
        "A window of 16 bits over 14 bits",
        lambda: write(values(14), bits=16, WindowCenter=32768, WindowWidth=65536),
        "Shown as the file says; flagged, as the window leaves the film nearly one grey.",
        lambda: (values(14) - 32767.5) / 65535 + 0.5,
        WIDE,
    ),
    read(
        "A window in stored units over rescaled values",
        lambda: write(RescaleSlope=0.25, RescaleIntercept=0, **WINDOW),
        "Shown as the file says; flagged, as the window leaves the film nearly one grey.",
        lambda: (values() / 4 - 2047.5) / 4999 + 0.5,
        WIDE,
    ),
)
