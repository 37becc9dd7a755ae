"""The audit log: every line holds the hash of the one before, and whatever is taken out, changed or cut is found."""

import errno
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cxr_core.access import audit_chain
from cxr_core.access.actor import Actor, Role, acting_as
from cxr_core.access.audit import (
    audit_folder,
    hash_film,
    record_action,
    record_or_refuse,
    record_reading,
)
from cxr_core.access.audit_check import list_entries, verify_log
from cxr_core.errors import AuditError
from cxr_core.workspace.log import log_folder
from train.access import audit as audit_command

ROOT = Path(__file__).parents[2]
FILM = hashlib.sha256(b"a film").hexdigest()


@pytest.fixture
def log(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log of 30 lines in several files."""
    monkeypatch.setattr(audit_chain, "MAX_FILE_BYTES", 2000)
    for number in range(30):
        assert record_action("reading", film=FILM, model=f"tiny 1.0.{number}")
    return audit_folder()


def log_lines(folder: Path) -> list[bytes]:
    files = sorted(folder.glob("audit-*.jsonl"))
    return [line for file in files for line in file.read_bytes().splitlines()]


def change_file(folder: Path, number: int, change: Callable[[list[bytes]], list[bytes]]) -> None:
    file = folder / f"audit-{number:06}.jsonl"
    file.write_bytes(b"".join(change(file.read_bytes().splitlines(keepends=True))))


def test_every_line_holds_the_hash_of_the_one_before_also_across_files(log: Path) -> None:
    """By the definition alone: nothing of the program computes here."""
    assert len(list(log.glob("audit-*.jsonl"))) > 3
    before = "0" * 64
    for number, line in enumerate(log_lines(log), start=1):
        entry = json.loads(line)
        assert (entry["number"], entry["before"]) == (number, before)
        before = hashlib.sha256(line).hexdigest()
    report = verify_log(log)
    assert (report.lines, report.last, report.problems) == (30, before, ())


def test_a_line_says_who_did_what(workspace: Path) -> None:
    with acting_as(Actor("8f1c", Role.ADMIN)):
        record_action("activation", model="tiny 1.0.0")
    record_action("send", who="node", film=FILM, outcome="failed")
    admin, node = map(json.loads, log_lines(audit_folder()))
    assert {k: admin[k] for k in ("who", "role", "action", "model", "outcome")} == {
        "who": "8f1c",
        "role": "admin",
        "action": "activation",
        "model": "tiny 1.0.0",
        "outcome": "done",
    }
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", admin["time"])
    assert (node["who"], "role" in node, node["outcome"]) == ("node", False, "failed")


def test_a_film_stands_there_by_a_keyed_hash_alone(workspace: Path) -> None:
    record_reading(FILM, [])
    written = b"".join(path.read_bytes() for path in audit_folder().glob("audit-*"))
    key_file = audit_folder() / "film.key"
    key = bytes.fromhex(key_file.read_text())
    assert FILM.encode() not in written
    assert hmac.new(key, FILM.encode(), "sha256").hexdigest().encode() in written
    if os.name == "posix":
        assert key_file.stat().st_mode & 0o777 == 0o600
        assert (audit_folder() / "audit-000001.jsonl").stat().st_mode & 0o777 == 0o600
        assert audit_folder().stat().st_mode & 0o777 == 0o700


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a line is missing": (
        lambda log: change_file(log, 2, lambda lines: [*lines[:2], *lines[3:]]),
        "1 line is missing before line 3 of audit-000002.jsonl",
    ),
    "a line was changed": (
        lambda log: change_file(
            log, 2, lambda lines: [*lines[:2], lines[2].replace(b"tiny", b"tony"), *lines[3:]]
        ),
        "line 4 of audit-000002.jsonl does not continue line 3 of audit-000002.jsonl",
    ),
    "a line was changed to nonsense": (
        lambda log: change_file(log, 1, lambda lines: [lines[0], b"what\n", *lines[2:]]),
        "line 2 of audit-000001.jsonl is no line of this log",
    ),
    "two lines were exchanged": (
        lambda log: change_file(log, 1, lambda lines: [lines[1], lines[0], *lines[2:]]),
        "audit-000001.jsonl has the number 1 after 2",
    ),
    "a file was cut in a line": (
        lambda log: os.truncate(file := log / "audit-000003.jsonl", file.stat().st_size - 9),
        "of audit-000003.jsonl is cut short",
    ),
    "a file is gone": (
        lambda log: (log / "audit-000002.jsonl").unlink(),
        "audit-000002.jsonl is missing",
    ),
    "the first file is gone": (
        lambda log: (log / "audit-000001.jsonl").unlink(),
        "audit-000001.jsonl is missing",
    ),
    "the last file is gone": (
        lambda log: max(log.glob("audit-*.jsonl")).unlink(),
        "missing at the end",
    ),
    "the tail is gone": (
        lambda log: change_file(log, len(list(log.glob("audit-*.jsonl"))), lambda lines: lines[:1]),
        "missing at the end",
    ),
    "the last line was changed": (
        lambda log: change_file(
            log,
            len(list(log.glob("audit-*.jsonl"))),
            lambda lines: [*lines[:-1], lines[-1].replace(b"done", b"fine")],
        ),
        "line number 30 is not the one that the head record names",
    ),
    "the head record is gone": (lambda log: (log / "head.json").unlink(), "the head record"),
    "the head record is no record": (
        lambda log: (log / "head.json").write_text("{}") and (log / "head.json").write_text("x"),
        "the head record",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_with_its_place_also_after_more_lines(log: Path, name: str) -> None:
    damage, found = DAMAGES[name]
    damage(log)
    assert any(found in problem for problem in verify_log(log).problems)
    assert record_action("reading", film=FILM)
    assert record_action("reading", film=FILM)
    problems = verify_log(log).problems
    if "head record is" not in name:
        assert problems
    else:  # the log goes on, and says so
        assert any(b"its head record was missing" in line for line in log_lines(log))
        assert problems == ()


def test_verifying_in_a_shell_tells_by_its_status(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit_command.main(["--verify"]) == 0
    assert "30 lines in" in capsys.readouterr().out
    change_file(log, 1, lambda lines: lines[1:])
    assert audit_command.main(["--verify"]) == 1
    assert "1 line is missing before line 1 of audit-000001.jsonl" in capsys.readouterr().out


def test_a_log_that_was_written_anew_lacks_the_hash_that_was_noted(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noted = hashlib.sha256(log_lines(log)[11]).hexdigest()
    assert audit_command.main(["--known", noted]) == 0
    for file in (*log.glob("audit-*"), log / "head.json"):
        file.unlink()
    for _ in range(30):
        record_action("reading", film=FILM)
    assert verify_log(log).problems == ()
    assert audit_command.main(["--known", noted]) == 1
    assert f"no line has the hash {noted}" in capsys.readouterr().out


def test_no_log_at_all_is_no_good_log(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit_command.main(["--verify"]) == 3
    assert "there is no audit log" in capsys.readouterr().err


def test_a_shell_shows_the_last_lines_and_those_of_one_film(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(5):
        record_action("reading", film=hashlib.sha256(b"%d" % number).hexdigest())
    film = tmp_path / "film"
    film.write_bytes(b"3")
    assert audit_command.main(["--last", "2"]) == 0
    assert [json.loads(line)["number"] for line in capsys.readouterr().out.splitlines()] == [4, 5]
    assert audit_command.main(["--film", str(film)]) == 0
    assert [json.loads(line)["number"] for line in capsys.readouterr().out.splitlines()] == [4]


def test_lines_beyond_the_head_record_count_after_a_power_cut(log: Path) -> None:
    """The head record of some lines ago, as a disk may have it that lost its last writes."""
    head = (log / "head.json").read_bytes()
    for _ in range(12):
        record_action("reading", film=FILM)
    (log / "head.json").write_bytes(head)
    assert verify_log(log).problems == ()
    assert record_action("reading", film=FILM)
    report = verify_log(log)
    assert (report.lines, report.problems) == (43, ())


def test_a_full_disk_leaves_no_half_line_and_stops_no_reading(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_action("reading", film=FILM)
    write = os.write

    def write_half(descriptor: int, data: bytes) -> int:
        return write(descriptor, data[: len(data) // 2])

    with monkeypatch.context() as full:
        full.setattr(audit_chain.os, "write", write_half)
        assert record_action("reading", film=FILM) is False
        with pytest.raises(AuditError, match=r"(?s)No space.*not done unrecorded"):
            record_or_refuse("activation", "started")
    (logged,) = (log_folder() / "silhouette.jsonl").read_text().splitlines()
    assert json.loads(logged)["task"] == "audit log"
    assert record_action("reading", film=FILM)
    report = verify_log(audit_folder())
    assert (report.lines, report.problems) == (2, ())


def test_a_disk_that_fails_while_flushing_leaves_no_line(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    record_action("reading", film=FILM)
    with monkeypatch.context() as failing:
        failing.setattr(audit_chain.os, "fsync", fail)
        assert record_action("reading", film=FILM) is False
    assert len(log_lines(audit_folder())) == 1


def test_a_damaged_key_is_named_and_never_replaced(workspace: Path) -> None:
    record_action("reading", film=FILM)
    (audit_folder() / "film.key").write_text("short")
    assert record_action("reading", film=FILM) is False
    with pytest.raises(AuditError, match=r"film\.key does not hold the key"):
        hash_film(FILM)
    assert (audit_folder() / "film.key").read_text() == "short"


def test_threads_write_one_chain(workspace: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: record_action("reading", film=FILM), range(80)))
    report = verify_log(audit_folder())
    assert (report.lines, report.problems) == (80, ())


def test_a_file_that_cannot_be_read_is_named_with_what_to_do(workspace: Path) -> None:
    record_action("reading", film=FILM)
    path = audit_folder() / "audit-000001.jsonl"
    path.unlink()
    path.mkdir()
    for look in (lambda: verify_log(audit_folder()), lambda: list(list_entries(audit_folder()))):
        with pytest.raises(AuditError, match=r"audit-000001\.jsonl: .*from a backup, or move it"):
            look()


@pytest.mark.process
def test_processes_write_one_chain(workspace: Path) -> None:
    code = (
        "from cxr_core.access import audit_chain; audit_chain.MAX_FILE_BYTES = 3000\n"
        "from cxr_core.access.audit import record_action\n"
        f"assert all(record_action('reading', film='{FILM}') for _ in range(50))"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) for _ in range(4)]
    assert [process.wait(timeout=120) for process in processes] == [0] * 4
    report = verify_log(audit_folder())
    assert (report.lines, report.problems) == (200, ())
