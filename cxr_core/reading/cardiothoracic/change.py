"""Compares the cardiothoracic ratios of two films of one patient."""

import math
from dataclasses import dataclass

from cxr_core.presentation.wording import format_ratio
from cxr_core.reading.cardiothoracic.ratio import Measurement
from cxr_core.workspace.json_files import JsonObject


@dataclass(frozen=True, kw_only=True)
class RatioChange:
    """How a ratio has changed from the prior film to the current one.

    low, high: 95 % interval of the difference; None where a ratio has none because it was edited by hand.
    """

    prior: float
    current: float
    low: float | None
    high: float | None

    @property
    def difference(self) -> float:
        """The current ratio less the prior one."""
        return self.current - self.prior

    def describe(self) -> str:
        """The change in words: `0.48 → 0.55, +0.07 (0.02 to 0.12)`.

        The difference is that of the two ratios as they are written, so that a reader can check it.
        """
        prior, current = format_ratio(self.prior), format_ratio(self.current)
        difference = _format_difference(float(current) - float(prior), "+")
        interval = "no interval: edited by hand"
        if self.low is not None and self.high is not None:
            interval = f"{_format_difference(self.low)} to {_format_difference(self.high)}"
        return f"{prior} → {current}, {difference} ({interval})"

    def to_json(self) -> JsonObject:
        """The change with four decimals."""
        values = {
            "prior": self.prior,
            "current": self.current,
            "difference": self.difference,
            "low": self.low,
            "high": self.high,
        }
        return {key: None if value is None else round(value, 4) for key, value in values.items()}


def compare_ratios(prior: Measurement, current: Measurement) -> RatioChange | None:
    """The change between two measurements; None where one of them has no ratio.

    The interval is that of a difference of two independent estimates, from the interval of each (MOVER). Source: Zou
    and Donner 2008, Stat Med 27:1693, eq. 2.
    """
    if prior.value is None or current.value is None:
        return None
    change = RatioChange(prior=prior.value, current=current.value, low=None, high=None)
    if prior.low is None or prior.high is None or current.low is None or current.high is None:
        return change
    down = math.hypot(current.value - current.low, prior.high - prior.value)
    up = math.hypot(current.high - current.value, prior.value - prior.low)
    return RatioChange(
        prior=prior.value,
        current=current.value,
        low=change.difference - down,
        high=change.difference + up,
    )


def _format_difference(value: float, plus: str = "") -> str:
    """With two decimals and a true minus sign. plus: what stands before a positive one."""
    rounded = f"{abs(value):.2f}"
    if rounded == "0.00":
        return rounded
    return f"{'−' if value < 0 else plus}{rounded}"
