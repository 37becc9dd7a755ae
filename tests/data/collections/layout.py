"""Describes a layout of films and tables: how to write a tiny example of it, and what must be read from that."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from tests.film.dicom_files import write_dicom

SIDE = 64
UNKNOWN = math.nan


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What the manifest must say about one film; labels that are not given must be unknown."""

    patient: str
    split: str | None = None
    view: str | None = None
    labels: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One layout.

    name, contents: its row in docs/data.md, with what lies in the folder.  answer: what is read, as sentences.
    build: writes the example into a folder.  kind: as it must be detected.  films: what must be read of each film that
    is used, by its path in the folder.  files, rows: how many image files and table rows there are (None: no table).
    left_out, unused_rows: how many of them must be left out, by reason.  issues: what the source must report.
    """

    name: str
    contents: str
    answer: str
    build: Callable[[Path], None]
    kind: str
    films: Mapping[str, Expected]
    files: int
    rows: int | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    unused_rows: Mapping[str, int] = field(default_factory=dict)
    issues: frozenset[str] = frozenset()


def draw_films(folder: Path, *names: str) -> None:
    """Films of 64 px, each another picture, in the format that its name says."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        seed = sum(ord(letter) * place for place, letter in enumerate(str(path), start=1))
        coarse = np.random.default_rng(seed).integers(0, 256, (8, 8)).astype(np.uint8)
        pixels = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        if path.suffix in (".dcm", ".dicom"):
            path.write_bytes(write_dicom(pixels))
        else:
            cv2.imwrite(str(path), pixels)


def write_lines(path: Path, *lines: str) -> None:
    """A text file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
