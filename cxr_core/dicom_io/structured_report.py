"""Makes the structured report of a reading: Comprehensive 3D SR, Measurement Report (PS3.16 TID 1500).

Each finding is a group (TID 1501) with its model, verdict and probability; the cardiothoracic ratio is one with both
diameters and the coordinates of their ends on the stored pixels. Two more hold impression and remarks, and the film's
quality flags. Numbers are those of `read --json`, without those that pages and reports withhold.

Written element by element, since highdicom takes many times as long to make the same; tests read it with highdicom.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import Comprehensive3DSRStorage

from cxr_core.dicom_io import codes as terms
from cxr_core.dicom_io.content_items import (
    CONTEXT,
    MODIFIER,
    PROPERTY,
    describe_container,
    make_code,
    make_container,
    make_image_reference,
    make_line,
    make_number,
    make_text,
    make_uid_reference,
)
from cxr_core.dicom_io.encoding import Item
from cxr_core.dicom_io.origin import DEVICE_UID, MAKER, RESEARCH_USE, ResultOrigin, make_uid
from cxr_core.film.quality_flag import QualityFlag
from cxr_core.reading.cardiothoracic.contours import Line
from cxr_core.reading.cardiothoracic.ratio import RATIO, Measurement
from cxr_core.reading.impression import write_impression
from cxr_core.reading.results import FindingReading, Reading

SERIES_NUMBER = 9101
ENGLISH = Code("en-US", "RFC5646", "English (United States)")


def build_structured_report(origin: ResultOrigin) -> Item:
    """The structured report of a film's reading: complete, preliminary, verified by nobody."""
    reading = origin.report.reading
    groups = [_describe_summary(origin, reading)]
    for finding in reading.findings:
        groups.append(_describe_finding(origin, finding, finding.finding))
        for opinion in finding.opinions:
            identifier = f"{finding.finding}: opinion of {opinion.model}"
            groups.append(_describe_finding(origin, opinion, identifier))
    groups += [_describe_measurement(origin, measurement) for measurement in reading.measurements]
    if reading.concerns:
        groups.append(_describe_quality(origin, reading.concerns))
    description = "Findings and measurements"
    return {
        **origin.describe_object(Comprehensive3DSRStorage, "SR", SERIES_NUMBER, description),
        **describe_container(codes.DCM.ImagingMeasurementReport, template="1500"),
        "CodingSchemeIdentificationSequence": [terms.describe_scheme()],
        "ReferencedPerformedProcedureStepSequence": [],
        "PerformedProcedureCodeSequence": [],
        "CurrentRequestedProcedureEvidenceSequence": [_list_evidence(origin)],
        "CompletionFlag": "COMPLETE",
        "VerificationFlag": "UNVERIFIED",
        "PreliminaryFlag": "PRELIMINARY",
        "ContentSequence": [
            make_code(codes.DCM.LanguageOfContentItemAndDescendants, ENGLISH, MODIFIER),
            *_describe_device(origin),
            make_code(codes.DCM.ProcedureReported, terms.PROCEDURE, MODIFIER),
            make_container(codes.DCM.ImagingMeasurements, groups),
        ],
    }


def _list_evidence(origin: ResultOrigin) -> Item:
    """The film, below its series and study."""
    series = {
        "SeriesInstanceUID": origin.header.texts["SeriesInstanceUID"],
        "ReferencedSOPSequence": [origin.refer_to_film()],
    }
    study = origin.header.texts["StudyInstanceUID"]
    return {"StudyInstanceUID": study, "ReferencedSeriesSequence": [series]}


def _describe_device(origin: ResultOrigin) -> Iterator[Item]:
    """The program as the observer (TID 1004)."""
    yield make_code(codes.DCM.ObserverType, codes.DCM.Device, CONTEXT)
    yield make_uid_reference(codes.DCM.DeviceObserverUID, DEVICE_UID)
    for name, text in (
        (codes.DCM.DeviceObserverName, MAKER),
        (codes.DCM.DeviceObserverManufacturer, MAKER),
        (codes.DCM.DeviceObserverModelName, MAKER),
        (codes.DCM.DeviceObserverSerialNumber, origin.report.software_version),
    ):
        yield make_text(name, text, CONTEXT)


def _describe_summary(origin: ResultOrigin, reading: Reading) -> Item:
    changes = ", ".join(reading.adjustments.describe())
    texts = [
        (terms.COMMENT, RESEARCH_USE),
        (terms.IMPRESSION, write_impression(reading)),
        *((terms.NOT_ASSESSED, words) for words in reading.not_assessed),
        *((terms.COMMENT, warning) for warning in reading.warnings),
    ]
    if changes:
        texts.append((terms.COMMENT, f"Changed before reading: {changes}"))
    return _make_group(origin, "summary", terms.SUMMARY, texts=texts)


def _describe_finding(origin: ResultOrigin, finding: FindingReading, identifier: str) -> Item:
    # As on the page: no number that a quality flag withholds, or that waits for the patient's age.
    shows_numbers = finding.has_verdict and not finding.is_withheld
    numbers = {terms.PROBABILITY: finding.probability, terms.PREVALENCE: finding.prevalence}
    measurements = [
        make_number(code, number, terms.NO_UNIT)
        for code, number in numbers.items()
        if shows_numbers and number is not None
    ]
    remarks = [finding.reason, finding.undecided_because, finding.defined_as]
    if shows_numbers:
        remarks.append(finding.describe_label_noise())
    site = []
    if finding.site is not None:
        site = [(terms.SITE_PROFILE, finding.site.reason or finding.site.describe())]
    call = None if finding.needs_age else finding.call
    if finding.needs_age:
        remarks.append("The age is missing, and the model is made for an age group.")
    return _make_group(
        origin,
        identifier,
        terms.find_finding_code(finding),
        algorithm=_identify_model(origin, finding),
        measurements=measurements,
        evaluations=[(terms.VERDICT, terms.CALL_CODES[call])],
        texts=[*site, *((terms.COMMENT, remark) for remark in remarks if remark)],
    )


def _identify_model(origin: ResultOrigin, finding: FindingReading) -> Iterator[Item]:
    """The model of a finding, and what its verdict depends on; nothing where no model answers it."""
    if finding.model is None or finding.version is None:
        return
    patient = origin.report.reading.patient
    parameters = {
        "decision": finding.decision,
        "present_from": finding.present_from,
        "absent_below": finding.absent_below,
        "age_years": patient.age_years,
        "view": patient.view,
    }
    yield from _name_algorithm(finding.model, finding.version)
    for name, value in parameters.items():
        if value is not None:
            yield make_text(codes.DCM.AlgorithmParameters, f"{name}={value}", MODIFIER)


def _name_algorithm(model: str, version: str) -> Iterator[Item]:
    """A model (TID 4019)."""
    yield make_text(codes.DCM.AlgorithmName, model, MODIFIER)
    yield make_text(codes.DCM.AlgorithmVersion, version, MODIFIER)


def _describe_measurement(origin: ResultOrigin, measurement: Measurement) -> Item:
    items = []
    if measurement.value is not None:
        ratio = round(measurement.value, 4)  # as in JSON, and so are the diameters
        certainty = tuple(_describe_certainty(measurement))
        items.append(make_number(terms.RATIO, ratio, terms.NO_UNIT, certainty))
    unit = terms.MILLIMETRE if measurement.unit == "mm" else terms.PIXEL
    lines = (measurement.heart, measurement.thorax)
    widths = measurement.diameters or (0.0, 0.0)
    for site, line, width in zip((terms.HEART, terms.THORAX), lines, widths, strict=True):
        if line is not None:
            children = [
                make_code(codes.SCT.MeasurementMethod, terms.TRANSVERSE, MODIFIER),
                make_code(codes.SCT.FindingSite, site, MODIFIER),
                _locate(origin, line),
            ]
            items.append(make_number(terms.DIAMETER, round(width, 2), unit, children))
    trusted = terms.YES if measurement.trusted else terms.NO
    remarks = (*measurement.reasons, *measurement.disagreements)
    return _make_group(
        origin,
        RATIO,
        terms.RATIO,
        algorithm=_name_algorithm(measurement.model, measurement.version),
        measurements=items,
        evaluations=[(terms.TRUSTED, trusted)],
        texts=[(terms.COMMENT, remark) for remark in remarks],
    )


def _describe_certainty(measurement: Measurement) -> Iterator[Item]:
    """Whether the user chose the ratio, or else its interval (TID 310)."""
    value, low, high = measurement.value, measurement.low, measurement.high
    if measurement.edited:
        yield make_code(codes.DCM.SelectionStatus, terms.SET_BY_HAND, PROPERTY)
    elif value is not None and low is not None and high is not None:
        for name, width in ((terms.UPPER, high - value), (terms.LOWER, value - low)):
            yield make_number(name, round(width, 4), terms.NO_UNIT, relationship=PROPERTY)


def _locate(origin: ResultOrigin, line: Line) -> Item:
    """The two ends of a diameter on the stored pixels, the one on the left of the film first."""
    return make_line(origin.grid.points_to_stored(np.array(line)), origin.refer_to_film())


def _describe_quality(origin: ResultOrigin, flags: Sequence[QualityFlag]) -> Item:
    coded = [
        (terms.QUALITY_FLAG, terms.own_code(flag.code, flag.code.replace("_", " ")))
        for flag in flags
    ]
    texts = [(terms.COMMENT, flag.message) for flag in flags]
    return _make_group(origin, "image quality", terms.IMAGE_QUALITY, evaluations=coded, texts=texts)


def _make_group(
    origin: ResultOrigin,
    identifier: str,
    concept: Code,
    *,
    algorithm: Iterable[Item] = (),
    measurements: Iterable[Item] = (),
    evaluations: Iterable[tuple[Code, Code]] = (),
    texts: Iterable[tuple[Code, str]] = (),
) -> Item:
    """A group of TID 1501 about the film. texts: remarks, by which the template may be extended."""
    children = [
        make_text(codes.DCM.TrackingIdentifier, identifier, CONTEXT),
        make_uid_reference(codes.DCM.TrackingUniqueIdentifier, make_uid()),
        make_code(codes.DCM.Finding, concept),
        *algorithm,
        *measurements,
        *(make_code(*pair) for pair in evaluations),
        make_image_reference(codes.DCM.SourceOfMeasurement, origin.refer_to_film()),
        *(make_text(*pair) for pair in texts),
    ]
    return make_container(codes.DCM.MeasurementGroup, children, template="1501")
