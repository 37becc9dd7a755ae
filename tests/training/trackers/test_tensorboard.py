"""TensorBoard's own reader finds the numbers of a run, also of one that was interrupted."""

import sys

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cxr_core.training.runs.events import EpochDone, RunBegun, RunResumed, StepDone
from cxr_core.training.trackers.tensorboard import TensorBoard


def epoch_done(step: int, loss: float) -> EpochDone:
    return EpochDone(
        epoch=step // 10,
        step=step,
        total_steps=40,
        loss=loss,
        validation_loss=loss,
        figures={"validation_auroc": 0.9},
        learning_rate=0.1,
        images_per_second=8.0,
        best_epoch=1,
    )


def scalars(folder, name: str) -> list[tuple[int, float]]:
    found = EventAccumulator(str(folder / "tensorboard"))
    found.Reload()
    return [(event.step, event.value) for event in found.Scalars(name)]


def test_numbers_are_read_back_at_their_steps(tmp_path):
    board = TensorBoard(tmp_path)
    board.add_event(RunBegun(run="x", device="cpu", processes=1, unmatched=(), missing=()))
    board.add_event(
        StepDone(
            step=5,
            total_steps=40,
            epoch=1,
            loss=0.75,
            learning_rate=0.1,
            images_per_second=8.0,
            eta_s=3.5,
        )
    )
    board.add_event(epoch_done(10, 0.5))
    board.add_event(epoch_done(20, 0.25))
    board.close()
    assert scalars(tmp_path, "epoch/loss") == [(10, 0.5), (20, 0.25)]
    assert scalars(tmp_path, "epoch/validation_auroc")[0] == (10, pytest.approx(0.9))
    assert scalars(tmp_path, "step/eta_s") == [(5, 3.5)]


def test_steps_that_are_done_again_replace_the_first_telling(tmp_path):
    first = TensorBoard(tmp_path)
    for step, loss in ((10, 0.5), (20, 9.0)):
        first.add_event(epoch_done(step, loss))
    first.close()
    again = TensorBoard(tmp_path)
    again.add_event(RunResumed(step=10, damaged_checkpoints=()))
    again.add_event(epoch_done(20, 0.25))
    again.close()
    assert scalars(tmp_path, "epoch/loss") == [(10, 0.5), (20, 0.25)]


def test_without_tensorboard_a_run_goes_on(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)
    board = TensorBoard(tmp_path)
    board.add_event(epoch_done(10, 0.5))
    board.close()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_ends_the_numbers_and_not_the_run(tmp_path, capfd):
    board = TensorBoard(tmp_path)
    board.add_event(epoch_done(10, 0.5))
    with board._file, open("/dev/full", "wb", buffering=0) as full:
        board._file = full
        board.add_event(epoch_done(20, 0.25))
    board.add_event(epoch_done(30, 0.125))
    board.close()
    assert scalars(tmp_path, "epoch/loss") == [(10, 0.5)]
    assert capfd.readouterr().err == ""
