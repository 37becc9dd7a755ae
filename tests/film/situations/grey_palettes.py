"""Situations of palettes: PS3.3 C.7.6.3.1.5, C.7.6.3.1.6 and C.7.9.2."""

from typing import Any

import numpy as np
from pydicom import Dataset

from tests.film.corpus import Situation, base_values
from tests.film.dicom_files import write_dicom
from tests.film.situations.grey_films import (
    AS_WRITTEN,
    DEPTH,
    LENGTH,
    SCALED,
    curve,
    edit,
    pack,
    pixels,
    read,
    refuse,
    through,
    to_element,
    values,
)

COLOURS = ("Red", "Green", "Blue")
GREYS = np.arange(256)


def write_palette(
    words: np.ndarray,
    bits: int,
    *,
    places: np.ndarray | None = None,
    count: int = 256,
    first: int = 0,
    vr: str = "OW",
) -> bytes:
    """A film of places in three equal tables. places: (H, W); the drawn chest in 8 bits by default."""
    stored = values(8).astype(np.uint8) if places is None else places
    tags: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour in COLOURS:
        tags[f"{colour}PaletteColorLookupTableDescriptor"] = [count, first, bits]
        tags[f"{colour}PaletteColorLookupTableData"] = to_element(words, "OW")
    data = write_dicom(stored, **tags)
    if vr == "OW":
        return data

    def change(dataset: Dataset) -> None:
        for colour in COLOURS:
            del dataset[f"{colour}PaletteColorLookupTableData"]
            dataset.add_new(f"{colour}PaletteColorLookupTableData", vr, to_element(words, vr))

    return edit(data, change)


def write_segmented_palette(words: list[int], bits: int) -> bytes:
    """A film of 8-bit places in three equal segmented tables (C.7.9.2)."""
    tags: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for colour in COLOURS:
        tags[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, bits]
        tags[f"Segmented{colour}PaletteColorLookupTableData"] = np.array(words, "<u2").tobytes()
    return write_dicom(values(8).astype(np.uint8), **tags)


def places_above(first: int) -> np.ndarray:
    """The 12-bit film as places in tables that begin at `first`."""
    return (values() + first).astype(np.uint16)


SITUATIONS: tuple[Situation, ...] = (
    read(
        "Palette of 16 bits", lambda: write_palette(GREYS * 257, 16), AS_WRITTEN, lambda: pixels(8)
    ),
    read(
        "Dark palette of 16 bits, each byte widened to a word",
        lambda: write_palette(GREYS // 2 * 257, 16),
        "A table of widened bytes keeps its 16 bits, however dark.",
        lambda: values(8) // 2 / 255,
    ),
    read(
        "Palette of 8 bits, two entries a word",
        lambda: write_palette(pack(GREYS), 8),
        AS_WRITTEN,
        lambda: pixels(8),
    ),
    read(
        "Palette of 8 bits, one entry a word",
        lambda: write_palette(GREYS, 8),
        AS_WRITTEN,
        lambda: pixels(8),
    ),
    read(
        "Palette of 8 bits with 4096 entries",
        lambda: write_palette(pack(curve(255)), 8, places=base_values(), count=4096),
        AS_WRITTEN,
        lambda: through(curve(255), 255),
    ),
    read(
        "Palette that begins at 1000",
        lambda: write_palette(curve(65535), 16, places=places_above(1000), count=4096, first=1000),
        AS_WRITTEN,
        lambda: through(curve(65535), 65535),
    ),
    read(
        "Palette in segments",
        lambda: write_segmented_palette([0, 1, 0, 1, 255, 65535], 16),
        "Expanded, then read.",
        lambda: pixels(8),
        frozenset(),
        1e-5,
    ),
    read(
        "Palette of 16 bits with entries of 0 to 255",
        lambda: write_palette(GREYS, 16),
        SCALED,
        lambda: pixels(8),
        DEPTH,
    ),
    read(
        "Palette of 16 bits with entries of 0 to 4095",
        lambda: write_palette(curve(4095, 256), 16),
        SCALED,
        lambda: curve(4095, 256)[values(8)] / 4095,
        DEPTH,
    ),
    read(
        "Palette in segments with entries of 0 to 255",
        lambda: write_segmented_palette([0, 1, 0, 1, 255, 255], 16),
        SCALED,
        lambda: pixels(8),
        DEPTH,
    ),
    read(
        "Palette of 8 bits with entries of 16",
        lambda: write_palette(GREYS * 257, 8),
        SCALED,
        lambda: pixels(8),
        DEPTH,
    ),
    read(
        "Palette of 8 bits, VR US",
        lambda: write_palette(pack(GREYS), 8, vr="US"),
        AS_WRITTEN,
        lambda: pixels(8),
    ),
    read(
        "Palette of 16 bits, VR US",
        lambda: write_palette(GREYS * 257, 16, vr="US"),
        AS_WRITTEN,
        lambda: pixels(8),
    ),
    read(
        "Palette one word too long",
        lambda: write_palette(np.append(GREYS * 257, 0), 16),
        "The padding is left out; flagged.",
        lambda: pixels(8),
        LENGTH,
    ),
    read(
        "Palette one word too short",
        lambda: write_palette(GREYS[:-1] * 257, 16),
        "The last entry stands for the missing one; flagged.",
        lambda: np.minimum(values(8), 254) / 255,
        LENGTH,
    ),
    refuse(
        "Palette of half its length under 16 bits",
        lambda: write_palette(pack(GREYS), 16),
        "grey table is incomplete",
    ),
)
