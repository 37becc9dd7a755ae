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
BENCHMARKS = {path.stem for path in [*FOLDER.glob("*.py"), *PACKAGES]} - SUPPORT
IN_A_BROWSER = {"data_page", "page", "review_page", "training_page"}
# A minute each; other tests use these pages and the node.
SLOW = {"data_page", "node", "review_page", "training_page"}
# Runs every benchmark in one process, since importing torch takes longer than most trials.
TRY_EACH = """
import importlib, json, sys
from benchmarks.__main__ import shrink
for name in sys.argv[1:]:
    benchmark = importlib.import_module(f"benchmarks.{name}")
    shrink(benchmark)
    print(json.dumps([name, [str(row) for row in benchmark.rows()]]), flush=True)
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.process
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "names", [BENCHMARKS - SLOW, pytest.param(SLOW, marks=pytest.mark.slow)], ids=["quick", "slow"]
)
def test_a_trial_run_has_a_row_for_each_figure(names: set[str]) -> None:
    if not shutil.which("chromium"):
        names = names - IN_A_BROWSER
    done = run("-c", TRY_EACH, *sorted(names))
    assert done.returncode == 0, done.stderr[-3000:]
    tables = dict(json.loads(line) for line in done.stdout.splitlines() if line.startswith('["'))
    assert set(tables) == names
    for name, rows in tables.items():
        assert rows, name
        assert all(re.search(r" +(-?[\d.]+|nan) ", row) for row in rows), rows
    if "gpu" in names:
        path = Path(os.environ["CXR_WORKSPACE"], "benchmarks", "gpu.json")
        kept = json.loads(path.read_text())
        assert kept["device"] == "CPU"
        assert len(kept["rows"]) == len(tables["gpu"]) - 1  # how long all took is a key of its own
        for row, printed in zip(kept["rows"], tables["gpu"], strict=False):
            assert printed.startswith(row["what"])


@pytest.mark.process
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_cuda_device_it_is_said_what_would_be_measured() -> None:
    done = run("-m", "benchmarks", "gpu")
    assert done.returncode == 0
    (_, sentence) = done.stdout.splitlines()
    assert "no CUDA device, so nothing was measured" in sentence
    assert "DenseNet-121, EfficientNet-B0 and ResNet-50" in sentence


def test_an_unknown_benchmark_is_answered_with_the_known_ones() -> None:
    done = run("-m", "benchmarks", "speed")
    assert done.returncode == 2
    assert "unknown benchmark speed; choose from backends, coverage" in done.stderr
