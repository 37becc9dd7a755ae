"""Every way in which devices and people write films that this program has an answer for, from one drawn chest.

Each situation builds a file and says what must come out: pixels computed here by another way than the decoder's (the
standard's formula, a reference library, the sound twin of the same film), the quality flags, or the refusal.
`python -m tests.film.corpus` writes the table of docs/formats.md.
"""

import importlib
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from cxr_core.film.irregularities import IRREGULARITIES
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom
from cxr_core.film.quality_flag import QualityFlag

HEIGHT, WIDTH = 256, 224
DOCUMENT = Path(__file__).parents[2] / "docs" / "formats.md"
# The modules of tests/film/situations, in the order of the document.
CHAPTERS = ("grey_tables", "codecs", "facts", "pictures", "damage")


@dataclass(frozen=True, kw_only=True)
class Situation:
    """One way to write a film, and what must come of it.

    name: how the file is written, as a phrase.  answer: what the program does, as a sentence of the document.
    expected: (H, W) float in [0, 1], computed independently; None when the file is refused.
    flags: quality flags that the film must carry beyond those of its sound twin; it may carry no others.
    refused: a part of the refusal's message; empty for a film that is read.
    tolerance: by how much a pixel may differ.
    """

    name: str
    build: Callable[[], bytes]
    answer: str
    expected: Callable[[], np.ndarray] | None = None
    flags: frozenset[str] = frozenset()
    refused: str = ""
    tolerance: float = 1e-6


@cache
def base_values() -> np.ndarray:
    """The drawn chest as a 12-bit detector would store it: (256, 224) uint16, 0 to 4095, both reached."""
    pixels = draw_phantom(PhantomSpec(height=HEIGHT, width=WIDTH)).pixels.astype(np.float64)
    stretched = (pixels - pixels.min()) / (pixels.max() - pixels.min())
    values: np.ndarray = np.rint(stretched * 4095).astype(np.uint16)
    values.setflags(write=False)
    return values


@cache
def base_pixels() -> np.ndarray:
    """The same as a film's pixels: (256, 224) float64 in [0, 1]."""
    pixels: np.ndarray = base_values() / 4095
    pixels.setflags(write=False)
    return pixels


def load_chapter(chapter: str) -> tuple[str, tuple[Situation, ...]]:
    """The heading of a chapter of the document, and its situations."""
    module = importlib.import_module(f"tests.film.situations.{chapter}")
    return module.HEADING, tuple(module.SITUATIONS)


def list_situations() -> list[Situation]:
    """All situations, in the order of the document."""
    return [situation for chapter in CHAPTERS for situation in load_chapter(chapter)[1]]


def render_document() -> str:
    """docs/formats.md."""
    lines = [
        "# How films are written, and what becomes of each",
        "",
        "Every row is a test: a film is drawn, written in this way, and read back. Its pixels are compared with values",
        "that were computed without the decoder. This page is written by `python -m tests.film.corpus`.",
    ]
    for chapter in CHAPTERS:
        heading, situations = load_chapter(chapter)
        lines += ["", f"## {heading}", "", "| as it is written | what happens |", "|---|---|"]
        lines += [f"| {situation.name} | {situation.answer} |" for situation in situations]
    lines += [
        "",
        "## Quality flags that a file's contents raise",
        "",
    ]
    for flag in IRREGULARITIES.values():
        text = f"- `{flag.code}` ({_describe_effect(flag)}): {flag.message}"
        lines += textwrap.wrap(text, 120, subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(lines) + "\n"


def _describe_effect(flag: QualityFlag) -> str:
    if flag.withholds_reading:
        return "not read"
    return "read without a call" if flag.withholds_call else "read"


if __name__ == "__main__":
    DOCUMENT.write_text(render_document(), encoding="utf-8")
