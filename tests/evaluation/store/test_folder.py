"""An evaluation that replaces another does so completely or not at all, also when it is killed meanwhile."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from cxr_core.errors import DataError
from cxr_core.evaluation.store.folder import RECALIBRATION, SCHEMA, read_metrics, write_files
from cxr_core.workspace.json_record import JsonRecord


@dataclass(frozen=True, kw_only=True)
class Metrics(JsonRecord):
    """As little as a metrics.json can hold."""

    schema: int = -1
    made: str


def metrics_of(made: str) -> Metrics:
    return Metrics(schema=SCHEMA, made=made)


def test_a_kill_while_an_evaluation_is_replaced_leaves_all_of_the_new_one(tmp_path: Path) -> None:
    before = {"predictions.csv": "a,b\n" * 1000, "curves.json": "{}\n", RECALIBRATION: "{}\n"}
    after = {"predictions.csv": "A,B\n", "curves.json": "[]\n"}
    for step in range(3):
        write_files(tmp_path, before, metrics_of("before"))
        child = os.fork()
        if child == 0:
            end_at_replacement(step)
            write_files(tmp_path, after, metrics_of("after"))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        assert read_metrics(tmp_path) == {"schema": SCHEMA, "made": "after"}
        assert {name: (tmp_path / name).read_text() for name in after} == after
        assert not (tmp_path / RECALIBRATION).exists()


def test_an_evaluation_that_cannot_be_written_leaves_the_former_one(tmp_path: Path) -> None:
    write_files(tmp_path, {"predictions.csv": "a,b\n"}, metrics_of("before"))
    with pytest.raises(DataError, match="cannot be written"):
        write_files(tmp_path, {"no-such-folder/predictions.csv": "A,B\n"}, metrics_of("after"))
    assert read_metrics(tmp_path) == {"schema": SCHEMA, "made": "before"}
    assert (tmp_path / "predictions.csv").read_text() == "a,b\n"


def end_at_replacement(step: int) -> None:
    """Have this process end as it is about to give a file its name, after so many others."""
    left, replace = iter(range(step)), Path.replace

    def end(path: Path, target: Path) -> Path:
        return replace(path, target) if next(left, None) is not None else os._exit(9)

    Path.replace = end  # type: ignore[method-assign]
