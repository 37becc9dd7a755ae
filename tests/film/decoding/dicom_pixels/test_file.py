"""What may follow the pixels of a DICOM file, and where its fragments lie, in every byte order."""

import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
)

from cxr_core.errors import FilmRefused, UndecodableFilm
from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.decoding.dicom_pixels.file import read_codestream, take_apart
from tests.film.codestreams import encode_jpeg_ls
from tests.film.corpus import base_values
from tests.film.dicom_files import write_dicom

DEEP = base_values()
NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)


def judge(data: bytes) -> str:
    """The irregularities of a film, or "follow its pixels" when it is refused for what follows them."""
    try:
        return " ".join(decode_film(data).irregularities)
    except FilmRefused as refusal:
        return "follow its pixels" if "follow its pixels" in str(refusal) else str(refusal)


def with_elements(syntax: UID, **values: bytes) -> bytes:
    """A film with elements behind its pixels, written by pydicom. values: by tag, in hexadecimal."""
    dataset = dcmread(BytesIO(write_dicom(DEEP, syntax, BitsStored=12)))
    for tag, value in values.items():
        dataset.add_new(int(tag.lstrip("x"), 16), "OB", value)
    buffer = BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("syntax", NATIVE, ids=lambda syntax: syntax.keyword)
def test_padding_and_private_elements_may_follow(syntax: UID) -> None:
    plain = decode_film(write_dicom(DEEP, syntax, BitsStored=12))
    data = with_elements(syntax, xFFFCFFFC=bytes(300), x7FE11010=b"\x05\x06" * 40)
    film = decode_film(data)
    assert np.array_equal(film.pixels, plain.pixels)
    assert not film.irregularities


@pytest.mark.parametrize("syntax", NATIVE, ids=lambda syntax: syntax.keyword)
def test_signatures_of_undefined_length_may_follow(syntax: UID) -> None:
    dataset = dcmread(BytesIO(write_dicom(DEEP, syntax, BitsStored=12)))
    item = Dataset()
    item.MACIDNumber, item.Signature = 1, bytes(64)
    dataset.DigitalSignaturesSequence = Sequence([item])
    dataset["DigitalSignaturesSequence"].is_undefined_length = True
    buffer = BytesIO()
    dataset.save_as(buffer)
    assert not decode_film(buffer.getvalue()).irregularities


@pytest.mark.parametrize("syntax", NATIVE, ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
@pytest.mark.parametrize("count", [1, 2, 512, 4096])
def test_bytes_put_in_among_the_pixels_never_pass_in_silence(
    syntax: UID, share: float, count: int
) -> None:
    data = write_dicom(DEEP, syntax, BitsStored=12)
    at = len(data) - int(DEEP.nbytes * share)
    for inserted in (bytes(count), data[at : at + count], b"\x5a" * count):
        assert judge(data[:at] + inserted + data[at:]) in (
            "follow its pixels",
            "zeros_behind_pixels",
        )


@settings(deadline=None, max_examples=60)
@given(st.binary(min_size=1, max_size=200))
def test_nothing_that_is_not_dicom_may_follow(rest: bytes) -> None:
    verdict = judge(write_dicom(DEEP[:64, :64], BitsStored=12) + rest)
    assert verdict == "follow its pixels" if rest.strip(b"\x00") else "follow" not in verdict


def test_junk_behind_the_deflated_part_is_refused_and_zeros_are_not() -> None:
    data = write_dicom(DEEP, DeflatedExplicitVRLittleEndian, BitsStored=12)
    assert not decode_film(data + bytes(9)).irregularities
    with pytest.raises(UndecodableFilm, match="follow its compressed part"):
        decode_film(data + b"x")


def test_elements_are_checked_inside_the_deflated_part() -> None:
    data = write_dicom(DEEP, BitsStored=12)
    start = 144 + int.from_bytes(data[140:144], "little")
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    inside = deflater.compress(data[start:] + b"junk and more") + deflater.flush()
    deflated = write_dicom(DEEP, DeflatedExplicitVRLittleEndian, BitsStored=12)
    begin = 144 + int.from_bytes(deflated[140:144], "little")
    with pytest.raises(UndecodableFilm, match="13 bytes of something else follow"):
        decode_film(deflated[:begin] + inside)


def test_an_end_of_fragments_inside_a_fragment_is_none() -> None:
    stream = encode_jpeg_ls(DEEP, 12)
    comment = b"\xff\xfe\x00\x0a" + b"\xfe\xff\xdd\xe0" + bytes(4)
    stream = stream[:2] + comment + stream[2:]
    data = write_dicom(DEEP, JPEGLSLossless, stream=stream, BitsStored=12)
    file = take_apart(data, ["Rows"])
    assert read_codestream(file).rstrip(b"\x00") == stream.rstrip(b"\x00")
    assert np.abs(decode_film(data).pixels - DEEP / 4095).max() < 1e-6


def test_a_codestream_without_fragments_is_read() -> None:
    stream = encode_jpeg_ls(DEEP, 12)
    fragments = write_dicom(DEEP, JPEGLSLossless, stream=stream, BitsStored=12)
    start = fragments.index(b"\xe0\x7f\x10\x00") + 8
    stream += bytes(len(stream) % 2)
    bare = fragments[:start] + len(stream).to_bytes(4, "little") + stream
    assert np.abs(decode_film(bare).pixels - DEEP / 4095).max() < 1e-6
    with pytest.raises(UndecodableFilm, match="follow its pixels"):
        decode_film(bare + b"more")
