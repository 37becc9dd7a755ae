"""A value that cannot be understood costs a fact, never the film: random bytes in every element that is read."""

from io import BytesIO

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.decoding.dicom_tags import TAGS
from cxr_core.film.irregularities import IRREGULARITIES
from tests.film.dicom_files import write_dicom

RNG = np.random.default_rng(3)
GREY = RNG.integers(0, 256, (72, 66), dtype=np.uint8)
VALUES = (
    b"\xff" * 16,
    b"Geheim\\Secret",
    b"T\xd3RAX\\\\\xe9 ",
    b"-1e999\\nan",
    b"\xfe\xff\x00\xe0\xff\xff\xff\xff\x08\x00\x00\x01SH\x02\x00R-\xfe\xff\x0d\xe0\x00\x00\x00\x00",
)


def write_raw(keyword: str, vr: str, value: bytes) -> bytes:
    """The bytes of a sound film in which one element has this value representation and these bytes."""
    file = dcmread(BytesIO(write_dicom(GREY)))
    tag = Tag(keyword)
    file[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)
    buffer = BytesIO()
    file.save_as(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("keyword", TAGS)
def test_the_film_is_read(keyword: str) -> None:
    vr = dictionary_VR(keyword)
    for value in (*VALUES, RNG.bytes(30)):
        film = decode_film(write_raw(keyword, vr, value + b" " * (len(value) % 2)))
        assert film.pixels.shape == (72, 66)
        assert set(film.irregularities) <= set(IRREGULARITIES)
