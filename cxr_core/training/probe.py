"""What a run will take, from a few of its steps measured in a process apart."""

from collections.abc import Callable
from dataclasses import dataclass

from cxr_core.errors import RunError
from cxr_core.training.job import Request


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Time and memory of a whole run, or why they cannot be told.

    duration_s: of training and validation, all epochs; None = cannot be told.  memory_mb: the most that the process (on
    a CPU) or the device (CUDA) held while probing.  films: that are learnt from; undecoded: of them, those that have
    yet to be decoded, which is not in duration_s.  sentence: all of it in words, or why there is no estimate.
    """

    duration_s: float | None
    memory_mb: float | None
    images_per_second: float | None
    films: int | None
    undecoded: int | None
    sentence: str


def estimate(request: Request, stop: Callable[[], bool] = lambda: False, limit_s: float = 20.0) -> Estimate:
    """Measure a few steps of a recipe on its device, as large as they will be. Takes limit_s at most, and blocks.

    stop: asked ten times a second; True ends the probe. Raises nothing of what the probe dies of (memory, say): the
    answer's sentence says it.
    """
    raise RunError("not yet")
