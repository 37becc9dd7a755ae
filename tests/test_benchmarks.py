"""Every benchmark runs through at a trial size, so that none is found broken on the day it is needed."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
SUPPORT = {"__init__", "__main__", "served", "table"}
FOLDER = ROOT / "benchmarks"
PACKAGES = [path.parent for path in FOLDER.glob("*/__init__.py")]
BENCHMARKS = sorted({path.stem for path in [*FOLDER.glob("*.py"), *PACKAGES]} - SUPPORT)
IN_A_BROWSER = {"data_page", "page", "review_page", "training_page"}
SLOW = {
    "data_page",
    "node",
    "review_page",
    "training_page",
}  # a minute each; other tests use these pages and the node


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280
    )


def list_marks(name: str) -> list[pytest.MarkDecorator]:
    in_a_browser = [pytest.mark.browser] if name in IN_A_BROWSER else []
    return [*in_a_browser, pytest.mark.slow] if name in SLOW else in_a_browser


@pytest.mark.process
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=list_marks(name)) for name in BENCHMARKS]
)
def test_a_trial_run_prints_a_row_for_each_figure(name: str) -> None:
    if name in IN_A_BROWSER and not shutil.which("chromium"):
        pytest.skip("no chromium")
    done = run(name, "--trial")
    assert done.returncode == 0, done.stderr[-3000:]
    rows = done.stdout.splitlines()[1:]
    assert rows
    assert all(re.search(r" +(-?[\d.]+|nan) ", row) for row in rows), done.stdout
    if name == "gpu":
        path = Path(os.environ["CXR_WORKSPACE"], "benchmarks", "gpu.json")
        kept = json.loads(path.read_text())
        assert kept["device"] == "CPU"
        assert len(kept["rows"]) == len(rows) - 1  # how long all took is a key of its own
        for row, printed in zip(kept["rows"], rows, strict=False):
            assert printed.startswith(row["what"])


@pytest.mark.process
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_cuda_device_it_is_said_what_would_be_measured() -> None:
    done = run("gpu")
    assert done.returncode == 0
    (_, sentence) = done.stdout.splitlines()
    assert "no CUDA device, so nothing was measured" in sentence
    assert "DenseNet-121, EfficientNet-B0 and ResNet-50" in sentence


def test_an_unknown_benchmark_is_answered_with_the_known_ones() -> None:
    done = run("speed")
    assert done.returncode == 2
    assert "unknown benchmark speed; choose from backends, coverage" in done.stderr
