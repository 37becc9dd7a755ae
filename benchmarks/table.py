"""What a benchmark hands back, and how it is shown."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One figure of one run: a ratio or a time, its unit, and the bound it is held to."""

    what: str
    value: float
    unit: str
    bound: str

    def __str__(self) -> str:
        return f"{self.what:<78} {self.value:>9.2f} {self.unit:<6} {self.bound}"


def milliseconds(action: Callable[[], object]) -> float:
    """How long one call takes, in ms."""
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


def paired(
    first: Callable[[], object], second: Callable[[], object], rounds: int
) -> tuple[float, float]:
    """How long `first` takes as a multiple of `second`, and the median of `second` in ms.

    The two run in turn, and the multiple is the median over the pairs, so that the machine's drift meets both alike.
    """
    pairs = [(milliseconds(first), milliseconds(second)) for _ in range(rounds)]
    return statistics.median(a / b for a, b in pairs), statistics.median(b for _, b in pairs)


def p95(times: Sequence[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(times, n=20, method="inclusive")[-1]
