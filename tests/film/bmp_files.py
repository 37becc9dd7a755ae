"""Writes BMP files in forms that Pillow and OpenCV do not write, for tests."""

import struct
from collections.abc import Sequence

import numpy as np

GREY_PALETTE = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)


def write_bmp(
    rows: bytes,
    size: tuple[int, int],
    bits: int,
    *,
    compression: int = 0,
    palette: np.ndarray | None = None,
    masks: Sequence[int] = (),
    behind: bytes = b"",
) -> bytes:
    """A BMP with BITMAPINFOHEADER.

    rows: the pixels as stored.  size: (height, width), the height negative when rows begin at the top.
    palette: (N, 3) RGB.  masks: of red, green, blue and alpha, between header and pixels.  behind: follows the pixels.
    """
    height, width = size
    table = b"".join(bytes([*rgb[::-1], 0]) for rgb in ([] if palette is None else palette))
    table += struct.pack(f"<{len(masks)}I", *masks)
    colours = 0 if palette is None else len(palette)
    start = 54 + len(table)
    head = struct.pack("<2sIII", b"BM", start + len(rows), 0, start)
    info = struct.pack(
        "<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(rows), 0, 0, colours, 0
    )
    return head + info + table + rows + behind


def pad_rows(rows: np.ndarray) -> bytes:
    """Rows of bytes, each filled up to a multiple of four. rows: (H, bytes of a row) uint8."""
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4))).tobytes()


def encode_runs(values: np.ndarray) -> bytes:
    """Run lengths of 8 bits, the last row first: equal values as runs, others as they are. values: (H, W)."""
    stream = b""
    for row in values[::-1]:
        edges = np.flatnonzero(np.diff(row)) + 1
        runs = np.split(row, edges)
        singles: list[int] = []
        for run in runs:
            if len(run) < 3:
                singles += run.tolist()
                continue
            stream += _encode_singles(singles)
            singles = []
            for start in range(0, len(run), 255):
                stream += bytes([len(run[start : start + 255]), int(run[0])])
        stream += _encode_singles(singles) + b"\x00\x00"
    return stream[:-2] + b"\x00\x01"


def _encode_singles(singles: list[int]) -> bytes:
    stream = b""
    for start in range(0, len(singles), 254):
        part = singles[start : start + 254]
        if len(part) < 3:
            stream += b"".join(bytes([1, value]) for value in part)
        else:
            stream += bytes([0, len(part), *part]) + b"\x00" * (len(part) % 2)
    return stream
