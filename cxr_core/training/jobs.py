"""Runs as processes of their own: start, queue, stop, go on, try again with a change, delete.

A run's folder is all there is to know of it; there is no other list. It needs Linux (processes are told by /proc), and
says so elsewhere. Nothing here imports torch before a recipe is asked for.
"""

from collections.abc import Mapping

from cxr_core.errors import RunError
from cxr_core.training.job import Device, Job, Request

__all__ = ["Device", "Job", "Request", "delete", "devices", "force_stop", "job", "jobs", "move", "resume", "retry"]


def devices() -> tuple[Device, ...]:
    """What a run can be trained on here, the fastest first. Imports torch; the answer does not change."""
    raise RunError("not yet")


def submit(request: Request) -> Job:
    """Put a run into the queue of its device, from which it starts at once when that is free. Returns in well under 1 s.

    The same token again gives the run that it gave before. Raises RunError or DataError when the device, the number of
    processes or the data is not there, or the workspace cannot be written.
    """
    raise RunError("not yet")


def jobs() -> tuple[Job, ...]:
    """Every run of the workspace: those that live, those that wait in their order, then the others, the newest first.

    Looks at the processes themselves, so that a dead or frozen run is shown as what it is within 30 s; starts what
    waits if nobody else does. About 10 ms with 100 runs.
    """
    raise RunError("not yet")


def job(run: str) -> Job:
    """One run by its id. Raises RunError when there is none."""
    raise RunError("not yet")


def move(run: str, places: int) -> Job:
    """Move a waiting run in its queue: -1 one place towards the front. Raises RunError when it does not wait."""
    raise RunError("not yet")


def stop(run: str) -> Job:
    """Ask a run to keep a checkpoint and end, or take it out of the queue. Returns at once, mostly still `stopping`.

    Raises RunError when it is neither alive nor waiting.
    """
    raise RunError("not yet")


def force_stop(run: str) -> Job:
    """End a run and all its processes at once; its last checkpoint stays.

    Raises RunError unless it is frozen or orphaned, or was asked to stop FORCE_AFTER_S ago or more.
    """
    raise RunError("not yet")


def resume(run: str) -> Job:
    """Queue a stopped, failed or interrupted run again: it goes on from its last whole checkpoint.

    Raises RunError when it is alive, waits or is finished.
    """
    raise RunError("not yet")


def retry(run: str, changes: Mapping[str, str], token: str) -> Job:
    """A new run of a run's recipe on its data, with fields changed (text, as `--set`). The manifest says `retry_of`.

    Raises RecipeError for a change that does not fit.
    """
    raise RunError("not yet")


def delete(run: str) -> None:
    """Remove a run's folder for good.

    Raises RunError while it is alive, and when an installed model came from it, which the sentence names.
    """
    raise RunError("not yet")
