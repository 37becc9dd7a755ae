"""Measuring a run from the page: a program of its own, whose last words are told and which ends when asked."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cxr_core.errors import Cancelled, RunError
from cxr_core.evaluation.store.folder import METRICS, read_metrics, write_texts
from cxr_core.jobs import measuring
from cxr_core.jobs.activity import JUDGED, MEASURED, asked, asking
from cxr_core.jobs.measuring import measure_on_test
from cxr_core.workspace.paths import ROOT
from tests.jobs.watching import until

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


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run."""
    (tmp_path / "a run").mkdir()
    return tmp_path / "a run"


def stands_in(told: Path, does: str) -> None:
    (told.parent / "stands_in.py").write_text(BEGINNING + does)


def test_the_run_and_its_data_are_handed_on(told: Path, run: Path) -> None:
    stands_in(told, "")
    measure_on_test(run, ("films", "/data/--more"), lambda: False)
    assert json.loads(told.read_text())[1:] == [str(run), "--data=films", "--data=/data/--more"]


@pytest.mark.parametrize(
    ("does", "said"),
    [
        (
            "sys.exit('reading tables\\nstands_in: the data has no test part')",
            r"^the data has no test part$",
        ),
        ("raise ValueError('seven')", r"^the measurement failed: ValueError: seven$"),
        ("sys.exit(5)", r"exit status 5"),
        ("os.kill(os.getpid(), 9)", r"ended by signal 9; ask for it again"),
    ],
)
def test_why_it_failed_is_said(told: Path, run: Path, does: str, said: str) -> None:
    stands_in(told, does)
    with pytest.raises(RunError, match=said):
        measure_on_test(run, ("films",), lambda: False)


def test_it_ends_when_asked(told: Path, run: Path) -> None:
    stands_in(told, "time.sleep(600)")
    with pytest.raises(Cancelled):
        measure_on_test(run, ("films",), told.exists)
    with pytest.raises(ProcessLookupError):
        os.kill(json.loads(told.read_text())[0], 0)
    assert asked(run) is None


ASKS = """
import pathlib, sys
from cxr_core.training import measuring
measuring.PROGRAM = "stands_in"
measuring.measure_on_test(pathlib.Path(sys.argv[1]), ("films",), lambda: False)
"""


@pytest.mark.parametrize("both", [False, True], ids=["the app", "app and measurement"])
def test_a_measurement_whose_app_was_killed_is_told_and_can_be_asked_for_again(
    told: Path, run: Path, both: bool
) -> None:
    stands_in(
        told,
        "\nwhile not (here / 'go').exists(): time.sleep(0.02)\nopen(f'{sys.argv[1]}/measured', 'w')",
    )
    app = subprocess.Popen([sys.executable, "-c", ASKS, str(run)], cwd=ROOT)
    until(lambda: told.exists() and asked(run), "it is being measured")
    app.send_signal(signal.SIGKILL)
    app.wait()
    found = asked(run)
    assert found is not None
    assert (found.running, found.sentence) == (True, "It is being measured on its test films.")
    with pytest.raises(RunError, match="being measured on its test films already"):
        measure_on_test(run, ("films",), lambda: False)
    if both:
        os.kill(found.name.pid, signal.SIGKILL)
    (told.parent / "go").touch()
    until(lambda: not found.running, "it has ended", within_s=30)
    assert (run / "measured").exists() is not both
    assert "cut off" in found.sentence
    measure_on_test(run, ("films",), lambda: False)  # a second click
    assert (run / "measured").exists()
    assert asked(run) is None


def test_a_kill_while_an_evaluation_is_written_shows_no_half_of_it(tmp_path: Path) -> None:
    texts = {"predictions.csv": "a,b\n" * 1000, "curves.json": "{}\n"}
    for step in range(3):
        write_texts(tmp_path, texts, {"schema": 1, "made": "before"})
        child = os.fork()
        if child == 0:
            _end_at_replacement(step)
            write_texts(
                tmp_path,
                {name: text.upper() for name, text in texts.items()},
                {"schema": 1, "made": "after"},
            )
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        assert (
            read_metrics(tmp_path) is None
        )  # nothing counts as an evaluation before its last file is there
        for name, text in texts.items():
            assert (tmp_path / name).read_text() in (text, text.upper())
        assert not (tmp_path / METRICS).exists()
    write_texts(tmp_path, texts, {"schema": 1, "made": "again"})
    assert read_metrics(tmp_path) == {"schema": 1, "made": "again"}


def _end_at_replacement(step: int) -> None:
    """Have this process end as it is about to give a file its name, after so many others."""
    left, replace = iter(range(step)), Path.replace

    def end(path: Path, target: Path) -> Path:
        return replace(path, target) if next(left, None) is not None else os._exit(9)

    Path.replace = end  # type: ignore[method-assign]


def test_who_has_done_leaves_the_record_of_who_asked_meanwhile(tmp_path: Path) -> None:
    with asking(tmp_path, MEASURED):
        another = asking(tmp_path, JUDGED)
        another.__enter__()
    assert (asked(tmp_path) or pytest.fail("its record is gone")).what == JUDGED
    another.__exit__(None, None, None)
    assert asked(tmp_path) is None
