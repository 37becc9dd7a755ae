"""Which evaluations are shown: whole ones, those that lack something with a word, and never what is being deleted."""

import json
import shutil
from pathlib import Path

from cxr_core.evaluation.store.catalogue import evaluation_folders, shelved
from cxr_core.evaluation.store.folder import METRICS, SCHEMA


def _written(folder: Path, made: str) -> Path:
    folder.mkdir(parents=True)
    head = {
        "schema": SCHEMA,
        "model": "tiny",
        "version": "1.0.0",
        "part": "test",
        "data": {},
        "made": made,
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
    assert [each.folder for each in shelved(tmp_path)] == [new, old, broken]


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
    assert kept in evaluation_folders(tmp_path)
    assert [each.folder for each in shelved(tmp_path)] == [kept]
