"""The log of a workspace: what it says, what it never says, and several processes that write and rotate it."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from cxr_core.errors import Cancelled, DataError
from cxr_core.workspace import log
from cxr_core.workspace.log import add_details, log_folder, log_task, write_log_line

HOSTILE = "Müstermann^Max_1954-03-02_ID4711.dcm"


def read_lines() -> list[dict]:
    text = (log_folder() / log.FILE).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_a_task_has_a_line_when_it_begins_and_one_when_it_has_ended(workspace):
    with log_task("training", run="one") as task:
        assert [line["state"] for line in read_lines()] == ["started"]
        task.add(films=12)
        with log_task("preparation"):
            add_details(issues=2)
    began, inner_began, inner_ended, ended = read_lines()
    assert began["task"] == ended["task"] == "training"
    assert began["run"] == ended["run"] == "one"
    assert (ended["state"], ended["films"], ended["level"]) == ("finished", 12, "info")
    assert ended["duration_s"] >= 0
    assert inner_began["within"] == inner_ended["within"] == began["id"] == ended["id"]
    assert inner_ended["issues"] == 2
    assert "issues" not in ended


@pytest.mark.parametrize(
    ("error", "state", "level"),
    [
        (DataError(f"{HOSTILE} is damaged"), "refused", "warning"),
        (Cancelled("stopped"), "stopped", "info"),
        (KeyboardInterrupt(), "stopped", "info"),
        (ValueError(f"invalid literal {HOSTILE!r}"), "failed", "error"),
    ],
)
def test_how_it_ended_is_said_without_the_words_of_the_error(workspace, error, state, level):
    def fail_on(film: str) -> None:
        raise error

    with pytest.raises(type(error)), log_task("reading"):
        fail_on(HOSTILE)
    *_, ended = read_lines()
    assert (ended["state"], ended["level"]) == (state, level)
    if state == "failed":
        assert ended["where"].endswith("fail_on")
        assert ended["error"] == "ValueError"
    text = (log_folder() / log.FILE).read_text(encoding="utf-8")
    assert not any(part in text for part in ("stermann", "1954", "4711", "dcm"))


def test_the_level_is_chosen_by_a_variable(workspace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CXR_LOG_LEVEL", "warning")
    with log_task("training"):
        pass
    assert not log_folder().exists()
    with pytest.raises(DataError), log_task("preparation"):
        raise DataError("no film")
    assert [line["task"] for line in read_lines()] == ["preparation"]
    monkeypatch.setenv("CXR_LOG_LEVEL", "off")
    write_log_line(logging.CRITICAL, {"task": "nothing"})
    assert len(read_lines()) == 1
    monkeypatch.setenv("CXR_LOG_LEVEL", "no such level")
    write_log_line(logging.INFO, {"task": "something"})
    assert len(read_lines()) == 2


def test_a_disk_that_cannot_be_written_stops_nothing(workspace, capfd):
    log_folder().parent.mkdir(parents=True, exist_ok=True)
    log_folder().write_text("a file where the folder should be")
    with log_task("training") as task:
        task.add(films=1)
    assert capfd.readouterr() == ("", "")


WRITER = """
import logging, sys
from cxr_core.workspace import log
log.MAX_BYTES, log.KEPT_FILES = 20_000, 50
for number in range(150):
    log.write_log_line(logging.INFO, {"writer": int(sys.argv[1]), "number": number})
"""


@pytest.mark.process
def test_processes_that_rotate_at_once_lose_no_line(workspace: Path):
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(number)]) for number in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    files = sorted(log_folder().glob(f"{log.FILE}*"))
    assert len(files) > 2
    assert all(path.stat().st_size <= 20_000 for path in files)
    lines = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    found = sorted((line["writer"], line["number"]) for line in lines)
    assert found == [(writer, number) for writer in range(4) for number in range(150)]
