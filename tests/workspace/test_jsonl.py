"""Files of JSON lines: what a kill cut short is skipped, and what is damaged is said with the file's name."""

from pathlib import Path

import pytest

from cxr_core.errors import RecordError
from cxr_core.workspace.jsonl import append_line, read_jsonl


def test_a_line_that_was_cut_short_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    assert read_jsonl(path) == []
    append_line(path, {"n": 1})
    with path.open("a") as file:
        file.write('{"n": ')
    append_line(path, {"n": 2})
    assert read_jsonl(path) == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize("content", [b"\x93 garbage", b"5\nnull\n", None])
def test_a_damaged_file_is_never_taken_for_an_empty_one(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "log.jsonl"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(RecordError, match=r"log\.jsonl .*move it away"):
        read_jsonl(path)
