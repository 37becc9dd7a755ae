"""Defines the card of a segmenter of heart and lungs, as one checked JSON file beside its weights."""

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from cxr_core.errors import ModelError
from cxr_core.film.preprocess import InputSpec
from cxr_core.findings import STRUCTURES
from cxr_core.models.card import (
    CARD_SCHEMA,
    Arguments,
    JsonCard,
    Population,
    Training,
)
from cxr_core.models.figures import CardMetrics

SEGMENTER = "segmenter"


@dataclass(frozen=True, kw_only=True)
class RatioInterval:
    """The 95 % interval of a measured ratio: value ± factor * (offset + spread over test-time augmentations).

    factor is the 95 % quantile of |error| / (offset + spread) on validation films.  source: which films these were.
    Source: split conformal prediction, Lei et al. 2018, arXiv:1604.04173.
    """

    offset: Annotated[float, Field(gt=0, le=1)]
    factor: Annotated[float, Field(gt=0, le=1e4)]
    source: str


@dataclass(frozen=True, kw_only=True)
class SegmenterCard(JsonCard):
    """The card of one segmenter. Fields are those of `ModelCard` where they have the same name.

    structures: the order of the maps.  metrics: split -> figure {value, low, high, n}.
    """

    model: str
    version: str
    structures: tuple[str, ...] = STRUCTURES
    architecture: str = SEGMENTER
    arguments: Arguments
    input_spec: InputSpec
    population: Population
    ratio_interval: RatioInterval
    training: Training = field(default_factory=dict)
    metrics: CardMetrics = field(default_factory=dict)
    software: dict[str, str] = field(default_factory=dict)
    weights_sha256: str = ""
    kind: str = SEGMENTER
    schema: int = CARD_SCHEMA

    def __post_init__(self) -> None:
        if self.kind != SEGMENTER or self.structures != STRUCTURES:
            raise ModelError(
                f"the card of {self.model} is of a {self.kind} of {', '.join(self.structures)}; this program reads "
                f"a {SEGMENTER} of {', '.join(STRUCTURES)}"
            )
