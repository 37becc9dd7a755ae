"""Shows how far a command is, and lets it be stopped.

A bar for people, JSON lines with a heartbeat for the job that runs the command; SIGTERM and Ctrl-C ask to stop.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from tqdm import tqdm

from cxr_core.jobs.heartbeat import WATCHED_JOB, EventLog, Heartbeat, find_own_job
from cxr_core.presentation.wording import format_count, format_duration
from cxr_core.training.runs import run_files
from cxr_core.training.runs.events import (
    CALIBRATING,
    WRITING_MODEL,
    Event,
    PreparationProgress,
    Report,
    StageBegun,
    StepDone,
    event_to_json,
)

REDRAW_S, REPEAT_S = 0.2, 10.0  # on a terminal; where the output goes to a file
FORMAT = "{desc}  {n:,} of {total:,}  |{bar:20}| {remaining} left"
NOTE_FORMAT = "{desc}  {n:,} of {total:,}  |{bar:20}| {note}"  # the note says what is left, better than the bar can


if TYPE_CHECKING:
    from cxr_core.data.prepare_apart import StageProgress

    _Tqdm = tqdm[NoReturn]
else:
    _Tqdm = tqdm  # it cannot be subscripted when the program runs


class _Bar(_Tqdm):
    """A bar without tqdm's thread that redraws bars which stand still."""

    monitor_interval = 0
    _time: Callable[[], float]

    def __init__(self, *, note: str, **options: Any):
        self.note = note
        super().__init__(**options)  # which draws the bar

    @property
    def format_dict(self) -> dict[str, object]:
        return {**super().format_dict, "note": self.note}


class ProgressBar:
    """One line on standard error, redrawn on a terminal, else repeated now and then.

    Use it as a context: what is printed after the block, such as the error that has ended it, begins a line of its own.
    """

    def __init__(self, out: TextIO | None = None):
        """out: where to write; None for standard error."""
        self._out = out or sys.stderr
        self._interval_s = REDRAW_S if self._out.isatty() else REPEAT_S
        self._bar: _Bar | None = None
        self._shown: tuple[str, int, int, str] | None = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Show that `done` of `total` of a stage are done. note: follows the bar, in place of the time left."""
        if (stage, done, total, note) == self._shown:
            return
        self._shown = (stage, done, total, note)
        if total <= 1:
            self._close()
            self.write_line(f"{stage}: done" if done >= total else f"{stage} …")
            return
        if self._bar is None or (self._bar.desc, self._bar.total) != (stage, total):
            self._close()
            self._bar = self._open(stage, done, total, note)
        self._bar.note = note
        self._bar.update(done - self._bar.n)
        if done >= total:
            self._close()

    def write_line(self, text: str) -> None:
        """Write a line above the bar, if there is one."""
        if self._bar is not None:
            self._bar.clear()
        self._out.write(f"{text}\n")
        self._out.flush()
        if self._bar is not None:
            self._bar.refresh()

    def _open(self, stage: str, done: int, total: int, note: str) -> _Bar:
        bar = _Bar(
            desc=stage,
            total=total,
            initial=done,
            file=self._out,
            mininterval=self._interval_s,
            maxinterval=self._interval_s,
            miniters=0,
            bar_format=NOTE_FORMAT if note else FORMAT,
            note=note,
        )
        bar.desc = stage  # tqdm puts a colon behind it
        # A clock that is set back would stop a bar until it is as late again.
        bar._time = time.monotonic
        bar.start_t = bar.last_print_t = time.monotonic()
        return bar

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def stop_on_signals() -> Callable[[], bool]:
    """From now on SIGTERM and Ctrl-C only ask to stop; a second Ctrl-C stops at once.

    Returns a function that tells whether a signal has come.
    """
    stop_requested = False

    def request_stop(number: int, frame: FrameType | None) -> None:
        nonlocal stop_requested
        if stop_requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop_requested = True

    signal.signal(signal.SIGTERM, request_stop)
    signal.signal(signal.SIGINT, request_stop)
    return lambda: stop_requested


def create_event_display(bar: ProgressBar) -> Report:
    """A callback for the events of a run: the bar while films are decoded and steps are taken, a line for the rest."""

    def show(event: Event) -> None:
        if isinstance(event, PreparationProgress):
            bar(event.stage, event.done, event.total)
        elif isinstance(event, StepDone):
            bar("training", event.step, event.total_steps, _describe_step(event))
        elif isinstance(event, StageBegun):
            _show_stage(bar, event)
        else:
            bar.write_line(_describe_event(event))

    return show


@contextmanager
def report_progress() -> Iterator[StageProgress]:
    """A callback for (stage, done, total) while the block runs.

    Of a command that is a job it writes JSON lines into the job's folder and sends the job's heartbeat, unless another
    process does that while the command runs on a cluster; of a command in a shell it draws a bar.
    """
    job, watched = find_own_job(), os.environ.get(WATCHED_JOB)
    if job is None and not watched:
        with ProgressBar() as bar:
            yield bar
        return
    events = EventLog((job or Path(watched or "")) / run_files.JOB_FOLDER / run_files.RUN_PROGRESS)
    if job is None:
        yield _report_to(events.write)
        return
    with Heartbeat(events.write) as heartbeat:
        yield _report_to(heartbeat.report)


def _report_to(report: Report) -> Callable[[str, int, int], None]:
    reported: PreparationProgress | None = None

    def report_stage(stage: str, done: int, total: int) -> None:
        nonlocal reported
        progress = PreparationProgress(stage=stage, done=done, total=total)
        if progress != reported:
            reported = progress
            report(progress)

    return report_stage


def _describe_step(event: StepDone) -> str:
    note = f"epoch {event.epoch}, loss {event.loss:.3f}, {event.images_per_second:.0f} images/s"
    return note if event.eta_s is None else f"{note}, about {format_duration(event.eta_s)} left"


def _show_stage(bar: ProgressBar, event: StageBegun) -> None:
    """What belongs to the steps is not worth a line at each epoch; what follows them is."""
    if event.total:
        bar(event.stage, event.done, event.total)
    elif event.stage in (CALIBRATING, WRITING_MODEL):
        bar.write_line(f"{event.stage} …")


def _describe_event(event: Event) -> str:
    """`epoch: epoch 3, loss 0.41`: the name of an event and its values."""
    record = event_to_json(event)
    values = [
        f"{key} {_shorten(value)}"
        for key, value in record.items()
        if key != "event" and value not in ([], None)
    ]
    return f"{record['event']}: {', '.join(values)}"


def _shorten(value: object) -> str:
    if isinstance(value, list) and len(value) > 3:
        return format_count(len(value), "tensors")
    return f"{value:.4g}" if isinstance(value, float) else str(value)
