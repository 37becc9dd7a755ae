"""The figures of an evaluation as typed values: everything that metrics.json holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from cxr_core.data.manifest import AppliedLayer
from cxr_core.evaluation.metrics.coverage import RuleCoverage
from cxr_core.evaluation.metrics.reported import Calibrated
from cxr_core.models.figures import AttributionInside, Figure, Localisation, RoundedRecord
from cxr_core.workspace.json_record import Count, Fraction, JsonRecord

SCORES = (  # figures that need no threshold, in the order of metrics.json
    "auroc",
    "average_precision",
    "brier",
    "brier_reliability",
    "brier_resolution",
    "brier_uncertainty",
    "brier_within",
    "log_loss",
    "ece",
    "adaptive_ece",
    "calibration_slope",
    "calibration_intercept",
)
RATES = (  # figures at the balanced operating point
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "specificity",
    "f1",
    "npv",
    "mcc",
    "lr_positive",
    "lr_negative",
)
RATES_AT_POINTS = ("sensitivity", "specificity", "accuracy", "precision", "f1")


@dataclass(frozen=True)
class AdjustedDifference(RoundedRecord):
    """One difference among several that are tested together. None = undefined.

    low, high: intervals that hold all differences at once in 95 % of all cases.  p: of this one alone, two-sided.
    p_adjusted: for all that were tested.
    """

    value: float | None
    low: float | None
    high: float | None
    p: float | None
    p_adjusted: float | None


@dataclass(frozen=True, kw_only=True)
class Subgroup(JsonRecord):
    """The films of one subgroup, such as by "sex" those of "female" patients.

    enough: whether there are patients enough for figures; without, `figures` and `differences` are empty.
    figures: auroc, sensitivity, specificity, and calibration, the mean prediction less the share that is positive.
    differences: to the films of all other subgroups of the same kind, adjusted for the number of subgroups compared.
    """

    KEYS: ClassVar[Mapping[str, str]] = {"differences": "difference"}
    SPREAD: ClassVar[str] = "figures"

    by: str
    name: str
    n: Count
    positives: Count
    patients: Count
    enough: bool
    figures: Mapping[str, Figure]
    differences: Mapping[str, AdjustedDifference]


@dataclass(frozen=True, kw_only=True)
class Subgroups(JsonRecord):
    """All subgroups of one finding.

    operating_point, threshold: what sensitivity and specificity are taken at.  least_patients: with a positive film,
    and with a negative one, that a subgroup needs.  compared: how many the differences are adjusted for.
    correction: how.  unknown: films that do not say, by kind of subgroup; they are in no subgroup.
    """

    KEYS: ClassVar[Mapping[str, str]] = {"least_patients": "least_patients_of_each_class"}

    operating_point: str
    threshold: Fraction
    least_patients: Count
    compared: Count
    correction: str
    unknown: Mapping[str, Count]
    groups: tuple[Subgroup, ...]


@dataclass(frozen=True, kw_only=True)
class GroupCoverage(JsonRecord):
    """A subgroup when a rule decides a share of all films: the share decided in it, and the error among these.

    films, positives: of the group.  decided, error: None where the group has too few patients.
    """

    by: str
    name: str
    films: Count
    positives: Count
    decided: Figure | None = None
    error: Figure | None = None


@dataclass(frozen=True, kw_only=True)
class CoverageGroups(JsonRecord):
    """All subgroups of one finding when a rule decides a share of all films."""

    rule: str
    share: Fraction
    groups: tuple[GroupCoverage, ...]


@dataclass(frozen=True, kw_only=True)
class PointFigures(JsonRecord):
    """Figures at one operating point."""

    sensitivity: Figure
    specificity: Figure
    accuracy: Figure
    precision: Figure
    f1: Figure


@dataclass(frozen=True, kw_only=True)
class DecisionFigures(JsonRecord):
    """What a decision with two thresholds makes of the films of each class; the three shares of a class sum to 1.

    present_suspected is its sensitivity, absent_not_suspected its specificity. present_not_suspected and
    absent_suspected are its errors, which validation was to keep below the decision's own.
    """

    present_suspected: Figure
    present_undecided: Figure
    present_not_suspected: Figure
    absent_suspected: Figure
    absent_undecided: Figure
    absent_not_suspected: Figure


@dataclass(frozen=True, kw_only=True)
class FindingFigures(JsonRecord):
    """Every figure of one finding on one set of films.

    accuracy to lr_negative are taken at the balanced operating point.  points: figures at each operating point.
    decisions: figures of each decision with two thresholds.
    auroc_delong: where each film is of another patient.  auroc_against_normal: of the positive films against those that
    are labelled as normal, where the model's findings tell which these are.  views: where both PA and AP films occur.
    calibration_of: the probability that calibration is measured of; see `reported`.
    degenerate: why the model's answers are of no use, as sentences; empty when they may be.
    attribution_inside: where a segmenter was there.  localisation: where films have boxes.
    coverage: by rule, the error among the films decided; see `coverage`.  coverage_groups: the same by subgroup, at one
    share and by one rule; None in evaluations of earlier versions, and where films do not say who they show.
    """

    KEYS: ClassVar[Mapping[str, str]] = {"attribution_inside": "heat_in_chest"}
    SPREAD: ClassVar[str] = "points"

    auroc: Figure
    average_precision: Figure
    brier: Figure
    brier_reliability: Figure
    brier_resolution: Figure
    brier_uncertainty: Figure
    brier_within: Figure
    log_loss: Figure
    ece: Figure
    adaptive_ece: Figure
    calibration_slope: Figure
    calibration_intercept: Figure
    accuracy: Figure
    balanced_accuracy: Figure
    precision: Figure
    recall: Figure
    specificity: Figure
    f1: Figure
    npv: Figure
    mcc: Figure
    lr_positive: Figure
    lr_negative: Figure
    points: Mapping[str, PointFigures]
    decisions: Mapping[str, DecisionFigures] = field(default_factory=dict)
    auroc_delong: Figure | None = None
    auroc_against_normal: Figure | None = None
    views: Mapping[str, "FindingFigures"] = field(default_factory=dict)
    subgroups: Subgroups | None = None
    calibration_of: Calibrated = "probability"
    degenerate: str = ""
    attribution_inside: AttributionInside | None = None
    localisation: Localisation | None = None
    coverage: Mapping[str, RuleCoverage] = field(default_factory=dict)
    coverage_groups: CoverageGroups | None = None

    def by_name(self) -> dict[str, Figure]:
        """The single figures, without those of points, views and subgroups."""
        figures: dict[str, Figure] = {name: getattr(self, name) for name in (*SCORES, *RATES)}
        for name in ("auroc_delong", "auroc_against_normal"):
            figure = getattr(self, name)
            if figure is not None:
                figures[name] = figure
        return figures


@dataclass(frozen=True, kw_only=True)
class ClassFigures(JsonRecord):
    """Figures of one class, or their average. support: films of the class; None for an average."""

    precision: Figure
    recall: Figure
    f1: Figure
    support: Count | None = None


@dataclass(frozen=True, kw_only=True)
class ClassificationReport(JsonRecord):
    """Precision, recall and F1 of each class at one threshold, as scikit-learn's report has them.

    macro_average: both classes alike.  weighted_average: by their films.
    """

    operating_point: str
    threshold: Fraction
    accuracy: Figure
    absent: ClassFigures
    present: ClassFigures
    macro_average: ClassFigures
    weighted_average: ClassFigures

    @property
    def films(self) -> int:
        """Films of both classes."""
        return (self.absent.support or 0) + (self.present.support or 0)


@dataclass(frozen=True, kw_only=True)
class MacroFigures(JsonRecord):
    """Means over the findings that show both classes. None where there is no such finding."""

    findings: tuple[str, ...]
    auroc: Figure | None = None
    average_precision: Figure | None = None


@dataclass(frozen=True, kw_only=True)
class EvaluatedPopulation(JsonRecord):
    """Which films of a split an evaluation keeps to.

    text: the patients whom the model is for.  films, patients, data_sha256: of the whole split; patients is 0 where an
    evaluation has not recorded it.  outside: films left out, by reason.  unknown: films of unknown age or view, where
    the population is limited by it; they count as inside.
    """

    WRITES_DEFAULTS: ClassVar[bool] = True

    text: str
    films: Count
    patients: Count = 0
    data_sha256: str
    outside: Mapping[str, Count] = field(default_factory=dict)
    unknown: Mapping[str, Count] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EvaluatedData(JsonRecord):
    """The films of an evaluation. terms: of the data.  folders: where the films lie; empty where nobody said.

    population: whom it keeps to; None in evaluations of earlier versions, which measured all films of a split.
    split_by: who divided the films, "data" or "run"; empty in evaluations of earlier versions.
    label_layers: the readers' labels that they are judged by, where they have any beside the data's own.
    """

    films: Count
    patients: Count
    data_sha256: str
    split_sha256: str
    terms: str
    folders: tuple[str, ...] = ()
    population: EvaluatedPopulation | None = None
    split_by: Literal["", "data", "run"] = ""
    label_layers: tuple[AppliedLayer, ...] = ()

    @property
    def split_data_sha256(self) -> str:
        """The hash of all films of the split, whether or not the model is for their patients."""
        return self.population.data_sha256 if self.population else self.data_sha256


@dataclass(frozen=True, kw_only=True)
class EvaluationHead(JsonRecord):
    """What every file of an evaluation begins with: which model was evaluated on which films, and when.

    made: ISO 8601, UTC.  software: this program's version.
    """

    KEYS: ClassVar[Mapping[str, str]] = {"split": "part"}

    schema: int
    model: str
    version: str
    weights_sha256: str
    split: str
    data: EvaluatedData
    made: str
    software: str


@dataclass(frozen=True, kw_only=True)
class EvaluationMetrics(EvaluationHead):
    """metrics.json of a classifier. operating_point: of the figures that need one and do not name it.

    calibrated_here: whether the model's calibration was fitted on these very films.
    outside_population: figures of the films outside the intended population, where they were wanted.
    """

    operating_point: str
    findings: Mapping[str, FindingFigures]
    macro: MacroFigures | None = None
    classification_report: Mapping[str, ClassificationReport]
    calibrated_here: bool = False
    outside_population: Mapping[str, FindingFigures] = field(default_factory=dict)
