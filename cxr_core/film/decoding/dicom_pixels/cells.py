"""Puts what a codec returned into pixel cells, as an uncompressed file would have them (PS3.5 8.1.1 and 8.2).

Bits Stored, High Bit and Pixel Representation say how values lie in cells of Bits Allocated. A codec returns samples
with a precision, and sometimes a sign, of its own; where the tags do not fit these, the codestream is right.
"""

from dataclasses import replace

import numpy as np

from cxr_core.film.decoding.dicom_pixels.codestreams import DecodedStream
from cxr_core.film.decoding.dicom_pixels.stored_values import Stored

# Codes of film/irregularities.py.
STREAM_DEPTH, PIXEL_SIGN = "stream_depth", "pixel_sign"


def to_cells(decoded: DecodedStream, header: Stored) -> tuple[np.ndarray, Stored, tuple[str, ...]]:
    """Cells (H, W) or (H, W, 3) uint8 or uint16, how values lie in them, and irregularities.

    header: what the tags say.
    """
    precision = decoded.precision
    if decoded.cells and precision == header.allocated:
        return decoded.samples, header, ()
    numbers, signed, irregularities = _find_sign(decoded, header)
    bits, high = header.bits, header.high
    if not 1 <= bits <= precision:
        # The encoder was given values of fewer bits than the tags say, or these say none: the codestream says what
        # black and white are.
        bits, high = precision, precision - 1
        irregularities += (STREAM_DEPTH,)
    elif precision == bits or high >= precision:
        high = bits - 1  # the encoder was given the values, not their cells
    small = header.allocated == 8 and precision <= 8
    cells = numbers.astype(np.uint8 if small else np.uint16)
    stored = replace(header, allocated=8 if small else 16, bits=bits, high=high, signed=signed)
    return cells, stored, irregularities


def _find_sign(decoded: DecodedStream, header: Stored) -> tuple[np.ndarray, bool, tuple[str, ...]]:
    """The samples as numbers, int32, whether they have a sign, and irregularities.

    Where tags and codestream differ, the film is the reading in which neighbours differ less: a sign that is read as
    a large number, or the other way round, is a step. Where both are equal the tags hold, as for uncompressed cells.
    """
    words = decoded.samples.astype(np.int32) & ((1 << decoded.precision) - 1)
    half = 1 << (decoded.precision - 1)
    with_sign = (words ^ half) - half
    signed = header.signed
    irregularities: tuple[str, ...] = ()
    if decoded.signed not in (None, header.signed):
        irregularities = (PIXEL_SIGN,)
        steps, steps_with_sign = _total_steps(words), _total_steps(with_sign)
        if steps != steps_with_sign:
            signed = steps_with_sign < steps
    return (with_sign if signed else words), signed, irregularities


def _total_steps(numbers: np.ndarray) -> int:
    """The sum of the steps between neighbours, across and down."""
    across, down = np.diff(numbers, axis=1), np.diff(numbers, axis=0)
    return int(np.abs(across).sum(dtype=np.int64) + np.abs(down).sum(dtype=np.int64))
