"""A few of the kills of tests/soak/kill_verdicts.py, which can be run longer by hand."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(sys.platform != "linux", reason="forks processes"),
]
ROOT = Path(__file__).parents[2]


def test_no_verdict_that_was_shown_as_saved_is_lost() -> None:
    command = [sys.executable, "-m", "tests.soak.kill_verdicts", "--count=3"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
    assert "3 kills" in ended.stdout
