"""Headers as archives really hold them: with gaps, in other scripts, with too much, or with nonsense."""

import struct
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from cxr_core.dicom_io import header_process
from cxr_core.dicom_io.header import HeaderReader
from cxr_core.dicom_io.result_writer import ResultWriter
from cxr_core.dicom_io.results import build_objects, write_objects
from cxr_core.errors import FilmRefused
from cxr_core.film.phantom.phantom import draw_phantom, encode_png
from cxr_core.film.radiograph import Radiograph
from cxr_core.reading.report.report import Report
from tests.dicom_io.bench import (
    draw_film_pixels,
    examine,
    film_file,
    find_violations,
    header_of,
    report_of,
)
from tests.film.dicom_files import SECRETS
from tests.hearts import WIDE

LONG = "Abc" * 70
CUT = LONG[:64]
SMALL = np.zeros((80, 80), np.uint16)

# Tags of a film, and what the result then has of them.
ODD = {
    "no patient ID": ({"PatientID": None}, {"PatientID": ""}),
    "no accession number": ({"AccessionNumber": None}, {"AccessionNumber": ""}),
    "an empty name": ({"PatientName": ""}, {"PatientName": ""}),
    "no birth date": ({"PatientBirthDate": None}, {"PatientBirthDate": ""}),
    "a name of 210 characters": ({"PatientName": LONG}, {"PatientName": CUT}),
    "a name in UTF-8": (
        {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "Łukaszewicz^Žofie"},
        {"PatientName": "Łukaszewicz^Žofie"},
    ),
    "a name in Latin-1": (
        {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Müller^Jürgen", "PatientID": "Süd-7"},
        {"PatientName": "Müller^Jürgen", "PatientID": "Süd-7"},
    ),
    "a name in Cyrillic": (
        {"SpecificCharacterSet": "ISO_IR 144", "PatientName": "Иванов^Пётр"},
        {"PatientName": "Иванов^Пётр"},
    ),
    "a name in Japanese by escapes": (
        {
            "SpecificCharacterSet": ["", "ISO 2022 IR 87"],
            "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう",
        },
        {"PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう"},
    ),
    "two names": ({"PatientName": ["Doe^Jane", "Doe^John"]}, {"PatientName": "Doe^Jane"}),
    "a name without a caret": ({"PatientName": "Jane Doe"}, {"PatientName": "Jane Doe"}),
    "two accession numbers": ({"AccessionNumber": ["A1", "A2"]}, {"AccessionNumber": ""}),
    "a long accession number": ({"AccessionNumber": "A" * 17}, {"AccessionNumber": ""}),
    "a date that is none": ({"StudyDate": "20261399"}, {"StudyDate": ""}),
    "a date in words": ({"PatientBirthDate": "unknown"}, {"PatientBirthDate": ""}),
    "a time that is none": ({"StudyTime": "nine"}, {"StudyTime": ""}),
    "a sex that is none": ({"PatientSex": "FEMALE"}, {"PatientSex": ""}),
    "a line break in the ID of the study": ({"StudyID": "a\nb"}, {"StudyID": ""}),
    "a referring physician": (
        {"ReferringPhysicianName": "Who^Doctor"},
        {"ReferringPhysicianName": "Who^Doctor"},
    ),
    "the issuer of the patient's ID": (
        {"IssuerOfPatientID": "Clinic"},
        {"IssuerOfPatientID": "Clinic"},
    ),
    "compression with losses": ({"LossyImageCompression": "01"}, {}),
}  # fmt: skip
REFUSED = {
    "no study": ({"StudyInstanceUID": None}, "which study"),
    "an empty study": ({"StudyInstanceUID": ""}, "which study"),
    "a study that is no UID": ({"StudyInstanceUID": "study 7"}, "which study"),
    "no series": ({"SeriesInstanceUID": ""}, "which series"),
    "two series": ({"SeriesInstanceUID": ["1.2.3", "1.2.4"]}, "which series"),
    "two patients": ({"PatientID": ["1", "2"]}, "patient ID"),
    "a patient ID of 210 characters": ({"PatientID": LONG}, "patient ID"),
    "a patient ID with a line break": ({"PatientID": "12\n34"}, "patient ID"),
    "a class that is not the standard's": ({"SOPClassUID": "1.2.3.4"}, "kind of image"),
    "a structured report": ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.22"}, "kind of image"),
    "a retired class": ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.12.3"}, "kind of image"),
}


@cache
def read_once() -> Report:
    """The report of the film whose header is changed."""
    return report_of(examine(film_file()))


@pytest.mark.parametrize("case", ODD)
def test_an_odd_header_gives_sound_objects_with_what_the_standard_allows(case, tmp_path):
    tags, expected = ODD[case]
    header = header_of(film_file(**tags))
    objects = build_objects(read_once(), header, ("sr", "segmentation"))
    assert find_violations(objects, tmp_path) == []
    for path in sorted(tmp_path.iterdir()):
        written = dcmread(path)
        assert {keyword: str(written.get(keyword) or "") for keyword in expected} == expected
        assert written.SpecificCharacterSet == "ISO_IR 192"


@pytest.mark.parametrize(
    ("ratio", "method"),
    [("12.5", "ISO_10918_1"), (["4", "2.50"], ["ISO_10918_1", "ISO_15444_1"]), ("7", None)],
)
def test_a_segmentation_says_how_its_film_was_compressed_with_losses(ratio, method):
    """Ratio and method are of type 1C there (PS3.3 C.8.20.2)."""
    tags = {"LossyImageCompressionRatio": ratio, "LossyImageCompressionMethod": method}
    given = {keyword: value for keyword, value in tags.items() if value}
    header = header_of(film_file(LossyImageCompression="01", **given))
    (segmentation,) = build_objects(read_once(), header, ("segmentation",))
    assert segmentation.LossyImageCompression == "01"
    assert {keyword: segmentation.get(keyword) for keyword in tags} == tags


@pytest.mark.parametrize("method", ["a text of somebody", ["ISO_10918_1", "Jane Doe"]])
def test_a_method_of_compression_that_is_none_is_left_out(method):
    header = header_of(
        film_file(SMALL, LossyImageCompression="01", LossyImageCompressionMethod=method)
    )
    assert "LossyImageCompressionMethod" not in header.texts


def test_all_kinds_are_sound_where_nearly_everything_is_missing(tmp_path):
    data = film_file(
        **dict.fromkeys(("PatientID", "PatientName", "PatientBirthDate", "AccessionNumber"))
    )
    objects = build_objects(read_once(), header_of(data), ("image", "pdf"))
    assert find_violations(objects, tmp_path) == []


@pytest.mark.parametrize("case", REFUSED)
def test_a_header_that_no_result_can_belong_to_is_refused_in_a_sentence(case):
    tags, says = REFUSED[case]
    with pytest.raises(FilmRefused, match=says) as refusal:
        header_of(film_file(SMALL, **tags))
    assert refusal.value.code == "no_dicom_result"
    assert not [word for word in (*SECRETS, LONG[:20], "study 7") if word in str(refusal.value)]


@pytest.mark.parametrize(
    ("found", "other", "refused"),
    [
        (b"\x10\x00\x20\x00LO", b"\x10\x00\x20\x00US", True),  # the patient ID as numbers
        (b"\x10\x00\x20\x00LO", b"\x10\x00\x20\x00FD", True),
        (b"\x10\x00\x20\x00LO", b"\x10\x00\x20\x00SH", False),
        (b"\x10\x00\x10\x00PN", b"\x10\x00\x10\x00US", False),  # a name as numbers is left out
        (b"\x10\x00\x10\x00PN", b"\x10\x00\x10\x00LO", False),
        (b"\x08\x00\x50\x00SH", b"\x08\x00\x50\x00FL", False),
        (b"\x20\x00\x0d\x00UI", b"\x20\x00\x0d\x00US", True),
        (b"\x20\x00\x0d\x00UI", b"\x20\x00\x0d\x00ZZ", True),
    ],
)
def test_a_value_of_another_kind_than_its_tag_is_no_value(found, other, refused):
    data = film_file(SMALL)
    assert data.count(found) == 1
    changed = data.replace(found, other)
    if refused:
        with pytest.raises(FilmRefused):
            header_of(changed)
        return
    header_of(changed).to_dataset()


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_the_header_is_the_same_however_it_is_written(syntax):
    one, other = header_of(film_file(SMALL)), header_of(film_file(SMALL, syntax))
    assert (dict(one.texts), one.rows, one.turn) == (dict(other.texts), other.rows, other.turn)


def test_each_way_of_writing_a_name_is_cut_by_itself():
    """In characters, whatever they take in bytes."""
    name = f"Yamada^Tarou={'山' * 90}={'や' * 70}"
    header = header_of(film_file(SMALL, SpecificCharacterSet="ISO_IR 192", PatientName=name))
    assert header.texts["PatientName"] == f"Yamada^Tarou={'山' * 64}={'や' * 64}"


def test_a_header_shows_nothing_of_itself():
    header = header_of(film_file(SMALL))
    assert "Geheim" not in f"{header!r} {header}"


@pytest.mark.process
def test_a_process_of_its_own_reads_headers_and_outlives_bad_ones():
    good = film_file(SMALL, PatientOrientation=["R", "F"])
    with HeaderReader() as headers:
        first = headers.read(good)
        for bad in (b"", b"DICM", good[:300], encode_png(draw_phantom(WIDE))):
            with pytest.raises(FilmRefused):
                headers.read(bad)
        again = headers.read(good)
    assert dict(first.texts) == dict(again.texts) == dict(header_of(good).texts)
    assert again.turn is not None
    assert again.turn.mirror


@pytest.mark.process
def test_a_header_that_fills_the_memory_or_takes_too_long_is_refused_and_the_next_is_read():
    small = film_file(SMALL)
    large = film_file(np.zeros((2000, 2000), np.uint16))
    pixels = small.rindex(b"\xe0\x7f\x10\x00")
    private = (struct.pack("<HH2sH2s", 0x0029, n, b"LO", 2, b"a ") for n in range(0x1000, 0xF000))
    long = b"".join([small[:pixels], *private, small[pixels:]])
    for limits, data in (({"memory_limit": 1 << 20}, large), ({"time_limit_s": 0.001}, long)):
        with HeaderReader(**limits) as headers, pytest.raises(FilmRefused, match="cannot be read"):
            headers.read(data)
    with HeaderReader() as headers:
        headers.read(small)
        assert headers._child is not None
        headers._child.kill()
        with pytest.raises(FilmRefused, match="cannot be read"):
            headers.read(small)
        assert headers.read(small).rows == 80


def test_mutated_headers_give_a_header_or_a_refusal_and_sound_objects(tmp_path):
    """400 headers with bytes changed anywhere before the pixels: never another error."""
    film = film_file(SMALL, SpecificCharacterSet="ISO_IR 100", PatientSex="F", StudyDate="20261101")
    generator = np.random.default_rng(22)
    end = film.rindex(b"\xe0\x7f\x10\x00")
    read = 0
    for _ in range(400):
        data = bytearray(film)
        for place in generator.integers(132, end, generator.integers(1, 4)):
            data[place] = generator.integers(256)
        answer = header_process.answer_file(bytes(data))
        if "refused" in answer:
            assert not [word for word in SECRETS if word in str(answer["refused"])]
            continue
        read += 1
        header_of(bytes(data)).to_dataset()
    assert read > 100


def test_films_of_the_collection_give_sound_objects_or_a_sentence(real_data: Path, tmp_path):
    """Real headers, one of each kind of image checked whole. The reading is that of a drawing."""
    drawn = read_once()
    refusals, checked = [], set()
    for path in sorted(path for path in (real_data / "dicom").rglob("*") if path.is_file()):
        data = path.read_bytes()
        try:
            header = header_of(data)
        except FilmRefused as refusal:
            refusals.append(str(refusal))
            continue
        source = header.to_dataset()
        if source.SOPClassUID in checked:
            continue
        checked.add(source.SOPClassUID)
        film = Radiograph(pixels=np.zeros((header.rows, header.columns), np.float32))
        examination = replace(drawn.examination, film=film, segmentation=None)
        reading = replace(drawn.reading, measurements=())
        report = replace(drawn, examination=examination, reading=reading)
        objects = build_objects(report, replace(header, turn=None), ("sr",))
        assert find_violations(objects, tmp_path) == [], path.name
    assert len(checked) >= 5
    assert all(refusal.endswith(".") for refusal in refusals)


@pytest.mark.process
def test_films_and_readings_are_paired_in_order(tmp_path):
    """A film that gets no result, and one that is not read, take their own turn."""
    good, other = film_file(PatientID="first"), film_file(PatientID="third")
    with ResultWriter(tmp_path, ("sr",)) as results:
        for data in (good, encode_png(draw_phantom(WIDE)), film_file(), other):
            results.take_film(data)
        reading = report_of(examine(good)).reading
        (first,) = results.write_next(examine(good), reading)
        with pytest.raises(FilmRefused, match="no DICOM file"):
            results.write_next(examine(good), reading)
        assert results.write_next(examine(good), replace(reading, status="refused")) == []
        (third,) = results.write_next(examine(other), reading)
    assert (dcmread(first).PatientID, dcmread(third).PatientID) == ("first", "third")


def test_the_pixels_of_the_bench_are_a_chest():
    assert draw_film_pixels().shape == (WIDE.height, WIDE.width)
    assert write_objects([], Path()) == []
