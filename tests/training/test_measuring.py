"""Measuring a run from the page: a program of its own, whose last words are told and which ends when asked."""

import json
import os
from pathlib import Path

import pytest

from cxr_core.errors import Cancelled, RunError
from cxr_core.training import measuring
from cxr_core.training.measuring import measure_on_test

BEGINNING = """
import json, os, pathlib, sys, time
here = pathlib.Path(__file__).parent
(here / ".draft").write_text(json.dumps([os.getpid(), *sys.argv[1:]]))
(here / ".draft").rename(here / "told.json")
"""


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a stand-in for the program tells its pid and arguments."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(measuring, "PROGRAM", "stands_in")
    return tmp_path / "told.json"


def stands_in(told: Path, does: str) -> None:
    (told.parent / "stands_in.py").write_text(BEGINNING + does)


def test_the_run_and_its_data_are_handed_on(told: Path) -> None:
    stands_in(told, "")
    measure_on_test(Path("/runs/a b"), ("films", "/data/--more"), lambda: False)
    assert json.loads(told.read_text())[1:] == ["/runs/a b", "--data=films", "--data=/data/--more"]


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("sys.exit('reading tables\\nstands_in: the data has no test part')", r"^the data has no test part$"),
        ("raise ValueError('seven')", r"^the measurement failed: ValueError: seven$"),
        ("sys.exit(5)", r"exit status 5"),
        ("os.kill(os.getpid(), 9)", r"ended by signal 9; ask for it again"),
    ],
)
def test_why_it_failed_is_said(told: Path, does: str, said: str) -> None:
    stands_in(told, does)
    with pytest.raises(RunError, match=said):
        measure_on_test(Path("run"), ("films",), lambda: False)


def test_it_ends_when_asked(told: Path) -> None:
    stands_in(told, "time.sleep(600)")
    with pytest.raises(Cancelled):
        measure_on_test(Path("run"), ("films",), told.exists)
    with pytest.raises(ProcessLookupError):
        os.kill(json.loads(told.read_text())[0], 0)
