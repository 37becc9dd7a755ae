"""Writes a run's numbers, settings and pictures for TensorBoard, when it is installed; progress.jsonl stays the record.

TensorBoard's own writer has a thread that prints a traceback when the disk is full; here the numbers then just end.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cxr_core.training.runs.events import (
    EpochDone,
    Event,
    RunBegun,
    RunFinished,
    RunResumed,
    StepDone,
)
from cxr_core.training.trackers.settings import Setting

FORMAT = "brain.Event:2"  # what the first record of a file says
NOT_PLOTTED = ("step", "of", "epoch")
# The numbers that runs are compared by; those that a task does not have stay empty.
COMPARED = ("epoch/validation_loss", "epoch/validation_auroc", "epoch/validation_dice")


class TensorBoard:
    """Writes event files into a run's folder; nothing where TensorBoard is not installed."""

    def __init__(self, folder: Path, recipe: Mapping[str, Setting] | None = None):
        """folder: of the run. `tensorboard --logdir` on it, or on the folder of all runs, shows the numbers.

        recipe: the settings by name, for the table that compares runs by their settings.
        """
        self._folder = folder / "tensorboard"
        self._recipe = dict(recipe or {})
        self._first_step: int | None = None  # a resumed run hides what it wrote of steps it repeats
        self._file: Any = None
        self._ended = False

    def add_event(self, event: Event) -> None:
        """Write the numbers of a step or an epoch, and the settings at the beginning."""
        if isinstance(event, RunResumed):
            self._first_step = event.step + 1
        elif isinstance(event, StepDone | EpochDone):
            values = [
                {"tag": f"{event.NAME}/{name}", "simple_value": value}
                for name, value in event.to_json().items()
                if isinstance(value, (int, float)) and name not in NOT_PLOTTED
            ]
            self._try_to_write(step=event.step, summary={"value": values})
        elif isinstance(event, RunBegun | RunFinished) and self._recipe:
            self._write_settings(ended=isinstance(event, RunFinished))

    def add_picture(self, name: str, pixels: np.ndarray) -> None:
        """Write a picture. pixels: (H, W) or (H, W, 3) uint8."""
        channels = 1 if pixels.ndim == 2 else 3
        _, png = cv2.imencode(".png", pixels if channels == 1 else pixels[..., ::-1])
        image = {
            "height": pixels.shape[0],
            "width": pixels.shape[1],
            "colorspace": channels,
            "encoded_image_string": png.tobytes(),
        }
        self._try_to_write(step=0, summary={"value": [{"tag": name, "image": image}]})

    def _write_settings(self, ended: bool) -> None:
        """What TensorBoard's HPARAMS page shows: the recipe, and which numbers runs are compared by."""
        try:
            from torch.utils.tensorboard.summary import hparams
        except ImportError:
            return
        begin, start, end = hparams(self._recipe, dict.fromkeys(COMPARED, 0.0))
        for summary in (end,) if ended else (begin, start):
            self._try_to_write(summary=summary)

    def _try_to_write(self, **content: Any) -> None:
        """Write one record, unless that has failed before."""
        if self._ended:
            return
        try:
            if self._file is None:
                self._open()
            self._write(**content)
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
