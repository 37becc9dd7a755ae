"""Every benchmark runs through at a trial size, so that none is found broken on the day it is needed."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SUPPORT = {"__init__", "__main__", "served", "table"}
BENCHMARKS = sorted(
    path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem not in SUPPORT
)
IN_A_BROWSER = {"data_page", "page", "training_page"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280
    )


@pytest.mark.process
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.browser if name in IN_A_BROWSER else ())
        for name in BENCHMARKS
    ],
)
def test_a_trial_run_prints_a_row_for_each_figure(name: str) -> None:
    if name in IN_A_BROWSER and not shutil.which("chromium"):
        pytest.skip("no chromium")
    done = run(name, "--trial")
    assert done.returncode == 0, done.stderr[-3000:]
    rows = done.stdout.splitlines()[1:]
    assert rows
    assert all(re.search(r" +(-?[\d.]+|nan) ", row) for row in rows), done.stdout


def test_an_unknown_benchmark_is_answered_with_the_known_ones() -> None:
    done = run("speed")
    assert done.returncode == 2
    assert "unknown benchmark speed; choose from coverage, data" in done.stderr
