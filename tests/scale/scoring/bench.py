"""A tiny model, a few drawn films, and what a scoring made of them."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq

from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom


def draw_films(folder: Path, count: int, *, first: int = 1) -> Path:
    """So many small drawn films, each another one."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + count):
        pixels = cv2.resize(draw_phantom(PhantomSpec(seed=seed)).pixels, (256, 256))
        cv2.imwrite(str(folder / f"{seed:03}.png"), np.rint(pixels * 255).astype(np.uint8))
    return folder


def read_rows(out: Path) -> list[dict[str, Any]]:
    """The rows of all shards."""
    return [
        row
        for path in sorted((out / "shards").rglob("*.parquet"))
        for row in pq.ParquetFile(path).read().to_pylist()
    ]


def without_times(line: str) -> dict[str, Any]:
    """A line of `read --json` without what differs from one reading to the next."""
    content: dict[str, Any] = json.loads(line)
    del content["seconds"]
    return content
