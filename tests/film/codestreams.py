"""Small encoders for the tests: codestreams with exactly the precision, sign and form that a test asks for.

The JPEG ones use Huffman codes of one length, which every decoder reads and no real encoder writes.
"""

from io import BytesIO

import jpeg_ls
import numpy as np
import scipy.fft
from openjpeg.utils import encode_array

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
# T.81, table B.1: baseline, extended and lossless frames.
BASELINE, EXTENDED, LOSSLESS = 0xC0, 0xC1, 0xC3


def encode_jpeg_lossless(values: np.ndarray, precision: int, predictor: int = 1) -> bytes:
    """JPEG lossless, Huffman coded (T.81, annex H). values: (H, W) unsigned; predictor: 1 (left) or 2 (above)."""
    samples = values.astype(np.int64)
    predicted = np.empty_like(samples)
    predicted[0, 0] = 1 << (precision - 1)
    predicted[0, 1:] = samples[0, :-1]
    predicted[1:, 0] = samples[:-1, 0]
    predicted[1:, 1:] = samples[1:, :-1] if predictor == 1 else samples[:-1, 1:]
    # Differences are taken modulo 2^16 (H.1.2.1); here as -32767 to 32768.
    differences = (samples - predicted + 32767) % 65536 - 32767
    symbols = _categories(differences)
    pieces = [_fixed_code(symbols, 17), _extra_bits(differences, symbols)]
    lengths = [np.full(symbols.shape, 5), np.where(symbols == 16, 0, symbols)]
    scan = _pack_bits(np.stack(pieces, -1).ravel(), np.stack(lengths, -1).ravel())
    frame = _frame(LOSSLESS, precision, values.shape)
    return (
        SOI + frame + _huffman_table(0x00, range(17), 5) + _scan_header(predictor, 0) + scan + EOI
    )


def encode_jpeg_dct(values: np.ndarray, precision: int, step: int = 1) -> bytes:
    """Sequential JPEG of 8 or 12 bits (T.81, annex F). values: (H, W) unsigned, sides multiples of 8.

    step: the quantisation step of every coefficient.
    """
    rows, columns = (side // 8 for side in values.shape)
    blocks = values.astype(np.float64).reshape(rows, 8, columns, 8).transpose(0, 2, 1, 3)
    shifted = blocks.reshape(-1, 8, 8) - (1 << (precision - 1))
    levels = np.rint(scipy.fft.dctn(shifted, axes=(1, 2), norm="ortho") / step).astype(np.int64)
    levels = levels.reshape(-1, 64)[:, _zigzag()]
    codes, lengths = _code_blocks(levels)
    tables = b"\xff\xdb" + (67).to_bytes(2, "big") + b"\x00" + bytes([step]) * 64
    tables += _huffman_table(0x00, range(16), 5) + _huffman_table(0x10, range(255), 8)
    frame = _frame(BASELINE if precision == 8 else EXTENDED, precision, values.shape)
    scan = _pack_bits(np.array(codes), np.array(lengths))
    return SOI + tables + frame + _scan_header(0, 63) + scan + EOI


def encode_jpeg_ls(values: np.ndarray, precision: int) -> bytes:
    """JPEG-LS, lossless (T.87). values: (H, W) unsigned."""
    cells = values.astype(np.uint8 if precision <= 8 else "<u2")
    rows, columns = values.shape
    return bytes(jpeg_ls.encode_buffer(cells.tobytes(), rows, columns, 1, precision))


def encode_jpeg_2000(values: np.ndarray, precision: int) -> bytes:
    """JPEG 2000, lossless (T.800). values: (H, W) or (H, W, 3), signed or unsigned."""
    return bytes(encode_array(values, bits_stored=precision, photometric_interpretation=0))


def wrap_in_jp2(stream: bytes) -> bytes:
    """A JP2 file around a codestream (T.800, annex I) with the boxes that a reader asks for."""
    height, width = int.from_bytes(stream[12:16], "big"), int.from_bytes(stream[8:12], "big")
    components, depth = int.from_bytes(stream[40:42], "big"), stream[42]
    size = height.to_bytes(4, "big") + width.to_bytes(4, "big") + components.to_bytes(2, "big")
    header = _box(b"ihdr", size + bytes([depth, 7, 0, 0]))
    header += _box(b"colr", b"\x01\x00\x00" + (17).to_bytes(4, "big"))
    boxes = _box(b"jP  ", b"\r\n\x87\n") + _box(b"ftyp", b"jp2 \x00\x00\x00\x00jp2 ")
    return boxes + _box(b"jp2h", header) + _box(b"jp2c", stream)


def _box(name: bytes, body: bytes) -> bytes:
    return (8 + len(body)).to_bytes(4, "big") + name + body


def _frame(marker: int, precision: int, shape: tuple[int, ...]) -> bytes:
    """A frame header of one component (T.81 B.2.2)."""
    size = shape[0].to_bytes(2, "big") + shape[1].to_bytes(2, "big")
    return bytes([0xFF, marker, 0, 11, precision]) + size + b"\x01\x01\x11\x00"


def _scan_header(first: int, last: int) -> bytes:
    """A scan of one component (T.81 B.2.3); `first` is the predictor of a lossless scan."""
    return bytes([0xFF, 0xDA, 0, 8, 1, 1, 0, first, last, 0])


def _huffman_table(place: int, symbols: range, length: int) -> bytes:
    """Every symbol with a code of one length (T.81 B.2.4.2); the code of ones alone stays free."""
    counts = [0] * 16
    counts[length - 1] = len(symbols)
    return b"\xff\xc4" + (19 + len(symbols)).to_bytes(2, "big") + bytes([place, *counts, *symbols])


def _categories(values: np.ndarray) -> np.ndarray:
    """The category of a difference: the bits of its magnitude (T.81, tables F.1 and H.2)."""
    return np.ceil(np.log2(np.abs(values) + 1)).astype(np.int64)


def _fixed_code(symbols: np.ndarray, count: int) -> np.ndarray:
    assert symbols.max() < count
    return symbols


def _extra_bits(values: np.ndarray, categories: np.ndarray) -> np.ndarray:
    """The bits that follow a category: the value, or for a negative one the value less one (T.81 F.1.2.1.1)."""
    mask = (1 << categories) - 1
    return np.where(values < 0, values - 1, values) & mask


def _code_blocks(levels: np.ndarray) -> tuple[list[int], list[int]]:
    """Codes and their lengths for blocks (N, 64) in zigzag order (T.81 F.1.2)."""
    codes: list[int] = []
    lengths: list[int] = []

    def put(symbol: int, size: int, value: int) -> None:
        category = int(abs(value)).bit_length()
        bits = (value - 1 if value < 0 else value) & ((1 << category) - 1)
        codes.extend((symbol, bits))
        lengths.extend((size, category))

    before = 0
    for block in levels.tolist():
        difference, before = block[0] - before, block[0]
        put(abs(difference).bit_length(), 5, difference)
        run = 0
        for value in block[1:]:
            if value == 0:
                run += 1
                continue
            while run > 15:
                put(0xF0, 8, 0)
                run -= 16
            put(run << 4 | abs(value).bit_length(), 8, value)
            run = 0
        if run:
            put(0, 8, 0)
    return codes, lengths


def _zigzag() -> list[int]:
    """Places of the zigzag order in a block read row by row (T.81, figure A.6)."""
    places = [(row, column) for row in range(8) for column in range(8)]

    def order(place: tuple[int, int]) -> tuple[int, int]:
        diagonal = sum(place)
        return diagonal, place[0] if diagonal % 2 else place[1]

    return [8 * row + column for row, column in sorted(places, key=order)]


def _pack_bits(codes: np.ndarray, lengths: np.ndarray) -> bytes:
    """Codes one after another, filled with ones to a whole byte, 0xFF stuffed (T.81 F.1.2.3)."""
    widest = int(lengths.max())
    places = np.arange(widest)
    shifts = lengths[:, None] - 1 - places
    bits = (codes[:, None] >> np.maximum(shifts, 0)) & 1
    stream = bits[shifts >= 0].astype(np.uint8)
    padded = np.concatenate([stream, np.ones(-stream.size % 8, np.uint8)])
    return np.packbits(padded).tobytes().replace(b"\xff", b"\xff\x00")


def truncate_scan(stream: bytes, share: float) -> bytes:
    """The stream cut at a share of its length, with an end marker put back."""
    buffer = BytesIO(stream[: int(len(stream) * share)])
    return buffer.getvalue().rstrip(b"\xff") + EOI
