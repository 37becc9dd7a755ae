"""Defines what a reading consists of, as frozen dataclasses: probabilities, calls, attributions and measurements.

`Reader.examine` runs the models once and gives an `Examination`; `interpret` turns it into a `Reading` for one patient
at one operating point, so that a change of age, view or operating point needs no network. Nothing here imports torch.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from cxr_core.film.adjustments import UNCHANGED, Adjustments
from cxr_core.film.preprocess import Placement
from cxr_core.film.quality_flag import QualityFlag
from cxr_core.film.radiograph import Radiograph
from cxr_core.known_findings import LocalFinding
from cxr_core.models.card import ModelCard
from cxr_core.models.label_noise import LabelNoise
from cxr_core.presentation.wording import describe_frequency, finding_name, format_percent
from cxr_core.reading.calibration import log_odds
from cxr_core.reading.cardiothoracic.contours import SegmentationResult
from cxr_core.reading.cardiothoracic.fusion import FusionParts
from cxr_core.reading.cardiothoracic.ratio import Measurement
from cxr_core.reading.decision import Call, Uncertainty
from cxr_core.reading.patient import Patient
from cxr_core.reading.site_profile import SiteMark, SiteProfile
from cxr_core.workspace.json_files import JsonObject

EXACT_METHOD = "evidence"
# Heatmap method -> display name. All but the first come from pytorch-grad-cam and have no unit.
HEATMAP_METHODS: dict[str, str] = {
    EXACT_METHOD: "Evidence (exact, in logits)",
    "gradcam": "Grad-CAM",
    "gradcam++": "Grad-CAM++",
    "hirescam": "HiResCAM",
    "eigencam": "EigenCAM",
    "layercam": "LayerCAM",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Attribution:
    """What each cell of a model's feature map contributes to one finding: what a heatmap shows.

    method: a key of HEATMAP_METHODS.  unit: `logit` when the cells sum to logit - bias, less a constant where
    against_baseline; `relative` when 1 is this film's own maximum.  cells: (h, w) float32.  scale: the cell value drawn
    in full colour, the same for every film.  against_baseline: whether what a cell contributes on a typical film
    without the finding is subtracted.
    """

    finding: str
    method: str
    unit: Literal["logit", "relative"]
    cells: np.ndarray
    scale: float
    placement: Placement
    against_baseline: bool = False

    def on_film(self) -> np.ndarray:
        """(H, W) float32 on the film's own grid, in the unit of the cells; NaN where the model saw nothing."""
        return self.placement.map_to_film(self.cells)


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelOutput:
    """What one classifier computes from one film.

    logits, probabilities: (L,) in the order of card.findings.  attributions: the exact one of each finding.
    features: (F, h, w) float32, from which any other heatmap can be made.  ood_score: distance to the training films,
    in units of the model's limit; above 1 the film is out of distribution.  backend: what computed the features, by
    name: torch, onnx or openvino, with int8 where it is quantised.
    """

    card: ModelCard
    logits: np.ndarray
    probabilities: np.ndarray
    attributions: Mapping[str, Attribution]
    features: np.ndarray
    ood_score: float
    backend: str = "torch"


@dataclass(frozen=True, kw_only=True, eq=False)
class Examination:
    """What all models compute from one film, before the patient and the operating point are considered.

    sha256: of the file's bytes.  film: with the adjustments; None when it was refused before it was decoded.
    concerns: quality flags.  outputs: empty when refused.  segmentation: None when refused, or when no segmenter is
    installed.
    """

    sha256: str
    film: Radiograph | None
    concerns: tuple[QualityFlag, ...]
    outputs: tuple[ModelOutput, ...]
    seconds: float
    segmentation: SegmentationResult | None = None
    adjustments: Adjustments = UNCHANGED


@dataclass(frozen=True, kw_only=True, eq=False)
class FindingReading:
    """One finding by one model or by several, or the reason why there is none.

    probability, present_from, absent_below: at `prevalence`, where that is known.  decision: one of
    `decisions.DECISIONS`.  operating_point: of a decision with a single threshold.  calibration_prevalence: at which
    the model was calibrated.  likelihood_ratio: how many times the odds are higher than before the film was seen.
    probability_reported: where the probability is that of a reader's verdict, the chance that labels such as the model
    was trained on name the finding.  probability_interval: what the uncertainty of the labels' rates alone leaves open.
    needs_age: whether the model is made for an age group and the age is unknown.  fusion_parts: of a probability that
    the measured ratio contributes to; the logit is always the classifier's own.  opinions: where several models answer
    the finding, all their answers; the other fields are then those of the most suspicious one, and the call is
    indeterminate where they differ.  definition: of a finding that does not ship, from the model's card.
    likely_normal: whether the probability lies below the card's threshold of likely normal films; None where the card
    has none.  is_withheld: whether a quality flag allows no verdict, so that pages and reports show no number either.
    site: what the profile of the site did; None where nothing is installed.  undecided_because: a sentence.
    uncertain_because: by code, every reason for which the call is undecided, or needs caution although it is not.
    """

    finding: str
    probability: float | None = None
    logit: float | None = None
    decision: str | None = None
    present_from: float | None = None
    absent_below: float | None = None
    operating_point: str | None = None
    call: Call | None = None
    undecided_because: str | None = None
    uncertain_because: tuple[Uncertainty, ...] = ()
    prevalence: float | None = None
    calibration_prevalence: float | None = None
    likelihood_ratio: float | None = None
    probability_reported: float | None = None
    probability_interval: tuple[float, float] | None = None
    needs_age: bool = False
    model: str | None = None
    version: str | None = None
    population: str | None = None
    reason: str | None = None
    attribution: Attribution | None = None
    fusion_parts: FusionParts | None = None
    card: ModelCard | None = None
    definition: LocalFinding | None = None
    likely_normal: bool | None = None
    is_withheld: bool = False
    site: SiteMark | None = None
    opinions: tuple["FindingReading", ...] = ()

    @property
    def name(self) -> str:
        """The display name; that of a finding that the model's card defines is marked as locally defined."""
        return self.definition.marked_name if self.definition else finding_name(self.finding)

    @property
    def has_verdict(self) -> bool:
        """Whether a model that is known to fit the patient answers the finding."""
        return self.probability is not None and not self.needs_age

    @property
    def shows_number(self) -> bool:
        """Whether its probability is shown beside the verdict."""
        return self.has_verdict and not self.is_withheld

    @property
    def defined_as(self) -> str | None:
        """What the finding means, where its model or the workspace says so in words of its own."""
        if self.card is not None:
            return self.card.describe_finding(self.finding)
        return self.definition.definition if self.definition else None

    @property
    def label_noise(self) -> LabelNoise | None:
        """How the labels of the model's calibration differ from a reader's verdict, where its card says so."""
        return self.card.label_noise.get(self.finding) if self.card else None

    def describe_frequency(self) -> str:
        """What the probability is one of, without a full stop: of films with the finding, or of readers' verdicts."""
        assert self.probability is not None
        name = self.name if self.label_noise else None
        return describe_frequency(self.probability, self.prevalence, self.finding, name)

    def describe_label_noise(self) -> str:
        """How labels and readers differ, and what that leaves open of the probability; empty where nothing is known."""
        noise, interval = self.label_noise, self.probability_interval
        if noise is None or interval is None or self.probability_reported is None:
            return ""
        low, high = map(format_percent, interval)
        reported = format_percent(self.probability_reported)
        return (
            f"{noise.describe()} The ends of these two intervals leave a probability from {low} to {high} open. Such "
            f"labels would name the finding on {reported} of such films."
        )

    @property
    def threshold(self) -> float | None:
        """The single threshold; None where there is no number, or where the decision has two thresholds."""
        return self.present_from if self.present_from == self.absent_below else None

    def to_json(self) -> JsonObject:
        """The fields that `read --json` promises; a finding without a number carries its reason."""
        record: JsonObject = {
            "finding": self.finding,
            "probability": self.probability,
            "logit": self.logit,
            "threshold": self.threshold,
            "operating_point": self.operating_point,
            "call": self.call,
            "decision": self.decision,
            "present_from": self.present_from,
            "absent_below": self.absent_below,
            "undecided_because": self.undecided_because,
            "prevalence": self.prevalence,
            "likelihood_ratio": self.likelihood_ratio,
            "needs_age": self.needs_age,
            "model": self.model,
            "version": self.version,
            "population": self.population,
            "name": self.name,
            "locally_defined": self.definition is not None,
        }
        if self.uncertain_because:
            record["uncertain_because"] = list(self.uncertain_because)
        if self.defined_as:
            record["definition"] = self.defined_as
        if self.likely_normal is not None:
            record["likely_normal"] = self.likely_normal
        if self.probability_reported is not None and self.probability_interval is not None:
            record["probability_reported"] = self.probability_reported
            record["probability_low"], record["probability_high"] = self.probability_interval
        if self.reason:
            record["reason"] = self.reason
        if self.site is not None:
            record["site_profile"] = self.site.to_json()
        if self.fusion_parts:
            record["parts"] = self.fusion_parts.to_json()
        if self.opinions:
            record["opinions"] = [opinion.to_json() for opinion in self.opinions]
        return record


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """One film as it is shown on the screen, written as JSON or put into a report.

    concerns: quality flags of the film.  warnings: what limits the numbers as a whole.  not_assessed: what no model
    that fits this patient looks for, in words.  site_profile: what the site had installed; None where that is nothing.
    backends: what computed each model's forward pass, by the model's name.
    """

    sha256: str
    status: Literal["read", "refused"]
    reason: str | None = None
    concerns: tuple[QualityFlag, ...] = ()
    findings: tuple[FindingReading, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    warnings: tuple[str, ...] = ()
    not_assessed: tuple[str, ...] = ()
    patient: Patient = field(default_factory=Patient)
    adjustments: Adjustments = UNCHANGED  # what a person put right before the film was read
    seconds: float = 0.0
    site_profile: SiteProfile | None = None
    backends: Mapping[str, str] = field(default_factory=dict)

    def to_json(self, file: str) -> JsonObject:
        """One line of `read --json`. file: the name that the film came under."""
        return {
            "file": file,
            "sha256": self.sha256,
            "status": self.status,
            "reason": self.reason,
            "concerns": [{"code": c.code, "message": c.message} for c in self.concerns],
            "findings": [finding.to_json() for finding in self.findings],
            "measurements": [
                {**measurement.to_json(), "disagreements": list(measurement.disagreements)}
                for measurement in self.measurements
            ],
            "remarks": list(self.warnings),
            "not_assessed": list(self.not_assessed),
            "patient": {
                "age_years": self.patient.age_years,
                "age_group": self.patient.age_group,
                "view": self.patient.view,
            },
            "adjustments": self.adjustments.to_json(),
            "seconds": round(self.seconds, 3),
            "backends": dict(self.backends),
        }

    @property
    def suspicion(self) -> float:
        """How far the most suspicious finding lies above its threshold, in logits; -inf when nothing was read.

        A model made for an age group does not count while the age is unknown.
        """
        margins = [
            log_odds(finding.probability) - log_odds(finding.present_from)
            for finding in self.findings
            if finding.probability is not None
            and finding.present_from is not None
            and not finding.needs_age
        ]
        return max(margins, default=-math.inf)
