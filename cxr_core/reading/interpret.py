"""Turns an examination into a reading: which models fit the patient, their calls, warnings and consistency checks."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from cxr_core.film.irregularities import IRREGULARITIES
from cxr_core.film.quality_flag import QualityFlag
from cxr_core.findings import RATIO_LIMIT
from cxr_core.presentation.wording import (
    finding_name,
    format_percent,
    format_ratio,
    operating_point_name,
)
from cxr_core.reading.cardiothoracic.contours import Line
from cxr_core.reading.cardiothoracic.fusion import fuse_probability
from cxr_core.reading.cardiothoracic.ratio import (
    MEASURED_FINDING,
    WIDENING_REASONS,
    Measurement,
    edit_diameters,
    measure_ratio,
)
from cxr_core.reading.patient import Patient
from cxr_core.reading.results import Examination, FindingReading, ModelOutput, Reading

AGE_UNKNOWN = (
    "Age unknown: every model reads the film, whatever age it is made for. The result of a model for other patients "
    "means nothing; enter the age to keep only the models that fit."
)
OUT_OF_DISTRIBUTION = QualityFlag(
    "unfamiliar",
    "This picture is unlike every chest film that the models were trained on, so none of them reads it. "
    "Upload one complete, upright, frontal chest film.",
    withholds_reading=True,
)


def interpret(
    examination: Examination, user_input: Patient, operating_point: str = "youden"
) -> Reading:
    """The reading of one examined film for one patient at a named operating point.

    user_input: age and view as the user gives them; they override the file's own.  operating_point: a key of
    OPERATING_POINTS. Raises ModelError for one that a model lacks.
    """
    patient = _merge_patient(examination, user_input)
    concerns = list(examination.concerns)
    if _is_out_of_distribution(examination):
        concerns.append(OUT_OF_DISTRIBUTION)
    reading = Reading(
        sha256=examination.sha256,
        status="refused",
        reason=_find_refusal(examination, concerns),
        concerns=tuple(concerns),
        patient=patient,
        seconds=examination.seconds,
    )
    if reading.reason is not None:
        return reading
    unlike = [output for output in examination.outputs if output.ood_score > 1]
    concerns += [_unlike_training(o) for o in unlike if _exclusion_of(o, patient) is None]
    measurement = None
    if examination.film is not None and examination.segmentation is not None:
        measurement = measure_ratio(examination.segmentation, examination.film, patient, concerns)
        if measurement.has_implausible_spacing:
            concerns.append(IRREGULARITIES["implausible_spacing"])
    withholds_call = any(concern.withholds_call for concern in concerns)
    findings = _read_findings(
        examination.outputs, patient, operating_point, withholds_call, measurement
    )
    measurements: tuple[Measurement, ...] = ()
    if measurement is not None:
        measurements = (_add_disagreements(measurement, findings),)
    return replace(
        reading,
        status="read",
        concerns=tuple(concerns),
        findings=findings,
        measurements=measurements,
        warnings=tuple(_find_warnings(findings, patient)),
    )


def replace_diameters(
    reading: Reading, heart: Line, thorax: Line, film_shape: tuple[int, int]
) -> Reading:
    """The reading with diameters whose ends a person has set; unchanged where nothing is measured.

    heart, thorax: (x, y) in film pixels.  film_shape: (H, W).
    """
    edited = [edit_diameters(m, heart, thorax, film_shape) for m in reading.measurements]
    return replace(
        reading, measurements=tuple(_add_disagreements(m, reading.findings) for m in edited)
    )


def check_consistency(
    measurement: Measurement, findings: Sequence[FindingReading]
) -> tuple[str, ...]:
    """A sentence for each call of cardiomegaly that the ratio contradicts; none where neither can tell.

    The whole interval must lie on the other side of the limit; a ratio edited by hand has none and counts by itself.
    A ratio is not compared when anything but view and age speaks against it, nor is an indeterminate call.
    """
    side = _side_of_limit(measurement)
    if side is None:
        return ()
    contrary = {"above": "absent", "below": "present"}[side]
    contradicted = [f for f in findings if f.finding == MEASURED_FINDING and f.call == contrary]
    return tuple(_describe_disagreement(measurement, side, finding) for finding in contradicted)


def _add_disagreements(measurement: Measurement, findings: Sequence[FindingReading]) -> Measurement:
    return replace(measurement, disagreements=check_consistency(measurement, findings))


def _merge_patient(examination: Examination, user_input: Patient) -> Patient:
    film = examination.film
    if film is None:
        return user_input
    age = film.age_years if user_input.age_years is None else user_input.age_years
    return Patient(age_years=age, view=user_input.view or film.view)


def _is_out_of_distribution(examination: Examination) -> bool:
    """Whether no model knows anything like the film.

    A film that any model knows is a chest film, even when that model is not for this patient. A drawing says that it is
    one, and is never refused for it.
    """
    is_drawing = any(concern.code == "drawing" for concern in examination.concerns)
    return (
        not is_drawing and min((output.ood_score for output in examination.outputs), default=0) > 1
    )


def _find_refusal(examination: Examination, concerns: Sequence[QualityFlag]) -> str | None:
    """Why a film gets no reading; None when it gets one."""
    refusal = next((concern for concern in concerns if concern.withholds_reading), None)
    if refusal is None:
        return None if examination.outputs else "No model is installed that can read this film."
    # How the film is displayed may be all that makes it unlike the others.
    displayed = next((c.message for c in concerns if c.code in ("inverted", "turned")), None)
    if refusal is OUT_OF_DISTRIBUTION and displayed is not None:
        return (
            f"{displayed} As it is, it is unlike every chest film that the models were trained on, so none of them "
            "reads it."
        )
    return refusal.message


def _unlike_training(output: ModelOutput) -> QualityFlag:
    card = output.card
    return QualityFlag(
        "unlike_training",
        f"This film is unlike those that {card.model} was trained on ({card.population.text}); interpret its result "
        "with caution.",
    )


def _exclusion_of(output: ModelOutput, patient: Patient) -> str | None:
    return output.card.population.excludes(patient.age_years, patient.view)


def _read_findings(
    outputs: Sequence[ModelOutput],
    patient: Patient,
    operating_point: str,
    withholds_call: bool,
    measurement: Measurement | None,
) -> tuple[FindingReading, ...]:
    """One entry per finding and model that fits; a finding that no model fits keeps its place, with the reason."""
    readings: list[FindingReading] = []
    for key in sorted({key for output in outputs for key in output.card.findings}):
        candidates = [output for output in outputs if key in output.card.findings]
        fitting = [output for output in candidates if _exclusion_of(output, patient) is None]
        if not fitting:
            populations = [f"{o.card.model} is for {o.card.population.text}" for o in candidates]
            reason = f"No model for this patient: {'; '.join(populations)}."
            readings.append(FindingReading(finding=key, reason=reason))
        for output in fitting:
            reading = _read_finding(output, key, operating_point, measurement, patient)
            if withholds_call:
                reading = replace(reading, call="indeterminate")
            readings.append(reading)
    return tuple(readings)


def _read_finding(
    output: ModelOutput,
    key: str,
    operating_point: str,
    measurement: Measurement | None,
    patient: Patient,
) -> FindingReading:
    card = output.card
    index = card.findings.index(key)
    probability, parts = fuse_probability(
        card, key, float(output.probabilities[index]), measurement, patient.view
    )
    point = card.operating_point(key, operating_point, fused=parts is not None)
    return FindingReading(
        finding=key,
        probability=probability,
        logit=float(output.logits[index]),
        threshold=point.threshold,
        operating_point=point.name,
        call="present" if probability >= point.threshold else "absent",
        model=card.model,
        version=card.version,
        population=card.population.text,
        attribution=output.attributions.get(key),
        fusion_parts=parts,
        card=card,
    )


def _find_warnings(findings: Sequence[FindingReading], patient: Patient) -> Iterator[str]:
    """What limits the numbers as a whole: an unknown age, and thresholds that cross."""
    cards = [finding.card for finding in findings if finding.card]
    for_ages = [
        card
        for card in cards
        if card.population.age_min is not None or card.population.age_max is not None
    ]
    if patient.age_years is None and for_ages:
        yield AGE_UNKNOWN
    for finding in findings:
        if finding.operating_point in ("sensitivity_95", "specificity_95"):
            yield from _find_crossing(finding)


def _find_crossing(finding: FindingReading) -> Iterator[str]:
    """Thresholds cross where a model separates its validation films so well that both targets are reached early."""
    if finding.card is None:
        return
    fused = finding.fusion_parts is not None
    sensitive = finding.card.operating_point(finding.finding, "sensitivity_95", fused).threshold
    specific = finding.card.operating_point(finding.finding, "specificity_95", fused).threshold
    if specific < sensitive:
        sensitive_name = operating_point_name("sensitivity_95")
        specific_name = operating_point_name("specificity_95")
        yield (
            f"{finding_name(finding.finding)}: on the validation films of {finding.model} both targets are met with "
            f"room to spare, so {sensitive_name} ({format_percent(sensitive)}) lies above {specific_name} "
            f"({format_percent(specific)}): {specific_name} calls more films than {sensitive_name}, not fewer."
        )


def _side_of_limit(measurement: Measurement) -> str | None:
    """The side of the limit on which the ratio lies for certain; None where it cannot tell."""
    if measurement.value is None or not set(measurement.reasons) <= set(WIDENING_REASONS):
        return None
    low, high = measurement.low, measurement.high
    if low is None or high is None:
        low, high = measurement.value, measurement.value
    if low > RATIO_LIMIT:
        return "above"
    if high < RATIO_LIMIT:
        return "below"
    return None


def _describe_disagreement(measurement: Measurement, side: str, finding: FindingReading) -> str:
    ratio = format_ratio(measurement.value or 0.0)
    percent = format_percent(finding.probability or 0.0)
    disagreement = (
        f"Ratio and classifier disagree: {ratio} lies {side} {RATIO_LIMIT}, while {finding.model} calls "
        f"{finding_name(MEASURED_FINDING).lower()} {finding.call} ({percent})."
    )
    if side == "above" and measurement.reasons:
        return f"{disagreement} The view or the age may be why the ratio is large."
    return f"{disagreement} Check the contours and the ends of the diameters first."
