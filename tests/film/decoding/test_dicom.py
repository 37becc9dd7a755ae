"""DICOM decoding: syntaxes, refusals, bombs and identity. The grey pipeline is tested in test_dicom_greyscale.py."""

import io
import logging
import struct
import warnings
import zlib
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.encaps import get_frame
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from cxr_core.errors import FilmRefused, OversizedFilm, UndecodableFilm
from cxr_core.film.decoding.decode import decode_film
from tests.film.dicom_files import SECRETS, film_dataset, write_dicom

RNG = np.random.default_rng(5)
GREY = RNG.integers(0, 256, (72, 66), dtype=np.uint8)
DEEP = RNG.integers(0, 4096, (72, 66)).astype(np.uint16)
LOSSLESS = [
    *(
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
    ),
    *(RLELossless, JPEG2000Lossless, JPEGLSLossless),
]


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: syntax.keyword)
@pytest.mark.parametrize("preamble", [True, False])
def test_every_lossless_syntax_gives_the_same_pixels(syntax: UID, preamble: bool) -> None:
    film = decode_film(write_dicom(GREY, syntax, preamble=preamble))
    assert np.array_equal(film.pixels, GREY.astype(np.float32) / np.float32(255))
    deep = decode_film(write_dicom(DEEP, syntax, preamble=preamble, BitsStored=12))
    assert np.allclose(deep.pixels, DEEP / 4095, atol=1e-7)
    assert (film.bits, deep.bits, film.container, film.modality) == (8, 12, "dicom", "DX")
    assert film.pixels.dtype == np.float32
    assert film.pixels.flags.c_contiguous


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]
)
def test_a_bare_data_set_without_any_header_is_read(syntax: UID) -> None:
    data = write_dicom(GREY, syntax)
    start = 144 + int.from_bytes(data[140:144], "little")
    assert np.array_equal(decode_film(data[start:]).pixels, decode_film(data).pixels)


def test_jpeg_baseline_is_what_pillow_decodes() -> None:
    buffer = io.BytesIO()
    Image.fromarray(GREY).resize((64, 48)).save(buffer, "JPEG", quality=95)
    reference = np.asarray(Image.open(io.BytesIO(buffer.getvalue())), np.float32) / np.float32(255)
    film = decode_film(
        write_dicom(np.zeros((48, 64), np.uint8), JPEGBaseline8Bit, stream=buffer.getvalue())
    )
    assert np.abs(film.pixels - reference).max() < 1.5 / 255


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, RLELossless, JPEG2000Lossless, JPEGLSLossless]
)
def test_grey_kept_as_rgb_is_the_same_grey(syntax: UID) -> None:
    film = decode_film(write_dicom(np.dstack([GREY] * 3), syntax))
    assert np.abs(film.pixels - GREY / np.float32(255)).max() <= 1 / 255
    assert film.colour == pytest.approx(0, abs=1e-6)


def test_colour_is_measured() -> None:
    rgb = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    assert decode_film(write_dicom(rgb)).colour == pytest.approx(
        np.ptp(rgb.astype(float), axis=2).mean() / 255, abs=1e-6
    )


def test_a_palette_gives_its_colours() -> None:
    ramp = np.arange(256, dtype=np.uint16) * 257
    tags = {
        f"{name}PaletteColorLookupTableData": ramp.tobytes() for name in ("Red", "Green", "Blue")
    }
    tags |= {
        f"{name}PaletteColorLookupTableDescriptor": [256, 0, 16]
        for name in ("Red", "Green", "Blue")
    }
    film = decode_film(write_dicom(GREY, PhotometricInterpretation="PALETTE COLOR", **tags))
    assert np.allclose(film.pixels, GREY / 255, atol=1e-6)


def test_ybr_of_a_grey_film_is_its_luma() -> None:
    ybr = np.dstack([GREY, np.full_like(GREY, 128), np.full_like(GREY, 128)])
    film = decode_film(write_dicom(ybr, PhotometricInterpretation="YBR_FULL"))
    assert np.abs(film.pixels - GREY / 255).max() <= 1 / 255
    assert film.colour < 0.005


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"NumberOfFrames": 2}, "2 frames"),
        ({"BitsAllocated": 32, "BitsStored": 32}, "32 bits"),
        ({"SamplesPerPixel": 4}, "4 channels"),
        ({"PhotometricInterpretation": "HSV"}, "neither grey nor RGB"),
        ({"Rows": 0}, "holds none"),
        ({"PhotometricInterpretation": None}, "large values are bright or dark"),
        ({"Columns": None}, "number of columns"),
        ({"Rows": 73}, "4752 bytes where its header says 4818"),
    ],
)
def test_what_is_not_one_film_is_refused_in_words(tags: dict[str, object], message: str) -> None:
    with pytest.raises(UndecodableFilm, match=message):
        decode_film(write_dicom(GREY, **tags))


def test_without_pixels_there_is_no_film() -> None:
    buffer = io.BytesIO()
    dataset = film_dataset(GREY)
    dataset.save_as(buffer, implicit_vr=False, little_endian=True)
    with pytest.raises(UndecodableFilm, match="no picture"):
        decode_film(buffer.getvalue())


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda syntax: syntax.keyword)
def test_a_cut_file_is_refused(syntax: UID) -> None:
    data = write_dicom(DEEP, syntax, BitsStored=12)
    for share in (0.1, 0.4, 0.7, 0.95):
        with pytest.raises(UndecodableFilm):
            decode_film(data[: int(len(data) * share)])


def test_sizes_are_refused_from_the_header_alone() -> None:
    with pytest.raises(OversizedFilm, match="60000 × 60000"):
        decode_film(write_dicom(GREY, Rows=60000, Columns=60000))


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless])
def test_a_codestream_that_claims_another_size_is_refused_before_it_is_decoded(syntax: UID) -> None:
    stream = bytearray(dcm_stream(write_dicom(GREY, syntax)))
    if syntax == JPEG2000Lossless:
        size = stream.index(b"\xff\x51") + 6
        stream[size : size + 8] = struct.pack(">II", 50_000, 50_000)
    else:
        size = stream.index(b"\xff\xf7") + 5
        stream[size : size + 4] = struct.pack(">HH", 50_000, 50_000)
    with pytest.raises(OversizedFilm, match="50000 × 50000"):
        decode_film(write_dicom(GREY, syntax, stream=bytes(stream)))
    with pytest.raises(UndecodableFilm, match="another size"):
        decode_film(write_dicom(GREY[:-1], syntax, stream=dcm_stream(write_dicom(GREY, syntax))))


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless])
def test_a_codestream_that_is_cut_inside_a_whole_file_is_refused(syntax: UID) -> None:
    stream = dcm_stream(write_dicom(GREY, syntax))
    assert decode_film(write_dicom(GREY, syntax, stream=stream)).shape == GREY.shape
    for share in (0.3, 0.6, 0.95):
        with pytest.raises(UndecodableFilm, match="not complete"):
            decode_film(write_dicom(GREY, syntax, stream=stream[: int(len(stream) * share) & ~1]))


def test_a_wrapped_codestream_is_refused_rather_than_searched_for_ever() -> None:
    stream = dcm_stream(write_dicom(GREY, JPEG2000Lossless))
    with pytest.raises(UndecodableFilm, match="in no form"):
        decode_film(write_dicom(GREY, JPEG2000Lossless, stream=b"\x00\x00" + stream))


def dcm_stream(data: bytes) -> bytes:
    """The codestream of a compressed file."""
    return get_frame(dcmread(io.BytesIO(data)).PixelData, 0, number_of_frames=1)


def test_a_deflated_bomb_is_not_inflated() -> None:
    data = write_dicom(GREY, DeflatedExplicitVRLittleEndian)
    start = 144 + int.from_bytes(data[140:144], "little")
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = b"".join(deflater.compress(b"\x00" * (1 << 20)) for _ in range(200)) + deflater.flush()
    with pytest.raises(OversizedFilm, match="unpacks"):
        decode_film(data[:start] + bomb)


@pytest.mark.parametrize(
    "front", [b"\x89PNG\r\n\x1a\n", b"MZ\x90\x00", b"%PDF-1.7", b"\xff\xd8\xff\xe0", b"<html>"]
)
def test_a_preamble_that_is_another_file_is_refused(front: bytes) -> None:
    data = write_dicom(GREY)
    with pytest.raises(UndecodableFilm, match="is also"):
        decode_film(front + data[len(front) :])


DATES = ("1961", "20100405", "2010", "19300405", "1930")


def identity_cases() -> dict[str, bytes]:
    """Sound and broken files, each full of a patient."""
    sound = write_dicom(GREY, BodyPartExamined="Secret Geheim", ViewPosition="SECRETID")
    latin = write_dicom(GREY, SpecificCharacterSet="ISO 2022 IR 999", PatientName="Geheim^Secret")
    wrong = write_dicom(
        GREY, Modality="SECRETID", PatientAge="Secret", PhotometricInterpretation="GEHEIM"
    )
    return {
        "sound": sound,
        "cut": sound[:-100],
        "odd character set": latin,
        "dates that give the age": write_dicom(GREY, StudyDate="20100405"),
        "dates against the age": write_dicom(GREY, StudyDate="20100405", PatientAge="012Y"),
        "a birth after the study": write_dicom(GREY, StudyDate="19300405"),
        "names in the wrong fields": wrong,
        "a length that does not fit": b"\x02\x00\x00\x00UL"
        + (len(sound) - 8).to_bytes(2, "little")
        + sound[140:],
        "a window that is a name": write_dicom(
            GREY, WindowCenter="1111111", WindowWidth="5"
        ).replace(b"1111111 ", b"SECRETID"),
    }


@pytest.mark.parametrize("case", identity_cases().items(), ids=lambda case: case[0])
def test_identity_stays_behind(
    case: tuple[str, bytes], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    said = ""
    try:
        film = decode_film(case[1])
        said = " ".join(
            repr(getattr(film, field.name)) for field in fields(film) if field.name != "pixels"
        )
    except FilmRefused as refusal:
        said = f"{refusal} {refusal.code} {refusal.__cause__} {refusal.__context__}"
    captured = capfd.readouterr()
    everything = said + caplog.text + captured.out + captured.err
    assert not [secret for secret in (*SECRETS, *DATES) if secret.lower() in everything.lower()]


def test_pydicoms_own_warnings_neither_escape_nor_stay_off(
    caplog: pytest.LogCaptureFixture,
) -> None:
    data = identity_cases()["odd character set"]
    caplog.clear()  # of what writing such a file logs
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        decode_film(data)
    assert not caught
    assert not caplog.records
    logging.getLogger("pydicom").warning("still on")
    assert "still on" in caplog.text


FACTS = [
    ({"ViewPosition": "PA"}, "view", "PA"),
    ({"ViewPosition": "AP"}, "view", "AP"),
    *(({"ViewPosition": code}, "view", "LATERAL") for code in ("LL", "RL", "LATERAL", "LAT")),
    *(({"ViewPosition": code}, "view", None) for code in ("", "LLD", "RAO", "XYZ")),
    ({"PatientAge": "034Y"}, "age_years", 34.0),
    ({"PatientAge": "81"}, "age_years", 81.0),
    ({"PatientAge": "006M"}, "age_years", 0.5),
    ({"PatientAge": "003W"}, "age_years", 21 / 365.25),
    ({"PatientAge": "010D"}, "age_years", 10 / 365.25),
    ({"PatientAge": "411Y"}, "age_years", None),
    ({"PatientSex": "F"}, "sex", "F"),
    ({"PatientSex": "O"}, "sex", None),
    ({"Modality": "CR"}, "modality", "CR"),
    ({"Modality": "ZZ"}, "modality", "DX"),
    ({"BodyPartExamined": "CHEST PA"}, "body_part", "CHEST"),
    ({"BodyPartExamined": "HAND"}, "body_part", "HAND"),
    ({"BodyPartExamined": "MEIER"}, "body_part", None),
    ({"BodyPartExamined": "UNKNOWN"}, "body_part", None),
    # 72 rows and 66 columns, so that these are films of 14 to 40 cm.
    ({"PixelSpacing": [2.0, 3.0], "ImagerPixelSpacing": [4, 4]}, "spacing_mm", (2.0, 3.0)),
    ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [4, 5]}, "spacing_mm", (4.0, 5.0)),
    (
        {"ImagerPixelSpacing": [4, 5], "EstimatedRadiographicMagnificationFactor": 1.25},
        "spacing_mm",
        (3.2, 4.0),
    ),
    (
        {"ImagerPixelSpacing": [4, 5], "EstimatedRadiographicMagnificationFactor": 0},
        "spacing_mm",
        (4.0, 5.0),
    ),
    ({"NominalScannedPixelSpacing": [4.5, 4.5]}, "spacing_mm", (4.5, 4.5)),
    ({"NominalScannedPixelSpacing": [4.5, 4.5]}, "spacing_source", "scanner"),
    ({"PixelSpacing": [-1, 1]}, "spacing_mm", None),
    ({}, "spacing_mm", None),
]


@pytest.mark.parametrize(("tags", "fact", "value"), FACTS, ids=lambda part: str(part)[:60])
def test_facts(tags: dict[str, object], fact: str, value: object) -> None:
    found = getattr(decode_film(write_dicom(GREY, **tags)), fact)
    assert found == (pytest.approx(value) if isinstance(value, (tuple, float)) else value)


@pytest.mark.parametrize(
    ("code", "view"), [("399348003", "AP"), ("R-10214", "PA"), ("399173006", "LATERAL")]
)
@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_the_view_may_be_coded(code: str, view: str, syntax: UID) -> None:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, "SCT", "a view"
    assert decode_film(write_dicom(GREY, syntax, ViewCodeSequence=Sequence([item]))).view == view


def test_the_two_real_films(real_data: Path) -> None:
    films = [
        decode_film(path.read_bytes())
        for path in sorted((real_data / "dicom" / "chest").glob("*.dcm"))
    ]
    assert [film.shape for film in films] == [(1024, 1024), (1955, 1841)]
    # Lungs darker than the mediastinum, also on the MONOCHROME1 one.
    for film in films:
        height, width = film.shape
        row = film.pixels[height * 2 // 5 : height // 2].mean(axis=0)
        assert (
            row[int(width * 0.48) : int(width * 0.56)].mean()
            > row[int(width * 0.25) : int(width * 0.35)].mean()
        )
    assert films[1].view == "PA"
    assert films[1].spacing_mm is None  # the file says 0.000 by 0.000
