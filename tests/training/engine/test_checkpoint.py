"""Checkpoints: whole or absent, checked when read, and only as many as are needed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cxr_core.errors import RunError
from cxr_core.training.engine.checkpoint import Checkpoint, Checkpoints

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[3]


def checkpoint(step: int) -> Checkpoint:
    tensors = {"a": torch.full((4, 3), float(step)), "b": torch.arange(step + 1)}
    return Checkpoint(
        step=step,
        weights=tensors,
        tensors={"optimizer.0.step": torch.tensor(float(step))},
        state={"n": step},
    )


def test_what_is_saved_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path)
    kept.save(checkpoint(7), None)
    found, damaged = kept.load_latest()
    assert found is not None
    assert damaged == ()
    assert (found.step, found.state) == (7, {"n": 7})
    assert all(
        torch.equal(found.weights[name], value) for name, value in checkpoint(7).weights.items()
    )
    assert found.tensors["optimizer.0.step"].shape == ()


def test_the_last_two_and_the_best_are_kept(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path)
    for step in range(1, 8):
        kept.save(checkpoint(step), best_step=3 if step >= 3 else None)
    assert kept.list_steps() == [3, 6, 7]
    assert kept.load(3).state == {"n": 3}


@pytest.mark.parametrize("name", ["weights.safetensors", "state.safetensors", "state.json", "done"])
@pytest.mark.parametrize("damage", ["cut", "bent", "gone"])
def test_a_damaged_checkpoint_is_told_and_the_one_before_it_used(
    tmp_path: Path, name: str, damage: str
) -> None:
    kept = Checkpoints(tmp_path)
    kept.save(checkpoint(1), None)
    place = kept.save(checkpoint(2), None)
    data = (place / name).read_bytes()
    if damage == "gone":
        (place / name).unlink()
    else:
        (place / name).write_bytes(
            data[:-3] if damage == "cut" else bytes([data[0] ^ 1]) + data[1:]
        )
    found, damaged = kept.load_latest()
    assert found is not None
    assert found.step == 1
    assert len(damaged) == 1
    assert "step_000002 is damaged" in damaged[0]


def test_no_checkpoint_is_said_as_none(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path).load_latest() == (None, ())


def test_a_full_disk_costs_no_earlier_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Checkpoints(tmp_path)
    kept.save(checkpoint(1), None)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cxr_core.workspace.atomic.flush_to_disk", full)
    with pytest.raises(
        RunError, match=r"at step 2: No space left on device\. Free space .* resume the run"
    ):
        kept.save(checkpoint(2), None)
    assert kept.list_steps() == [1]
    assert not list(tmp_path.glob(".*"))


SAVE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.training.engine.test_checkpoint import checkpoint
from cxr_core.training.engine.checkpoint import Checkpoints
kept = Checkpoints(Path(sys.argv[1]))
print("ready", flush=True)
for step in range(1, 10**6):
    kept.save(checkpoint(step), None)
    print(step, flush=True)
"""


@pytest.mark.parametrize("moment", [0.011, 0.037, 0.083])
def test_a_kill_in_the_middle_of_saving_leaves_the_last_one_whole(
    tmp_path: Path, moment: float
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SAVE, str(tmp_path), str(ROOT)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    assert process.stdout is not None
    while process.stdout.readline() != "2\n":
        pass
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(moment)
    os.kill(process.pid, signal.SIGKILL)
    told = process.stdout.read().split()
    process.wait()
    process.stdout.close()
    last = int(told[-1]) if told else 2
    found, damaged = Checkpoints(tmp_path).load_latest()
    assert found is not None
    assert damaged == ()
    assert found.step in (last, last + 1)
    assert json.loads((tmp_path / f"step_{found.step:06}" / "state.json").read_text()) == {
        "n": found.step
    }
