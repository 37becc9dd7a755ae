"""Decodes a BMP to a film: palettes of 1 to 8 bits, 16 to 32 bits, run lengths, either way up.

The layout is that of Windows (BITMAPINFOHEADER and its successors) and of OS/2, as Microsoft's documentation of
bitmap storage gives it. Every index, row and length is checked, as a BMP has no checksum.
"""

import struct
from dataclasses import dataclass

import numpy as np

from cxr_core.errors import UndecodableFilm
from cxr_core.film.decoding.raster import to_pixels
from cxr_core.film.limits import require_pixels
from cxr_core.film.radiograph import Radiograph

SIGNATURE = b"BM"

FILE_HEADER_BYTES = 14
# BITMAPCOREHEADER; OS/2 2.x, short and whole; BITMAPINFOHEADER, with masks, with alpha; V4; V5.
CORE, OS2_SHORT, INFO, INFO_MASKS, INFO_ALPHA, OS2, V4, V5 = 12, 16, 40, 52, 56, 64, 108, 124
HEADER_SIZES = frozenset({CORE, OS2_SHORT, INFO, INFO_MASKS, INFO_ALPHA, OS2, V4, V5})

NO_COMPRESSION, RLE8, RLE4, BIT_FIELDS, ALPHA_BIT_FIELDS = 0, 1, 2, 3, 6
# The bit depths that each compression allows.
DEPTHS = {
    NO_COMPRESSION: (1, 2, 4, 8, 16, 24, 32),
    RLE8: (8,),
    RLE4: (4,),
    BIT_FIELDS: (16, 32),
    ALPHA_BIT_FIELDS: (16, 32),
}
# Where no masks are stored: red, green, blue, alpha.
DEFAULT_MASKS = {16: (0x7C00, 0x3E0, 0x1F, 0), 32: (0xFF0000, 0xFF00, 0xFF, 0)}
PADDING = b"\x00\xff\r\n "

DAMAGED = "This BMP is damaged or cut short: {}. Export or copy the film again."


@dataclass(frozen=True, kw_only=True)
class Header:
    """A checked header. start: the first byte of the pixels.  stored_bytes: of run lengths; 0 where it does not say."""

    size: int
    width: int
    height: int
    top_down: bool
    bits: int
    compression: int
    start: int
    used_colours: int
    stored_bytes: int

    @property
    def end(self) -> int:
        """The first byte behind the header."""
        return FILE_HEADER_BYTES + self.size

    @property
    def row_bytes(self) -> int:
        """Bytes of an uncompressed row, which is filled up to a multiple of four."""
        return (self.width * self.bits + 31) // 32 * 4


def decode_bmp(data: bytes) -> Radiograph:
    """One BMP as a film. Raises UndecodableFilm or OversizedFilm; a damaged file is never read in part."""
    header = _read_header(data)
    require_pixels(header.width, header.height)
    if header.bits <= 8:
        samples, alpha, bits = _look_up_palette(data, header), None, header.bits
        top = 255
    elif header.bits == 24:
        rows = _read_rows(data, header)[:, : header.width * 3]
        samples, alpha, bits = rows.reshape(header.height, header.width, 3)[..., ::-1], None, 8
        top = 255
    else:
        samples, alpha, bits = _split_masks(data, header)
        top = 65535
    if not header.top_down:
        samples = samples[::-1]
        alpha = None if alpha is None else alpha[::-1]
    grey = to_pixels(samples, top, alpha)
    return Radiograph(
        pixels=np.ascontiguousarray(grey.pixels),
        container="bmp",
        bits=bits,
        colour=grey.colour,
        irregularities=grey.irregularities,
    )


def _read_header(data: bytes) -> Header:
    """The header of a BMP that this program reads. Raises UndecodableFilm."""
    if len(data) < FILE_HEADER_BYTES + CORE:
        raise UndecodableFilm(DAMAGED.format("it ends inside its header"))
    file_bytes, _, start, size = struct.unpack("<IIII", data[2:18])
    if size not in HEADER_SIZES or len(data) < FILE_HEADER_BYTES + size:
        raise UndecodableFilm(DAMAGED.format("its header has a length that BMP does not have"))
    if file_bytes > len(data):
        raise UndecodableFilm(DAMAGED.format("it ends before the length that it states"))
    compression = stored_bytes = used_colours = 0
    if size == CORE:
        width, height, planes, bits = struct.unpack("<HHHH", data[18:26])
    else:
        width, height, planes, bits = struct.unpack("<iiHH", data[18:30])
    if size >= INFO:
        compression, stored_bytes, _, _, used_colours = struct.unpack("<IIiiI", data[30:50])
    header = Header(
        size=size,
        width=width,
        height=abs(height),
        top_down=height < 0,
        bits=bits,
        compression=compression,
        start=start,
        used_colours=used_colours,
        stored_bytes=stored_bytes,
    )
    _require_known_form(header, planes)
    if not header.end <= start < len(data):
        raise UndecodableFilm(DAMAGED.format("its pixels lie outside of the file"))
    return header


def _require_known_form(header: Header, planes: int) -> None:
    """Refuse a form that BMP does not have, or that is not read."""
    os2_codec = header.size == OS2 and header.compression > RLE4  # Huffman and RLE24
    if header.compression not in DEPTHS or os2_codec:
        raise UndecodableFilm(
            f"This BMP is compressed by method {header.compression}; none and run lengths are read. Export the film "
            "as PNG."
        )
    if planes != 1 or header.bits not in DEPTHS[header.compression] or header.width < 0:
        raise UndecodableFilm(DAMAGED.format("its header names a form that BMP does not have"))
    if header.top_down and header.compression in (RLE8, RLE4):
        raise UndecodableFilm(DAMAGED.format("its run lengths begin at the top"))


def _read_rows(data: bytes, header: Header) -> np.ndarray:
    """The bytes of an uncompressed picture: (H, bytes of a row) uint8, in the order of the file."""
    end = header.start + header.height * header.row_bytes
    if end > len(data):
        raise UndecodableFilm(DAMAGED.format("it holds fewer pixels than its header says"))
    _require_end(data, header, end)
    rows = np.frombuffer(data, np.uint8, header.height * header.row_bytes, header.start)
    return rows.reshape(header.height, header.row_bytes)


def _require_end(data: bytes, header: Header, end: int) -> None:
    """Behind the pixels only padding may follow, or the profile that a V5 header names."""
    if header.size == V5:
        offset, size = struct.unpack_from("<II", data, FILE_HEADER_BYTES + 112)
        if size:
            end = max(end, FILE_HEADER_BYTES + offset + size)
    rest = data[end:]
    if rest.strip(PADDING):
        # A page, an archive or a second picture may hide there; no film needs it.
        raise UndecodableFilm(
            f"This BMP is followed by {len(rest)} bytes of something else. Export the film again as a plain BMP."
        )


def _look_up_palette(data: bytes, header: Header) -> np.ndarray:
    """(H, W) grey or (H, W, 3) RGB uint8 of a picture with a palette."""
    palette = _read_palette(data, header)
    if header.compression == NO_COMPRESSION:
        rows = _read_rows(data, header)
        indices = _unpack_indices(rows, header)
    else:
        indices = _decode_runs(data, header)
    if indices.max() >= len(palette):
        raise UndecodableFilm(DAMAGED.format("a pixel has a colour that its palette does not have"))
    samples: np.ndarray = palette[indices]
    return samples


def _read_palette(data: bytes, header: Header) -> np.ndarray:
    """(N,) grey or (N, 3) RGB uint8, at most one entry for each index that the bit depth allows."""
    entry_bytes = 3 if header.size == CORE else 4
    room = (header.start - header.end) // entry_bytes
    if header.used_colours > room:
        raise UndecodableFilm(DAMAGED.format("its palette is longer than the room for it"))
    count = min(header.used_colours or 1 << header.bits, 1 << header.bits, room)
    entries = np.frombuffer(data, np.uint8, count * entry_bytes, header.end)
    rgb: np.ndarray = entries.reshape(count, entry_bytes)[:, 2::-1]
    if (rgb == rgb[:, :1]).all():
        return rgb[:, 0]
    return rgb


def _unpack_indices(rows: np.ndarray, header: Header) -> np.ndarray:
    """(H, W) uint8: the indices of each row, of which a byte may hold several, the leftmost in its highest bits."""
    per_byte = 8 // header.bits
    if per_byte == 1:
        return rows[:, : header.width]
    shifts = np.arange(8 - header.bits, -1, -header.bits, dtype=np.uint8)
    mask = np.uint8((1 << header.bits) - 1)
    used = rows[:, : -(-header.width // per_byte)]
    indices: np.ndarray = (used[..., None] >> shifts & mask).reshape(header.height, -1)
    return indices[:, : header.width]


def _decode_runs(data: bytes, header: Header) -> np.ndarray:
    """(H, W) uint8: the indices of a picture of run lengths. Each row must be filled exactly, and the last one end it.

    A jump over pixels is refused: what lies there is not said.
    """
    at, end = header.start, min(len(data), header.start + (header.stored_bytes or len(data)))
    indices = bytearray()
    row_end = header.width
    last = header.width * header.height
    while True:
        if at + 2 > end:
            raise UndecodableFilm(DAMAGED.format("it holds fewer pixels than its header says"))
        count, value = data[at], data[at + 1]
        at += 2
        if count:
            indices += _expand_run(bytes([value]) * count, count, header.bits)
        elif value > 2:
            stored = value if header.bits == 8 else (value + 1) // 2
            indices += _expand_run(data[at : min(end, at + stored)], value, header.bits)
            at += stored + stored % 2  # absolute runs are filled up to an even number of bytes
        elif value == 0:
            if len(indices) != row_end:
                raise UndecodableFilm(DAMAGED.format("a row holds fewer or more pixels"))
            row_end += header.width
        elif value == 1:
            break
        else:
            raise UndecodableFilm(DAMAGED.format("its run lengths leave pixels out"))
        if len(indices) > min(row_end, last):
            raise UndecodableFilm(DAMAGED.format("a row holds fewer or more pixels"))
    if len(indices) != last:
        raise UndecodableFilm(DAMAGED.format("it holds fewer pixels than its header says"))
    _require_end(data, header, at)
    return np.frombuffer(indices, np.uint8).reshape(header.height, header.width)


def _expand_run(stored: bytes, count: int, bits: int) -> bytes:
    """The indices of a run: of 8 bits as they are, of 4 bits two a byte, the high half first."""
    if bits == 4:
        halves = bytearray(2 * len(stored))
        halves[::2] = bytes(byte >> 4 for byte in stored)
        halves[1::2] = bytes(byte & 15 for byte in stored)
        stored = bytes(halves)
    return stored[:count]


def _split_masks(data: bytes, header: Header) -> tuple[np.ndarray, np.ndarray | None, int]:
    """(H, W, 3) RGB uint16 of which 65535 is full, opacity (H, W) in [0, 1] or None, and the bits of a colour."""
    masks = DEFAULT_MASKS[header.bits]
    if header.compression in (BIT_FIELDS, ALPHA_BIT_FIELDS):
        count = 4 if header.size >= INFO_ALPHA or header.compression == ALPHA_BIT_FIELDS else 3
        # Behind the 40 bytes of BITMAPINFOHEADER: in a longer header, or between a short one and the pixels.
        stored = data[FILE_HEADER_BYTES + INFO : header.start][: 4 * count]
        if len(stored) < 4 * count:
            raise UndecodableFilm(DAMAGED.format("the masks of its colours are missing"))
        masks = (*struct.unpack(f"<{count}I", stored), 0)[:4]
    rows = _read_rows(data, header)
    words = rows.view(f"<u{header.bits // 8}")[:, : header.width]
    rgb = np.empty((*words.shape, 3), np.uint16)
    for channel, mask in enumerate(masks[:3]):
        rgb[..., channel] = _take_channel(words, mask, header.bits)
    bits = masks[1].bit_count()
    opacity = None
    if masks[3]:
        opacity = _take_channel(words, masks[3], header.bits) / np.float32(65535)
        if opacity.min() == opacity.max():
            opacity = None  # all alike, often 0: the writer did not use it
    return rgb, opacity, bits


def _take_channel(words: np.ndarray, mask: int, bits: int) -> np.ndarray:
    """One channel scaled so that its greatest value becomes 65535: (H, W) uint16."""
    lowest = mask & -mask
    full = mask // lowest if mask else 0
    if not mask or full & (full + 1) or full > 65535 or mask >> bits:
        raise UndecodableFilm(DAMAGED.format("the masks of its colours are not masks"))
    values = (words & words.dtype.type(mask)) >> words.dtype.type(lowest.bit_length() - 1)
    scaled: np.ndarray = ((values.astype(np.uint32) * 65535 + full // 2) // full).astype(np.uint16)
    return scaled
