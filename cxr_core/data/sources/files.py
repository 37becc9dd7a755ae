"""Every file below a folder, listed once. Only names are read: no film is opened."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from cxr_core.errors import DataError

PICTURES = frozenset({".png", ".jpg", ".jpeg"})
DICOM = frozenset({".dcm", ".dicom"})
RUBBISH = "__MACOSX"  # what a Mac adds to its archives; beside it come files that begin with a dot


@dataclass(frozen=True, eq=False)
class FileListing:
    """The files below one folder.

    folder: absolute.  name: what tells it apart from the other folders given.  files: absolute paths, sorted, without
    hidden files.
    """

    folder: str
    name: str
    files: tuple[str, ...]

    @property
    def pictures(self) -> list[str]:
        """PNG and JPEG files, by their names."""
        return [path for path in self.files if suffix_of(path) in PICTURES]

    @property
    def films(self) -> list[str]:
        """PNG, JPEG and DICOM files, by their names."""
        return [path for path in self.files if suffix_of(path) in PICTURES | DICOM]

    def matching(self, pattern: str) -> list[str]:
        """The files whose name fits a pattern with wildcards."""
        return [path for path in self.files if fnmatchcase(os.path.basename(path), pattern)]


def list_folders(folders: Sequence[Path]) -> list[FileListing]:
    """One listing for each folder; one that is given twice counts once.

    Raises DataError when a folder is missing, no folder, empty, or may not be read.
    """
    paths = list(dict.fromkeys(os.path.abspath(folder) for folder in folders))
    if not paths:
        raise DataError("no folder was given; give the dataset's own folder")
    return [_listing(path, name) for path, name in zip(paths, _names(paths), strict=True)]


def suffix_of(path: str) -> str:
    """The end of a file's name from its last dot, in lower case."""
    return os.path.splitext(path)[1].lower()


def folder_name(path: str) -> str:
    """The name of the folder that a file lies in."""
    return os.path.basename(os.path.dirname(path))


def examples_of(paths: Iterable[str]) -> tuple[str, ...]:
    """File names without their folders, for an issue."""
    return tuple(os.path.basename(path) for path in paths)


def _listing(folder: str, name: str) -> FileListing:
    _check(folder)
    files: list[str] = []
    seen: set[tuple[int, int]] = set()  # folders may be linked in a circle
    for top, below, names in os.walk(folder, onerror=_refuse, followlinks=True):
        place = os.stat(top)
        if (place.st_dev, place.st_ino) in seen:
            below.clear()
            continue
        seen.add((place.st_dev, place.st_ino))
        below[:] = [each for each in below if each != RUBBISH and not each.startswith(".")]
        files += [os.path.join(top, each) for each in names if not each.startswith(".")]
    if not files:
        raise DataError(
            f"{folder} is empty; give the folder that holds the dataset's films or tables"
        )
    return FileListing(folder, name, tuple(sorted(files)))


def _check(folder: str) -> None:
    if not os.path.lexists(folder):
        raise DataError(f"there is no folder {folder}; give the dataset's own folder")
    if not os.path.isdir(folder):
        raise DataError(
            f"{folder} is a file, not a folder; unpack it if it is an archive, and give the folder"
        )


def _refuse(error: OSError) -> None:
    raise DataError(
        f"{error.filename} cannot be listed ({error.strerror}); allow reading it, or move it away"
    )


def _names(paths: list[str]) -> list[str]:
    """The folders' own names; with their parents' where two would be the same."""
    short = [os.path.basename(path) or path for path in paths]
    return [
        name if short.count(name) == 1 else "/".join(path.split(os.sep)[-2:])
        for name, path in zip(short, paths, strict=True)
    ]
