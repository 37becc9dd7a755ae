"""Files and folders that appear under their name complete or not at all, however many write them at once.

What a killed writer leaves has a hidden name, which nobody reads, and is removed by a later writer.
"""

import glob
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

TEMPORARY = f".{'[0-9a-f]' * 8}-"  # what hidden temporary names begin with, as a pattern
LEFT_BEHIND_S = 3600.0  # no writer takes so long
# Holds files that are complete and about to take their places in the folder above.
REPLACEMENT = ".replacement"


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


@contextmanager
def atomic_files(folder: Path) -> Iterator[Path]:
    """A hidden folder; as the block ends, its files take the places of their namesakes in `folder`, all or none.

    An empty file removes its namesake. Processes take turns. Whoever reads several files that belong together calls
    `finish_replacement` first, for a writer that was killed while they took their places.
    Raises OSError, after which `folder` is as it was or `finish_replacement` makes it new.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".replacement.lock"):
        remove_unfinished(folder)
        _replace_files(folder)
        with atomic_folder(folder / REPLACEMENT) as draft:
            yield draft
        _replace_files(folder)


def finish_replacement(folder: Path) -> None:
    """Let complete files take their places, where the writer of `atomic_files` was killed or has no space for it."""
    with suppress(OSError):
        _replace_files(folder)


def _replace_files(folder: Path) -> None:
    """Move the files of a replacement. Readers may do so at the same time: each file is moved by one of them."""
    replacement = folder / REPLACEMENT
    if not replacement.is_dir():
        return
    for file in replacement.iterdir():
        with suppress(FileNotFoundError):
            if file.stat().st_size:
                file.replace(folder / file.name)
            else:
                (folder / file.name).unlink(missing_ok=True)
                file.unlink()
    _flush_names(folder)
    with suppress(FileNotFoundError):
        replacement.rmdir()


def temporary_path_beside(path: Path) -> Path:
    """A hidden name in the same folder that nobody else uses.

    It ends as `path` does, for writers that look at the extension.
    """
    remove_unfinished(path.parent, glob.escape(path.name), LEFT_BEHIND_S)
    return path.with_name(f".{secrets.token_hex(4)}-{path.name}")


def remove_unfinished(folder: Path, name: str = "*", age_s: float = 0.0) -> None:
    """Remove temporary files and folders that killed writers have left in a folder.

    name: of what they were writing, a pattern.  age_s: seconds since they were touched; 0 only where nobody else may
    be writing.
    """
    for path in folder.glob(f"{TEMPORARY}{name}"):
        with suppress(OSError):  # its writer lives and has just finished
            if age_s and time.time() - path.stat().st_mtime < age_s:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


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
