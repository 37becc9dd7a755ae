"""The catalogue lists complete evaluations, says what is wrong with others, and never lists what is being deleted."""

import json
import shutil
from pathlib import Path

import pytest

from cxr_core.errors import DataError
from cxr_core.evaluation.store.catalogue import (
    list_evaluation_folders,
    list_records,
    load_record,
)
from cxr_core.evaluation.store.folder import METRICS, SCHEMA


def _written(folder: Path, made: str) -> Path:
    folder.mkdir(parents=True)
    head = {
        "schema": SCHEMA,
        "model": "tiny",
        "version": "1.0.0",
        "weights_sha256": "w",
        "part": "test",
        "data": {
            "films": 2,
            "patients": 1,
            "data_sha256": "d",
            "split_sha256": "s",
            "terms": "none",
        },
        "made": made,
        "software": "0.1.0",
    }
    (folder / METRICS).write_text(json.dumps(head))
    return folder


def test_the_newest_comes_first_and_hidden_folders_are_left_out(tmp_path: Path) -> None:
    old = _written(tmp_path / "evaluations" / "old", "2026-01-01")
    new = _written(tmp_path / "runs" / "a" / "evaluation", "2026-02-01")
    broken = _written(tmp_path / "runs" / "a" / "evaluation" / "broken", "2026-03-01")
    (broken / METRICS).write_text("{")
    for hidden in ("evaluations/.draft", "runs/.deleted-b/evaluation", "runs/a/evaluation/.draft"):
        _written(tmp_path / hidden, "2026-04-01")
    records, unreadable = list_records(tmp_path)
    assert [record.folder for record in records] == [new, old]
    assert [one.folder for one in unreadable] == [broken]
    assert "cannot be read" in unreadable[0].problem


def test_a_run_that_is_deleted_while_the_folders_are_listed_is_left_out(
    tmp_path: Path, monkeypatch
) -> None:
    kept = _written(tmp_path / "runs" / "a" / "evaluation", "2026-01-01")
    gone = _written(tmp_path / "runs" / "b" / "evaluation", "2026-01-01")
    plain = Path.glob

    def deleted_meanwhile(self: Path, pattern: str):
        if pattern.startswith("runs") and gone.exists():
            shutil.rmtree(gone.parent)
            raise FileNotFoundError(gone)
        return plain(self, pattern)

    monkeypatch.setattr(Path, "glob", deleted_meanwhile)
    assert kept in list_evaluation_folders(tmp_path)
    records, unreadable = list_records(tmp_path)
    assert ([record.folder for record in records], unreadable) == ([kept], [])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"schema": 7}, "has schema 7, not 1"),
        ({"part": None}, "part: found null, expected text"),
        ({"data": {"films": 2}}, "data.patients is missing"),
        ({"data": []}, r"data: found \[\], expected an object"),
    ],
)
def test_what_an_evaluation_lacks_is_said(tmp_path: Path, change: dict, problem: str) -> None:
    folder = _written(tmp_path / "evaluations" / "one", "2026-01-01")
    content = json.loads((folder / METRICS).read_text())
    (folder / METRICS).write_text(json.dumps({**content, **change}))
    with pytest.raises(DataError, match=problem):
        load_record(folder)


def test_an_evaluation_that_was_not_finished_is_said(tmp_path: Path) -> None:
    (tmp_path / "evaluations" / "one").mkdir(parents=True)
    (tmp_path / "evaluations" / "one" / "predictions.csv").write_text("")
    records, unreadable = list_records(tmp_path)
    assert not records
    assert "it was not finished" in unreadable[0].problem
