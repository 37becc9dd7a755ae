"""A file is there whole or not at all, with several writers, with an exception midway, and after a failed write."""

from pathlib import Path

import numpy as np
import pytest

from cxr_core.workspace.atomic import atomic_file, atomic_write, temporary_path_beside


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
