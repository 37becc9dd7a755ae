"""How a run's state, times and sizes are put into words on the Train page."""

from datetime import datetime

from cxr_core.jobs.job import Job, State

COLOURS: dict[State, str] = {
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
WORDS: dict[State, str] = {"queued": "waits"}


def state_word(state: State) -> str:
    """A state in a word."""
    return WORDS.get(state, state)


def badge(job: Job) -> str:
    """A run's state as a coloured badge, in Markdown."""
    place = f" as number {job.place}" if job.place else ""
    return f":{COLOURS[job.state]}-badge[{state_word(job.state)}{place}]"


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3 h 05 min`, `2 days 4 h`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    return f"{minutes // 1440} days {minutes % 1440 // 60} h"


def moment(seconds: float | None) -> str:
    """A time as people write it, to the minute, in the server's own zone."""
    return (
        datetime.fromtimestamp(seconds).astimezone().strftime("%-d %b %Y, %H:%M") if seconds else ""
    )


def took(job: Job) -> str:
    """How long a run that has ended was at it; of one that went on, since its last start."""
    if job.started is None or job.ended is None:
        return ""
    return duration(max(0.0, job.ended - job.started))
