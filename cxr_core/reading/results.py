"""What a reader is handed: probabilities, calls and evidence for one film, at one operating point.

Two steps, so that a change of age, view or operating point needs no network: `Reader.examine` runs the models once
(an `Examination`), and `interpret` turns that into a `Reading` for one patient. Nothing here imports torch.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from cxr_core.film.concern import Concern
from cxr_core.film.preprocess import Placement
from cxr_core.film.radiograph import Radiograph, View
from cxr_core.models.card import ModelCard, OperatingPoint
from cxr_core.reading.agreement import disagreements
from cxr_core.reading.cardiothoracic.contours import Anatomy, Line
from cxr_core.reading.cardiothoracic.fusion import Parts, combine
from cxr_core.reading.cardiothoracic.ratio import Measurement, edited, measure
from cxr_core.reading.log_odds import log_odds
from cxr_core.reading.patient import Patient
from cxr_core.reading.remarks import remarks

Call = Literal["present", "absent", "indeterminate"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """Where a model found evidence for one finding, on the model's own cells."""

    finding: str
    method: str  # "evidence" for the exact map of the reading itself; else pytorch-grad-cam's name
    # logit: cells sum to logit - bias, less a constant where against_usual; relative: no unit, 1 is this film's maximum
    unit: Literal["logit", "relative"]
    cells: np.ndarray  # (h, w) float32
    scale: float  # the cell value drawn in full colour, the same for every film
    placement: Placement
    against_usual: bool = (
        False  # whether what a cell adds on a usual film without the finding is taken off
    )

    def on_film(self) -> np.ndarray:
        """(H, W) float32 on the film's own grid, in the unit of the cells; NaN where the model did not look."""
        return self.placement.map_to_film(self.cells)


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelOutput:
    """One model's answers to one film. logits, probabilities: (L,) in the order of card.findings."""

    card: ModelCard
    logits: np.ndarray
    probabilities: np.ndarray
    evidence: dict[str, Evidence]  # by finding, the exact one
    features: np.ndarray  # (F, h, w) float32, from which any other heatmap can be made
    unfamiliarity: float  # distance to the training films over its limit: above 1 is unfamiliar


@dataclass(frozen=True, kw_only=True, eq=False)
class Examination:
    """Everything the models say of one film, before anything is known or assumed of the patient."""

    sha256: str  # of the file's bytes
    film: Radiograph | None  # None when refused before it was decoded
    concerns: tuple[Concern, ...]
    outputs: tuple[ModelOutput, ...]  # empty when refused
    seconds: float
    anatomy: Anatomy | None = None  # None when refused, or when no model outlines heart and lungs


@dataclass(frozen=True, kw_only=True, eq=False)
class FindingReading:
    """One finding by one model, or the reason why there is none."""

    finding: str
    probability: float | None = None
    logit: float | None = None
    threshold: float | None = None
    operating_point: str | None = None
    call: Call | None = None
    model: str | None = None
    version: str | None = None
    population: str | None = None
    reason: str | None = None
    evidence: Evidence | None = None
    parts: Parts | None = (
        None  # of a probability that a measurement has part in; logit is the network's own
    )
    card: ModelCard | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields that `read --json` promises; a finding without a number carries its reason."""
        names = ["finding", "probability", "logit", "threshold", "operating_point", "call"]
        names += ["model", "version", "population"]
        found = {name: getattr(self, name) for name in names} | (
            {"reason": self.reason} if self.reason else {}
        )
        return found | ({"parts": self.parts.to_json()} if self.parts else {})


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """One film as it is shown, written as JSON or put in a report."""

    sha256: str
    status: Literal["read", "refused"]
    reason: str | None = None
    concerns: tuple[Concern, ...] = ()
    findings: tuple[FindingReading, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    patient: Patient = field(default_factory=Patient)
    seconds: float = 0.0

    def to_json(self, file: str) -> dict[str, Any]:
        """One line of `read --json` for the file of that name."""
        return {
            "file": file,
            "sha256": self.sha256,
            "status": self.status,
            "reason": self.reason,
            "concerns": [{"code": c.code, "message": c.message} for c in self.concerns],
            "findings": [finding.to_json() for finding in self.findings],
            "measurements": [
                {**measured.to_json(), "disagreements": self.disagreements(measured)}
                for measured in self.measurements
            ],
            "remarks": self.remarks,
            "patient": {"age_years": self.patient.age_years, "view": self.patient.view},
            "seconds": round(self.seconds, 3),
        }

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is to be known of its numbers as a whole."""
        return remarks(self.findings, self.patient)

    def disagreements(self, measured: Measurement) -> tuple[str, ...]:
        """What one of the measurements says against the calls of the findings."""
        return disagreements(measured, self.findings)

    def with_ends(self, heart: Line, thorax: Line, film_shape: tuple[int, int]) -> "Reading":
        """The reading with diameters whose ends a person has set; the same one where nothing is measured.

        heart, thorax: (x, y) in film pixels.  film_shape: (H, W).
        """
        return replace(
            self,
            measurements=tuple(edited(m, heart, thorax, film_shape) for m in self.measurements),
        )

    @property
    def suspicion(self) -> float:
        """How far the most suspicious finding lies above its threshold, in logits; -inf when nothing was read."""
        margins = [
            log_odds(f.probability) - log_odds(f.threshold)
            for f in self.findings
            if f.probability is not None and f.threshold is not None
        ]
        return max(margins, default=-math.inf)


def interpret(examination: Examination, said: Patient, operating_point: str) -> Reading:
    """The reading of one examined film for one patient at a named operating point.

    said: what the user says; it overrides the file's own age and view.
    """
    film = examination.film
    patient = Patient(
        age_years=said.age_years
        if said.age_years is not None
        else (film.age_years if film else None),
        view=said.view or (film.view if film else None),
    )
    concerns = list(examination.concerns)
    fitting = [
        o
        for o in examination.outputs
        if not o.card.population.excludes(patient.age_years, patient.view)
    ]
    # A film that any model knows is a chest film, even where that model is not for this patient.
    # A drawing says that it is one; whether the models find it like a film is no reason to refuse it.
    drawn = any(concern.code == "drawing" for concern in concerns)
    if not drawn and min((output.unfamiliarity for output in examination.outputs), default=0) > 1:
        concerns.append(UNFAMILIAR)
    refusal = next((c for c in concerns if c.refuses), None)
    if refusal or not examination.outputs:
        return Reading(
            sha256=examination.sha256,
            status="refused",
            reason=_reason(refusal, concerns) if refusal else "No model is installed.",
            concerns=tuple(concerns),
            patient=patient,
            seconds=examination.seconds,
        )
    concerns += [_unlike(o) for o in fitting if o.unfamiliarity > 1]
    unsettled = any(c.unsettles for c in concerns)
    measurements: tuple[Measurement, ...] = ()
    if film is not None and examination.anatomy is not None:
        measurements = (measure(examination.anatomy, film, patient, concerns),)
    return Reading(
        sha256=examination.sha256,
        status="read",
        concerns=tuple(concerns),
        findings=tuple(
            _findings(examination.outputs, patient, operating_point, unsettled, measurements)
        ),
        measurements=measurements,
        patient=patient,
        seconds=examination.seconds,
    )


UNFAMILIAR = Concern(
    "unfamiliar",
    "This picture is unlike every chest film that the models learnt from, so none of them reads it. "
    "Upload one frontal chest film, upright and whole.",
    refuses=True,
)


def _reason(refusal: Concern, concerns: list[Concern]) -> str:
    """Why a film gets no reading: of one that is unlike all others because it is shown otherwise, that."""
    shown = next((c.message for c in concerns if c.code in ("inverted", "turned")), None)
    if refusal is not UNFAMILIAR or shown is None:
        return refusal.message
    return f"{shown} As it is, it is unlike every chest film that the models learnt from, so none of them reads it."


def _unlike(output: ModelOutput) -> Concern:
    card = output.card
    return Concern(
        "unlike_training",
        f"This film is unlike the ones that {card.model} learnt from ({card.population.text}); trust its answer less.",
    )


def _findings(
    outputs: tuple[ModelOutput, ...],
    patient: Patient,
    operating_point: str,
    unsettled: bool,
    measurements: tuple[Measurement, ...],
) -> list[FindingReading]:
    """One entry per finding and model that fits; a finding that no model fits keeps its place, with the reason."""
    keys = sorted({key for output in outputs for key in output.card.findings})
    readings: list[FindingReading] = []
    for key in keys:
        candidates = [o for o in outputs if key in o.card.findings]
        reasons = {
            id(o): o.card.population.excludes(patient.age_years, patient.view) for o in candidates
        }
        fitting = [o for o in candidates if not reasons[id(o)]]
        if not fitting:
            said = "; ".join(f"{o.card.model} is for {o.card.population.text}" for o in candidates)
            readings.append(
                FindingReading(finding=key, reason=f"No model for this patient: {said}.")
            )
        measured = next(iter(measurements), None)
        readings += [
            _reading_of(o, key, operating_point, unsettled, measured, patient.view) for o in fitting
        ]
    return readings


def _reading_of(
    output: ModelOutput,
    key: str,
    operating_point: str,
    unsettled: bool,
    measured: Measurement | None,
    view: View | None,
) -> FindingReading:
    card = output.card
    index = card.findings.index(key)
    probability, parts = combine(card, key, float(output.probabilities[index]), measured, view)
    point = card.operating_point(key, operating_point, combined=parts is not None)
    return FindingReading(
        finding=key,
        probability=probability,
        logit=float(output.logits[index]),
        threshold=point.threshold,
        operating_point=point.name,
        call="indeterminate" if unsettled else _call(probability, point),
        model=card.model,
        version=card.version,
        population=card.population.text,
        evidence=output.evidence.get(key),
        parts=parts,
        card=card,
    )


def _call(probability: float, point: OperatingPoint) -> Call:
    return "present" if probability >= point.threshold else "absent"
