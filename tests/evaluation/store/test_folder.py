"""An evaluation folder that is killed while it is written shows no half of an evaluation."""

import os
from dataclasses import dataclass
from pathlib import Path

from cxr_core.evaluation.store.folder import METRICS, SCHEMA, read_metrics, write_files
from cxr_core.workspace.json_record import JsonRecord


@dataclass(frozen=True, kw_only=True)
class Metrics(JsonRecord):
    """As little as a metrics.json can hold."""

    schema: int = -1
    made: str


def metrics_of(made: str) -> Metrics:
    return Metrics(schema=SCHEMA, made=made)


def test_a_kill_while_an_evaluation_is_written_shows_no_half_of_it(tmp_path: Path) -> None:
    contents = {"predictions.csv": "a,b\n" * 1000, "curves.json": "{}\n"}
    for step in range(3):
        write_files(tmp_path, contents, metrics_of("before"))
        child = os.fork()
        if child == 0:
            end_at_replacement(step)
            others = {name: text.upper() for name, text in contents.items()}
            write_files(tmp_path, others, metrics_of("after"))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        assert read_metrics(tmp_path) is None  # nothing counts before its last file is there
        for name, text in contents.items():
            assert (tmp_path / name).read_text() in (text, text.upper())
        assert not (tmp_path / METRICS).exists()
    write_files(tmp_path, contents, metrics_of("again"))
    assert read_metrics(tmp_path) == {"schema": SCHEMA, "made": "again"}


def end_at_replacement(step: int) -> None:
    """Have this process end as it is about to give a file its name, after so many others."""
    left, replace = iter(range(step)), Path.replace

    def end(path: Path, target: Path) -> Path:
        return replace(path, target) if next(left, None) is not None else os._exit(9)

    Path.replace = end  # type: ignore[method-assign]
