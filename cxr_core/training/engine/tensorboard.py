"""A run's numbers for TensorBoard, when it is installed; progress.jsonl stays the record."""

import time
from pathlib import Path
from typing import Any

NOT_PLOTTED = ("step", "of", "epoch")


class TensorBoard:
    """Writes event files into a run's folder; where TensorBoard is not installed, nothing."""

    def __init__(self, folder: Path):
        """folder: of the run; `tensorboard --logdir` on it, or on the folder of all runs, shows them."""
        self._folder = folder
        self._from: int | None = (
            None  # a run that goes on hides what it had told of the steps it repeats
        )
        self._writer: Any = None

    def add(self, line: dict[str, Any]) -> None:
        """The numbers of one line of progress, at its step."""
        if line["event"] == "resumed":
            self._from = line["step"] + 1
        if line["event"] not in ("step", "epoch") or not self._open():
            return
        for name, value in line.items():
            if isinstance(value, (int, float)) and name not in NOT_PLOTTED:
                self._writer.add_scalar(f"{line['event']}/{name}", value, line["step"])
        self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        if self._writer is not None:
            self._writer.close()

    def _open(self) -> bool:
        if self._writer is None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                return False
            folder = self._folder / "tensorboard"
            _wait_for_a_new_second(folder)
            self._writer = SummaryWriter(str(folder), purge_step=self._from)
        return True


def _wait_for_a_new_second(folder: Path) -> None:
    """TensorBoard reads event files in the order of their names, which tell only the second each began in."""
    while any(folder.glob(f"events.out.tfevents.{int(time.time()):010d}.*")):
        time.sleep(0.05)
