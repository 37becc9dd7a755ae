"""Two processes train as one would: the same weights, one writer, and a killed process ends the run cleanly."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cxr_core.errors import RunError
from cxr_core.training.engine.device import select_device
from cxr_core.training.runs.run_folder import RunFolder
from tests.training.forked_fit import fork_fit
from tests.training.test_resume import (
    RESTLESS,
    films,  # noqa: F401 - a fixture
    list_arguments,
    step_of,
)

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[3]
# VGG has no batch statistics, so that two processes with half a batch each must do what one does with all of it.
PLAIN = replace(
    RESTLESS, backbone="vgg11", neck=None, head="averaged", dropout=0.0, schedule="constant", learning_rate=1e-4,
    optimizer="sgd", epochs=2,
)  # fmt: skip


def launch_two(arguments: list[str], run: Path) -> subprocess.Popen[str]:
    """Start the command as torchrun does."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return subprocess.Popen(
        # `--`, or torchrun would take `--run` for one of its own options
        [*torchrun, "-m", "--", "train.fit", *arguments],
        cwd=ROOT,
        env=os.environ | {"CXR_WORKSPACE": str(run.parent / "workspace"), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run_one(arguments: list[str], run: Path) -> None:
    output = run.with_name("output.txt")
    process = fork_fit(arguments, run.parent / "workspace", output)
    process.join(240)
    assert process.exitcode == 0, output.read_text()


def test_two_processes_learn_what_one_learns(films: Path, tmp_path: Path) -> None:  # noqa: F811
    runs = [tmp_path / name / "run" for name in ("one", "two")]
    both = launch_two(list_arguments(PLAIN, films, runs[1]), runs[1])
    said = both.communicate(timeout=240)[0]
    assert both.returncode == 0, said
    assert said.count("/two/run/model\n") == 1, "one process prints the path"
    run_one(list_arguments(PLAIN, films, runs[0]), runs[0])
    one, two = (load_file(run / "model" / "weights.safetensors") for run in runs)
    for name in one:
        assert torch.allclose(one[name].float(), two[name].float(), rtol=1e-3, atol=1e-5), name
    losses = [
        [line["loss"] for line in RunFolder(run).read_events() if line["event"] == "epoch"]
        for run in runs
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_killed_process_ends_the_run_which_goes_on_on_another_number(
    films: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    process = launch_two(list_arguments(replace(PLAIN, epochs=30), films, run), run)
    while step_of(run) < 8:
        time.sleep(0.05)
        assert process.poll() is None, process.communicate()[0]
    workers = [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if b"train.fit" in (line := path.read_bytes())
        and str(run).encode() in line
        and b"distributed" not in line
    ]
    os.kill(max(workers), signal.SIGKILL)
    process.communicate(timeout=120)
    assert process.returncode != 0
    folder = RunFolder(run)
    latest, damaged = folder.checkpoints.load_latest()
    assert latest is not None
    assert damaged == ()
    recipe = run / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("epochs = 30", "epochs = 6"))
    run_one(list_arguments(PLAIN, films, run), run)
    assert folder.is_finished
    begun = [line["processes"] for line in folder.read_events() if line["event"] == "begun"]
    assert begun == [2]
    assert json.loads((run / "model" / "card.json").read_text())["version"] == "1.0.0"


def test_a_device_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert select_device("auto").type == "cpu"
    with pytest.raises(RunError, match="this machine has 0 CUDA devices"):
        select_device("cuda")
    with pytest.raises(RunError, match="unknown device 'tpu'; choose auto, cpu or cuda"):
        select_device("tpu")


ONE_OF_TWO = """
import os, sys, time
from pathlib import Path
import torch
from torch import distributed
from cxr_core.errors import DataError, RunError
from cxr_core.training.engine.distributed import DistributedContext

home, rank = Path(sys.argv[1]), int(sys.argv[2])
distributed.init_process_group("gloo", init_method=f"file://{home}/meeting", rank=rank, world_size=2)
context = DistributedContext(torch.device("cpu"), rank, 2, rank)
try:
    with context.first_of_machine():
        if rank == 0:
            raise DataError("a film cannot be decoded")
        print("went on", flush=True)
except DataError as error:
    print(error, flush=True)
    while not (home / "second ended").exists():  # a process that outlives its error
        time.sleep(0.05)
except RunError as error:
    print(error, flush=True)
    (home / "second ended").touch()
os._exit(0)
"""


def test_a_failure_of_the_first_process_ends_the_others_too(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ONE_OF_TWO, str(tmp_path), str(rank)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        second = processes[1].communicate(timeout=120)[0]
        first = processes[0].communicate(timeout=120)[0]
    finally:
        for process in processes:
            process.kill()
    assert first.strip() == "a film cannot be decoded"
    assert "another process of this run failed" in second
