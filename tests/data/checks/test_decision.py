"""Decisions and issues as files store them: round trips, the keys of version 0.1, and damaged records."""

import json

import pytest

from cxr_core.data.checks.decision import Decision
from cxr_core.data.checks.issue import Issue
from cxr_core.data.registry import Dataset
from cxr_core.errors import DataError, RecordError

RECORD = {
    "code": "patient_in_two_parts",
    "choice": "exclude",
    "note": "same child",
    "when": "2026-11-21T10:07:41+00:00",
    "count": 1,
    "fingerprint": "ab" * 32,
}
ISSUE = {
    "code": "patient_in_two_parts",
    "message": "1 patient with films in more than one part.",
    "count": 1,
    "examples": ["patient 1: train 1, test 1"],
    "images": ["/films/1.png"],
}


def test_records_of_version_0_1_round_trip() -> None:
    assert Decision.from_json(RECORD).action == "exclude"
    assert Decision.from_json(RECORD).to_json() == RECORD
    assert Issue.from_json(ISSUE).to_json() == ISSUE


def test_dataset_of_version_0_1_is_read(tmp_path) -> None:
    record = {
        "schema": 1,
        "folders": ["/films"],
        "kind": "csv",
        "prepared": "2026-11-21T10:07:41+00:00",
        "choices": [RECORD],
    }
    (tmp_path / "dataset.json").write_text(json.dumps(record))
    (tmp_path / "issues.json").write_text(json.dumps([ISSUE]))
    dataset = Dataset.load(tmp_path)
    assert dataset.to_json() == {**record, "label_mapping": {}, "own_labels": []}
    assert dataset.load_issues() == (Issue.from_json(ISSUE),)
    assert dataset.open_blocking_issues() == (Issue.from_json(ISSUE),)  # another fingerprint


@pytest.mark.parametrize("change", [{"choice": "ignore"}, {"count": "one"}])
def test_damaged_decision_makes_the_record_unreadable(tmp_path, change) -> None:
    record = {
        "schema": 1,
        "folders": [],
        "kind": "csv",
        "prepared": "",
        "choices": [{**RECORD, **change}],
    }
    (tmp_path / "dataset.json").write_text(json.dumps(record))
    with pytest.raises(DataError, match="holds no dataset that can be read"):
        Dataset.load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"count": None},
        {"examples": "a.png"},
        {"code": "unheard_of"},
        {"count": -1},
        {"images": ["\udcff.png"]},
    ],
)
def test_damaged_issue_is_refused(change) -> None:
    with pytest.raises(RecordError, match=rf"{next(iter(change))}.* found|catalogue of issues"):
        Issue.from_json({**ISSUE, **change})
