"""Freed memory stays with the process, so that the next large array costs the kernel nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

COUNT_FAULTS = """
import resource, sys
import numpy as np
from cxr_core.workspace.malloc import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit(77)
np.ones(1 << 23)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(1 << 23)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", COUNT_FAULTS, how],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    if done.returncode == 77:
        pytest.skip("malloc is not the GNU C library's")
    return int(done.stdout)


def test_pages_are_fetched_once():
    assert faults("keep") * 10 < faults("give back")
