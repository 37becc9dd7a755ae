"""Drawn chests whose hearts grow wider from film to film, for what learns from the installed segmenter."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom
from cxr_core.training.recipe.recipe import Recipe

WIDTHS = np.linspace(0.28, 0.44, 12)
TINY = Recipe(
    name="tiny",
    summary="A test.",
    model="tiny",
    findings=("cardiomegaly",),
    split="60:40:0",
    backbone="plain_cnn",
    init="scratch",
    input_side=32,
    channels=1,
    epochs=1,
    batch_size=4,
)


def chest(width: float) -> PhantomSpec:
    return PhantomSpec(heart_width=float(width), seed=round(1000 * width))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of them, 00.png to 11.png; the wider half is called cardiomegaly."""
    folder = tmp_path_factory.mktemp("drawn")
    for index, width in enumerate(WIDTHS):
        pixels = np.round(255 * draw_phantom(chest(width)).pixels).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{index:02d}.png")
    labels = ["Cardiomegaly" if index >= 6 else "No Finding" for index in range(len(WIDTHS))]
    names = [f"{index:02d}.png" for index in range(len(WIDTHS))]
    pd.DataFrame({"image": names, "patient": names, "finding": labels}).to_csv(
        folder / "labels.csv", index=False
    )
    return folder
