"""Decodes a TIFF of one page to a film: grey, palette or colour, 1 to 32 bits, strips or tiles (TIFF 6.0; BigTIFF)."""

import math

import numpy as np

from cxr_core.errors import UndecodableFilm
from cxr_core.film.decoding import jpeg
from cxr_core.film.decoding.grey_range import find_full_scale
from cxr_core.film.decoding.raster import apply_orientation, smallest_full_scale, to_pixels
from cxr_core.film.decoding.tiff_parts import directory as tags
from cxr_core.film.decoding.tiff_parts.directory import DAMAGED, Directory, read_page
from cxr_core.film.decoding.tiff_parts.layout import (
    CMYK,
    COLOURS,
    FLOAT,
    PALETTE,
    SIGNED,
    WHITE_IS_ZERO,
    Layout,
    read_layout,
)
from cxr_core.film.decoding.tiff_parts.segments import decode_segment
from cxr_core.film.radiograph import Radiograph

UNASSOCIATED_ALPHA = 2  # tag 338


def decode_tiff(data: bytes) -> Radiograph:
    """A TIFF's only page as a film. Raises UndecodableFilm or OversizedFilm; a damaged file is never read in part."""
    page = read_page(data)
    layout = read_layout(page)
    samples = _assemble_page(page, layout)  # (H, W, samples)
    colours, alpha = _split_alpha(samples, page, layout)
    irregularities: tuple[str, ...] = ()
    if layout.photometric == PALETTE:
        colours, top, irregularities = _look_up_palette(colours, page, layout)
        bits = layout.bits
    elif layout.photometric == CMYK:
        colours, top, bits = jpeg.cmyk_to_rgb(colours, inverted=False), 255, 8
    else:
        colours, top, bits, irregularities = _find_scale(colours, layout)
    if layout.photometric == WHITE_IS_ZERO:
        colours = (top - np.minimum(colours, top)).astype(colours.dtype)
    grey = to_pixels(colours[..., 0] if colours.shape[2] == 1 else colours, top, alpha)
    return Radiograph(
        pixels=apply_orientation(grey.pixels, page.number(tags.ORIENTATION, 1)),
        container="tiff",
        bits=bits,
        colour=grey.colour,
        irregularities=(*irregularities, *grey.irregularities),
    )


def _assemble_page(page: Directory, layout: Layout) -> np.ndarray:
    """All samples of a page: (H, W, samples)."""
    rows, columns = layout.tile
    down, across = -(-layout.height // rows), -(-layout.width // columns)
    segments = page.segments()
    if len(segments) != down * across * layout.planes:
        raise UndecodableFilm(DAMAGED.format("it holds fewer or more strips than its header says"))
    tables = page.content(tags.JPEG_TABLES)
    samples = np.empty((layout.height, layout.width, layout.samples), layout.dtype)
    for index, (offset, count) in enumerate(segments):
        plane, place = divmod(index, down * across)
        top, left = place // across * rows, place % across * columns
        # The last strip ends with the picture; tiles keep their size and are filled up.
        height = rows if layout.tiled else min(rows, layout.height - top)
        stored = page.data[offset : offset + count]
        tile = decode_segment(stored, layout, (height, columns), tables)
        shown = tile[: layout.height - top, : layout.width - left]
        if layout.planes == 1:
            samples[top : top + height, left : left + columns] = shown
        else:
            samples[top : top + height, left : left + columns, plane] = shown[..., 0]
    return samples


def _split_alpha(
    samples: np.ndarray, page: Directory, layout: Layout
) -> tuple[np.ndarray, np.ndarray | None]:
    """The colours (H, W, C), and opacity (H, W) in [0, 1]; None where no sample says it, or all are alike.

    Colours with associated alpha are multiplied by it already, which is how they are laid over black (section 18).
    """
    needed = COLOURS[layout.photometric]
    colours = samples[..., :needed]
    extra = page.numbers(tags.EXTRA_SAMPLES)
    if UNASSOCIATED_ALPHA not in extra[: layout.samples - needed]:
        return colours, None
    opacity = samples[..., needed + extra.index(UNASSOCIATED_ALPHA)]
    if opacity.min() == opacity.max():
        return colours, None
    return colours, np.divide(opacity, (1 << layout.bits) - 1, dtype=np.float32)


def _look_up_palette(
    indices: np.ndarray, page: Directory, layout: Layout
) -> tuple[np.ndarray, int, tuple[str, ...]]:
    """Colours (H, W, 3), the value that means 1.0, and irregularities."""
    values = page.numbers(tags.COLOR_MAP)
    if len(values) != 3 << layout.bits or max(values) > 0xFFFF:
        raise UndecodableFilm(DAMAGED.format("its palette is not what its depth asks for"))
    palette = np.array(values, np.uint16).reshape(3, -1).T
    colours = palette[indices[..., 0]]
    if palette.max() <= 255:
        # Section 5 asks for 16 bits; some writers leave the 8 bits that they had.
        return colours, 255, ("lut_depth",)
    if not (palette & 255).any():
        # 8 bits in the high byte: white is 65280.
        return colours >> 8, 255, ()
    return colours, 65535, ()


def _find_scale(
    samples: np.ndarray, layout: Layout
) -> tuple[np.ndarray, int, int, tuple[str, ...]]:
    """Samples without a sign, the value that means 1.0, the bits per sample that the film uses, and irregularities.

    Below 16 bits: all that the depth allows. 16 and 32 bits: the smallest 2^k - 1 that holds the film, because
    samples of 10 to 14-bit detectors are often written unscaled.
    """
    if layout.sample_format == FLOAT:
        samples = _whole_or_unit(samples)
        if samples.dtype == np.float32:
            return samples, 1, layout.bits, ()
    elif layout.sample_format == SIGNED:
        if samples.min() < 0:
            raise UndecodableFilm(
                f"This TIFF holds values from {samples.min()} on; its black cannot be told. Export the film as TIFF "
                "or PNG without a sign."
            )
        samples = samples.view(samples.dtype.str.replace("i", "u"))
    elif layout.bits < 16:
        return samples, (1 << layout.bits) - 1, layout.bits, ()
    highest = int(samples.max())
    if highest > 65535:
        full = smallest_full_scale(highest)
        return samples, full, full.bit_length(), ()
    samples = samples.astype(np.uint16, copy=False)
    if np.array_equal(samples >> 8, samples & 255):
        # Widened from 8 bits (each sample 257 · v): 65535 keeps the grey it had as an 8-bit file.
        return samples, 65535, 16, ()
    used = find_full_scale(samples)
    return samples, used.high, used.bits, used.irregularities


def _whole_or_unit(samples: np.ndarray) -> np.ndarray:
    """Floating-point samples as float32 where all lie in [0, 1], as uint16 where all are whole numbers of 16 bits.

    Raises UndecodableFilm for any others: nothing says which of their values are black and white.
    """
    low, high = float(samples.min()), float(samples.max())
    if math.isfinite(low) and math.isfinite(high) and low >= 0:
        if high <= 1:
            return samples.astype(np.float32)
        if high <= 65535 and np.array_equal(samples, np.rint(samples)):
            return samples.astype(np.uint16)
    raise UndecodableFilm(
        f"This TIFF holds floating-point values from {low:g} to {high:g}; those from 0 to 1 are read. Export the film "
        "as TIFF or PNG of 16 bits."
    )
