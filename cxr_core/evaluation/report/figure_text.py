"""Writes figures and their intervals as text."""

from typing import Protocol

from cxr_core.models.figures import Figure

UNDEFINED = "undefined"


class WithInterval(Protocol):
    """A figure with an interval; None = undefined."""

    @property
    def value(self) -> float | None:
        """The figure itself."""

    @property
    def low(self) -> float | None:
        """The lower end of its interval."""

    @property
    def high(self) -> float | None:
        """The upper end of its interval."""


def format_figure(figure: WithInterval, digits: int = 3) -> str:
    """A figure and its interval: `0.812 (0.790 to 0.834)`."""
    _, value, interval = figure_row("", figure, digits)
    return f"{value} ({interval})" if interval else value


def figure_row(name: str, figure: WithInterval, digits: int = 3) -> list[str]:
    """A table row of one figure: its name, value and interval."""
    if figure.value is None or figure.low is None or figure.high is None:
        return [name, UNDEFINED, ""]
    value, low, high = (
        f"{number:z.{digits}f}" for number in (figure.value, figure.low, figure.high)
    )
    return [name, value, f"{low} to {high}"]


def format_p_value(p: float | None) -> str:
    """A p value with three decimals; empty when it is undefined."""
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def format_positives(figure: Figure) -> str:
    """How many of a figure's films are positive: `12 of 345`."""
    return f"{figure.positives:,} of {figure.n:,}"
