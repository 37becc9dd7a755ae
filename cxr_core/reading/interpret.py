"""Turns an examination into a reading: which models fit the patient, their calls, warnings and consistency checks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cxr_core.decisions import CONFIDENT_NORMAL, DEFAULT_DECISION
from cxr_core.errors import SettingsError
from cxr_core.film.irregularities import IRREGULARITIES
from cxr_core.film.quality_flag import QualityFlag
from cxr_core.film.spacing import is_plausible_film
from cxr_core.findings import RATIO_LIMIT, sort_for_display
from cxr_core.models.card import ModelCard
from cxr_core.models.label_noise import LabelNoise
from cxr_core.presentation.wording import (
    call_name,
    finding_in_sentence,
    format_percent,
    format_ratio,
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
from cxr_core.reading.decision import (
    Uncertainty,
    compute_likelihood_ratio,
    find_thresholds,
    move_prevalence,
    name_decision,
    to_thresholds,
    uncertainty_of_flag,
)
from cxr_core.reading.opinions import describe_opinions, merge_opinions, split_opinions
from cxr_core.reading.patient import Patient
from cxr_core.reading.results import Examination, FindingReading, ModelOutput, Reading
from cxr_core.reading.site_profile import SiteMark, SiteProfile, find_site_mark

# What a reader could take to be excluded by a reading that does not mention it, and the findings that would cover it.
NEVER_TO_BE_ASSUMED: Mapping[str, tuple[str, ...]] = {
    "pneumothorax": ("pneumothorax",),
    "pleural effusion": ("effusion",),
    "nodules and masses": ("nodule", "mass"),
    "fractures": (),
    "lines and tubes": (),
}
AGE_UNKNOWN = "Age missing: a model made for another age group may be wrong. Enter the age."
OUT_OF_DISTRIBUTION = QualityFlag(
    "unfamiliar",
    "This picture is unlike every chest film that the models were trained on, so none of them reads it. "
    "Upload one complete, upright, frontal chest film.",
    withholds_reading=True,
)


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a reading is asked for. decision: one of DECISIONS.  prevalence: of findings, as the user chose it.

    site_profile: what the site has installed; None where that is nothing.
    """

    patient: Patient
    decision: str
    prevalence: Mapping[str, float]
    site_profile: SiteProfile | None = None

    def needs_age(self, card: ModelCard) -> bool:
        """Whether the patient may be too young or too old for a model, as far as the age is known."""
        return any(card.population.excludes(age, None) for age in self.patient.age_range)


def interpret(
    examination: Examination,
    user_input: Patient,
    decision: str = DEFAULT_DECISION,
    prevalence: Mapping[str, float] | None = None,
    site_profile: SiteProfile | None = None,
) -> Reading:
    """The reading of one examined film for one patient.

    user_input: age and view as the user gives them; they override the file's own.  decision: one of DECISIONS, or the
    name of an operating point for that single threshold.  prevalence: share of patients with a finding, within 0 and
    1, by finding; where none is given that of the site, else that of the films that calibrated the model. It moves the
    probability, never the verdict. site_profile: what the site has installed (`site.profile_store.load_profile`); its
    recalibration comes after the model's calibration, its thresholds take the place of the card's, and what it changed
    is marked. Without one the reading is what the cards say.
    Raises SettingsError for an unknown decision and an impossible prevalence.
    """
    patient = _merge_patient(examination, user_input)
    question = Question(
        patient=patient,
        decision=name_decision(decision),
        prevalence=_check_prevalence(prevalence or {}),
        site_profile=site_profile,
    )
    concerns = list(examination.concerns)
    if _is_out_of_distribution(examination):
        concerns.append(OUT_OF_DISTRIBUTION)
    reading = Reading(
        sha256=examination.sha256,
        status="refused",
        reason=_find_refusal(examination, concerns),
        concerns=tuple(concerns),
        not_assessed=list_not_assessed(()),
        patient=patient,
        adjustments=examination.adjustments,
        seconds=examination.seconds,
        site_profile=site_profile,
        backends=_list_backends(examination),
    )
    if reading.reason is not None:
        return reading
    unlike = [output for output in examination.outputs if output.ood_score > 1]
    concerns += [_unlike_training(o) for o in unlike if _exclusion_of(o, patient) is None]
    measurement = None
    if examination.film is not None and examination.segmentation is not None:
        measurement = measure_ratio(examination.segmentation, examination.film, patient, concerns)
    if _is_spacing_implausible(examination, patient, measurement):
        concerns.append(IRREGULARITIES["implausible_spacing"])
    findings = _read_findings(examination.outputs, question, concerns, measurement)
    measurements: tuple[Measurement, ...] = ()
    if measurement is not None:
        measurements = (_add_disagreements(measurement, findings),)
        findings = _mark_disagreements(findings, measurements)
    return replace(
        reading,
        status="read",
        concerns=tuple(concerns),
        findings=findings,
        measurements=measurements,
        warnings=tuple(_find_warnings(findings, question)),
        not_assessed=list_not_assessed(findings),
    )


def _list_backends(examination: Examination) -> dict[str, str]:
    """What computed each model's forward pass, by the model's name."""
    backends = {output.card.model: output.backend for output in examination.outputs}
    if examination.segmentation is not None:
        backends[examination.segmentation.model] = examination.segmentation.backend
    return backends


def list_not_assessed(findings: Sequence[FindingReading]) -> tuple[str, ...]:
    """What was not looked for, in words: common findings without a model, and those whose models fit other patients."""
    assessed = {finding.finding for finding in findings if finding.probability is not None}
    without_model = [
        words
        for words, keys in NEVER_TO_BE_ASSUMED.items()
        if not keys or not assessed >= set(keys)
    ]
    other_patients = [
        f"{finding.name.lower()} (no model for this patient)"
        for finding in findings
        if finding.probability is None
    ]
    return (*without_model, *other_patients)


def replace_diameters(
    reading: Reading, heart: Line, thorax: Line, film_shape: tuple[int, int]
) -> Reading:
    """The reading with diameters whose ends a person has set; unchanged where nothing is measured.

    Probabilities stay as they are, and a warning says so; see `recompute_with_edited_ratio`.
    heart, thorax: (x, y) in film pixels.  film_shape: (H, W).
    """
    edited = [edit_diameters(m, heart, thorax, film_shape) for m in reading.measurements]
    notes = [
        _describe_automatic_basis(finding, measurement)
        for measurement in edited
        for finding in reading.findings
        if finding.fusion_parts is not None
        and finding.shows_number
        and measurement.value is not None
    ]
    measurements = tuple(_add_disagreements(m, reading.findings) for m in edited)
    return replace(
        reading,
        findings=_mark_disagreements(reading.findings, measurements),
        measurements=measurements,
        warnings=(*reading.warnings, *notes),
    )


def recompute_with_edited_ratio(reading: Reading, examination: Examination) -> Reading:
    """A reading whose diameters were edited, with probabilities that rest on the edited ratio and say so.

    Unchanged where nothing was edited, or where no finding uses the ratio.
    """
    edited = [m for m in reading.measurements if m.edited and m.value is not None]
    if not edited:
        return reading
    outputs = {(o.card.model, o.card.version): o for o in examination.outputs}
    findings = []
    for finding in split_opinions(reading.findings):
        output = outputs.get((finding.model or "", finding.version or ""))
        card = finding.card
        if output is None or card is None or finding.finding not in card.fusion:
            findings.append(finding)
            continue
        uses_default = finding.site is not None and finding.site.uses_prevalence
        chosen = None if uses_default else finding.prevalence
        question = Question(
            patient=reading.patient,
            decision=finding.decision or DEFAULT_DECISION,
            prevalence={} if chosen is None else {finding.finding: chosen},
            site_profile=reading.site_profile,
        )
        reread = _read_finding(output, finding.finding, question, edited[0], use_edited=True)
        findings.append(_withhold_call(reread, reading.concerns))
    merged = merge_opinions(findings)
    outdated = list(map(describe_opinions, reading.findings))
    outdated += [
        _describe_automatic_basis(old, measurement)
        for old in reading.findings
        for measurement in edited
        if old.fusion_parts is not None
    ]
    measurements = tuple(_add_disagreements(m, merged) for m in reading.measurements)
    return replace(
        reading,
        findings=_mark_disagreements(merged, measurements),
        measurements=measurements,
        warnings=(
            *filter(None, map(describe_opinions, merged)),
            *(warning for warning in reading.warnings if warning not in outdated),
        ),
    )


def _describe_automatic_basis(finding: FindingReading, measurement: Measurement) -> str:
    edited = f"the edited one of {format_ratio(measurement.value or 0.0)}"
    parts = finding.fusion_parts
    if parts is None or parts.value is None or not parts.uses_ratio:
        return (
            f"{finding.name}: the probability still rests on the network alone, without {edited}."
        )
    automatic = format_ratio(parts.value)
    return f"{finding.name}: the probability still rests on the automatic CTR of {automatic}, not on {edited}."


def check_consistency(
    measurement: Measurement, findings: Sequence[FindingReading]
) -> tuple[str, ...]:
    """A sentence for each call of cardiomegaly that the ratio contradicts; none where neither can tell.

    The whole interval must lie on the other side of the limit; a ratio edited by hand has none and counts by itself.
    A ratio is not compared when anything but view and age speaks against it, nor is an indeterminate call, nor a
    finding that waits for the age.
    """
    side = _side_of_limit(measurement)
    if side is None:
        return ()
    contrary = {"above": "absent", "below": "present"}[side]
    contradicted = [
        finding
        for finding in findings
        if finding.finding == MEASURED_FINDING and finding.has_verdict and finding.call == contrary
    ]
    return tuple(_describe_disagreement(measurement, side, finding) for finding in contradicted)


def _add_disagreements(measurement: Measurement, findings: Sequence[FindingReading]) -> Measurement:
    return replace(measurement, disagreements=check_consistency(measurement, findings))


def _mark_disagreements(
    findings: Sequence[FindingReading], measurements: Sequence[Measurement]
) -> tuple[FindingReading, ...]:
    """The findings, of which those say so that a measured ratio contradicts."""
    complete = []
    for finding in findings:
        reasons: list[Uncertainty] = [
            one for one in finding.uncertain_because if one != "ratio_disagrees"
        ]
        if any(check_consistency(measurement, [finding]) for measurement in measurements):
            reasons.append("ratio_disagrees")
        complete.append(replace(finding, uncertain_because=tuple(reasons)))
    return tuple(complete)


def _merge_patient(examination: Examination, user_input: Patient) -> Patient:
    film = examination.film
    if film is None:
        return user_input
    age = film.age_years if user_input.is_age_unknown else user_input.age_years
    return replace(user_input, age_years=age, view=user_input.view or film.view)


def _is_spacing_implausible(
    examination: Examination, patient: Patient, measurement: Measurement | None
) -> bool:
    """Whether the film, or the chest on it, would have a size that no patient of this age has."""
    film = examination.film
    if film is None or film.spacing_mm is None:
        return False
    if measurement is not None and measurement.has_implausible_spacing:
        return True
    return not is_plausible_film(film.shape, film.spacing_mm, patient.youngest_years)


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
    """Why a model does not fit; None while the patient may be one that it was made for."""
    population = output.card.population
    # Both ends lie on the same side of the population, or the patient may be in it.
    ages = {population.excludes(age, None) for age in patient.age_range}
    return population.excludes(None, patient.view) or (ages.pop() if len(ages) == 1 else None)


def _check_prevalence(prevalence: Mapping[str, float]) -> Mapping[str, float]:
    for finding, share in prevalence.items():
        if not 0 < share < 1:
            raise SettingsError(
                f"found a prevalence of {share:g} for {finding}; it is a share above 0 and below 1"
            )
    return prevalence


def _read_findings(
    outputs: Sequence[ModelOutput],
    question: Question,
    concerns: Sequence[QualityFlag],
    measurement: Measurement | None,
) -> tuple[FindingReading, ...]:
    """One entry per finding; one that no model fits keeps its place, with the reason."""
    readings: list[FindingReading] = []
    for key in sort_for_display({key for output in outputs for key in output.card.findings}):
        candidates = [output for output in outputs if key in output.card.findings]
        fitting = [o for o in candidates if _exclusion_of(o, question.patient) is None]
        if not fitting:
            populations = [f"{o.card.model} is for {o.card.population.text}" for o in candidates]
            reason = f"No model for this patient: {'; '.join(populations)}."
            definition = candidates[0].card.find_definition(key)
            readings.append(FindingReading(finding=key, reason=reason, definition=definition))
        for output in fitting:
            reading = _read_finding(output, key, question, measurement)
            readings.append(_withhold_call(reading, concerns))
    return merge_opinions(readings)


def _withhold_call(finding: FindingReading, concerns: Sequence[QualityFlag]) -> FindingReading:
    """The finding without a verdict where a quality flag allows none."""
    withholding = next((concern for concern in concerns if concern.withholds_call), None)
    if withholding is None or finding.call is None:
        return finding
    because = [uncertainty_of_flag(flag.code) for flag in concerns if flag.withholds_call]
    return replace(
        finding,
        call="indeterminate",
        undecided_because=withholding.message,
        uncertain_because=tuple(dict.fromkeys([*because, *finding.uncertain_because])),
        is_withheld=True,
    )


def _read_finding(
    output: ModelOutput,
    key: str,
    question: Question,
    measurement: Measurement | None,
    use_edited: bool = False,
) -> FindingReading:
    card = output.card
    index = card.findings.index(key)
    site = find_site_mark(question.site_profile, card, key)
    probability, before = float(output.probabilities[index]), card.calibration_prevalence(key)
    if site is not None and site.calibration is not None:
        probability = site.calibration.apply(probability, before)
    calibrated, parts = fuse_probability(
        card, key, probability, measurement, question.patient.view, use_edited=use_edited
    )
    decision = card.effective_decision(key, question.decision)
    thresholds = find_thresholds(card, key, decision, fused=parts is not None)
    if site is not None and parts is None:
        site = site.with_decision(decision)
        thresholds = to_thresholds(site.decision) if site.decision else thresholds
    call = thresholds.decide(calibrated)
    probability, prevalence, likelihood_ratio = calibrated, None, None
    if before is not None:
        prevalence = question.prevalence.get(key, before)
        if site is not None and site.prevalence is not None and key not in question.prevalence:
            prevalence, site = site.prevalence, replace(site, uses_prevalence=True)
        likelihood_ratio = compute_likelihood_ratio(calibrated, before)
        probability = move_prevalence(calibrated, before, prevalence)
        thresholds = thresholds.move(before, prevalence)
    # How the labels of the model's calibration differ from readers says nothing about the site's own labels.
    noise = None if site and site.calibration else card.label_noise.get(key)
    because, uncertain = None, list[Uncertainty]()
    if call == "indeterminate":
        because = f"The probability lies between the two thresholds ({thresholds.describe()})."
        uncertain.append("between_thresholds")
    if output.ood_score > 1:
        uncertain.append("unlike_training")
    return FindingReading(
        finding=key,
        probability=probability,
        logit=float(output.logits[index]),
        decision=decision,
        present_from=thresholds.present_from,
        absent_below=thresholds.absent_below,
        operating_point=thresholds.operating_point,
        call=call,
        undecided_because=because,
        uncertain_because=tuple(uncertain),
        prevalence=prevalence,
        calibration_prevalence=before,
        likelihood_ratio=likelihood_ratio,
        probability_reported=noise.to_reported(probability) if noise else None,
        probability_interval=_find_interval(noise, calibrated, before, prevalence),
        needs_age=question.needs_age(card),
        model=card.model,
        version=card.version,
        population=card.population.text,
        attribution=output.attributions.get(key),
        fusion_parts=parts,
        card=card,
        definition=card.find_definition(key),
        likely_normal=_is_likely_normal(output, key, calibrated, prevalence, site),
        site=site,
    )


def _find_interval(
    noise: LabelNoise | None, calibrated: float, before: float | None, prevalence: float | None
) -> tuple[float, float] | None:
    """What the uncertainty of the labels' rates leaves open of a probability; None for labels without known noise.

    calibrated: at the prevalence `before`; both ends are moved to `prevalence` as the probability is.
    """
    if noise is None:
        return None
    low, high = noise.find_interval(calibrated)
    if before is None or prevalence is None:
        return low, high
    return move_prevalence(low, before, prevalence), move_prevalence(high, before, prevalence)


def _is_likely_normal(
    output: ModelOutput,
    key: str,
    probability: float,
    prevalence: float | None,
    site: SiteMark | None,
) -> bool | None:
    """Whether a film lies below the threshold of likely normal films; None where the card has none.

    probability: as it was calibrated.  prevalence: at which the film is read. A higher one makes normal films rarer
    below the threshold too, and a film that is unlike those of training is not called normal. site: where the model
    had to be recalibrated, nothing is known of how often films below the threshold are normal.
    """
    confident = output.card.confident_normal.get(key)
    if confident is None or (site is not None and site.calibration is not None):
        return None
    normal = confident.negative_predictive_value.value or 0.0
    if prevalence is not None and 0 < normal < 1:
        normal = 1 - move_prevalence(1 - normal, confident.prevalence, prevalence)
    is_below = probability < confident.threshold
    return is_below and normal >= CONFIDENT_NORMAL and output.ood_score <= 1


def _find_warnings(findings: Sequence[FindingReading], question: Question) -> Iterator[str]:
    """What limits the numbers as a whole: an unknown age, a profile or a prevalence that is not used, opinions."""
    if any(finding.needs_age for finding in findings):
        yield AGE_UNKNOWN
    yield from _describe_unused_profile(findings, question)
    yield from filter(None, map(describe_opinions, findings))
    for finding in split_opinions(findings):
        unused = finding.finding in question.prevalence and finding.prevalence is None
        if unused and finding.model is not None:
            yield (
                f"{finding.name}: the card of {finding.model} does not say at which prevalence it "
                "was calibrated, so the probability is not moved to the prevalence that was given."
            )


def _describe_unused_profile(
    findings: Sequence[FindingReading], question: Question
) -> Iterator[str]:
    """That what the site has installed is damaged, or of another version of a model."""
    if question.site_profile is not None and question.site_profile.problem:
        yield question.site_profile.problem
    for finding in split_opinions(findings):
        if finding.site is not None and finding.site.reason:
            yield f"{finding.name}: {finding.site.reason}"


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
        f"CTR and model disagree: {ratio} lies {side} {RATIO_LIMIT:.2f}, while "
        f"{finding_in_sentence(MEASURED_FINDING)} is {call_name(finding.call)} by {finding.model} ({percent})."
    )
    if side == "above" and measurement.reasons:
        return f"{disagreement} The view or the age may be why the CTR is large."
    return f"{disagreement} Check the contours and the ends of the diameters first."
