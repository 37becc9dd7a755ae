"""Tries a model from elsewhere on drawings, in a process of its own with limits, before anybody can use it."""

from pathlib import Path

from cxr_core.errors import ModelError
from cxr_core.reading.trial_run import trial_process
from cxr_core.workspace.child_process import (
    CLOCK_FACTOR,
    ONE_THREAD,
    ChildEnded,
    ChildProcess,
    ChildTimedOut,
    ended_by_time_limit,
)

MEMORY_LIMIT_BYTES = 4 << 30
TIME_LIMIT_S = 120.0  # of computing


def try_model(
    folder: Path,
    *,
    memory_limit: int = MEMORY_LIMIT_BYTES,
    time_limit_s: float = TIME_LIMIT_S,
) -> None:
    """Read drawings with the model of a folder as `trial_process` does. Whatever the model does, it ends there.

    Raises ModelError, which says what the model did wrong, and when it takes more than the limits.
    """
    arguments = [str(folder.absolute()), str(memory_limit), str(time_limit_s)]
    try:
        child = ChildProcess(trial_process.__name__, arguments, environment=ONE_THREAD)
    except OSError as error:
        raise ModelError(
            f"the model could not be tried on drawings ({error.strerror}); close other programs and try again"
        ) from error
    try:
        answer = child.receive(time_limit_s=CLOCK_FACTOR * time_limit_s)
    except ChildTimedOut:
        raise _too_slow(time_limit_s) from None
    except ChildEnded:
        if ended_by_time_limit(child.end()):
            raise _too_slow(time_limit_s) from None
        raise ModelError(
            "the model ended the process in which it was tried on drawings; it is damaged or takes too much memory"
        ) from None
    finally:
        child.end()
    if answer.get("refused"):
        raise ModelError(str(answer["refused"]))


def _too_slow(time_limit_s: float) -> ModelError:
    return ModelError(
        f"the model was tried on drawings and took more than {time_limit_s:g} s; models here take a few"
    )
