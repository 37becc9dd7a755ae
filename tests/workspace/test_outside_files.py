"""Files from outside: what is no regular file, too large or too slow is a sentence, never a wait; and typed paths."""

import hashlib
import os
import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr_core.errors import FileRefused
from cxr_core.workspace import outside_files
from cxr_core.workspace.outside_files import (
    identify_outside_file,
    parse_path,
    read_file_start,
    read_outside_file,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pipes and devices have no names there")

ACTIONS: list[Callable[[Path], object]] = [
    lambda path: read_outside_file(path, 1000),
    lambda path: identify_outside_file(path, 1000),
    lambda path: read_file_start(path, 10),
]


def make_odd_files(folder: Path) -> dict[str, Path]:
    """A path to each kind of thing that is no regular file, with the words that say so."""
    os.mkfifo(folder / "pipe.png")
    (folder / "device.csv").symlink_to("/dev/zero")
    (folder / "linked pipe").symlink_to(folder / "pipe.png")
    (folder / "gone").symlink_to(folder / "nothing")
    (folder / "file").write_bytes(b"film")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(folder / "socket"))
    return {
        "it is a pipe, not a file": folder / "pipe.png",
        "it is a device": folder / "device.csv",
        "it is a pipe": folder / "linked pipe",
        "it is a link to what is not there": folder / "gone",
        "it is a socket": folder / "socket",
        "it is a folder": folder,
        "there is no such file": folder / "nothing",
        "a part of this path is a file": folder / "file" / "x",
        "File name too long": folder / ("x" * 300),
    }


@pytest.mark.parametrize("act", ACTIONS)
def test_what_is_no_regular_file_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: Callable[[Path], object]
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's name is short
    began = time.monotonic()
    for words, path in make_odd_files(tmp_path).items():
        with pytest.raises(FileRefused, match=f"{path.name[:20]}.* cannot be opened: .*{words}"):
            act(path)
    assert time.monotonic() - began < 5


def test_a_file_is_read_whole_and_links_are_followed(tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    (tmp_path / "film").write_bytes(content)
    (tmp_path / "link").symlink_to(tmp_path / "film")
    for path in (tmp_path / "film", tmp_path / "link"):
        assert read_outside_file(path, len(content)) == content
        identity = identify_outside_file(path, len(content))
        assert identity.sha256 == hashlib.sha256(content).hexdigest()
        assert identity.size == len(content)
        assert read_file_start(path, 132) == content[:132]


def test_a_file_above_the_limit_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.csv").open("wb") as file:
        file.truncate(1 << 40)
    expected = r"huge.csv cannot be opened: it has 1,048,576 MB, and at most 5 MB are read"
    for act in (read_outside_file, identify_outside_file):
        with pytest.raises(FileRefused, match=expected):
            act(tmp_path / "huge.csv", 5 << 20)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="Linux has such files")
def test_a_file_that_holds_more_than_it_says_is_read_up_to_the_limit() -> None:
    with pytest.raises(FileRefused, match="it has 101 bytes, and at most 100 bytes are read"):
        read_outside_file("/proc/self/maps", 100)


def test_a_disk_that_does_not_answer_holds_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "film.png").write_bytes(b"film")
    answers = threading.Event()
    plain_open = os.open

    def hang(path: str, flags: int) -> int:
        answers.wait(60)
        return plain_open(path, flags)

    monkeypatch.setattr(outside_files.os, "open", hang)
    for act in (read_outside_file, identify_outside_file):
        with pytest.raises(FileRefused, match=r"film.png .* was not read within 0\.1 seconds"):
            act(tmp_path / "film.png", 1000, time_limit_s=0.1)
    answers.set()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "an empty path"),
        ("  ", "an empty path"),
        ("a\0b", "holds a NUL"),
        ("~nosuchuser/x", "this computer has no user nosuchuser"),
        ("x" * 5000, "File name too long"),
        ("FILE/x", "a part of this path is a file"),
    ],
)
def test_an_odd_path_is_one_sentence(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileRefused, match=re.escape(reason)) as refusal:
        parse_path(text.replace("FILE", str(tmp_path / "file")))
    assert len(str(refusal.value)) < 500
    assert "\n" not in str(refusal.value)
    assert "\0" not in str(refusal.value)


def test_a_sound_path_need_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_path("~/new") == tmp_path / "new"
    assert parse_path("new") == Path("new")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~odd").touch()
    assert parse_path("~odd") == Path("~odd")
