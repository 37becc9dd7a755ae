"""The time left of a run, against runs whose every step, validation and checkpoint is drawn beforehand."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from cxr_core.training.engine.time_left import RunLength, TimeLeft

LENGTH = RunLength(
    epochs=6, steps_per_epoch=40, head_epochs=0, validation_steps=12, checkpoint_every=1000
)


@dataclass(frozen=True)
class DrawnRun:
    """What a run does, one after the other: (kind, seconds); kinds are step, head step, validation, checkpoint."""

    length: RunLength
    events: tuple[tuple[str, float], ...]

    def estimates(self) -> list[tuple[float | None, float]]:
        """(estimate, truth) after every step and validation."""
        left, answers = TimeLeft(self.length), []
        step = validations = 0
        for index, (kind, duration_s) in enumerate(self.events):
            if kind == "validation":
                left.add_validation(duration_s)
                validations += 1
            elif kind == "checkpoint":
                left.add_checkpoint(duration_s)
                continue
            else:
                left.add_step(duration_s, backbone_is_trained=kind == "step")
                step += 1
            truth = sum(each for _, each in self.events[index + 1 :])
            answers.append((left.seconds_left(step, validations), truth))
        return answers


def draw_run(length: RunLength, *, step_s=0.5, head_s=0.17, validation_s=2.0, first_s=20.0, seed=0):
    """Steps that vary by a tenth, the first of which takes first_s; a checkpoint of 1 s after each epoch."""
    rng = np.random.default_rng(seed)
    events: list[tuple[str, float]] = []
    for epoch in range(1, length.epochs + 1):
        kind, usual = ("head step", head_s) if epoch <= length.head_epochs else ("step", step_s)
        events += [(kind, usual * rng.uniform(0.9, 1.1)) for _ in range(length.steps_per_epoch)]
        events += [("validation", validation_s), ("checkpoint", 1.0)]
    events[0] = (events[0][0], first_s)
    return DrawnRun(length, tuple(events))


def test_a_slow_first_step_tells_nothing_about_the_others():
    answers = draw_run(replace(LENGTH, epochs=100), first_s=60.0).estimates()
    assert [estimate for estimate, _ in answers[:4]] == [None] * 4
    for estimate, truth in answers[4:]:
        assert estimate == pytest.approx(truth, rel=0.15, abs=3)


@pytest.mark.parametrize("seed", range(3))
def test_the_estimate_includes_validations_and_checkpoints(seed):
    run = draw_run(LENGTH, validation_s=15.0, seed=seed)
    after_first_epoch = run.estimates()[LENGTH.steps_per_epoch + 2 :]
    for estimate, truth in after_first_epoch:
        assert estimate == pytest.approx(truth, rel=0.05, abs=2)
    assert run.estimates()[-1] == (0.0, 1.0)


def test_epochs_of_the_head_do_not_stand_for_those_of_the_backbone():
    run = draw_run(replace(LENGTH, head_epochs=2), step_s=0.51, head_s=0.17)
    for estimate, truth in run.estimates()[4:]:
        assert estimate == pytest.approx(truth, rel=0.15, abs=3)


def test_a_step_that_stood_still_hardly_counts():
    events = list(draw_run(LENGTH).events)
    events[60] = ("step", 3600.0)  # the machine was suspended for an hour
    for estimate, truth in DrawnRun(LENGTH, tuple(events)).estimates()[62:]:
        assert estimate == pytest.approx(truth, rel=0.1, abs=3)
