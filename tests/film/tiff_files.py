"""Writes TIFF files in forms that Pillow and OpenCV do not write, for tests."""

import struct
from collections.abc import Mapping, Sequence

import numpy as np

# Field types (TIFF 6.0, section 2), by the size of a number.
CODES = {2: (3, "H"), 4: (4, "I"), 8: (16, "Q")}


def pack_samples(rows: np.ndarray, bits: int, order: str) -> bytes:
    """Samples of any depth, each row beginning at a byte. rows: (rows, samples of a row)."""
    if bits % 8 == 0:
        return rows.astype(f"{order}{rows.dtype.kind}{bits // 8}").tobytes()
    planes = (rows[..., None].astype(np.uint32) >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(planes.reshape(len(rows), -1).astype(np.uint8), axis=1).tobytes()


def write_tiff(
    values: np.ndarray,
    bits: int,
    *,
    photometric: int = 1,
    order: str = "<",
    rows_per_strip: int = 0,
    tile: int = 0,
    planar: bool = False,
    big: bool = False,
    tags: Mapping[int, Sequence[int]] | None = None,
) -> bytes:
    """One uncompressed page.

    values: (H, W) or (H, W, samples).  tile: side of square tiles; 0 writes strips.  tags: further ones, as numbers.
    """
    values = values.reshape(*values.shape[:2], -1)
    height, width, samples = values.shape
    step, across = rows_per_strip or height, width
    if tile:
        step = across = tile
        right, below = -width % tile, -height % tile
        values = np.pad(values, ((0, below), (0, right), (0, 0)), mode="edge")
    planes = [values[..., [plane]] for plane in range(samples)] if planar else [values]
    segments = []
    for plane in planes:
        for top in range(0, plane.shape[0], step):
            for left in range(0, plane.shape[1], across):
                part = plane[top : top + step, left : left + across]
                segments.append(pack_samples(part.reshape(len(part), -1), bits, order))
    start = 16 if big else 8
    offsets = np.cumsum([start] + [len(segment) for segment in segments])
    numbers: dict[int, Sequence[int]] = {
        256: [width],
        257: [height],
        258: [bits] * samples,
        259: [1],
        262: [photometric],
        277: [samples],
        284: [2 if planar else 1],
    }
    if tile:
        numbers |= {322: [tile], 323: [tile], 324: offsets[:-1].tolist()}
        numbers |= {325: [len(segment) for segment in segments]}
    else:
        numbers |= {273: offsets[:-1].tolist(), 278: [step]}
        numbers |= {279: [len(segment) for segment in segments]}
    numbers |= dict(tags or {})
    return _assemble(b"".join(segments), numbers, order, big)


def _assemble(pixels: bytes, numbers: Mapping[int, Sequence[int]], order: str, big: bool) -> bytes:
    size = 8 if big else 4
    kind, code = CODES[size]
    mark = b"II" if order == "<" else b"MM"
    pixels += b"\x00" * (len(pixels) % 2)
    if big:
        head = mark + struct.pack(order + "HHHQ", 43, 8, 0, 16 + len(pixels))
    else:
        head = mark + struct.pack(order + "HI", 42, 8 + len(pixels))
    count_code = "Q" if big else "H"
    entry_bytes = 20 if big else 12
    behind = len(head) + len(pixels) + struct.calcsize(order + count_code)
    behind += entry_bytes * len(numbers) + size
    entries, extra = b"", b""
    for tag in sorted(numbers):
        values = struct.pack(f"{order}{len(numbers[tag])}{code}", *numbers[tag])
        entries += struct.pack(order + "HH" + code, tag, kind, len(numbers[tag]))
        if len(values) > size:
            entries += struct.pack(order + code, behind + len(extra))
            extra += values
        else:
            entries += values.ljust(size, b"\x00")
    directory = struct.pack(order + count_code, len(numbers)) + entries + bytes(size)
    return head + pixels + directory + extra
