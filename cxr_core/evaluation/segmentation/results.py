"""The figures of a segmenter's evaluation as typed values: everything that its metrics.json holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import model_validator

from cxr_core.evaluation.metrics.results import EvaluationHead
from cxr_core.findings import STRUCTURES
from cxr_core.models.figures import Figure, MeanFigure
from cxr_core.workspace.json_files import JsonObject
from cxr_core.workspace.json_record import Count, JsonRecord

MEASURES = ("measured", "trusted", "trusted_ratio_mae", "coverage")


@dataclass(frozen=True, kw_only=True)
class RatioAgreement(JsonRecord):
    """How well a measured ratio agrees with a reference ratio of the same films.

    mae: mean absolute error.  bias: mean of measured - reference.  low, high: 95 % limits of agreement of single films.
    Source: Bland & Altman 1986, Lancet 1:307-310.
    """

    KEYS: ClassVar[Mapping[str, str]] = {
        "mae": "ratio_mae",
        "bias": "ratio_bias",
        "low": "ratio_low",
        "high": "ratio_high",
        "correlation": "ratio_correlation",
    }

    mae: MeanFigure
    bias: MeanFigure
    low: MeanFigure
    high: MeanFigure
    correlation: MeanFigure


@dataclass(frozen=True, kw_only=True)
class SegmentationFigures(JsonRecord):
    """Contours and ratio of all films against their masks.

    dice, distance_px: by structure; the distance is the mean one between both boundaries, in film pixels.
    measured: share of films with a ratio.  trusted: share of films with a ratio and no warning.
    trusted_ratio_mae: mean absolute error of the trusted films.  agreement: over the measured films; None without any.
    coverage: share of measured films whose stated interval holds the true ratio.
    """

    dice: Mapping[str, MeanFigure]
    distance_px: Mapping[str, MeanFigure]
    measured: MeanFigure
    trusted: MeanFigure
    trusted_ratio_mae: MeanFigure
    agreement: RatioAgreement | None = None
    coverage: MeanFigure | None = None

    def to_json(self) -> JsonObject:
        """One flat object: dice_STRUCTURE, distance_px_STRUCTURE, then the other figures."""
        content: JsonObject = {}
        for structure, figure in self.dice.items():
            content[f"dice_{structure}"] = figure.to_json()
        for structure, figure in self.distance_px.items():
            content[f"distance_px_{structure}"] = figure.to_json()
        content["measured"] = self.measured.to_json()
        content["trusted"] = self.trusted.to_json()
        content["trusted_ratio_mae"] = self.trusted_ratio_mae.to_json()
        if self.agreement is not None:
            content |= self.agreement.to_json()
        if self.coverage is not None:
            content["coverage"] = self.coverage.to_json()
        return content

    @model_validator(mode="before")
    @classmethod
    def _gather_figures(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        gathered = {name: content[name] for name in MEASURES if name in content}
        for table in ("dice", "distance_px"):
            keys = {name: f"{table}_{name}" for name in STRUCTURES}
            gathered[table] = {name: content[key] for name, key in keys.items() if key in content}
        if "ratio_mae" in content:
            gathered["agreement"] = content
        return gathered


@dataclass(frozen=True, kw_only=True)
class RecordedAgreement(JsonRecord):
    """The measured ratio against the one that the data records.

    table: the name of the file that records it.  not_recorded: films without a recorded ratio.
    unmeasured: films that record a ratio and could not be measured.
    """

    table: str
    agreement: RatioAgreement
    not_recorded: Count
    unmeasured: Count

    def to_json(self) -> JsonObject:
        """One flat object, the figures of the agreement among its keys."""
        return {
            "table": self.table,
            **self.agreement.to_json(),
            "empty": self.not_recorded,
            "unmeasured": self.unmeasured,
        }


@dataclass(frozen=True, kw_only=True)
class ScoreAurocs(JsonRecord):
    """AUROC by score, and the paired difference by pair of scores, such as "combined - ratio"."""

    auroc: Mapping[str, Figure]
    difference: Mapping[str, Figure]


@dataclass(frozen=True, kw_only=True)
class UnmeasuredFilms(JsonRecord):
    """Films without a ratio. share: of all films; None when there are none.  positives: among the unmeasured."""

    films: Count
    share: float | None
    positives: Count


@dataclass(frozen=True, kw_only=True)
class GroupScores(JsonRecord):
    """Every score on one group of films.

    on_measured: on the films with a ratio.  on_all: on all films, for the scores that every film has; None without any.
    """

    films: Count
    positives: Count
    unmeasured: UnmeasuredFilms
    on_measured: ScoreAurocs
    on_all: ScoreAurocs | None


@dataclass(frozen=True, kw_only=True)
class ComparatorModel(JsonRecord):
    """The classifier that the ratio is compared with."""

    model: str
    version: str
    weights_sha256: str


@dataclass(frozen=True, kw_only=True)
class ScoredFusion(JsonRecord):
    """The fusion of classifier and ratio that was scored: that of the classifier's card.

    log-odds = intercept + classifier * its log-odds + measured * (ratio - centre) + ap on AP views.
    """

    KEYS: ClassVar[Mapping[str, str]] = {"from_card": "shipped"}

    from_card: bool
    source: str
    intercept: float
    classifier: float
    measured: float
    centre: float
    ap: float


@dataclass(frozen=True, kw_only=True)
class RatioScores(JsonRecord):
    """The ratio as a score for a finding.

    unlabelled: films left out.  comparator, fusion: None when no classifier, or no fusion of this segmenter, is there.
    views: "all", "PA", "AP" and "within", where each positive film is compared with films of its own view.
    sources: the same by source of the films, where there are several.
    """

    KEYS: ClassVar[Mapping[str, str]] = {"comparator": "beside", "fusion": "combination"}

    finding: str
    unlabelled: Count
    comparator: ComparatorModel | None
    fusion: ScoredFusion | None
    views: Mapping[str, GroupScores]
    sources: Mapping[str, Mapping[str, GroupScores]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SegmenterMetrics(EvaluationHead):
    """metrics.json of a segmenter. None: the data has nothing to compare with.

    figures: against masks.  recorded: against the ratio that the data records.  score: against labels.
    """

    figures: SegmentationFigures | None
    recorded: RecordedAgreement | None
    score: RatioScores | None
