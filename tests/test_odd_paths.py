"""Odd paths in every command that takes one: a status and a sentence, no traceback and no wait."""

import importlib
import os
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.usefixtures("workspace"), pytest.mark.process]

# Every argument that takes a path, as PATH; for the others a folder that lacks nothing but films.
ARGUMENTS = {
    "cxr_core.__main__": [["read", "PATH"], ["read", "FILM", "--heatmaps", "PATH"]],
    "train.prepare": [["--data", "PATH"]],
    "train.fit": [
        ["PATH", "--data", "FOLDER"],
        ["cardiomegaly-adults", "--data", "PATH"],
        ["--resume", "PATH"],
        ["cardiomegaly-adults", "--data", "FOLDER", "--run", "PATH"],
        ["cardiomegaly-adults", "--data", "FOLDER", "--init", "PATH"],
    ],
    "train.evaluate": [
        ["PATH", "--data", "FOLDER"],
        ["cardiomegaly-adults", "--data", "PATH"],
        ["cardiomegaly-adults", "--data", "FOLDER", "--out", "PATH"],
        ["cardiomegaly-adults", "--data", "FOLDER", "--outlines", "PATH"],
        ["cardiomegaly-adults", "--data", "FOLDER", "--beside", "PATH"],
    ],
    "train.models": [["import", "PATH"], ["change-plan", "--out", "PATH"]],
    "train.publish": [["PATH"]],
    "train.average": [
        ["PATH", "FOLDER", "--data", "FOLDER"],
        ["FOLDER", "FOLDER", "--data", "PATH"],
    ],
    "train.combine": [["PATH", "--data", "FOLDER"], ["cardiomegaly-adults", "--data", "PATH"]],
    "train.compare": [["PATH", "FOLDER"], ["FOLDER", "FOLDER", "--out", "PATH"]],
    "train.grid": [["--data", "PATH"], ["--data", "FOLDER", "--run", "PATH"]],
    "train.refit": [
        ["PATH", "--data", "FOLDER", "--set", "reduce_to=64", "--version", "2"],
        ["cardiomegaly-adults", "--data", "PATH", "--set", "reduce_to=64", "--version", "2"],
    ],
    "train.seeds": [
        ["PATH", "--data", "FOLDER", "--run", "new"],
        ["cardiomegaly-adults", "--data", "PATH", "--run", "new"],
        ["cardiomegaly-adults", "--data", "FOLDER", "--run", "PATH"],
    ],
    "train.stability": [["--data", "PATH"], ["--data", "FOLDER", "--out", "PATH"]],
}
CASES = [(module, words) for module, all_words in ARGUMENTS.items() for words in all_words]


@pytest.fixture
def odd_paths(tmp_path: Path) -> list[str]:
    """What people and programs type instead of a path."""
    (tmp_path / "file.toml").write_text("")
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    return [
        *("", "a\0b", "~nosuchuser/x", "x" * 5000, str(tmp_path / "file.toml" / "x")),
        *(str(tmp_path / "pipe.toml"), str(tmp_path / "circle"), "/dev/zero"),
    ]


@pytest.mark.parametrize(("module", "words"), CASES, ids=lambda part: str(part).replace("/", "-"))
def test_an_odd_path_is_a_sentence(
    module: str,
    words: list[str],
    odd_paths: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "film.png").write_bytes(b"no film")
    places = {"FOLDER": str(tmp_path / "empty"), "FILM": str(tmp_path / "film.png")}
    program = importlib.import_module(module)
    began = time.monotonic()
    for path in odd_paths:
        arguments = [{**places, "PATH": path}.get(word, word) for word in words]
        try:
            status = program.main(arguments)
        except SystemExit as ended:
            status = ended.code
        output = capsys.readouterr()
        assert status in (2, 3), (path, output)
        assert output.err.strip() or "refused" in output.out, path
        assert "Traceback" not in output.err
        assert "\0" not in output.err
    assert time.monotonic() - began < 60
