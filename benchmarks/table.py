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


def interleaved(first: Callable[[], object], second: Callable[[], object], rounds: int) -> tuple[float, float]:
    """The median times in ms of two actions, run in turn so that the machine's drift meets both alike."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        times[0].append(milliseconds(first))
        times[1].append(milliseconds(second))
    return statistics.median(times[0]), statistics.median(times[1])


def p95(times: Sequence[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(times, n=20, method="inclusive")[-1]
