"""Defines a check of the promotion gate, tests for non-inferiority, and writes figures into sentences."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from cxr_core.workspace.json_record import JsonRecord

Status = Literal["pass", "fail", "not enough cases", "not applicable"]


@dataclass(frozen=True, kw_only=True)
class Check(JsonRecord):
    """One check of the gate. finding: empty when it is about the whole model.

    incumbent: the model in use that it compares with, as "name version"; empty when it compares with none.  figures:
    what it rests on, as gate.json keeps it.  needed: whether it must pass; a check that is not needed closes the gate
    only by failing.
    """

    WRITES_DEFAULTS: ClassVar[bool] = True

    name: str
    finding: str = ""
    status: Status
    sentence: str
    figures: dict[str, Any] = field(default_factory=dict)
    needed: bool = True
    incumbent: str = ""

    @property
    def refuses(self) -> bool:
        """Whether the check closes the gate. Not enough cases are no pass."""
        return self.status == "fail" or (self.needed and self.status == "not enough cases")

    @property
    def full_name(self) -> str:
        """`AUROC of pneumonia`: the name with the finding."""
        return f"{self.name} of {self.finding}" if self.finding else self.name


def pass_or_fail(passed: bool) -> Status:
    """The status of a check that had all it needs."""
    return "pass" if passed else "fail"


def assess_non_inferiority(
    value: float | None, low: float | None, high: float | None, margin: float
) -> tuple[Status, str]:
    """Whether a difference shows that the new model is not worse by more than a margin, and what that means in words.

    value, low, high: the difference with its 95 % interval, above 0 where the new model is better. It passes when the
    whole interval lies above -margin. An interval wider than the margin on either side decides nothing: an equal model
    would not be shown to be equal either.
    """
    if value is None or low is None or high is None:
        return "not enough cases", "it has no interval."
    if low > -margin:
        return "pass", f"not worse by more than {margin:g}."
    if high < 0:
        return "fail", "significantly worse."
    if (high - low) / 2 > margin:
        return (
            "not enough cases",
            f"too few films to rule out that it is worse by more than {margin:g}; an equally good model would not pass "
            "on them either.",
        )
    return "fail", f"it could be worse by more than {margin:g}."


def format_number(value: float | None) -> str:
    """`0.847`, or undefined."""
    return "undefined" if value is None else f"{value:.3f}"


def format_signed(value: float | None) -> str:
    """`+0.012`, or undefined."""
    return "undefined" if value is None else f"{value:+.3f}"


def format_interval(value: float | None, low: float | None, high: float | None) -> str:
    """`0.847 (0.801 to 0.880)`, without the interval where there is none."""
    if low is None or high is None:
        return format_number(value)
    return f"{format_number(value)} ({format_number(low)} to {format_number(high)})"
