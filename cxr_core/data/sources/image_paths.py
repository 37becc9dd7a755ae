"""Which file a table means by what it writes in its image column."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from cxr_core.data.checks.issue import Issue, counted
from cxr_core.data.sources.files import DICOM, PICTURES, FileListing, examples_of, suffix_of


@dataclass(frozen=True, eq=False)
class Found:
    """The files that a column of names means.

    images: (N,) paths; a plausible one where the file is missing.  present: (N,) whether it is there.
    twice: names that several files have.  accounted: every file with a name that the table gives without a folder.
    """

    images: list[str]
    present: list[bool]
    twice: tuple[str, ...]
    accounted: frozenset[str]


@dataclass(frozen=True, eq=False)
class FilesByName:
    """The files below some folders, by path, by name, and by name without .png, .jpg, .jpeg, .dcm or .dicom."""

    paths: frozenset[str]
    names: dict[str, list[str]] = field(default_factory=dict)
    stems: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, listings: Sequence[FileListing]) -> "FilesByName":
        """The files of all folders; where a name occurs twice, in the order of the folders."""
        files = list(dict.fromkeys(path for listing in listings for path in listing.files))
        found = cls(frozenset(files))
        for path in files:
            name = os.path.basename(path)
            found.names.setdefault(name, []).append(path)
            if suffix_of(name) in PICTURES | DICOM:
                found.stems.setdefault(os.path.splitext(name)[0], []).append(path)
        return found

    def find(self, cells: Sequence[str], folder: str) -> Found:
        """The file of each cell of a table that lies in `folder`.

        A cell is a path from the table's folder or from its images/ folder, an absolute path, either of these with
        outer folders in front that are not there, or a file's name with or without its suffix. A name that several
        files have means the one below a folder called images, else the first.
        """
        split = [_parts(cell) for cell in cells]
        uses = Counter(parts[-1] for parts in split if parts)
        elsewhere = _Elsewhere()
        images, present = [], []
        twice: list[str] = []
        accounted: set[str] = set()
        for cell, parts in zip(cells, split, strict=True):
            path = self._by_path(cell, parts, (folder, f"{folder}{os.sep}images"))
            path = path or (cell if elsewhere.has(cell) else None)
            called = self._by_name(parts, uses)
            if path is None and called:
                path, sure = _chosen(called, folder)
                twice += [] if sure else [cell]
            accounted.update(called if len(parts) == 1 else ())
            present.append(path is not None)
            images.append(path or _joined(folder, parts))
        return Found(
            images,
            present,
            tuple(twice),
            frozenset(accounted) | {p for p in images if p in self.paths},
        )

    def _by_path(self, cell: str, parts: list[str], bases: tuple[str, str]) -> str | None:
        """The longest end of the cell's path that leads to a file, of two parts or the whole."""
        if cell in self.paths:
            return cell
        for start in range(max(1, len(parts) - 1)):
            for base in bases:
                path = _joined(base, parts[start:])
                if path in self.paths:
                    return path
        return None

    def _by_name(self, parts: list[str], uses: Counter[str]) -> list[str]:
        """Files of the cell's name; none when it names a folder too and other cells end alike."""
        if not parts or (len(parts) > 1 and uses[parts[-1]] > 1):
            return []
        stem, suffix = os.path.splitext(parts[-1])
        bare = (
            self.names.get(stem, []) if suffix.lower() in DICOM else []
        )  # scanners write DICOM without a suffix
        return self.names.get(parts[-1]) or self.stems.get(parts[-1]) or bare


def same_name_twice(names: Sequence[str], told: str) -> Issue:
    """One name, several files. told: which one was taken."""
    message = f"Several files have the same name, for {counted(len(names), 'films')}; {told}."
    return Issue(
        code="same_name_twice", message=message, count=len(names), examples=examples_of(names)
    )


def missing_images(images: pd.Series, missing: pd.Series, table: str) -> list[Issue]:
    """Films that a table lists without a file. missing: (N,) bool."""
    count = int(missing.sum())
    if not count:
        return []
    message = (
        f"{table} lists {counted(len(images), 'films')}, of which {count:,} are not in the folders."
    )
    return [
        Issue(
            code="missing_images",
            message=message,
            count=count,
            examples=examples_of(images[missing].head()),
        )
    ]


def surplus_images(files: Sequence[str], table: str) -> list[Issue]:
    """Pictures that a table does not list."""
    if not files:
        return []
    message = f"{table} does not name {counted(len(files), 'files')} that lie in the folders."
    return [
        Issue(
            code="surplus_images",
            message=message,
            count=len(files),
            examples=examples_of(files[:5]),
        )
    ]


class _Elsewhere:
    """Absolute paths outside the folders given; each folder is listed once."""

    def __init__(self) -> None:
        self.listed: dict[str, frozenset[str]] = {}

    def has(self, path: str) -> bool:
        if not os.path.isabs(path):
            return False
        folder, name = os.path.split(path)
        if folder not in self.listed:
            try:
                self.listed[folder] = frozenset(os.listdir(folder))
            except OSError:
                self.listed[folder] = frozenset()
        return name in self.listed[folder]


def _parts(cell: str) -> list[str]:
    return [part for part in cell.replace("\\", "/").split("/") if part not in {"", "."}]


def _joined(folder: str, parts: list[str]) -> str:
    path = os.sep.join((folder, *parts))
    return os.path.normpath(path) if ".." in parts else path


def _chosen(files: Sequence[str], folder: str) -> tuple[str, bool]:
    """The one of several files that is meant, and whether that is sure."""
    preferred = [path for path in files if "images" in path.removeprefix(folder).split(os.sep)[:-1]]
    return (preferred or files)[0], len(files) == 1 or len(preferred) == 1
