"""Bounded runs of the programs that kill processes, fail disks and set clocks; each can be run longer by hand."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(
        "CI" not in os.environ and (sys.platform != "linux" or shutil.which("cc") is None),
        reason="needs Linux and a C compiler (cc)",
    ),
]
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "arguments",
    [
        ["kill_processes", "--count=4", "--victim=trainer", "--victim=page"],
        ["fail_disks", "--count=1", "--victim=evaluator", "--victim=importer"],
        ["set_clocks", "--count=1"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_no_promise_is_broken(arguments: list[str]) -> None:
    name, *options = arguments
    command = [sys.executable, "-m", f"tests.soak.{name}", *options]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace")
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-4000:]
    assert "0 violations" in ended.stdout
