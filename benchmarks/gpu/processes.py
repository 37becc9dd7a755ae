"""What needs processes of its own: a run that is killed and resumed, and two that train on one device."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from benchmarks.gpu.sizes import Sizes
from benchmarks.table import Row
from cxr_core.workspace.paths import ROOT

FIT_LIMIT_S = 150.0  # of a run of a few steps, its start and the decoding of its films included
RUN = {"epochs": 3, "batch_size": 16, "checkpoint_every_steps": 2, "input_side": 64, "neck": 8}


def measure_killed_run(sizes: Sizes) -> Iterator[Row]:
    """A run on synthetic films is killed after a checkpoint, then resumed from its folder alone, to its end."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        _write_films(place / "films", sizes.run_films)
        settings = [f"--set={key}={value}" for key, value in RUN.items()]
        settings += [f"--set=backbone={sizes.backbones[-1]}", "--init=scratch"]
        run = place / "run"
        begin = ["pneumonia-resnet50", "--data", str(place / "films"), "--run", str(run), *settings]
        environment = {"CXR_WORKSPACE": str(place / "workspace")}
        process = _start_fit([*begin, "--device", sizes.device], environment)
        try:
            step = _wait_for_checkpoint(run, process)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        began = time.perf_counter()
        resumed = _start_fit(["--resume", str(run), "--device", sizes.device], environment)
        _, said = resumed.communicate(timeout=FIT_LIMIT_S)
        if resumed.returncode:
            raise RuntimeError(f"the run was not resumed: {said[-2000:]}")
        seconds = time.perf_counter() - began
    yield Row(f"a run killed at step {step} and resumed, until it ended", seconds, "s", "ends")


def measure_two_processes(sizes: Sizes) -> Iterator[Row]:
    """Images a second of two processes that train on the device at once, as a multiple of one alone."""
    backbone = sizes.backbones[-1]
    (alone,) = _train_at_once(backbone, sizes, 1)
    both = _train_at_once(backbone, sizes, 2)
    yield Row(
        f"{backbone}: two processes on one device / one, images per second",
        sum(both) / alone,
        "x",
        "",
    )
    yield Row(f"{backbone}: the slower of the two / the faster", min(both) / max(both), "x", "")


def _train_at_once(backbone: str, sizes: Sizes, count: int) -> list[float]:
    """Images a second of so many processes, each of which begins when all are ready."""
    command = [sys.executable, "-m", "benchmarks.gpu.one_process", backbone]
    command += [str(value) for value in (sizes.device, sizes.side, sizes.batch, sizes.seconds)]
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
        for _ in range(count)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()  # it is ready
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("begin\n")
            process.stdin.flush()
        return [float(process.communicate(timeout=FIT_LIMIT_S)[0]) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _start_fit(arguments: list[str], environment: dict[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "train.fit", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_for_checkpoint(run: Path, process: "subprocess.Popen[str]") -> int:
    """The step of the run's first checkpoint, once it is complete."""
    deadline = time.monotonic() + FIT_LIMIT_S
    while time.monotonic() < deadline:
        finished = sorted(run.glob("checkpoints/step_*/done"))
        if finished:
            return int(finished[0].parent.name.removeprefix("step_"))
        if process.poll() is not None:
            assert process.stderr is not None
            raise RuntimeError(f"the run ended early: {process.stderr.read()[-2000:]}")
        time.sleep(0.05)
    raise RuntimeError(f"the run wrote no checkpoint within {FIT_LIMIT_S:g} s")


def _write_films(root: Path, count: int) -> None:
    """Films of noise in the layout of Kaggle's chest_xray; those with pneumonia are brighter below the middle."""
    rng = np.random.default_rng(0)
    for label, brighter in (("NORMAL", 0), ("PNEUMONIA", 100)):
        folder = root / "train" / label
        folder.mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(60, 120, (80, 80), np.uint8)
            pixels[40:] += np.uint8(brighter)
            name = f"person{number}_virus_{number}" if brighter else f"IM-{number:04d}-0001"
            cv2.imwrite(str(folder / f"{name}.png"), pixels)
