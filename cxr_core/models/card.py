"""Defines a classifier's card: everything that must travel with its weights, as one checked JSON file.

`JsonCard` is what it shares with the segmenter's card: reading, writing and refusing the file.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any, ClassVar, Self

from pydantic import ConfigDict, Field, GetPydanticSchema, with_config
from typing_extensions import TypedDict  # pydantic reads typing's own from Python 3.12 on

from cxr_core.decisions import DECISIONS, DEFAULT_DECISION
from cxr_core.errors import ModelError, RecordError, SettingsError
from cxr_core.film.preprocess import InputSpec
from cxr_core.film.radiograph import View
from cxr_core.known_findings import MAX_DEFINITION, LocalFinding
from cxr_core.models.confident_normal import ConfidentNormal
from cxr_core.models.figures import CardMetrics, recorded_figure
from cxr_core.models.label_noise import LabelNoise, LabelRepair
from cxr_core.models.resolution import ResolutionFigures
from cxr_core.presentation.wording import finding_in_sentence, finding_name
from cxr_core.workspace.json_files import Json, parse_json
from cxr_core.workspace.json_record import AsWritten, Count, Fraction, parse_record

CARD_SCHEMA = 1
# The files of every model folder.
CARD, WEIGHTS = "card.json", "weights.safetensors"
# What its validation films scored, and the hashes of the films that it learnt from; see cxr_core/site.
VALIDATION_SCORES, LEARNT_FILMS = "validation_scores.json", "learnt_films.txt"
OPERATING_POINTS = ("youden", "sensitivity_95", "specificity_95")
WITH_RATIO = (
    "test_combined"  # begins the names of the splits whose figures are of the fused probability
)


Age = Annotated[int, Field(ge=0, le=150)]  # completed years
# In a formula for log-odds. A fit to a few films that a model tells apart perfectly has weights of 100,000 and more.
Weight = Annotated[float, Field(ge=-1e9, le=1e9)]
PositiveWeight = Annotated[float, Field(gt=0, le=1e9)]
Width = Annotated[int, Field(ge=1, le=8192)]  # channels or units of a network
# Attribution by cell, (h, w) with h and w up to 256.
Rows = Annotated[
    list[Annotated[list[Weight], Field(min_length=1, max_length=256)]],
    Field(min_length=1, max_length=256),
]


class ArchitectureArguments(TypedDict, total=False):
    """The arguments of a network, as a card keeps them. Each architecture takes some of them; see its class.

    pretrained: whether the backbone starts from ImageNet weights; never in a card.
    backbone_arguments: what goes on to timm.
    code: the sha256 of each file of the user's own that backbone and head name.
    """

    backbone: str
    backbone_arguments: dict[str, Any]
    code: dict[str, Annotated[str, Field(pattern="^[0-9a-f]{64}$")]]
    channels: Annotated[int, Field(ge=1, le=3)]
    dropout: Fraction
    pretrained: bool
    # classifiers
    findings: Annotated[int, Field(ge=1, le=100)]
    side: Annotated[int, Field(ge=16, le=2048)]
    head: str
    neck: Width | None
    hidden: Width
    two_class: bool
    # ensembles of classifiers
    members: Annotated[int, Field(ge=1, le=32)]
    # segmenters
    widths: Annotated[Sequence[Width], Field(max_length=8)]
    structures: Annotated[int, Field(ge=1, le=16)]


@with_config(ConfigDict(extra="allow"))
class SplitFacts(TypedDict, total=False):
    """How large one split of the training data was. positives: by finding."""

    films: Count
    patients: Count
    positives: dict[str, Count]


@with_config(ConfigDict(extra="allow"))
class DataFacts(TypedDict, total=False):
    """The `data` of `TrainingFacts`: what a run's manifest holds, without paths."""

    kind: str
    parts: dict[str, SplitFacts]


@with_config(ConfigDict(extra="allow"))
class TrainingFacts(TypedDict, total=False):
    """The `training` of a card, as far as this program uses it."""

    recipe: str
    summary: str
    init: str
    seed: int
    epoch: Count
    duration_s: Annotated[int | float, Field(ge=0)]
    finished: str
    data: DataFacts
    terms: str | None
    published: dict[str, Any]


Arguments = Annotated[ArchitectureArguments, AsWritten]
Training = Annotated[
    dict[str, Any], GetPydanticSchema(lambda _, handler: handler(TrainingFacts)), AsWritten
]


@dataclass(frozen=True, kw_only=True)
class Population:
    """The patients that a model is valid for.

    Ages are in completed years: 5 covers a child until its sixth birthday. Empty views mean any view.
    """

    text: str
    age_min: Age | None = None
    age_max: Age | None = None
    views: tuple[View, ...] = ()

    def excludes(self, age_years: float | None, view: str | None) -> str | None:
        """Why the model does not fit, or None when it does. An unknown age or view excludes nothing."""
        if age_years is not None:
            if self.age_min is not None and age_years < self.age_min:
                return f"the patient is younger than {self.age_min}"
            if self.age_max is not None and age_years >= self.age_max + 1:
                return f"the patient is older than {self.age_max}"
        if view is not None and self.views and view not in self.views:
            return f"the view is {view}"
        return None

    def overlaps(self, other: "Population") -> bool:
        """Whether some patient and view belong to both."""
        too_old = (self.age_min or 0) > _age_limit(other.age_max)
        too_young = (other.age_min or 0) > _age_limit(self.age_max)
        return not (too_old or too_young) and (
            not self.views or not other.views or bool(set(self.views) & set(other.views))
        )

    def covers(self, other: "Population") -> bool:
        """Whether every patient and view of the other belong to this one."""
        if (self.age_min or 0) > (other.age_min or 0):
            return False
        if _age_limit(self.age_max) < _age_limit(other.age_max):
            return False
        return not self.views or (bool(other.views) and set(other.views) <= set(self.views))


def _age_limit(age_max: int | None) -> float:
    return math.inf if age_max is None else age_max


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """A named threshold on the calibrated probability: at or above it the finding is called present.

    source: on which films it was chosen, and how.
    """

    name: str
    threshold: Fraction
    source: str


def order_points(points: Sequence[OperatingPoint]) -> tuple[OperatingPoint, ...]:
    """The same operating points, the sensitive one not above the specific one.

    The sensitive threshold is the highest that keeps sensitivity at 0.95, the specific one the lowest that keeps
    specificity there. Where the classes part so well that the first lies above the second, both rates are reached at
    both, and the two exchange their thresholds: the lower one misses fewer films and is the sensitive one.
    """
    by_name = {point.name: point for point in points}
    sensitive, specific = by_name.get("sensitivity_95"), by_name.get("specificity_95")
    if sensitive and specific and sensitive.threshold > specific.threshold:
        by_name["sensitivity_95"] = replace(specific, name="sensitivity_95")
        by_name["specificity_95"] = replace(sensitive, name="specificity_95")
    return tuple(by_name[point.name] for point in points)


@dataclass(frozen=True, kw_only=True)
class DecisionThresholds:
    """Two thresholds on the calibrated probability, chosen so that each class is misjudged at a known rate.

    A film at or above `present_from` is suspected, one below `absent_below` is not, and one between them is undecided:
    class-conditional conformal prediction (Vovk, Gammerman and Shafer 2005, section 4.5). Where the classes part so
    well that the two would cross, both are the balanced threshold and nothing is undecided.

    name: `standard` or `strict`.  error: the share of films of each class that may be misjudged.  source: on which
    films the thresholds were chosen, and how.
    """

    name: str
    error: Fraction
    present_from: Fraction
    absent_below: Fraction
    source: str

    def __post_init__(self) -> None:
        if self.absent_below > self.present_from:
            raise ModelError(
                f"the {self.name} decision calls films absent below {self.absent_below:g} and present from "
                f"{self.present_from:g}; the first must not lie above the second"
            )


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Platt scaling: probability = sigmoid(slope * logit + intercept). Temperature scaling has intercept 0.

    Source: Platt 1999; Guo et al. 2017, arXiv:1706.04599.
    """

    slope: PositiveWeight = 1.0
    intercept: Weight = 0.0
    source: str = "none"


@dataclass(frozen=True, kw_only=True)
class Fusion:
    """A finding's probability from the classifier and a measurement together, where a film could be measured.

    probability = sigmoid(intercept + classifier * log-odds + measured * (value - centre) + ap). The term ap counts on
    AP views only, half of it where the view is unknown. The log-odds are those of the calibrated probability. A film
    whose ratio is uncertain gets a part of the way from the classifier's log-odds to these.

    operating_points, decisions: thresholds on the fused probability.  model: the segmenter that it was fitted with.
    ratio_variance: of the true ratio among films that the classifier and the view cannot tell apart, which is what a
    ratio's uncertainty is weighed against; None in cards that were fitted without weights.
    """

    measurement: str
    model: str
    intercept: Weight
    classifier: Annotated[float, Field(ge=0, le=1e9)]
    measured: Annotated[float, Field(ge=0, le=1e9)]
    centre: Weight
    ap: Weight
    operating_points: tuple[OperatingPoint, ...]
    source: str
    decisions: tuple[DecisionThresholds, ...] = ()
    ratio_variance: Annotated[float, Field(gt=0, le=1)] | None = None


class JsonCard:
    """A card as JSON text. KEYS: the keys on disk of the fields whose names differ from them.

    OMITTED_WHEN_EMPTY: fields that are written only where they hold something, so that earlier versions read the card.
    """

    KEYS: ClassVar[Mapping[str, str]] = {}
    OMITTED_WHEN_EMPTY: ClassVar[frozenset[str]] = frozenset()
    input_spec: InputSpec

    def to_json(self) -> str:
        """The card as JSON text, stable in order, ending in a newline. Raises ModelError where it could not be read."""
        fields = asdict(self)  # type: ignore[call-overload]  # each kind of card is a dataclass
        content = {
            self.KEYS.get(name, name): value
            for name, value in fields.items()
            if value or name not in self.OMITTED_WHEN_EMPTY
        }
        content["input_spec"] = self.input_spec.to_json()
        self._parse(content)
        return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parse a card. Raises ModelError for another schema or preprocessing version, and for a wrong field."""
        try:
            content = parse_json(text)
            schema = content.get("schema") if isinstance(content, dict) else None
            if schema != CARD_SCHEMA:
                raise ModelError(
                    f"the card has schema {schema!r:.40}; this program reads {CARD_SCHEMA}"
                )
        except RecordError as error:
            raise ModelError(f"the card cannot be read: {error}") from error
        return cls._parse(content)

    @classmethod
    def _parse(cls, content: Json) -> Self:
        try:
            return parse_record(cls, content)
        except (RecordError, SettingsError) as error:
            raise ModelError(f"the card cannot be read: {error}") from error


@dataclass(frozen=True, kw_only=True)
class ModelCard(JsonCard):
    """The card of one classifier. Per-finding tables are keyed by the finding's key.

    findings: the order of the logits.  local_findings: the definitions of those that do not ship.  definitions: what
    this model means by findings that ship, where its labels mean something narrower.
    architecture: a key of `architectures.ARCHITECTURES`.
    evidence_scale: the attribution of one heatmap cell, in logits, that is drawn in full colour.
    baseline_attribution: (h, w) logits, what each cell adds on a usual film without the finding; heatmaps subtract it.
    decisions: two thresholds at each error; none where validation had too few films, and in cards from before 0.2.
    default_decisions: the decision of a finding where none is chosen, if it is not the program's.
    confident_normal: below which probability a film is called likely normal; none where that was not reachable.
    prevalence: the share of films with the finding among those that its probability was calibrated on; with
    `label_noise` an estimate of the share that readers would call, the mean probability.
    label_noise: how the labels of calibration differ from a reader's verdict, of which the probability then is one.
    label_repair: the validation labels that the thresholds were chosen without.
    fusion: for the findings that a measurement improves.
    resolution: how far the answers move with a film's size and file format, by the name of the data and finding.
    ood_limit: on the distance of `reading.ood`; above it a film is out of distribution. None = not fitted.
    training: recipe, data, hashes of the splits, terms.
    metrics: split -> finding -> figure {value, low, high, n, positives}.
    """

    KEYS: ClassVar[Mapping[str, str]] = {
        "baseline_attribution": "usual_evidence",
        "fusion": "combination",
        "ood_limit": "familiarity_limit",
    }
    OMITTED_WHEN_EMPTY: ClassVar[frozenset[str]] = frozenset(
        {
            "local_findings",
            "definitions",
            "label_noise",
            "label_repair",
            "resolution",
            "default_decisions",
            "confident_normal",
        }
    )

    model: str
    version: str
    findings: tuple[str, ...]
    local_findings: tuple[LocalFinding, ...] = ()
    definitions: dict[str, str] = field(default_factory=dict)
    architecture: str
    arguments: Arguments
    input_spec: InputSpec
    population: Population
    calibration: dict[str, Calibration]
    prevalence: dict[str, Fraction] = field(default_factory=dict)
    label_noise: dict[str, LabelNoise] = field(default_factory=dict)
    label_repair: dict[str, LabelRepair] = field(default_factory=dict)
    resolution: dict[str, dict[str, ResolutionFigures]] = field(default_factory=dict)
    operating_points: dict[str, tuple[OperatingPoint, ...]]
    decisions: dict[str, tuple[DecisionThresholds, ...]] = field(default_factory=dict)
    default_decisions: dict[str, str] = field(default_factory=dict)
    confident_normal: dict[str, ConfidentNormal] = field(default_factory=dict)
    evidence_scale: dict[str, PositiveWeight]
    baseline_attribution: dict[str, Rows] = field(default_factory=dict)
    fusion: dict[str, Fusion] = field(default_factory=dict)
    ood_limit: Annotated[float, Field(gt=0, le=1e9)] | None = None
    training: Training = field(default_factory=dict)
    metrics: CardMetrics = field(default_factory=dict)
    software: dict[str, str] = field(default_factory=dict)
    weights_sha256: str = ""
    schema: int = CARD_SCHEMA

    def __post_init__(self) -> None:
        if not self.findings:
            raise ModelError(f"the card of {self.model} names no finding")
        _require_own_definitions(self)
        _require_known_decisions(self)
        for name in ("calibration", "operating_points", "evidence_scale"):
            missing = set(self.findings) - set(getattr(self, name))
            if missing:
                raise ModelError(
                    f"the card of {self.model} has no {name} for {', '.join(sorted(missing))}"
                )
        outputs, inputs = self.arguments.get("findings"), self.arguments.get("side")
        if outputs not in (None, len(self.findings)) or inputs not in (None, self.input_spec.side):
            raise ModelError(
                f"the card of {self.model} has {len(self.findings)} findings and an input side of "
                f"{self.input_spec.side}, its network {outputs} and {inputs}"
            )
        for finding, rows in self.baseline_attribution.items():
            if len({len(row) for row in rows}) != 1:
                raise ModelError(
                    f"the baseline attribution of {finding} in the card of {self.model} has rows of different lengths"
                )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """As `JsonCard.from_json`. Operating points that cross, in cards from before 0.2, are put in order.

        The figures that are recorded at the two thresholds go with them.
        """
        card = super().from_json(text)
        points = {key: order_points(given) for key, given in card.operating_points.items()}
        crossed = [key for key, given in card.operating_points.items() if given != points[key]]
        fusion = {
            key: replace(fused, operating_points=order_points(fused.operating_points))
            for key, fused in card.fusion.items()
        }
        metrics = {
            split: _exchange_figures(table, () if split.startswith(WITH_RATIO) else crossed)
            for split, table in card.metrics.items()
        }
        return replace(card, operating_points=points, fusion=fusion, metrics=metrics)

    def operating_point(self, finding: str, name: str, fused: bool = False) -> OperatingPoint:
        """The named operating point of a finding. Raises ModelError, which lists the ones there are.

        fused: the one on the probability that includes a measurement.
        """
        points = self.fusion[finding].operating_points if fused else self.operating_points[finding]
        for point in order_points(
            points
        ):  # cards from before 0.2 may have them the other way round
            if point.name == name:
                return point
        known = ", ".join(point.name for point in points)
        raise ModelError(f"{self.model} has no operating point {name!r}; choose from {known}")

    def find_definition(self, finding: str) -> LocalFinding | None:
        """The definition of a finding that does not ship; None for one that does, or that nothing defines."""
        return next((each for each in self.local_findings if each.key == finding), None)

    def describe_finding(self, finding: str) -> str | None:
        """What the model means by a finding, in its card's own words; None where it has none."""
        local = self.find_definition(finding)
        return local.definition if local else self.definitions.get(finding)

    def effective_decision(self, finding: str, decision: str) -> str:
        """The decision for a finding where one of DECISIONS is asked for: the card's own in place of the default."""
        if decision != DEFAULT_DECISION:
            return decision
        return self.default_decisions.get(finding, decision)

    def name_finding(self, finding: str) -> str:
        """The display name of one of the card's findings; one that the card defines is marked as locally defined."""
        definition = self.find_definition(finding)
        return definition.marked_name if definition else finding_name(finding)

    def finding_in_sentence(self, finding: str) -> str:
        """One of the card's findings as a noun within a sentence."""
        definition = self.find_definition(finding)
        return definition.marked_name.lower() if definition else finding_in_sentence(finding)

    def calibration_prevalence(self, finding: str) -> float | None:
        """The share of films with the finding among those that calibrated its probability; None where not recorded."""
        if finding in self.prevalence:
            return self.prevalence[finding]
        recorded = recorded_figure(self.metrics, "validation", finding, "auroc")
        if recorded is None or not recorded.n or not recorded.positives:
            return None
        return recorded.positives / recorded.n


def _require_own_definitions(card: ModelCard) -> None:
    """Raises ModelError for a definition of a finding that the card does not have, or has twice.

    One that ships with a later version of the program stays as the model was trained with it; nothing like it is
    installed any more.
    """
    keys = [finding.key for finding in card.local_findings]
    for finding in card.local_findings:
        if finding.key not in card.findings or keys.count(finding.key) > 1:
            raise ModelError(
                f"the card of {card.model} defines {finding.key!r}; it must define each of its own findings once"
            )
    for key, text in card.definitions.items():
        usable = 0 < len(text.strip()) <= MAX_DEFINITION and text.isprintable()
        if key not in card.findings or key in keys or not usable:
            raise ModelError(
                f"the card of {card.model} defines {key!r} as {text!r:.60}; expected one of its findings that ship, "
                f"and 1 to {MAX_DEFINITION} characters on one line"
            )


def _require_known_decisions(card: ModelCard) -> None:
    """Raises ModelError for a default decision, or a threshold of normal films, that no finding of the card has."""
    for key, decision in card.default_decisions.items():
        if key not in card.findings or decision not in DECISIONS:
            raise ModelError(
                f"the card of {card.model} decides {key!r} by {decision!r:.40}; expected one of its findings, and one "
                f"of {', '.join(DECISIONS)}"
            )
    unknown = set(card.confident_normal) - set(card.findings)
    if unknown:
        raise ModelError(
            f"the card of {card.model} calls films normal by {', '.join(sorted(unknown))}, which it does not answer"
        )


def _exchange_figures(table: dict[str, Any], findings: Sequence[str]) -> dict[str, Any]:
    """The figures of a split, with those at the sensitive and at the specific threshold exchanged for some findings."""
    exchanged = {"sensitivity_95": "specificity_95", "specificity_95": "sensitivity_95"}
    return {
        finding: {exchanged.get(name, name): figure for name, figure in figures.items()}
        if finding in findings and isinstance(figures, dict)
        else figures
        for finding, figures in table.items()
    }
