"""A bounded run of the program that kills the receiving node; it can be run longer by hand."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system_tools import find_system_tool

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(
        "CI" not in os.environ
        and not (
            sys.platform == "linux" and find_system_tool("storescu") and find_system_tool("Orthanc")
        ),
        reason="needs Linux, dcmtk and Orthanc",
    ),
]


def test_a_killed_node_loses_no_film_and_mixes_up_no_patients() -> None:
    command = [sys.executable, "-m", "tests.soak.kill_node", "--count=2"]
    root = Path(__file__).parents[2]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, errors="replace")
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-4000:]
    assert "0 violations" in ended.stdout
