"""Reads how the samples of a TIFF page are stored, and refuses what is not read (TIFF 6.0)."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cxr_core.errors import UndecodableFilm
from cxr_core.film.decoding import jpeg
from cxr_core.film.decoding.tiff_parts import directory as tags
from cxr_core.film.decoding.tiff_parts.directory import DAMAGED, Directory
from cxr_core.film.limits import require_pixels

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
# Samples per pixel of each photometric interpretation (tag 262), without extra samples.
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3}
PHOTOMETRIC_NAMES = {4: "a mask", 8: "CIE L*a*b*", 32803: "a camera's raw values"}

NO_COMPRESSION, LZW, DEFLATE, OLD_DEFLATE, JPEG, PACKBITS = 1, 5, 8, 32946, 7, 32773
READ_COMPRESSIONS = frozenset({NO_COMPRESSION, LZW, DEFLATE, OLD_DEFLATE, JPEG, PACKBITS})
COMPRESSION_NAMES = {
    2: "CCITT fax",
    3: "CCITT fax",
    4: "CCITT fax",
    6: "old-style JPEG",
    34712: "JPEG 2000",
    34925: "LZMA",
    50000: "Zstandard",
    50001: "WebP",
}
PREDICTED = frozenset({LZW, DEFLATE, OLD_DEFLATE})  # the compressions that a predictor goes with
UNSIGNED, SIGNED, FLOAT = 1, 2, 3  # tag 339
HORIZONTAL_DIFFERENCE, FLOAT_DIFFERENCE = 2, 3  # tag 317

MOST_EXTRA_SAMPLES = 2
MOST_TILE_PIXELS = 1 << 26  # a tile may be larger than its picture, but not without limit


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a page's samples are stored.

    samples: per pixel.  bits: per sample.  tile: (rows, columns) of a tile; a strip is a tile of the whole width.
    planes: 1 where the samples of a pixel lie together, else one plane a sample.
    """

    height: int
    width: int
    samples: int
    bits: int
    sample_format: int
    photometric: int
    compression: int
    predictor: int
    tile: tuple[int, int]
    tiled: bool
    planes: int
    order: Literal["<", ">"]
    reversed_bits: bool

    @property
    def per_plane(self) -> int:
        """Samples of a pixel that lie together."""
        return self.samples // self.planes

    @property
    def dtype(self) -> np.dtype[np.number]:
        """Of one sample once it is unpacked, in this machine's byte order."""
        if self.sample_format == FLOAT:
            return np.dtype(f"f{self.bits // 8}")
        kind = "i" if self.sample_format == SIGNED else "u"
        size = next(size for size in (8, 16, 32) if self.bits <= size)
        return np.dtype(f"{kind}{size // 8}")


def read_layout(page: Directory) -> Layout:
    """The layout of a page that this program reads. Raises UndecodableFilm for any other, and OversizedFilm."""
    width, height = page.number(tags.IMAGE_WIDTH), page.number(tags.IMAGE_LENGTH)
    samples = page.number(tags.SAMPLES_PER_PIXEL, 1)
    bits = set(page.numbers(tags.BITS_PER_SAMPLE, (1,)))
    formats = set(page.numbers(tags.SAMPLE_FORMAT, (UNSIGNED,)))
    photometric = page.number(tags.PHOTOMETRIC, BLACK_IS_ZERO)
    require_pixels(width, height, max(samples, 3) if photometric == PALETTE else samples)
    compression = page.number(tags.COMPRESSION, NO_COMPRESSION)
    if compression not in READ_COMPRESSIONS:
        found = COMPRESSION_NAMES.get(compression, f"method {compression}")
        raise UndecodableFilm(
            f"This TIFF is compressed by {found}; none, LZW, Deflate, PackBits and JPEG are read. Export it with one "
            "of these."
        )
    if photometric not in COLOURS:
        found = PHOTOMETRIC_NAMES.get(photometric, f"colours of kind {photometric}")
        raise UndecodableFilm(
            f"This TIFF holds {found}; grey, a palette, RGB or CMYK is read. Export the film in grey."
        )
    tiled = tags.TILE_OFFSETS in page.fields
    if tiled:
        tile = page.number(tags.TILE_LENGTH), page.number(tags.TILE_WIDTH)
    else:
        tile = min(height, page.number(tags.ROWS_PER_STRIP, height)), width
    if min(tile) < 1 or tile[0] * tile[1] > MOST_TILE_PIXELS:
        raise UndecodableFilm(DAMAGED.format("its strips or tiles have an impossible size"))
    layout = Layout(
        height=height,
        width=width,
        samples=samples,
        bits=max(bits),
        sample_format=max(formats),
        photometric=photometric,
        compression=compression,
        predictor=page.number(tags.PREDICTOR, 1) if compression in PREDICTED else 1,
        tile=tile,
        tiled=tiled,
        planes=samples if page.number(tags.PLANAR_CONFIGURATION, 1) == 2 else 1,
        order=page.order,
        reversed_bits=page.number(tags.FILL_ORDER, 1) == 2,
    )
    if len(bits) > 1 or len(formats) > 1 or not _is_readable(layout):
        raise UndecodableFilm(
            f"This TIFF has {samples} samples a pixel of {' and '.join(map(str, sorted(bits)))} bits in a form that "
            "is not read. Export the film as TIFF or PNG in grey, 8 or 16 bits."
        )
    return layout


def _is_readable(layout: Layout) -> bool:
    """Whether depth, samples, compression and predictor go together."""
    needed = COLOURS[layout.photometric]
    if not needed <= layout.samples <= needed + MOST_EXTRA_SAMPLES:
        return False
    if layout.sample_format == FLOAT:
        known = layout.bits in (16, 32, 64)
    else:
        known = layout.sample_format in (UNSIGNED, SIGNED) and (
            1 <= layout.bits <= 16 or layout.bits == 32
        )
    if layout.sample_format != UNSIGNED or layout.bits > 16:
        known = known and layout.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO)
    if layout.photometric == PALETTE:
        known = known and layout.bits <= 16 and layout.samples == 1
    if layout.photometric == CMYK or layout.compression == JPEG:
        known = known and layout.bits == 8
    if layout.compression == JPEG:
        known = known and layout.per_plane in jpeg.COLOUR_SPACES
    if layout.photometric == YCBCR:
        known = known and layout.compression == JPEG and layout.planes == 1
    if layout.predictor == HORIZONTAL_DIFFERENCE:
        known = known and layout.bits in (8, 16, 32, 64)
    elif layout.predictor == FLOAT_DIFFERENCE:
        known = known and layout.sample_format == FLOAT
    else:
        known = known and layout.predictor == 1
    return known
