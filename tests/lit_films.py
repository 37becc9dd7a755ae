"""Films that anything which learns at all tells apart: those with pneumonia have a bright lower half."""

from pathlib import Path

import numpy as np
from PIL import Image


def lit_films(root: Path, side: int = 80, **counts: int) -> Path:
    """Write films in the layout of Kaggle's `chest_xray`, so many of each class in each part. Returns `root`."""
    chance = np.random.default_rng(0)
    for part, count in counts.items():
        for label in ("NORMAL", "PNEUMONIA"):
            folder = root / part / label
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = chance.integers(60, 120, (side, side))
                pixels[side // 2 :] += 100 if label == "PNEUMONIA" else 0
                name = (
                    f"person{i}_virus_{i}.png" if label == "PNEUMONIA" else f"IM-{i:04d}-0001.png"
                )
                Image.fromarray(pixels.astype(np.uint8)).save(folder / name)
    return root
