"""The card of a model that outlines heart and lungs, as one checked JSON file beside its weights."""

import math
from dataclasses import dataclass, field
from typing import Any

from cxr_core.errors import ModelError
from cxr_core.film.preprocess import InputSpec
from cxr_core.findings import STRUCTURES
from cxr_core.models.card import CARD_SCHEMA, Population, card_table, card_text

SEGMENTER = "segmenter"


@dataclass(frozen=True, kw_only=True)
class RatioInterval:
    """The 95 % interval of a measured ratio: value ± factor * (offset + spread between looks at the film).

    Split conformal: factor is the 95 % quantile of |error| / (offset + spread) on validation films (Lei et al. 2018).
    """

    offset: float
    factor: float
    source: str  # which films it was fitted on

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) and value > 0 for value in (self.offset, self.factor)):
            raise ModelError(
                f"an interval of offset {self.offset} and factor {self.factor} says nothing"
            )


@dataclass(frozen=True, kw_only=True)
class SegmenterCard:
    """The card of one model folder. Fields are those of `ModelCard` where they have the same name."""

    model: str
    version: str
    structures: tuple[str, ...] = STRUCTURES  # the order of the maps
    architecture: str = SEGMENTER
    arguments: dict[str, Any]
    input_spec: InputSpec
    population: Population
    ratio_interval: RatioInterval
    training: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)  # part -> figure {value, low, high, n}
    software: dict[str, str] = field(default_factory=dict)
    weights_sha256: str = ""
    kind: str = SEGMENTER
    schema: int = CARD_SCHEMA

    def __post_init__(self) -> None:
        if self.kind != SEGMENTER or self.structures != STRUCTURES:
            raise ModelError(
                f"the card of {self.model} outlines {self.structures}; known are {STRUCTURES}"
            )

    def to_json(self) -> str:
        """The card as JSON text, stable in order, ending in a newline."""
        return card_text(self)

    @classmethod
    def from_json(cls, text: str) -> "SegmenterCard":
        """Parse a card; a missing, unknown or ill-typed field is a ModelError that names it."""
        try:
            table = card_table(text)
            table["structures"] = tuple(table["structures"])
            table["ratio_interval"] = RatioInterval(**table["ratio_interval"])
            return cls(**table)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ModelError(f"the card cannot be read: {error}") from error
