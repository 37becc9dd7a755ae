"""The node as a hospital runs it: storescu sends films, Orthanc gets their results, with the numbers of `read`."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from highdicom.sr import Comprehensive3DSR
from pydicom import dcmread
from pydicom.sr.codedict import codes

from cxr_core.dicom_io import codes as terms
from cxr_core.dicom_io.node.film_queue import FilmQueue, State
from cxr_core.dicom_io.node.spool import node_folder
from cxr_core.dicom_io.node.switch import start_node, stop_node
from cxr_core.errors import NodeError, SettingsError
from tests.free_ports import find_free_port
from tests.hearts import SLENDER
from tests.node.bench import CT, IDENTITY, PEER, TITLE, make_film, study_of
from tests.pacs.orthanc import Orthanc, serve_for_module
from tests.system_tools import require_system_tool

ROOT = Path(__file__).parents[2]
WITHIN_S = 240.0
SENT = {
    "first": make_film(1),
    "lateral": make_film(1, SOPInstanceUID="1.2.826.0.1.99.7.1.1.2", ViewPosition="LL"),
    "scan": make_film(1, SOPInstanceUID="1.2.826.0.1.99.7.1.1.3", SOPClassUID=CT, Modality="CT"),
    "broken": make_film(3, Rows=4000),
    "second": make_film(2, SLENDER),
}
archive = pytest.fixture(scope="module", name="archive")(serve_for_module)


@dataclass
class Outcome:
    """What became of the films. lines: what `read --json` says about the two that are read, by study."""

    workspace: Path
    counts: dict[State, int] = field(default_factory=dict)
    counts_after_repeats: dict[State, int] = field(default_factory=dict)
    status: int | None = None
    lines: dict[str, dict[str, Any]] = field(default_factory=dict)


@contextmanager
def run_node(workspace: Path, archive: Orthanc) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The command, and the port that it listens at."""
    port = find_free_port()
    write_settings(workspace, archive.url, port)
    process = subprocess.Popen(
        [sys.executable, "-m", "cxr_core", "node"],
        cwd=ROOT,
        env={**os.environ, "CXR_WORKSPACE": str(workspace)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(f"Receiving films as {TITLE}")
        yield process, port
    finally:
        process.kill()
        process.wait(timeout=60)
        assert process.stdout is not None
        process.stdout.close()


def write_settings(workspace: Path, url: str, port: int) -> None:
    workspace.mkdir(exist_ok=True)
    (workspace / "pacs.toml").write_text(
        f'[archives.main]\nurl = "{url}"\n'
        f'[node]\nae_title = "{TITLE}"\nport = {port}\nquiet_s = 1.0\n'
        f'peers = [{{ae_title = "{PEER}", address = "127.0.0.1"}}]\n'
    )


def send(port: int, files: list[Path]) -> None:
    """Send files in one association."""
    storescu = require_system_tool("storescu", "dcmtk")
    command = [storescu, "-aet", PEER, "-aec", TITLE, "127.0.0.1", str(port), *map(str, files)]
    subprocess.run(command, check=True, timeout=WITHIN_S)


def wait_until(queue: FilmQueue, is_done: Callable[[dict[State, int]], bool]) -> dict[State, int]:
    deadline = time.monotonic() + WITHIN_S
    while not is_done(counts := queue.count_states()):
        assert time.monotonic() < deadline, counts
        time.sleep(0.1)
    return counts


def read_in_a_shell(files: list[Path], workspace: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "cxr_core", "read", "--json", *map(str, files)]
    environment = {**os.environ, "CXR_WORKSPACE": str(workspace)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory, archive: Orthanc) -> Outcome:
    """All films in one association, then the first once more, and a result that comes back."""
    require_system_tool("storescu", "dcmtk")
    folder = tmp_path_factory.mktemp("films")
    files = {name: folder / f"{name}.dcm" for name in SENT}
    for name, path in files.items():
        path.write_bytes(SENT[name])
    outcome = Outcome(workspace=tmp_path_factory.mktemp("site") / "workspace")
    with run_node(outcome.workspace, archive) as (process, port):
        send(port, list(files.values()))
        with FilmQueue(outcome.workspace / "node") as queue:
            outcome.counts = wait_until(
                queue, lambda counts: not set(counts) & {State.RECEIVED, State.READING, State.READ}
            )
            wait_until(queue, lambda counts: counts.get(State.CONFIRMED) == 2)
            back = folder / "back.dcm"
            back.write_bytes(archive.read(archive.find(study_of(1))["OT"][0]))
            send(port, [files["first"], back])
            outcome.counts_after_repeats = queue.count_states()
        process.send_signal(signal.SIGTERM)
        outcome.status = process.wait(timeout=WITHIN_S)
    read = [files["first"], files["second"]]
    lines = read_in_a_shell(read, tmp_path_factory.mktemp("shell"))
    outcome.lines = {study_of(number): line for number, line in enumerate(lines, start=1)}
    return outcome


pytestmark = [pytest.mark.process, pytest.mark.training]


def test_each_film_has_its_results_in_its_own_study(outcome: Outcome, archive: Orthanc) -> None:
    for number in (1, 2):
        found = archive.find(study_of(number))
        assert {modality: len(uids) for modality, uids in found.items()} == {
            "SR": 1, "OT": 1, "DOC": 1,
        }  # fmt: skip
        for uids in found.values():
            result = dcmread(BytesIO(archive.read(uids[0])))
            assert result.PatientID == f"PATIENT{number}"
    assert archive.find(study_of(3)) == {}


@pytest.mark.parametrize("number", [1, 2])
def test_the_report_in_the_archive_has_the_numbers_of_the_shell(
    outcome: Outcome, archive: Orthanc, number: int
) -> None:
    line = outcome.lines[study_of(number)]
    (uid,) = archive.find(study_of(number))["SR"]
    report = Comprehensive3DSR.from_dataset(dcmread(BytesIO(archive.read(uid))))
    groups = {
        group.tracking_identifier: group for group in report.content.get_image_measurement_groups()
    }
    assert line["status"] == "read"
    numbers = 0
    for finding in line["findings"]:
        group = groups[finding["finding"]]
        (verdict,) = group.get_qualitative_evaluations(name=terms.VERDICT)
        assert verdict.value == terms.CALL_CODES[finding["call"]]
        for item in group.get_measurements():
            if item.name == codes.DCM.Probability:
                assert item.value == pytest.approx(finding["probability"], abs=1e-6)
                numbers += 1
    assert numbers
    (ratio,) = groups["cardiothoracic_ratio"].get_measurements(name=terms.RATIO)
    assert ratio.value == pytest.approx(line["measurements"][0]["value"], abs=1e-4)


def test_the_rest_is_passed_over_or_dead_and_a_second_time_changes_nothing(
    outcome: Outcome,
) -> None:
    assert outcome.counts[State.PASSED_OVER] == 2
    assert outcome.counts[State.DEAD] == 1
    assert outcome.counts_after_repeats == {
        State.CONFIRMED: 2, State.PASSED_OVER: 2, State.DEAD: 1, State.OWN_RESULT: 6,
    }  # fmt: skip


def test_it_ends_when_it_is_told_and_leaves_no_identity_but_that_of_dead_films(
    outcome: Outcome,
) -> None:
    assert outcome.status == 0
    films = outcome.workspace / "node" / "films"
    assert len(list(films.iterdir())) == 1
    for path in outcome.workspace.rglob("*"):
        if path.is_file() and films not in path.parents:
            content = path.read_bytes() + path.name.encode()
            assert not [word for word in IDENTITY if word.encode() in content], path


def test_it_says_what_it_lacks(workspace: Path) -> None:
    with pytest.raises(SettingsError, match=r"no pacs\.toml"):
        start_node()
    workspace.mkdir(exist_ok=True)
    (workspace / "pacs.toml").write_text('[archives.main]\nurl = "http://localhost:1/dicom-web"\n')
    with pytest.raises(SettingsError, match=r"no table \[node\]"):
        start_node()


def test_it_is_started_and_stopped_from_a_page(workspace: Path) -> None:
    write_settings(workspace, "http://127.0.0.1:1/dicom-web", find_free_port())
    process = start_node()
    try:
        assert start_node() == process
        command = [sys.executable, "-m", "cxr_core", "node"]
        again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert again.returncode == 3
        assert "works in this workspace already" in again.stderr
    finally:
        assert stop_node(WITHIN_S)
    assert not process.is_running
    assert node_folder().is_dir()


def test_a_start_that_fails_says_why(workspace: Path, archive: Orthanc) -> None:
    write_settings(workspace, archive.url, archive.port)  # which Orthanc listens at
    with pytest.raises(NodeError, match="cannot listen on"):
        start_node()
