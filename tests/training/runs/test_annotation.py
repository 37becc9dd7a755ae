"""Names, tags and notes of runs, and the pinned baseline: on disk, from the shell, and where they cannot be kept."""

import os
from pathlib import Path

import pytest

from cxr_core.errors import RunError
from cxr_core.jobs import actions, status
from cxr_core.training.runs.annotation import (
    MAX_TAGS,
    RunAnnotation,
    make_annotation,
    pin_baseline,
    read_annotation,
    read_baseline,
    write_annotation,
)
from cxr_core.training.runs.manifest import RunManifest
from cxr_core.training.runs.run_folder import RunFolder
from tests.training.test_fit import TINY
from train.runs import main


@pytest.fixture
def run(workspace: Path) -> Path:
    return RunFolder.create(
        TINY, RunManifest(folders=("/data/films",)), workspace / "runs" / "one"
    ).path


def test_what_was_typed_is_tidied() -> None:
    typed = make_annotation(
        "  first \n try ", "seeds, Seeds,, night run ", " \n looks good\nso far "
    )
    assert typed == RunAnnotation(
        name="first try", tags=("seeds", "night run"), note="looks good\nso far"
    )


@pytest.mark.parametrize(
    ("name", "tags", "note", "sentence"),
    [
        ("x" * 81, "", "", "the name has 81 characters; shorten it to 80"),
        ("", "y" * 41, "", "the tag has 41"),
        ("", ",".join(map(str, range(MAX_TAGS + 1))), "", "21 tags were given"),
        ("", "", "z" * 4001, "the note has 4,001"),
    ],
)
def test_what_is_too_long_is_refused(name: str, tags: str, note: str, sentence: str) -> None:
    with pytest.raises(RunError, match=sentence):
        make_annotation(name, tags, note)


def test_an_annotation_travels_with_the_folder_and_is_changed_by_the_shell(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (
        ["rename", "one", "grey, α"],
        ["tag", "one", "night", "Seeds"],
        ["tag", "one", "seeds"],
        ["untag", "one", "NIGHT"],
        ["note", "one", "**better** than <b>before</b>"],
        ["pin", "one"],
    ):
        assert main(arguments) == 0
    kept = RunAnnotation(name="grey, α", tags=("Seeds",), note="**better** than <b>before</b>")
    assert status.load_job("one").annotation == kept
    assert main(["list", "--tag", "seeds"]) == 0
    assert capsys.readouterr().out == "one  interrupted  baseline  'grey, α'  [Seeds]\n"
    run.rename(run.with_name("two"))
    assert status.load_job("two").name == "grey, α"
    assert main(["list", "--tag", "other"]) == 0
    assert capsys.readouterr().out == ""


def test_a_new_run_keeps_what_was_written_before_it_began(workspace: Path) -> None:
    path = workspace / "runs" / "one"
    path.mkdir(parents=True)
    write_annotation(path, RunAnnotation(name="queued"))
    RunFolder.create(TINY, RunManifest(), path)
    assert read_annotation(path).name == "queued"
    RunFolder.create(TINY, RunManifest(), workspace / "runs" / "two", RunAnnotation(tags=("a",)))
    assert read_annotation(workspace / "runs" / "two").tags == ("a",)


@pytest.mark.parametrize("text", ["{", "[]", '{"tags": 3}', '{"name": "' + "x" * 99 + '"}'])
def test_a_damaged_annotation_hides_no_run(run: Path, text: str) -> None:
    (run / "annotation.json").write_text(text)
    assert status.load_job("one").annotation == RunAnnotation()


def test_the_baseline_is_one_run_of_the_workspace(run: Path, workspace: Path) -> None:
    assert read_baseline() == ""
    pin_baseline("one")
    assert read_baseline() == "one"
    assert [each.id for each in status.list_runs()] == ["one"]
    assert main(["unpin"]) == 0
    assert read_baseline() == ""
    (workspace / "runs" / "baseline.json").write_text("?")
    assert read_baseline() == ""


def test_a_tag_of_a_copied_run_cannot_steer_a_terminal(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "annotation.json").write_text('{"tags": ["\\u001b[2Jfine"]}')
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "[2Jfine" in said


def test_a_run_that_is_not_there_is_named(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rename", "gone", "x"]) == 3
    assert "there is no run 'gone'" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_explained(run: Path) -> None:
    run.chmod(0o500)
    try:
        with pytest.raises(RunError, match=r"annotation\.json cannot be written"):
            actions.annotate_run("one", lambda before: RunAnnotation(name="x"))
    finally:
        run.chmod(0o700)


def test_a_shell_run_names_the_data_of_its_manifest(run: Path) -> None:
    assert status.load_job("one").data == ("/data/films",)
