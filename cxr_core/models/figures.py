"""Figures of a model as its card and an evaluation's metrics.json record them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

FigureJson = dict[str, float | int | None]


@dataclass(frozen=True)
class Figure:
    """One figure with its 95 % interval over patients. None = undefined."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    positives: int

    def to_json(self) -> FigureJson:
        """The form in metrics.json and model cards, rounded to six decimals."""
        fields = asdict(self).items()
        return {key: round(each, 6) if isinstance(each, float) else each for key, each in fields}

    @classmethod
    def from_json(cls, record: Mapping[str, float | int | None]) -> "Figure":
        """The figure that `to_json` wrote. Raises KeyError for a missing entry."""
        return cls(
            value=record["value"],
            low=record["low"],
            high=record["high"],
            n=int(record["n"] or 0),
            positives=int(record["positives"] or 0),
        )
