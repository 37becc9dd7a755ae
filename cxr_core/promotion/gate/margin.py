"""Whether a model is shown not to be worse than another by more than a margin, and how the gate writes figures."""

from cxr_core.promotion.gate.verdict import Status


def non_inferior(
    value: float | None, low: float | None, high: float | None, margin: float
) -> tuple[Status, str]:
    """How a difference with its 95 % interval is judged, above 0 where the new model is better; and what that means.

    It passes when the whole interval lies above -margin. An interval wider than the margin on either side is no
    answer: an equal model would not be shown to be one either.
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
            f"these films cannot tell {margin:g} apart: an equal model would not be shown to be one either.",
        )
    return "fail", f"it could be worse by more than {margin:g}."


def number(value: float | None) -> str:
    """`0.847`, or undefined."""
    return "undefined" if value is None else f"{value:.3f}"


def signed(value: float | None) -> str:
    """`+0.012`, or undefined."""
    return "undefined" if value is None else f"{value:+.3f}"
