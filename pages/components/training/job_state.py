"""Puts a job's state into words, with a colour."""

from cxr_core.jobs.job import Job, State
from pages.components.wording import format_duration

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
