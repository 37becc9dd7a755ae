"""Datasets of small drawn films with planted faults, registered by the program's own `prepare`, for tests of pages."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from cxr_core.data import prepare
from cxr_core.data.manifest import Manifest, build_table, empty_boxes
from cxr_core.data.registry import Dataset

SIDE = 96
HOSTILE = "<img src=x onerror=alert(1)> **bold** $x$"
FINDINGS = {"cardiomegaly": [1, 0, 0, 1, 0, 0], "effusion": [1, 1, 0, 0, np.nan, 0]}


def write_films(folder: Path, count: int = 6) -> list[Path]:
    """Wide grey films of noise, each another picture."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        rng = np.random.default_rng(number)
        pixels = rng.integers(30, 220, (SIDE // 2, SIDE)).astype(np.uint8)
        paths.append(folder / f"film-{number}.png")
        cv2.imwrite(str(paths[-1]), pixels)
    return paths


def manifest_of(paths: list[Path], **columns: object) -> Manifest:
    """Six films of five patients in two parts; columns given replace those below."""
    facts = {
        "image": [str(path) for path in paths],
        "patient": ["1", "1", "2", "3", "4", HOSTILE],
        "split": ["train", "train", "train", "test", "test", "test"],
        "source": "here",
        "view": ["PA", "AP", "PA", "AP", None, "PA"],
        "age": [40, 41, np.nan, 5, 95, 60],
        "sex": ["F", "F", "M", None, "M", "M"],
    }
    boxes = empty_boxes()
    boxes.loc[0] = [str(paths[0]), "cardiomegaly", 0.25, 0.5, 0.5, 0.25]
    return Manifest(build_table(facts | FINDINGS | columns), "csv", "Free use.", boxes)


def register(monkeypatch: pytest.MonkeyPatch, folder: Path, **columns: object) -> Dataset:
    """A dataset of `write_films`, as if a source had read it from the folder."""
    found = manifest_of(write_films(folder), **columns)
    monkeypatch.setattr(prepare, "read_sources", lambda folders, kind, *others: found)
    return prepare.prepare_dataset([folder])
