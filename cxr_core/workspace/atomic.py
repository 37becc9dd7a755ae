"""Files and folders that appear under their name complete or not at all, however many write them at once."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_file(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """A hidden temporary path beside `path`; what is written to it becomes `path` as the block ends.

    Threads and processes may write the same file: each has a temporary file of its own, and the last
    one to finish wins. An exception leaves `path` as it was and removes the temporary file.
    durable: wait until the disk has the file, so that a power cut does not take it back.
    Raises OSError.
    """
    temporary = temporary_path_beside(path)
    try:
        yield temporary
        if durable:
            flush_to_disk(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def atomic_write(path: Path, text: str, *, durable: bool = False) -> Path:
    """Write a text in UTF-8, as `atomic_file` does. Returns the path."""
    with atomic_file(path, durable=durable) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A hidden temporary folder beside `path`; it becomes `path`, complete and on the disk, as the block ends.

    An exception removes the temporary folder and leaves nothing under `path`.
    Raises FileExistsError when `path` exists as the block ends (a folder is never replaced), and OSError.
    """
    temporary = temporary_path_beside(path)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                flush_to_disk(file)
        if path.exists():
            raise FileExistsError(f"{path} exists already")
        _flush_names(temporary)
        temporary.rename(path)
        _flush_names(path.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def temporary_path_beside(path: Path) -> Path:
    """A hidden name in the same folder that nobody else uses.

    It ends as `path` does, for writers that look at the extension.
    """
    return path.with_name(f".{secrets.token_hex(4)}-{path.name}")


def _flush_names(folder: Path) -> None:
    """Wait until the disk has the names in a folder, where the system can do that."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_to_disk(path: Path) -> None:
    """Wait until the disk has a file's bytes. Raises OSError."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
