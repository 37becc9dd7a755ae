"""A file is there whole or not at all, with several writers, with an exception midway, and after a failed write."""

import os
from pathlib import Path

import numpy as np
import pytest

from cxr_core.workspace.atomic import (
    atomic_file,
    atomic_files,
    atomic_write,
    finish_replacement,
    remove_unfinished,
    temporary_path_beside,
)


def test_two_who_write_the_same_file_at_once_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    with atomic_file(path) as first:
        first.write_text("the first")
        with atomic_file(path) as second:
            second.write_text("the second")
        assert path.read_text() == "the second"
    assert path.read_text() == "the first", "the last one to end stands"
    assert list(tmp_path.iterdir()) == [path]


def test_an_exception_midway_leaves_the_file_as_it_was_and_no_draft(tmp_path: Path) -> None:
    path = atomic_write(tmp_path / "card.json", "whole", durable=True)

    def cut_off() -> None:
        with atomic_file(path) as draft:
            draft.write_text("ha")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut_off()
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_a_draft_is_hidden_and_ends_as_its_file_does(tmp_path: Path) -> None:
    path = tmp_path / "regions.npz"
    assert temporary_path_beside(path) != temporary_path_beside(path)
    with atomic_file(path) as draft:
        assert draft.name.startswith(".")
        np.savez(draft, shares=np.arange(3))  # adds .npz to a name that does not end so
    with np.load(path) as kept:
        assert kept["shares"].tolist() == [0, 1, 2]


def test_a_folder_that_is_a_file_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Not a directory"):
        atomic_write(tmp_path / "file" / "card.json", "text")


def write_pair(folder: Path, text: str) -> None:
    with atomic_files(folder) as draft:
        (draft / "figures.json").write_text(text)
        (draft / "films.csv").write_text(text)


def write_half(folder: Path) -> None:
    with atomic_files(folder) as draft:
        (draft / "films.csv").write_text("after")
        raise OSError("the disk is full")


def read_pair(folder: Path) -> set[str]:
    finish_replacement(folder)
    return {(folder / name).read_text() for name in ("figures.json", "films.csv")}


def test_files_that_belong_together_are_replaced_together(tmp_path: Path) -> None:
    write_pair(tmp_path, "before")
    with pytest.raises(OSError, match="full"):
        write_half(tmp_path)
    assert read_pair(tmp_path) == {"before"}
    write_pair(tmp_path, "after")
    assert read_pair(tmp_path) == {"after"}
    assert not [path for path in tmp_path.rglob("*") if path.suffix != ".lock" and path.is_dir()]


@pytest.mark.parametrize("moved", [0, 1])
def test_a_writer_killed_while_its_files_take_their_places_is_made_good(
    tmp_path: Path, moved: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Like SIGKILL: nobody catches it."""

    write_pair(tmp_path, "before")
    replace, moves = Path.replace, 0

    def interrupted_replace(path: Path, target: Path) -> Path:
        nonlocal moves
        moves += 1
        if moves > moved:
            raise Killed
        return replace(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", interrupted_replace)
        with pytest.raises(Killed):
            write_pair(tmp_path, "after")
    assert read_pair(tmp_path) == {"after"}


def test_an_empty_file_removes_its_namesake(tmp_path: Path) -> None:
    write_pair(tmp_path, "before")
    with atomic_files(tmp_path) as draft:
        (draft / "films.csv").touch()
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == ["figures.json"]


def test_what_a_killed_writer_left_goes_with_a_later_write_of_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    for name in (".0a1b2c3d-card.json", ".0a1b2c3d-other.json", ".settings"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / ".9a1b2c3d-card.json").touch()  # of somebody who is writing it now
    atomic_write(path, "whole")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [".0a1b2c3d-other.json", ".9a1b2c3d-card.json", ".settings", "card.json"]
    remove_unfinished(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".settings", "card.json"]
