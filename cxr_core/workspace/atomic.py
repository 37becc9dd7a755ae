"""Files that appear under their name whole or not at all, however many write them at once."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(path: Path, *, lasting: bool = False) -> Iterator[Path]:
    """The path of a hidden draft beside `path`; what is written to it becomes `path` in one step as the block ends.

    The draft belongs to this block alone, so threads and processes may write the same file: the last one stands. An
    exception leaves `path` as it was, and no draft. lasting: wait until the disk has it, so that a power cut does not
    take it back. Raises OSError.
    """
    draft = draft_beside(path)
    try:
        yield draft
        if lasting:
            with draft.open("rb") as file:
                os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_whole(path: Path, text: str, *, lasting: bool = False) -> Path:
    """Write a text in UTF-8, as `whole`. Returns the path."""
    with whole(path, lasting=lasting) as draft:
        draft.write_text(text, encoding="utf-8")
    return path


def draft_beside(path: Path) -> Path:
    """A hidden name in the same folder that nobody else uses; it ends as `path` does, for writers that look at that."""
    return path.with_name(f".{secrets.token_hex(4)}-{path.name}")
