"""Decodes a TIFF of one page to a film: grey, palette or colour, 1 to 32 bits, strips or tiles (TIFF 6.0; BigTIFF).

Every strip or tile is decompressed by itself and must hold exactly the samples that its page needs. libtiff, through
Pillow, only undoes LZW; byte order, predictors and colour are undone here, so that 12 and 16 bits stay.
"""

import io
import math
import struct
from dataclasses import dataclass
from typing import Literal

import numpy as np
from isal import igzip_lib, isal_zlib
from PIL import Image

from cxr_core.errors import UndecodableFilm
from cxr_core.film.decoding import jpeg
from cxr_core.film.decoding import tiff_directory as tags
from cxr_core.film.decoding.grey_range import find_full_scale
from cxr_core.film.decoding.raster import apply_orientation, smallest_full_scale, to_pixels
from cxr_core.film.decoding.tiff_directory import DAMAGED, Directory, read_page
from cxr_core.film.limits import require_pixels
from cxr_core.film.radiograph import Radiograph

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
ASSOCIATED_ALPHA, UNASSOCIATED_ALPHA = 1, 2  # tag 338
# An APP14 segment that says that no colour was transformed: RGB stays RGB (Adobe technical note 5116).
ADOBE_RGB = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"

HORIZONTAL_DIFFERENCE, FLOAT_DIFFERENCE = 2, 3  # tag 317

MOST_EXTRA_SAMPLES = 2
MOST_TILE_PIXELS = 1 << 26  # a tile may be larger than its picture, but not without limit
UNPACKED_SAMPLES = 1 << 20  # samples that are unpacked from odd bit depths at a time


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


def decode_tiff(data: bytes) -> Radiograph:
    """A TIFF's only page as a film. Raises UndecodableFilm or OversizedFilm; a damaged file is never read in part."""
    page = read_page(data)
    layout = _read_layout(page)
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


def _read_layout(page: Directory) -> Layout:
    """The layout of a page that this program reads. Raises UndecodableFilm for any other, and OversizedFilm."""
    width, height = page.number(tags.IMAGE_WIDTH), page.number(tags.IMAGE_LENGTH)
    require_pixels(width, height)
    samples = page.number(tags.SAMPLES_PER_PIXEL, 1)
    bits = set(page.numbers(tags.BITS_PER_SAMPLE, (1,)))
    formats = set(page.numbers(tags.SAMPLE_FORMAT, (UNSIGNED,)))
    photometric = page.number(tags.PHOTOMETRIC, BLACK_IS_ZERO)
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
        tile = _decode_segment(stored, layout, (height, columns), tables)
        shown = tile[: layout.height - top, : layout.width - left]
        if layout.planes == 1:
            samples[top : top + height, left : left + columns] = shown
        else:
            samples[top : top + height, left : left + columns, plane] = shown[..., 0]
    return samples


def _decode_segment(
    stored: bytes, layout: Layout, size: tuple[int, int], tables: bytes
) -> np.ndarray:
    """One strip or tile: (rows, columns, samples that lie together). size: (rows, columns)."""
    rows, columns = size
    if layout.compression == JPEG:
        return _decode_jpeg_segment(stored, layout, size, tables)
    row_bytes = -(-columns * layout.per_plane * layout.bits // 8)
    if layout.reversed_bits:
        octets = np.frombuffer(stored, np.uint8)
        stored = np.packbits(np.unpackbits(octets, bitorder="little")).tobytes()
    if layout.compression in (DEFLATE, OLD_DEFLATE):
        content = _inflate(stored, rows * row_bytes)
    elif layout.compression == NO_COMPRESSION:
        content = stored
    elif layout.compression == PACKBITS:
        content = _unpack_bytes(stored, rows * row_bytes)
    else:
        content = _decompress_lzw(stored, rows, row_bytes)
    if len(content) < rows * row_bytes:
        raise UndecodableFilm(DAMAGED.format("a strip or tile holds fewer pixels than it should"))
    lines = np.frombuffer(content, np.uint8, rows * row_bytes).reshape(rows, row_bytes)
    samples = _unpack_samples(lines, layout, columns * layout.per_plane)
    samples = samples.reshape(rows, columns, layout.per_plane)
    if layout.predictor == HORIZONTAL_DIFFERENCE:
        # Section 14: each sample is stored as its difference to the one on its left, modulo 2^bits.
        # Of floating-point samples, as libtiff does it, the bits.
        whole = samples.view(f"u{samples.dtype.itemsize}")
        samples = np.add.accumulate(whole, axis=1, dtype=whole.dtype).view(samples.dtype)
    return samples


def _decode_jpeg_segment(
    stored: bytes, layout: Layout, size: tuple[int, int], tables: bytes
) -> np.ndarray:
    """A strip or tile of JPEG (TIFF technical note 2): its tables stand once for all, in a tag of the page."""
    if not stored.startswith(jpeg.SIGNATURE):
        raise UndecodableFilm(DAMAGED.format("a strip or tile is not JPEG"))
    is_rgb = layout.photometric == RGB and layout.per_plane >= 3
    stream = stored[:2] + (ADOBE_RGB if is_rgb else b"") + tables[2:-2] + stored[2:]
    markers = jpeg.read_markers(stream)
    if markers.precision != 8 or markers.components != layout.per_plane:
        raise UndecodableFilm(DAMAGED.format("a strip or tile has other colours than its page"))
    samples = jpeg.decode_samples(b"".join(markers.kept), markers.components)
    if samples.shape[:2] != size:
        raise UndecodableFilm(DAMAGED.format("a strip or tile has another size than it should"))
    return samples.reshape(*size, layout.per_plane)


def _inflate(stored: bytes, size: int) -> bytes:
    """The inflated bytes, which must end properly after the given number."""
    inflater = isal_zlib.decompressobj()
    try:
        content = inflater.decompress(stored, size + 1)  # one more, so that a bomb stops there
    except igzip_lib.IsalError:  # type: ignore[misc]  # its stub has no base class
        raise UndecodableFilm(DAMAGED.format("its compressed pixels cannot be opened")) from None
    if len(content) != size or not inflater.eof:
        raise UndecodableFilm(DAMAGED.format("a strip or tile holds fewer or more pixels"))
    return content


def _unpack_bytes(stored: bytes, size: int) -> bytes:
    """The bytes of PackBits (section 9), which must be exactly so many; libtiff would leave out what is too many."""
    content, at = bytearray(), 0
    while at < len(stored) and len(content) < size:
        count = stored[at]
        if count < 128:
            content += stored[at + 1 : at + count + 2]
            at += count + 2
        else:
            if count > 128:  # 128 itself means nothing
                content += stored[at + 1 : at + 2] * (257 - count)
            at += 1 if count == 128 else 2
    if len(content) != size or at > len(stored):
        raise UndecodableFilm(DAMAGED.format("a strip or tile holds fewer or more pixels"))
    return bytes(content)


def _decompress_lzw(stored: bytes, rows: int, row_bytes: int) -> bytes:
    """The bytes of LZW, by libtiff from a TIFF made of them alone: grey of 8 bits, a byte a pixel, one strip."""
    numbers = {
        tags.IMAGE_WIDTH: row_bytes,
        tags.IMAGE_LENGTH: rows,
        tags.BITS_PER_SAMPLE: 8,
        tags.COMPRESSION: LZW,
        tags.PHOTOMETRIC: BLACK_IS_ZERO,
        tags.STRIP_OFFSETS: 8,
        tags.SAMPLES_PER_PIXEL: 1,
        tags.ROWS_PER_STRIP: rows,
        tags.STRIP_BYTE_COUNTS: len(stored),
    }
    directory = struct.pack("<H", len(numbers))
    for tag, number in numbers.items():
        directory += struct.pack("<HHII", tag, 4, 1, number)
    stored += b"\x00" * (len(stored) % 2)  # a directory begins at an even byte
    head = struct.pack("<4sI", b"II*\x00", 8 + len(stored))
    try:
        with Image.open(
            io.BytesIO(head + stored + directory + bytes(4)), formats=["TIFF"]
        ) as strip:
            return strip.tobytes()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise UndecodableFilm(DAMAGED.format("its compressed pixels cannot be opened")) from None


def _unpack_samples(lines: np.ndarray, layout: Layout, count: int) -> np.ndarray:
    """The samples of each row, in this machine's byte order: (rows, count). lines: (rows, bytes of a row) uint8."""
    bits = layout.bits
    if layout.predictor == FLOAT_DIFFERENCE:
        # Adobe's technical note 3 of 2005: rows of bytes, the highest of every sample first, as differences.
        summed = np.add.accumulate(lines, axis=1, dtype=np.uint8)
        by_sample = summed.reshape(len(lines), bits // 8, count).transpose(0, 2, 1)
        stored = np.ascontiguousarray(by_sample).view(layout.dtype.newbyteorder(">"))
        return stored[..., 0].astype(layout.dtype)
    if bits % 8 == 0 and bits != 24:
        stored = lines.view(layout.dtype.newbyteorder(layout.order))
        return stored.astype(layout.dtype)
    weights = 1 << np.arange(bits - 1, -1, -1, dtype=np.uint16)
    samples = np.empty((len(lines), count), np.uint16)
    step = max(1, UNPACKED_SAMPLES // count)
    for start in range(0, len(lines), step):
        # Samples of odd depths follow each other bit by bit; only rows begin at a byte.
        unpacked = np.unpackbits(lines[start : start + step], axis=1, count=count * bits)
        samples[start : start + step] = unpacked.reshape(-1, count, bits) @ weights
    return samples.astype(layout.dtype)


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
    if len(values) != 3 << layout.bits:
        raise UndecodableFilm(DAMAGED.format("its palette has another length than it should"))
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
