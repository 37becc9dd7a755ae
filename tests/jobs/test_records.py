"""The files of a job: what the program wrote is read, also by version 0.1, and what is damaged tells nothing."""

import json
import os
from pathlib import Path

import pytest

from cxr_core.errors import RecordError, RunError
from cxr_core.jobs import files, status
from cxr_core.jobs.records import (
    EndRecord,
    EvaluationRequest,
    HeartbeatRecord,
    ProcessRecord,
    QueueEntry,
    SubmittedTraining,
    parse_request,
)
from cxr_core.training.runs import run_files
from cxr_core.training.runs.manifest import Exclusions
from cxr_core.training.runs.progress import read_progress
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.workspace.process_id import current_process

OWN = current_process()
RECORDS = {
    run_files.REQUEST: SubmittedTraining(token="t", recipe="tiny", device="cpu", submitted=1.5),
    run_files.QUEUE: QueueEntry(queue="cuda", since=2.5, order=3),
    run_files.PROCESS: ProcessRecord(process=OWN, time=1.0, monotonic=2.0),
    run_files.HEARTBEAT: HeartbeatRecord(process=OWN, leader=OWN, event={"event": "step"}),
    run_files.END: EndRecord(state="failed", sentence="It is over.", time=5.0),
}
READERS = {
    run_files.REQUEST: files.read_request,
    run_files.QUEUE: files.read_queue_entry,
    run_files.PROCESS: files.read_process_record,
    run_files.HEARTBEAT: files.read_heartbeat,
    run_files.END: files.read_end,
}
NESTED = b"[" * 100_000


@pytest.fixture
def run(workspace: Path) -> Path:
    folder = files.runs_folder() / "alpha"
    (folder / run_files.JOB_FOLDER).mkdir(parents=True)
    for name, record in RECORDS.items():
        files.write_record(folder, name, record.to_json())
    return folder


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_is_read_as_it_was_written(run: Path, name: str) -> None:
    assert READERS[name](run) == RECORDS[name]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", NESTED, b'{"order": 1e999}'])
@pytest.mark.parametrize("name", RECORDS)
def test_a_damaged_record_tells_nothing(run: Path, name: str, content: bytes) -> None:
    (run / run_files.JOB_FOLDER / name).write_bytes(content)
    assert READERS[name](run) is None
    assert status.load_job("alpha").sentence
    read_progress(run)


@pytest.mark.parametrize("value", [None, [1], {"a": 1}, "text", -1, 1e300, True])
@pytest.mark.parametrize("name", RECORDS)
def test_no_wrong_value_reaches_a_page(run: Path, name: str, value: object) -> None:
    written = RECORDS[name].to_json()
    for key in written:
        (run / run_files.JOB_FOLDER / name).write_text(json.dumps(written | {key: value}))
        record = READERS[name](run)
        assert record is None or isinstance(record, type(RECORDS[name]))
        assert isinstance(status.load_job("alpha").sentence, str)
        read_progress(run)


def test_a_pipe_in_the_place_of_a_record_is_not_waited_for(run: Path) -> None:
    place = run / run_files.JOB_FOLDER / run_files.HEARTBEAT
    place.unlink()
    os.mkfifo(place)
    assert files.read_heartbeat(run) is None


def test_an_evaluation_of_version_0_1_is_read() -> None:
    before = {"wanted": {"model": "tiny", "part": "test", "data": "films", "submitted": 3.0}}
    request = EvaluationRequest(model="tiny", data=("films",), split="test", submitted=3.0)
    assert parse_request(before) == request
    assert parse_request(request.to_json()) == request
    with pytest.raises(RecordError, match=r"data.0: found null"):
        parse_request({"wanted": {"model": "tiny", "part": "test"}})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"folders": "here"}, 'folders: found "here", expected a list'),
        ({"parts": {"train": {"films": "many"}}}, "data.parts.train.films: found"),
        ({"left_aside": {"gate": {"share": 7}}}, "left_aside.gate.share: found 7"),
        ({"version": None}, "version: found null"),
    ],
)
def test_a_wrong_value_of_a_runs_manifest_is_said(tmp_path: Path, change: dict, words: str) -> None:
    (tmp_path / run_files.RUN_MANIFEST).write_text(json.dumps({"kind": "csv"} | change))
    with pytest.raises(RunError) as raised:
        RunFolder(tmp_path).load_manifest()
    assert run_files.RUN_MANIFEST in str(raised.value)
    assert words in str(raised.value)


@pytest.mark.parametrize("data", [5, {}, {"left_aside": 5}, {"left_aside": {"kinds": [1]}}])
def test_a_card_with_a_damaged_record_promises_nothing(data: object) -> None:
    assert Exclusions.from_training({"data": data}) == Exclusions()
