"""Writes a run's numbers for TensorBoard, when it is installed; progress.jsonl stays the record."""

import time
from pathlib import Path
from typing import Any

from cxr_core.training.runs.events import EpochDone, Event, RunResumed, StepDone

NOT_PLOTTED = ("step", "of", "epoch")


class TensorBoard:
    """Writes event files into a run's folder; nothing where TensorBoard is not installed."""

    def __init__(self, folder: Path):
        """folder: of the run. `tensorboard --logdir` on it, or on the folder of all runs, shows the numbers."""
        self._folder = folder
        self._first_step: int | None = None  # a resumed run hides what it wrote of steps it repeats
        self._writer: Any = None

    def add_event(self, event: Event) -> None:
        """Write the numbers of a step or an epoch."""
        if isinstance(event, RunResumed):
            self._first_step = event.step + 1
        if not isinstance(event, StepDone | EpochDone) or not self._open():
            return
        for name, value in event.to_json().items():
            if isinstance(value, (int, float)) and name not in NOT_PLOTTED:
                self._writer.add_scalar(f"{event.NAME}/{name}", value, event.step)
        self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        if self._writer is not None:
            self._writer.close()

    def _open(self) -> bool:
        """Whether there is a writer; makes it at the first call."""
        if self._writer is None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                return False
            folder = self._folder / "tensorboard"
            _wait_for_next_second(folder)
            self._writer = SummaryWriter(str(folder), purge_step=self._first_step)
        return True


def _wait_for_next_second(folder: Path) -> None:
    """TensorBoard reads event files in the order of their names, which tell only the second they were begun in."""
    while any(folder.glob(f"events.out.tfevents.{int(time.time()):010d}.*")):
        time.sleep(0.05)
