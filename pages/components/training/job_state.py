"""Puts a job's state into words, with a colour."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from cxr_core.data.registry import list_datasets
from cxr_core.jobs.job import Job, State
from cxr_core.presentation.wording import format_duration

STATE_COLOURS: dict[State, str] = {
    "queued": "gray",
    "starting": "blue",
    "running": "blue",
    "stopping": "orange",
    "frozen": "red",
    "orphaned": "red",
    "finished": "green",
    "stopped": "gray",
    "failed": "red",
    "interrupted": "orange",
}


def state_badge(job: Job) -> str:
    """A job's state as a coloured badge, in Markdown."""
    place = f", number {job.place}" if job.place else ""
    return f":{STATE_COLOURS[job.state]}-badge[{job.state}{place}]"


def time_taken(job: Job) -> str:
    """How long a job that has ended took; after a resume, since the last start."""
    if job.started is None or job.ended is None:
        return ""
    return format_duration(max(0.0, job.ended - job.started))


def dataset_names() -> dict[str, str]:
    """The names of the registered datasets by their folders."""
    return {str(folder): dataset.name for dataset in list_datasets() for folder in dataset.folders}


def name_data(data: Sequence[str], names: Mapping[str, str]) -> tuple[str, ...]:
    """The datasets of a run by name: a registered one by its own, a folder by its last part, never by its path.

    names: from `dataset_names`.
    """
    return tuple(dict.fromkeys(names.get(entry, Path(entry).name) for entry in data))
