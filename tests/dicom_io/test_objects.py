"""The objects of a reading: sound by the standard's checkers, and with the numbers of the JSON when read back."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from highdicom.seg import Segmentation
from highdicom.sr import Comprehensive3DSR
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes
from pypdf import PdfReader

from cxr_core.dicom_io import codes as terms
from cxr_core.dicom_io.key_image import write_lines
from cxr_core.dicom_io.object_kinds import KINDS
from cxr_core.dicom_io.origin import RESEARCH_USE
from cxr_core.dicom_io.results import build_objects, write_objects
from cxr_core.errors import SilhouetteError
from cxr_core.film.quality_flag import QualityFlag
from cxr_core.known_findings import LocalFinding
from cxr_core.reading.impression import write_impression
from cxr_core.reading.interpret import replace_diameters
from cxr_core.reading.opinions import merge_opinions
from cxr_core.reading.patient import Patient
from cxr_core.reading.report.report import Report
from cxr_core.reading.site_profile import ModelProfile, SiteMark
from tests.dicom_io.bench import (
    IMAGE,
    STUDY,
    by_modality,
    examine,
    film_file,
    find_violations,
    header_of,
    make_objects,
    report_of,
)

FLAG = QualityFlag("low_resolution_of_a_very_long_name", ("The film is small. " * 40).strip())


@pytest.fixture(scope="module")
def data() -> bytes:
    return film_file(PatientSex="F", StudyDate="20261101", StudyTime="101500", StudyID="7")


@pytest.fixture(scope="module")
def report(data: bytes) -> Report:
    return report_of(examine(data))


def build(report: Report, data: bytes, *kinds: str) -> dict[str, Dataset]:
    return by_modality(build_objects(report, header_of(data), kinds or tuple(KINDS)))


def read_back(report: Report, data: bytes) -> Comprehensive3DSR:
    """The structured report, written and read again."""
    buffer = BytesIO()
    build(report, data, "sr")["SR"].save_as(buffer, enforce_file_format=True)
    return Comprehensive3DSR.from_dataset(dcmread(BytesIO(buffer.getvalue())))


def groups_of(written: Comprehensive3DSR) -> dict[str, object]:
    groups = written.content.get_image_measurement_groups()
    return {group.tracking_identifier: group for group in groups}


def texts_of(group: object, name: object) -> list[str]:
    items = group[0].ContentSequence
    return [item.value for item in items if item.ValueType == "TEXT" and item.name == name]


def test_every_kind_of_object_is_sound(data, report, tmp_path):
    objects = build_objects(report, header_of(data), tuple(KINDS), with_heatmaps=True)
    assert [each.Modality for each in objects] == ["SR", "OT", "OT", "DOC", "SEG"]
    assert find_violations(objects, tmp_path) == []


def test_an_unsound_object_is_found(data, report, tmp_path):
    objects = build_objects(report, header_of(data), ("sr", "segmentation"))
    del objects[0].CompletionFlag
    del objects[1].SegmentationType
    assert (
        len({line.split(":")[0] for line in find_violations(objects, tmp_path)} & {"SR", "SEG"})
        == 2
    )


def test_the_structured_report_read_back_has_the_numbers_of_the_json(data, report):
    found = groups_of(read_back(report, data))
    line = report.reading.to_json("film")
    assert {"summary", "cardiothoracic_ratio"} | {f["finding"] for f in line["findings"]} == set(
        found
    )
    for finding in line["findings"]:
        group = found[finding["finding"]]
        assert group.finding_type == terms.FINDING_CODES[finding["finding"]]
        numbers = {item.name: item.value for item in group.get_measurements()}
        assert numbers.get(codes.DCM.Probability) == finding["probability"]
        (verdict,) = group.get_qualitative_evaluations(name=terms.VERDICT)
        assert verdict.value == terms.CALL_CODES[finding["call"]]
        if finding["probability"] is not None:
            model = (
                texts_of(group, codes.DCM.AlgorithmName),
                texts_of(group, codes.DCM.AlgorithmVersion),
            )
            assert model == ([finding["model"]], [finding["version"]])
            parameters = texts_of(group, codes.DCM.AlgorithmParameters)
            assert f"present_from={finding['present_from']}" in parameters
            assert "view=PA" in parameters
        else:
            assert finding["reason"] in texts_of(group, codes.DCM.Comment)
    (measured,) = line["measurements"]
    ratio, heart, thorax = found["cardiothoracic_ratio"].get_measurements()
    assert (ratio.value, heart.value, thorax.value) == (
        *(measured[name] for name in ("value", "heart_diameter", "thorax_diameter")),
    )
    assert heart.unit == terms.PIXEL
    for item, ends in ((heart, measured["heart"]), (thorax, measured["thorax"])):
        (coordinates,) = item.referenced_coordinates
        assert np.allclose(coordinates.value, ends, atol=0.01)
    summary = found["summary"]
    assert texts_of(summary, terms.NOT_ASSESSED) == line["not_assessed"]
    assert texts_of(summary, codes.DCM.Impression) == [write_impression(report.reading)]
    assert texts_of(summary, codes.DCM.Comment)[0] == RESEARCH_USE


def test_prevalence_interval_and_millimetres_are_those_of_the_reading(report):
    data = film_file(ImagerPixelSpacing=[0.9, 0.9])
    reading = report_of(examine(data)).reading
    card = replace(reading.findings[0].card)
    finding = replace(reading.findings[0], prevalence=0.125, card=card)
    report = replace(report_of(examine(data)), reading=replace(reading, findings=(finding,)))
    found = groups_of(read_back(report, data))
    (prevalence,) = found["cardiomegaly"].get_measurements(name=terms.PREVALENCE)
    assert prevalence.value == 0.125
    (measured,) = report.reading.to_json("film")["measurements"]
    ratio, heart, _ = found["cardiothoracic_ratio"].get_measurements()
    assert measured["unit"] == "mm"
    assert (heart.value, heart.unit) == (measured["heart_diameter"], codes.UCUM.Millimeter)
    spread = {item.name.value: item.value for item in ratio[0].ContentSequence}
    assert spread["371886008"] == pytest.approx(measured["high"] - measured["value"], abs=1e-4)
    assert spread["371885007"] == pytest.approx(measured["value"] - measured["low"], abs=1e-4)


def test_flags_opinions_local_findings_and_the_site_are_told(data, report, tmp_path):
    first = report.reading.findings[0]
    profile = ModelProfile(
        model=first.model, version=first.version, finding=first.finding, prevalence=0.2,
        installed_on="2026-11-01", films=48, patients=40,
    )  # fmt: skip
    site = SiteMark(profile=profile, uses_prevalence=True)
    other = replace(first, model="other", call="absent", probability=0.2, site=site)
    local = LocalFinding(key="rib_fracture_seen", name="Rib fracture", definition="A broken rib.")
    defined = replace(first, finding="rib_fracture_seen", definition=local, card=None)
    findings = (*merge_opinions([first, other]), defined)
    reading = replace(report.reading, findings=findings, concerns=(FLAG,), warnings=("Careful.",))
    changed = replace(report, reading=reading)
    found = groups_of(read_back(changed, data))
    assert f"cardiomegaly: opinion of {first.model}" in found
    opinion = found["cardiomegaly: opinion of other"]
    assert opinion.get_measurements()[0].value == 0.2
    assert texts_of(opinion, terms.SITE_PROFILE) == [site.describe()]
    (verdict,) = found["cardiomegaly"].get_qualitative_evaluations(name=terms.VERDICT)
    assert verdict.value == codes.SCT.Undetermined
    named = found["rib_fracture_seen"].finding_type
    assert (named.value, named.scheme_designator) == ("rib_fracture_seen", "99CXR")
    assert "A broken rib." in " ".join(texts_of(found["rib_fracture_seen"], codes.DCM.Comment))
    (flag,) = found["image quality"].get_qualitative_evaluations()
    assert flag.value.value == FLAG.code
    assert texts_of(found["image quality"], codes.DCM.Comment) == [FLAG.message]
    assert "Careful." in texts_of(found["summary"], codes.DCM.Comment)
    assert find_violations(build_objects(changed, header_of(data), ("sr",)), tmp_path) == []


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"is_withheld": True, "call": "indeterminate"}, codes.SCT.Undetermined),
        ({"needs_age": True}, terms.NOT_ASSESSED),
    ],
)
def test_what_the_page_withholds_is_in_no_object(data, report, change, verdict):
    first = report.reading.findings[0]
    assert first.probability is not None
    finding = replace(first, prevalence=0.125, undecided_because="Too bright.", **change)
    withheld = replace(report, reading=replace(report.reading, findings=(finding,)))
    group = groups_of(read_back(withheld, data))[first.finding]
    assert group.get_measurements() == []
    (evaluation,) = group.get_qualitative_evaluations(name=terms.VERDICT)
    assert evaluation.value == verdict
    assert "Too bright." in texts_of(group, codes.DCM.Comment)
    assert not [line for line in write_lines(withheld, None) if "%" in line and first.name in line]


def test_a_ratio_set_by_hand_says_so_and_one_that_failed_has_its_reasons(data, report, tmp_path):
    heart, thorax = ((120.0, 260.0), (250.0, 262.0)), ((60.0, 290.0), (340.0, 290.0))
    edited = replace_diameters(report.reading, heart, thorax, report.film.shape)
    group = groups_of(read_back(replace(report, reading=edited), data))["cardiothoracic_ratio"]
    ratio, of_heart, _ = group.get_measurements()
    selected = [i.value for i in ratio[0].ContentSequence if i.name == codes.DCM.SelectionStatus]
    assert selected == [codes.DCM.UserChosenValue]
    assert np.allclose(of_heart.referenced_coordinates[0].value, heart)

    crossed = replace_diameters(report.reading, heart[::-1], thorax, report.film.shape)
    failed = replace(report, reading=crossed)
    group = groups_of(read_back(failed, data))["cardiothoracic_ratio"]
    assert terms.RATIO not in {item.name for item in group.get_measurements()}
    assert texts_of(group, codes.DCM.Comment) == list(crossed.measurements[0].reasons)
    assert group.get_qualitative_evaluations(name=terms.TRUSTED)[0].value == codes.SCT.No
    assert find_violations(build_objects(failed, header_of(data), ("sr",)), tmp_path) == []


def test_segments_are_what_the_outlines_enclose(data, report):
    segmentation = Segmentation.from_dataset(build(report, data, "segmentation")["SEG"])
    masks = report.examination.segmentation.masks()
    labels = [segment.SegmentLabel for segment in segmentation.SegmentSequence]
    assert labels == [name.replace("_", " ") for name in masks]
    pixels = segmentation.get_pixels_by_source_instance([IMAGE])
    for index, mask in enumerate(masks.values()):
        assert (pixels[0, ..., index].astype(bool) == mask).all()
    assert segmentation.SegmentSequence[0].SegmentAlgorithmName == "outlines"


def test_a_structure_that_was_not_found_has_no_segment(data, report):
    outlines = report.examination.segmentation
    contours = {
        name: points[:0] if name == "heart" else points
        for name, points in outlines.contours.items()
    }
    partly = replace(
        report,
        examination=replace(report.examination, segmentation=replace(outlines, contours=contours)),
    )
    labels = [s.SegmentLabel for s in build(partly, data, "segmentation")["SEG"].SegmentSequence]
    assert labels == ["left lung", "right lung"]
    nothing = replace(report, examination=replace(report.examination, segmentation=None))
    assert build_objects(nothing, header_of(data), ("segmentation",)) == []


def test_the_key_image_shows_the_film_with_calipers_and_the_warning(data, report):
    images = build_objects(report, header_of(data), ("image",), with_heatmaps=True)
    plain, heated = (image.pixel_array.astype(int) for image in images)
    film_rows = 1024
    assert plain.shape[0] > film_rows
    colourful = np.ptp(plain[:film_rows], axis=-1) > 40
    assert 0.002 < colourful.mean() < 0.1  # outlines and calipers, nothing else
    assert (np.ptp(heated[:film_rows], axis=-1) > 40).mean() > 0.2  # and the heatmap
    band = plain[film_rows:]
    amber = (abs(band - (255, 196, 87)) < 30).all(axis=-1)
    assert amber.sum() > 500  # the warning's letters
    assert [image.InstanceNumber for image in images] == [1, 2]
    assert len({image.SeriesInstanceUID for image in images}) == 1
    assert "PixelSpacing" not in images[0]


def test_the_pdf_is_the_report(data, report):
    document = build(report, data, "pdf")["DOC"]
    content = document.EncapsulatedDocument[: document.EncapsulatedDocumentLength]
    text = PdfReader(BytesIO(content)).pages[0].extract_text()
    assert "Cardiomegaly" in text
    assert document.MIMETypeOfEncapsulatedDocument == "application/pdf"


def test_all_objects_belong_to_the_study_of_the_film_and_to_series_of_their_own(data):
    objects = make_objects(data)
    assert {each.StudyInstanceUID for each in objects} == {STUDY}
    assert len({each.SeriesInstanceUID for each in objects}) == len(objects)
    assert len({each.SOPInstanceUID for each in objects}) == len(objects)
    for each in objects:
        assert each.AccessionNumber == "ACC4711"
        assert (each.PatientID, each.PatientSex) == ("SECRETID", "F")
        assert str(each.PatientName) == "Geheim^Secret"
        assert each.SeriesDescription.lower().endswith("(research use, not a diagnosis)")


def test_files_are_named_by_their_uid_and_none_is_left_half_written(data, report, tmp_path):
    objects = build_objects(report, header_of(data), ("sr", "segmentation"))
    paths = write_objects(objects, tmp_path)
    assert [path.stem for path in paths] == [each.SOPInstanceUID for each in objects]
    for path in paths:
        path.unlink()
    with pytest.raises(SilhouetteError, match="free space, or choose another folder"):
        write_objects(objects, tmp_path / "gone")
    del objects[-1].file_meta  # cannot be encoded
    with pytest.raises(ValueError, match="encoding"):
        write_objects(objects, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_child_without_a_model_still_gets_a_report(data, tmp_path):
    report = report_of(examine(data), Patient(age_years=10, view="AP"))
    found = groups_of(read_back(report, data))
    (verdict,) = found["cardiomegaly"].get_qualitative_evaluations()
    assert verdict.value.value == "not_assessed"
    assert find_violations(build_objects(report, header_of(data), ("sr", "image")), tmp_path) == []
