"""python -m tests.film.artefacts.rates FOLDER ...: how often artefacts are found, and how often seen where none is.

Text, side markers, photographs and screenshots are simulated over the films of each folder.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from cxr_core.data.summary import wilson_interval
from cxr_core.film.artefacts.burned_in_text import find_text_lines
from cxr_core.film.artefacts.photographed import was_photographed
from cxr_core.film.artefacts.screenshot import is_screenshot
from tests.film.artefacts.drawn_text import draw_side_marker, draw_text
from tests.film.artefacts.retaken import photograph, take_screenshot

SUFFIXES = {".png", ".jpeg", ".jpg"}
Check = Callable[[np.ndarray], bool]
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def has_text(pixels: np.ndarray) -> bool:
    """Whether a line of text is found."""
    return bool(find_text_lines(pixels))


def finds_drawn_text(film: np.ndarray, rng: np.random.Generator) -> bool:
    """Whether a line of text is found that overlaps the drawn one."""
    drawn = draw_text(film, rng)
    bottom, right = drawn.row + drawn.height, drawn.column + drawn.width
    return any(
        line.row < bottom
        and line.row + line.height > drawn.row
        and line.column < right
        and line.column + line.width > drawn.column
        for line in find_text_lines(drawn.pixels)
    )


def keep(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The film as it is."""
    return film


# What is done to a film, and the flag that is looked for.
SITUATIONS: dict[str, tuple[Change, Check]] = {
    "text seen on films as they are": (keep, has_text),
    "text seen on films with a drawn side marker": (draw_side_marker, has_text),
    "films as they are taken for photographs": (keep, was_photographed),
    "photographs found": (photograph, was_photographed),
    "films as they are taken for screenshots": (keep, is_screenshot),
    "screenshots found": (take_screenshot, is_screenshot),
    "screenshots that get any of the three flags": (
        take_screenshot,
        lambda film: is_screenshot(film) or has_text(film) or was_photographed(film),
    ),
}


def measure_rates(films: Sequence[np.ndarray], seed: int) -> dict[str, int]:
    """How many of the films each situation counts."""
    rng = np.random.default_rng(seed)
    counts = {"drawn text found": sum(finds_drawn_text(film, rng) for film in films)}
    for name, (change, check) in SITUATIONS.items():
        counts[name] = sum(check(change(film, rng)) for film in films)
    return counts


def list_films(folder: Path, parts: int, part: int) -> list[Path]:
    """Every so many-th film of a folder, in the order of their paths, beginning with `part`."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)
    return files[part::parts]


def load_film(path: Path) -> np.ndarray:
    """(H, W) float32 in [0, 1]."""
    return cv2.imread(str(path), cv2.IMREAD_GRAYSCALE).astype(np.float32) / 255


def main(arguments: list[str] | None = None) -> int:
    """Print a line for each situation and folder. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument(
        "--parts", type=int, default=1, help="take one of so many films (default 1)"
    )
    parser.add_argument("--part", type=int, default=0, help="the first one to take (default 0)")
    parser.add_argument("--seed", type=int, default=0, help="of the simulations (default 0)")
    options = parser.parse_args(arguments)
    for folder in options.folders:
        films = [load_film(path) for path in list_films(folder, options.parts, options.part)]
        for name, count in measure_rates(films, options.seed).items():
            low, high = wilson_interval(count, len(films))
            share = f"{count / len(films):.3f} ({low:.3f} to {high:.3f})"
            print(f"{folder.name}: {name}: {share}, {count} of {len(films)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
