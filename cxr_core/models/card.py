"""Defines a classifier's card: everything that must travel with its weights, as one checked JSON file.

`JsonCard` is what it shares with the segmenter's card: reading, writing and refusing the file.
"""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Self, TypedDict

from cxr_core.errors import ModelError, SettingsError
from cxr_core.film.preprocess import InputSpec
from cxr_core.workspace.json_files import JsonObject

CARD_SCHEMA = 1
# The files of every model folder.
CARD, WEIGHTS = "card.json", "weights.safetensors"
OPERATING_POINTS = ("youden", "sensitivity_95", "specificity_95")


class ArchitectureArguments(TypedDict, total=False):
    """The arguments of a network, as a card keeps them. Each architecture takes some of them; see its class.

    pretrained: whether the backbone starts from ImageNet weights; never in a card.
    backbone_arguments: what goes on to timm.
    """

    backbone: str
    backbone_arguments: JsonObject
    channels: int
    dropout: float
    pretrained: bool
    # classifiers
    findings: int
    side: int
    head: str
    neck: int | None
    hidden: int
    two_class: bool
    # ensembles of classifiers
    members: int
    # segmenters
    widths: Sequence[int]
    structures: int


@dataclass(frozen=True, kw_only=True)
class Population:
    """The patients that a model is valid for.

    Ages are in completed years: 5 covers a child until its sixth birthday. Empty views mean any view.
    """

    text: str
    age_min: int | None = None
    age_max: int | None = None
    views: tuple[str, ...] = ()

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


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """A named threshold on the calibrated probability: at or above it the finding is called present.

    source: on which films it was chosen, and how.
    """

    name: str
    threshold: float
    source: str


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
                f"the calibration has slope {self.slope} and intercept {self.intercept}; the slope must be above 0 "
                "and both must be finite"
            )


@dataclass(frozen=True, kw_only=True)
class Fusion:
    """A finding's probability from the classifier and a measurement together, where a film could be measured.

    probability = sigmoid(intercept + classifier * log-odds + measured * (value - centre) + ap). The term ap counts on
    AP views only, half of it where the view is unknown. The log-odds are those of the calibrated probability.

    operating_points: thresholds on the fused probability.  model: the segmenter that it was fitted with.
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
                f"the fusion with {self.measurement} has the weights {weights}; they must be finite, and those of the "
                "classifier and the measurement not below 0"
            )


class JsonCard(ABC):
    """A card as JSON text. KEYS: the keys on disk of the fields whose names differ from them."""

    KEYS: ClassVar[Mapping[str, str]] = {}

    def to_json(self) -> str:
        """The card as JSON text, stable in order, ending in a newline."""
        fields = asdict(self)  # type: ignore[call-overload]  # each kind of card is a dataclass
        content = {self.KEYS.get(name, name): value for name, value in fields.items()}
        return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parse a card. Raises ModelError for another schema or preprocessing version, and for a wrong field."""
        try:
            fields = _rename_keys(json.loads(text), cls.KEYS)
            if fields.get("schema") != CARD_SCHEMA:
                raise ModelError(
                    f"the card has schema {fields.get('schema')}; this program reads {CARD_SCHEMA}"
                )
            fields["input_spec"] = InputSpec(**fields["input_spec"])
            views = tuple(fields["population"].get("views", ()))
            fields["population"] = Population(**{**fields["population"], "views": views})
            cls._parse_own_fields(fields)
            return cls(**fields)
        except SettingsError as error:
            raise ModelError(str(error)) from error
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ModelError(f"the card cannot be read: {error}") from error

    @classmethod
    @abstractmethod
    def _parse_own_fields(cls, fields: dict[str, Any]) -> None:
        """Replace the JSON of the fields that only this kind of card has by their values."""


@dataclass(frozen=True, kw_only=True)
class ModelCard(JsonCard):
    """The card of one classifier. Per-finding tables are keyed by the finding's key.

    findings: the order of the logits.  architecture: a key of `architectures.ARCHITECTURES`.
    evidence_scale: the attribution of one heatmap cell, in logits, that is drawn in full colour.
    baseline_attribution: (h, w) logits, what each cell adds on a usual film without the finding; heatmaps subtract it.
    fusion: for the findings that a measurement improves.
    ood_limit: on the distance of `reading.ood`; above it a film is out of distribution. None = not fitted.
    training: recipe, data, hashes of the splits, terms.
    metrics: split -> finding -> figure {value, low, high, n, positives}.
    """

    KEYS: ClassVar[Mapping[str, str]] = {
        "baseline_attribution": "usual_evidence",
        "fusion": "combination",
        "ood_limit": "familiarity_limit",
    }

    model: str
    version: str
    findings: tuple[str, ...]
    architecture: str
    arguments: ArchitectureArguments
    input_spec: InputSpec
    population: Population
    calibration: dict[str, Calibration]
    operating_points: dict[str, tuple[OperatingPoint, ...]]
    evidence_scale: dict[str, float]
    baseline_attribution: dict[str, list[list[float]]] = field(default_factory=dict)
    fusion: dict[str, Fusion] = field(default_factory=dict)
    ood_limit: float | None = None
    training: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
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
        for finding, rows in self.baseline_attribution.items():
            if not _is_table_of_numbers(rows):
                raise ModelError(
                    f"the baseline attribution of {finding} in the card of {self.model} is no table of numbers"
                )

    def operating_point(self, finding: str, name: str, fused: bool = False) -> OperatingPoint:
        """The named operating point of a finding. Raises ModelError, which lists the ones there are.

        fused: the one on the probability that includes a measurement.
        """
        points = self.fusion[finding].operating_points if fused else self.operating_points[finding]
        for point in points:
            if point.name == name:
                return point
        known = ", ".join(point.name for point in points)
        raise ModelError(f"{self.model} has no operating point {name!r}; choose from {known}")

    @classmethod
    def _parse_own_fields(cls, fields: dict[str, Any]) -> None:
        fields["findings"] = tuple(fields["findings"])
        fields["calibration"] = {
            finding: Calibration(**content) for finding, content in fields["calibration"].items()
        }
        fields["operating_points"] = {
            finding: _parse_points(content)
            for finding, content in fields["operating_points"].items()
        }
        fields["fusion"] = {
            finding: _parse_fusion(content) for finding, content in fields.get("fusion", {}).items()
        }


def _rename_keys(content: Any, keys: Mapping[str, str]) -> dict[str, Any]:
    """A card's JSON object under the names of its fields."""
    if not isinstance(content, dict):
        raise TypeError(f"it is a JSON {type(content).__name__}, not an object")
    names = {key: name for name, key in keys.items()}
    return {names.get(str(key), str(key)): value for key, value in content.items()}


def _parse_points(content: list[Any]) -> tuple[OperatingPoint, ...]:
    return tuple(OperatingPoint(**point) for point in content)


def _parse_fusion(content: Any) -> Fusion:
    return Fusion(**{**content, "operating_points": _parse_points(content["operating_points"])})


def _is_table_of_numbers(rows: Sequence[Sequence[float]]) -> bool:
    same_width = len({len(row) for row in rows}) == 1
    return same_width and all(math.isfinite(value) for row in rows for value in row)
