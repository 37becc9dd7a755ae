"""Estimates the time that is left of a training run, from the steps, validations and checkpoints measured so far."""

import statistics
from collections import deque
from dataclasses import dataclass, field

WARM_UP_STEPS = 2  # the first steps compile, allocate memory and read films for the first time
MIN_STEPS = 3  # fewer measured steps give no estimate
RECENT_STEPS = 50
# A forward and a backward pass take about three times as long as a forward pass alone. Used only until a validation,
# or a step that trains the backbone, has been measured.
TRAINING_PER_FORWARD = 3.0


@dataclass(frozen=True, kw_only=True)
class RunLength:
    """What a run has to do: epochs, of them head_epochs with a frozen backbone, and steps in each.

    validation_steps: batches of the size of a training batch in the validation films.  checkpoint_every: in steps.
    """

    epochs: int
    steps_per_epoch: int
    head_epochs: int
    validation_steps: float
    checkpoint_every: int


@dataclass
class _Durations:
    """Recent durations, in seconds. The first `skipped` are left out."""

    skipped: int = 0
    seen: int = 0
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT_STEPS))

    def add(self, duration_s: float) -> None:
        self.seen += 1
        if self.seen > self.skipped:
            self.recent.append(duration_s)

    def median(self, at_least: int = 1) -> float | None:
        """A step that stood still, on a busy disk or a suspended machine, does not count."""
        return statistics.median(self.recent) if len(self.recent) >= at_least else None


class TimeLeft:
    """The time left of one run. All durations are in seconds, measured by the caller."""

    def __init__(self, length: RunLength):
        self.length = length
        self._steps = {False: _Durations(WARM_UP_STEPS), True: _Durations(WARM_UP_STEPS)}
        self._validation = _Durations()
        self._checkpoint = _Durations()

    def add_step(self, duration_s: float, *, backbone_is_trained: bool) -> None:
        """Take note of a training step with its films read, without any checkpoint."""
        self._steps[backbone_is_trained].add(duration_s)

    def add_validation(self, duration_s: float) -> None:
        """Take note of a validation."""
        self._validation.add(duration_s)

    def add_checkpoint(self, duration_s: float) -> None:
        """Take note of a checkpoint written."""
        self._checkpoint.add(duration_s)

    def step_s(self, *, backbone_is_trained: bool) -> float | None:
        """The usual duration of a step; None while too few have been measured."""
        own = self._steps[backbone_is_trained].median(MIN_STEPS)
        other = self._steps[not backbone_is_trained].median(MIN_STEPS)
        if own is not None or other is None:
            return own
        return other * TRAINING_PER_FORWARD if backbone_is_trained else other / TRAINING_PER_FORWARD

    def seconds_left(self, step: int, validations: int) -> float | None:
        """Until the last epoch has ended; None while too little has been measured.

        step, validations: how many are done. Early stopping may end the run sooner.
        """
        length = self.length
        head_steps = max(0, min(length.head_epochs, length.epochs) * length.steps_per_epoch - step)
        steps = max(0, length.epochs * length.steps_per_epoch - step)
        total = 0.0
        for count, is_trained in ((head_steps, False), (steps - head_steps, True)):
            duration_s = self.step_s(backbone_is_trained=is_trained)
            if count and duration_s is None:
                return None
            total += count * (duration_s or 0.0)
        validation_s = self._validation_s()
        if validation_s is None:
            return None
        checkpoint_s = self._checkpoint.median() or 0.0
        epochs = max(0, length.epochs - validations)
        return (
            total
            + epochs * (validation_s + checkpoint_s)
            + (checkpoint_s * (steps // length.checkpoint_every))
        )

    def _validation_s(self) -> float | None:
        measured = self._validation.median()
        if measured is not None:
            return measured
        for is_trained, factor in ((True, TRAINING_PER_FORWARD), (False, 1.0)):
            step_s = self._steps[is_trained].median(MIN_STEPS)
            if step_s is not None:
                return self.length.validation_steps * step_s / factor
        return None
