"""Makes the structured report of a reading: Comprehensive 3D SR, Measurement Report (PS3.16 TID 1500).

Each finding is a group (TID 1501) with its model, verdict and probability; the cardiothoracic ratio is one with both
diameters and the coordinates of their ends on the stored pixels. Two more hold impression and remarks, and the film's
quality flags. Numbers are those of `read --json`, without those that pages and reports withhold.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    Comprehensive3DSR,
    ContentSequence,
    CoordinatesForMeasurement,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    GraphicTypeValues,
    MeasurementProperties,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
    TextContentItem,
    TrackingIdentifier,
)
from highdicom.sr import (
    Measurement as MeasurementItem,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from cxr_core.dicom_io import codes as terms
from cxr_core.dicom_io.origin import DEVICE_UID, MAKER, RESEARCH_USE, ResultOrigin
from cxr_core.film.quality_flag import QualityFlag
from cxr_core.reading.cardiothoracic.contours import Line
from cxr_core.reading.cardiothoracic.ratio import RATIO, Measurement
from cxr_core.reading.impression import write_impression
from cxr_core.reading.results import FindingReading, Reading

SERIES_NUMBER = 9101
Group = MeasurementsAndQualitativeEvaluations


def build_structured_report(origin: ResultOrigin) -> Dataset:
    """The structured report of a film's reading: complete, preliminary, verified by nobody.

    Comprehensive3DSR.from_dataset opens it for reading.
    """
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
    content = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=_describe_device(origin)),
        procedure_reported=terms.PROCEDURE,
        imaging_measurements=groups,
    )
    # The groups join the document last: highdicom copies, converts and searches what it is given, which takes longer
    # than all else. What it would check, that they refer to this film only, _make_group and _locate see to.
    measurements = content[0].ContentSequence.pop()
    document = Comprehensive3DSR(
        evidence=[origin.source],
        content=content,
        is_complete=True,
        **origin.describe_object(SERIES_NUMBER, "Findings and measurements"),
        **origin.describe_own_codes(),
    )
    document.ContentSequence.append(measurements)
    return document


def _describe_device(origin: ResultOrigin) -> ObserverContext:
    return ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=DEVICE_UID,
            name=MAKER,
            manufacturer_name=MAKER,
            model_name=MAKER,
            serial_number=origin.report.software_version,
        ),
    )


def _describe_summary(origin: ResultOrigin, reading: Reading) -> Group:
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


def _describe_finding(origin: ResultOrigin, finding: FindingReading, identifier: str) -> Group:
    # As on the page: no number that a quality flag withholds, or that waits for the patient's age.
    shows_numbers = finding.shows_number
    numbers = {terms.PROBABILITY: finding.probability, terms.PREVALENCE: finding.prevalence}
    measurements = [
        MeasurementItem(code, number, unit=terms.NO_UNIT)
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


def _identify_model(
    origin: ResultOrigin, finding: FindingReading
) -> AlgorithmIdentification | None:
    """The model of a finding, and what its verdict depends on; None where no model answers it."""
    if finding.model is None or finding.version is None:
        return None
    patient = origin.report.reading.patient
    parameters = {
        "decision": finding.decision,
        "present_from": finding.present_from,
        "absent_below": finding.absent_below,
        "age_years": patient.age_years,
        "view": patient.view,
    }
    return AlgorithmIdentification(
        name=finding.model,
        version=finding.version,
        parameters=[f"{name}={value}" for name, value in parameters.items() if value is not None],
    )


def _describe_measurement(origin: ResultOrigin, measurement: Measurement) -> Group:
    items = []
    if measurement.value is not None:
        properties = None
        if measurement.edited:
            properties = MeasurementProperties(selection_status=terms.SET_BY_HAND)
        elif measurement.low is not None and measurement.high is not None:
            properties = MeasurementProperties(
                upper_measurement_uncertainty=round(measurement.high - measurement.value, 4),
                lower_measurement_uncertainty=round(measurement.value - measurement.low, 4),
            )
        ratio = round(measurement.value, 4)  # as in JSON, and so are the diameters
        items.append(MeasurementItem(terms.RATIO, ratio, unit=terms.NO_UNIT, properties=properties))
    unit = terms.MILLIMETRE if measurement.unit == "mm" else terms.PIXEL
    lines = (measurement.heart, measurement.thorax)
    widths = measurement.diameters or (0.0, 0.0)
    for site, line, width in zip((terms.HEART, terms.THORAX), lines, widths, strict=True):
        if line is not None:
            items.append(
                MeasurementItem(
                    terms.DIAMETER,
                    round(width, 2),
                    unit=unit,
                    method=terms.TRANSVERSE,
                    finding_sites=[FindingSite(anatomic_location=site)],
                    referenced_coordinates=[_locate(origin, line)],
                )
            )
    trusted = terms.YES if measurement.trusted else terms.NO
    remarks = (*measurement.reasons, *measurement.disagreements)
    return _make_group(
        origin,
        RATIO,
        terms.RATIO,
        algorithm=AlgorithmIdentification(name=measurement.model, version=measurement.version),
        measurements=items,
        evaluations=[(terms.TRUSTED, trusted)],
        texts=[(terms.COMMENT, remark) for remark in remarks],
    )


def _locate(origin: ResultOrigin, line: Line) -> CoordinatesForMeasurement:
    """The two ends of a diameter on the stored pixels, the one on the left of the film first."""
    return CoordinatesForMeasurement(
        graphic_type=GraphicTypeValues.POLYLINE,
        graphic_data=origin.grid.points_to_stored(np.array(line)),
        source_image=SourceImageForRegion(
            referenced_sop_class_uid=origin.source.SOPClassUID,
            referenced_sop_instance_uid=origin.source.SOPInstanceUID,
        ),
    )


def _describe_quality(origin: ResultOrigin, flags: Sequence[QualityFlag]) -> Group:
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
    algorithm: AlgorithmIdentification | None = None,
    measurements: Sequence[MeasurementItem] = (),
    evaluations: Iterable[tuple[Code, Code]] = (),
    texts: Iterable[tuple[Code, str]] = (),
) -> Group:
    """A group of TID 1501 about the film. texts: remarks, by which the template may be extended."""
    group = Group(
        tracking_identifier=TrackingIdentifier(identifier=identifier),
        finding_type=concept,
        algorithm_id=algorithm,
        measurements=measurements,
        qualitative_evaluations=[QualitativeEvaluation(*pair) for pair in evaluations],
        source_images=[
            SourceImageForMeasurementGroup(
                referenced_sop_class_uid=origin.source.SOPClassUID,
                referenced_sop_instance_uid=origin.source.SOPInstanceUID,
            )
        ],
    )
    content: ContentSequence = group[0].ContentSequence
    for code, text in texts:
        content.append(
            TextContentItem(
                name=CodedConcept.from_code(code),
                value=text,
                relationship_type=RelationshipTypeValues.CONTAINS,
            )
        )
    return group
