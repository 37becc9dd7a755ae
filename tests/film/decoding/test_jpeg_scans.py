"""Completeness of a JPEG's scans, and the tear that a damaged scan leaves in the picture."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from cxr_core.film.decoding.jpeg_scans import ScanCoverage, is_torn
from tests.film.corpus import base_values

GREY = (base_values() >> 4).astype(np.uint8)
SEQUENTIAL, PROGRESSIVE = 0xC0, 0xC2


def scan_header(components: bytes, first: int, last: int, low: int) -> bytes:
    """The body of an SOS segment; low: the bits that the scan leaves out."""
    chosen = b"".join(bytes([name, 0]) for name in components)
    return bytes([len(components)]) + chosen + bytes([first, last, low])


def torn(samples: np.ndarray, row: int, column: int, change: int, unit: int = 8) -> np.ndarray:
    """The samples with all units from one on brighter or darker, in the order of a scan."""
    changed = samples.astype(np.int16)
    changed[row * unit : (row + 1) * unit, column * unit :] += change
    changed[(row + 1) * unit :] += change
    return np.clip(changed, 0, 255).astype(np.uint8)


def decoded(samples: np.ndarray) -> np.ndarray:
    """The samples after JPEG of usual quality."""
    buffer = BytesIO()
    Image.fromarray(samples).save(buffer, "JPEG", quality=90)
    return np.asarray(Image.open(BytesIO(buffer.getvalue())))


def test_a_sequential_jpeg_needs_each_component_once() -> None:
    scans = ScanCoverage()
    scans.add(scan_header(b"\x01\x02", 0, 63, 0))
    assert scans.is_complete(SEQUENTIAL, b"\x01\x02")
    assert not scans.is_complete(SEQUENTIAL, b"\x01\x02\x03")


def test_a_progressive_jpeg_needs_every_bit_of_every_coefficient() -> None:
    scans = ScanCoverage()
    scans.add(scan_header(b"\x01", 0, 0, 1))
    scans.add(scan_header(b"\x01", 1, 63, 0))
    assert not scans.is_complete(PROGRESSIVE, b"\x01")
    scans.add(scan_header(b"\x01", 0, 0, 0x10))  # the last bit: Ah = 1, Al = 0
    assert scans.is_complete(PROGRESSIVE, b"\x01")
    assert not scans.is_complete(PROGRESSIVE, b"\x01\x02")


def test_a_header_that_is_too_short_holds_no_scan() -> None:
    scans = ScanCoverage()
    for header in (b"", b"\x03", b"\x02\x01\x00\x02\x00\x00"):
        scans.add(header)
    assert not scans.is_complete(SEQUENTIAL, b"\x01")


@pytest.mark.parametrize("change", [-40, -20, 20, 40])
@pytest.mark.parametrize(("row", "column"), [(8, 6), (15, 14), (20, 22)])
def test_a_tear_is_found_wherever_it_begins(change: int, row: int, column: int) -> None:
    damaged = decoded(torn(GREY, row, column, change))
    assert is_torn(damaged, (8, 8))
    assert is_torn(np.dstack([damaged] * 3), (8, 8))
    assert is_torn(damaged.astype(np.uint16) << 4, (8, 8), levels=4096)


def test_a_tear_between_larger_units_is_found() -> None:
    large = np.kron(GREY, np.ones((2, 2), np.uint8))
    assert is_torn(decoded(torn(large, 9, 11, 30, unit=16)), (16, 16))


def test_sound_films_and_straight_edges_are_no_tears() -> None:
    edge = GREY.copy()
    edge[: 8 * 9] = 0  # a collimator at the top edge of a row of units
    corner = GREY.copy()
    corner[8 * 20 :, 8 * 5 :] = 255
    for film in (GREY, edge, corner, GREY[::-1], GREY.T, np.zeros_like(GREY)):
        assert not is_torn(decoded(np.ascontiguousarray(film)), (8, 8))


def test_a_picture_of_few_units_is_not_judged() -> None:
    assert not is_torn(torn(GREY, 3, 3, 40)[:64, :64], (8, 8))
