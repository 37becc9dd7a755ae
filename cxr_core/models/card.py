"""A model's card: everything that must travel with its weights, as one checked JSON file."""

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any

from cxr_core.errors import ModelError
from cxr_core.film.preprocess import InputSpec

CARD_SCHEMA = 1
CARD, WEIGHTS = (
    "card.json",
    "weights.safetensors",
)  # the files of a model folder that hold it, and what it is of
OPERATING_POINTS = ("youden", "sensitivity_95", "specificity_95")


@dataclass(frozen=True, kw_only=True)
class Population:
    """For whom a model is valid. Ages in whole years: 5 covers a child until its sixth birthday. Empty views: any."""

    text: str
    age_min: int | None = None
    age_max: int | None = None
    views: tuple[str, ...] = ()

    def excludes(self, age_years: float | None, view: str | None) -> str | None:
        """Why the model does not fit, or None when it does; what is unknown excludes nothing."""
        if age_years is not None:
            if self.age_min is not None and age_years < self.age_min:
                return f"the patient is younger than {self.age_min}"
            if self.age_max is not None and age_years >= self.age_max + 1:
                return f"the patient is older than {self.age_max}"
        if view is not None and self.views and view not in self.views:
            return f"the view is {view}"
        return None


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """A named threshold on the calibrated probability: at or above it the finding is called present."""

    name: str
    threshold: float
    source: str  # which films chose it, and how


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Platt scaling: probability = sigmoid(slope * logit + intercept). Temperature scaling has intercept 0.

    Source: Platt 1999; Guo et al. 2017, arXiv:1706.04599.
    """

    slope: float = 1.0
    intercept: float = 0.0
    source: str = "none"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.slope) and self.slope > 0 and math.isfinite(self.intercept)):
            raise ModelError(
                f"calibration slope {self.slope} and intercept {self.intercept} keep no order"
            )


@dataclass(frozen=True, kw_only=True)
class Combination:
    """A finding's probability from the classifier and a measurement together, where a film could be measured:

    probability = sigmoid(intercept + classifier * log-odds + measured * (value - centre) + ap), ap on AP views alone
    and half of it where the view is unknown; log-odds are those of the classifier's calibrated probability.
    operating_points: thresholds on the combined probability.  model: the segmenter it was fitted with.
    """

    measurement: str
    model: str
    intercept: float
    classifier: float
    measured: float
    centre: float
    ap: float
    operating_points: tuple[OperatingPoint, ...]
    source: str

    def __post_init__(self) -> None:
        weights = (self.intercept, self.classifier, self.measured, self.centre, self.ap)
        if not all(map(math.isfinite, weights)) or min(self.classifier, self.measured) < 0:
            raise ModelError(
                f"the combination with {self.measurement} has weights {weights}, which cannot be meant"
            )


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """The card of one model folder. Per-finding tables are keyed by the finding's key."""

    model: str
    version: str
    findings: tuple[str, ...]  # the order of the logits
    architecture: str  # a key of architectures.ARCHITECTURES
    arguments: dict[str, Any]  # that architecture's arguments
    input_spec: InputSpec
    population: Population
    calibration: dict[str, Calibration]
    operating_points: dict[str, tuple[OperatingPoint, ...]]
    evidence_scale: dict[str, float]  # the heatmap cell value (logits) drawn in full colour
    # (h, w) logits: what each cell adds on a usual film without the finding, which heatmaps leave out; none = nothing
    usual_evidence: dict[str, list[list[float]]] = field(default_factory=dict)
    combination: dict[str, Combination] = field(
        default_factory=dict
    )  # of the findings that a measurement helps
    familiarity_limit: float | None = None  # on the distance of familiarity.py; None = not fitted
    training: dict[str, Any] = field(default_factory=dict)  # recipe, data, split hashes, terms
    metrics: dict[str, Any] = field(
        default_factory=dict
    )  # part -> finding -> figure {value, low, high, n, positives}
    software: dict[str, str] = field(default_factory=dict)
    weights_sha256: str = ""
    schema: int = CARD_SCHEMA

    def __post_init__(self) -> None:
        if not self.findings:
            raise ModelError(f"the card of {self.model} names no finding")
        for name in ("calibration", "operating_points", "evidence_scale"):
            missing = set(self.findings) - set(getattr(self, name))
            if missing:
                raise ModelError(
                    f"the card of {self.model} has no {name} for {', '.join(sorted(missing))}"
                )
        for finding, rows in self.usual_evidence.items():
            if len({len(row) for row in rows}) != 1 or not all(
                math.isfinite(cell) for row in rows for cell in row
            ):
                raise ModelError(
                    f"the usual evidence of {finding} in the card of {self.model} is no table of numbers"
                )

    def operating_point(self, finding: str, name: str, combined: bool = False) -> OperatingPoint:
        """The named operating point of a finding, or an error that lists the ones there are.

        combined: the one on the probability that a measurement has part in.
        """
        there = (
            self.combination[finding].operating_points
            if combined
            else self.operating_points[finding]
        )
        points = {point.name: point for point in there}
        if name not in points:
            raise ModelError(
                f"{self.model} has no operating point {name!r}; choose from {', '.join(points)}"
            )
        return points[name]

    def to_json(self) -> str:
        """The card as JSON text, stable in order, ending in a newline."""
        return card_text(self)

    @classmethod
    def from_json(cls, text: str) -> "ModelCard":
        """Parse a card; a missing, unknown or ill-typed field is a ModelError that names it."""
        try:
            table = card_table(text)
            table["findings"] = tuple(table["findings"])
            table["calibration"] = {
                key: Calibration(**value) for key, value in table["calibration"].items()
            }
            table["operating_points"] = {
                key: _points(points) for key, points in table["operating_points"].items()
            }
            table["combination"] = {
                key: Combination(
                    **{**value, "operating_points": _points(value["operating_points"])}
                )
                for key, value in table.get("combination", {}).items()
            }
            return cls(**table)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ModelError(f"the card cannot be read: {error}") from error


def _points(table: list[dict[str, Any]]) -> tuple[OperatingPoint, ...]:
    return tuple(OperatingPoint(**point) for point in table)


def card_text(card: Any) -> str:
    """A card, a dataclass, as JSON text, stable in order, ending in a newline."""
    return json.dumps(asdict(card), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def card_table(text: str) -> dict[str, Any]:
    """A card's JSON as a table, with what every card has as values of their own: its input and its population.

    Raises ModelError for another schema, and what json and dataclasses raise for a field that is missing or ill-typed.
    """
    table: dict[str, Any] = json.loads(text)
    if table.get("schema") != CARD_SCHEMA:
        raise ModelError(
            f"the card has schema {table.get('schema')}; this program reads {CARD_SCHEMA}"
        )
    table["input_spec"] = InputSpec(**table["input_spec"])
    table["population"] = Population(
        **{**table["population"], "views": tuple(table["population"].get("views", ()))}
    )
    return table
