"""Writes a run's numbers for TensorBoard, when it is installed; progress.jsonl stays the record.

TensorBoard's own writer has a thread that prints a traceback when the disk is full; here the numbers then just end.
"""

import os
import time
from pathlib import Path
from typing import Any

from cxr_core.training.runs.events import EpochDone, Event, RunResumed, StepDone

FORMAT = "brain.Event:2"  # what the first record of a file says
NOT_PLOTTED = ("step", "of", "epoch")


class TensorBoard:
    """Writes event files into a run's folder; nothing where TensorBoard is not installed."""

    def __init__(self, folder: Path):
        """folder: of the run. `tensorboard --logdir` on it, or on the folder of all runs, shows the numbers."""
        self._folder = folder / "tensorboard"
        self._first_step: int | None = None  # a resumed run hides what it wrote of steps it repeats
        self._file: Any = None
        self._ended = False

    def add_event(self, event: Event) -> None:
        """Write the numbers of a step or an epoch."""
        if isinstance(event, RunResumed):
            self._first_step = event.step + 1
        if not isinstance(event, StepDone | EpochDone) or self._ended:
            return
        values = [
            {"tag": f"{event.NAME}/{name}", "simple_value": value}
            for name, value in event.to_json().items()
            if isinstance(value, (int, float)) and name not in NOT_PLOTTED
        ]
        try:
            if self._file is None:
                self._open()
            self._write(step=event.step, summary={"value": values})
        except (ImportError, OSError):
            self._ended = True

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def _open(self) -> None:
        """Begin a file. Raises ImportError without TensorBoard, and OSError."""
        from tensorboard.compat.proto.event_pb2 import SessionLog

        self._folder.mkdir(exist_ok=True)
        _wait_for_next_second(self._folder)
        name = f"events.out.tfevents.{int(time.time()):010d}.{os.getpid()}"
        self._file = (self._folder / name).open("wb", buffering=0)
        self._write(file_version=FORMAT)
        if self._first_step is not None:
            self._write(step=self._first_step, session_log={"status": SessionLog.START})

    def _write(self, **content: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event as Record
        from tensorboard.summary.writer.record_writer import RecordWriter

        record = Record(wall_time=time.time(), **content)
        RecordWriter(self._file).write(record.SerializeToString())


def _wait_for_next_second(folder: Path) -> None:
    """TensorBoard reads event files in the order of their names, which tell only the second they were begun in."""
    while any(folder.glob(f"events.out.tfevents.{int(time.time()):010d}.*")):
        time.sleep(0.05)
