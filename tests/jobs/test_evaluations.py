"""Evaluations asked for on the page: one process however often it is asked for, told as what it is by whoever looks."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cxr_core.errors import RunError
from cxr_core.evaluation.store.folder import METRICS
from cxr_core.jobs import evaluations
from cxr_core.jobs import files as files
from cxr_core.jobs.activity import MEASURED, asking
from cxr_core.jobs.evaluations import Wanted, forget, look, start, stop
from cxr_core.jobs.process_id import signal_to
from cxr_core.workspace.paths import ROOT
from tests.jobs.watching import kill_all, marked_here, until

WANTED = Wanted(model="a model", data="films", part="test", recalibrate="prior=0.05")
BEGINS = """
import pathlib, sys, time
out = pathlib.Path(next(each for each in sys.argv if each.startswith("--out="))[6:])
with open(out / "begun", "a") as file:
    file.write(" ".join(sys.argv[1:]) + "\\n")
print("reading films  1,200 of 4,700  [#####...............]  about 7 s left", file=sys.stderr, flush=True)
def wait(name):
    while not (out / name).exists():
        time.sleep(0.02)
def finish():
    (out / "metrics.json").write_text("{}")
    print(out / "metrics.json")
"""


@pytest.fixture
def program(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What stands in for the program; every process of it is ended at last."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("CXR_RUN_NICENESS", "0")
    monkeypatch.setattr(evaluations, "PROGRAM", "stands_in")
    yield tmp_path / "stands_in.py"
    until(lambda: not marked_here(workspace), "all have ended", each=lambda: kill_all(workspace))


def ended(folder: Path) -> tuple[str, str]:
    until(lambda: (found := look(folder)) and found.state != "running", "it has ended")
    found = look(folder)
    assert found is not None
    return found.state, found.sentence


def begun(folder: Path) -> list[str]:
    path = folder / "begun"
    return path.read_text().splitlines() if path.exists() else []


def test_many_clicks_start_one_which_is_watched_and_finishes(program: Path) -> None:
    program.write_text(BEGINS + "wait('go'); finish()")
    with ThreadPoolExecutor(4) as clicks:
        folders = set(clicks.map(lambda _: start(WANTED), range(20)))
    (folder,) = folders
    until(lambda: (found := look(folder)) and found.total, "it tells how far it is")
    found = look(folder)
    assert found is not None
    assert (found.state, found.sentence, found.done, found.total) == (
        "running",
        "reading films",
        1200,
        4700,
    )
    assert [each.folder for each in evaluations.evaluating()] == [folder]
    forget(folder)  # does nothing to one that is at work
    (folder / "go").touch()
    assert ended(folder)[0] == "finished"
    (line,) = begun(folder)
    assert line.endswith("-- a model")
    for argument in ("--data=films", "--split=test", "--recalibrate=prior=0.05", f"--out={folder}"):
        assert argument in line.split()


def test_it_outlives_who_asked_and_a_kill_is_told_and_mended(program: Path) -> None:
    program.write_text(BEGINS + "wait('go'); finish()")
    asks = (
        "import sys; from cxr_core.training import evaluating as e; e.PROGRAM = 'stands_in'; "
        f"e.start(e.{WANTED!r}); sys.stdout.write('asked\\n'); sys.stdout.flush(); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", asks], cwd=ROOT, stdin=pipe, stdout=pipe, text=True
    ) as app:
        assert app.stdout is not None
        assert app.stdout.readline() == "asked\n"
        app.send_signal(signal.SIGKILL)
    folder = WANTED.folder
    until(lambda: begun(folder), "it goes on")
    found, name = look(folder), files.process_of(folder)
    assert found is not None
    assert name is not None
    assert found.state == "running"
    signal_to(name, signal.SIGKILL)
    state, sentence = ended(folder)
    assert (state, "Start it again" in sentence) == ("cut off", True)
    assert not (folder / METRICS).exists()
    (folder / "go").touch()
    start(WANTED)
    assert ended(folder)[0] == "finished"


@pytest.mark.parametrize(
    ("does", "state", "said"),
    [
        ("sys.exit('stands_in: the data has no test part')", "failed", "the data has no test part"),
        ("raise ValueError('seven')", "failed", "the evaluation failed: ValueError: seven"),
    ],
)
def test_why_it_failed_is_said_also_where_it_had_finished_before(
    program: Path, does: str, state: str, said: str
) -> None:
    program.write_text(BEGINS + "finish()")
    assert ended(start(WANTED))[0] == "finished"
    program.write_text(BEGINS + does)
    assert ended(start(WANTED)) == (state, said)


def test_it_stops_when_asked_and_can_be_forgotten(program: Path) -> None:
    program.write_text(BEGINS + "wait('go')")
    folder = start(WANTED)
    until(lambda: begun(folder), "it has begun")
    stop(folder)
    assert ended(folder)[0] == "stopped"
    forget(folder)
    assert look(folder) is None
    assert evaluations.evaluating() == []


def test_a_run_that_is_being_measured_is_not_evaluated_beside(workspace: Path) -> None:
    run = workspace / "runs" / "one"
    run.mkdir(parents=True)
    wanted = Wanted(model=str(run), data="films", part="test")
    assert (
        wanted.folder == run / "evaluation" / "test-films"
    )  # its own figures, in evaluation/, stay
    with (
        asking(run, MEASURED),
        pytest.raises(RunError, match="one is being measured on its test films; wait"),
    ):
        start(wanted)
