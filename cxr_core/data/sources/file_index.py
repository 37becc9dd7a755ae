"""Finds the file that a table's image column names, letter by letter or in another spelling. No film is opened."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cxr_core.data.identifiers import canonical_number, normalise_name
from cxr_core.data.sources.files import (
    DICOM_SUFFIXES,
    IMAGE_SUFFIXES,
    FileListing,
    file_suffix,
)


@dataclass(frozen=True, eq=False)
class MatchedFiles:
    """The files that a column of names refers to.

    images: (N,) paths; a plausible one where the file is missing.  present: (N,) whether it exists.
    ambiguous: names that several files have.  used: every file that the table names, by path or by a bare name.
    respelled: cells that name their file in another spelling.
    """

    images: list[str]
    present: list[bool]
    ambiguous: tuple[str, ...]
    used: frozenset[str]
    respelled: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class FileIndex:
    """The files below some folders, by path, by name, and by name without .png, .jpg, .jpeg, .dcm or .dicom."""

    paths: frozenset[str]
    names: dict[str, list[str]] = field(default_factory=dict)
    stems: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def from_listings(cls, listings: Sequence[FileListing]) -> "FileIndex":
        """The files of all folders; where a name occurs twice, in the order of the folders."""
        files = list(dict.fromkeys(path for listing in listings for path in listing.files))
        masks = frozenset().union(*(listing.masks for listing in listings))
        film_names = {os.path.basename(path) for path in files if path not in masks}
        index = cls(frozenset(files))
        for path in files:
            if path in masks and os.path.basename(path) in film_names:
                continue  # a mask under its film's name is never meant
            name = os.path.basename(path)
            index.names.setdefault(name, []).append(path)
            if file_suffix(name) in IMAGE_SUFFIXES | DICOM_SUFFIXES:
                index.stems.setdefault(os.path.splitext(name)[0], []).append(path)
        return index

    @classmethod
    def _from_forms(cls, paths: Iterable[str], *, as_numbers: bool) -> "FileIndex":
        """Files under the comparable forms of their names. as_numbers: whether leading zeros of a stem count."""
        index = cls(frozenset(paths))
        for path in paths:
            name = os.path.basename(path)
            index.names.setdefault(name, []).append(path)
            if file_suffix(name) in IMAGE_SUFFIXES | DICOM_SUFFIXES:
                stem = os.path.splitext(name)[0]
                stem = canonical_number(stem) if as_numbers else stem
                index.stems.setdefault(stem, []).append(path)
        return index

    def match_cells(self, cells: Sequence[str], folder: str) -> MatchedFiles:
        """The file of each cell of a table that lies in `folder`.

        A cell is a path from the table's folder or from its images/ folder, an absolute path, either of these with
        further outer folders in front, or a file's name with or without its suffix. A name that several files have
        means the one below a folder called images, else the first. A cell that leads to no file so may spell its name
        otherwise (see `identifiers`) than the one file that no other cell names.
        """
        parts_of_cells = list(map(_split_path, cells))
        uses = Counter(parts[-1] for parts in parts_of_cells if parts)
        exact = self._match_parts(cells, parts_of_cells, uses, folder)
        if all(exact.present):
            return exact
        return self._match_spellings(cells, exact, folder)

    def _match_spellings(
        self, cells: Sequence[str], exact: MatchedFiles, folder: str
    ) -> MatchedFiles:
        """The same match, with files for those missing cells that spell a name, or at last its suffix, otherwise."""
        images, present, used = list(exact.images), list(exact.present), set(exact.used)
        respelled = []
        for with_suffix in (True, False):
            files = _unique_forms(self.paths - used)
            forms = [_comparable_path(cell, with_suffix=with_suffix) for cell in cells]
            parts = list(map(_split_path, forms))
            uses = Counter(part[-1] for part in parts if part)
            missing = [row for row, is_present in enumerate(present) if not is_present]
            found = FileIndex._from_forms(files, as_numbers=with_suffix)._match_parts(
                [forms[row] for row in missing],
                [parts[row] for row in missing],
                uses,
                _comparable_path(folder),
            )
            for row, form in zip(missing, found.images, strict=True):
                if form in files and forms[row] not in found.ambiguous:
                    images[row], present[row] = files[form], True
                    respelled.append(cells[row])
            used.update(path for path in images if path in self.paths)
        return MatchedFiles(images, present, exact.ambiguous, frozenset(used), tuple(respelled))

    def _match_parts(
        self,
        cells: Sequence[str],
        parts_of_cells: Sequence[list[str]],
        uses: Counter[str],
        folder: str,
    ) -> MatchedFiles:
        """Match cells letter by letter. uses: how many cells end in each name."""
        outside = _OutsideFiles()
        images, present, ambiguous = [], [], []
        used: set[str] = set()
        for cell, parts in zip(cells, parts_of_cells, strict=True):
            path = self._find_by_path(cell, parts, (folder, f"{folder}{os.sep}images"))
            if path is None and outside.contains(cell):
                path = cell
            candidates = self._find_by_name(parts, uses)
            if path is None and candidates:
                path, is_certain = _choose_file(candidates, folder)
                if not is_certain:
                    ambiguous.append(cell)
            if len(parts) == 1:
                used.update(candidates)
            present.append(path is not None)
            images.append(path or _join_path(folder, parts))
        used.update(path for path in images if path in self.paths)
        return MatchedFiles(images, present, tuple(ambiguous), frozenset(used))

    def _find_by_path(self, cell: str, parts: list[str], bases: tuple[str, str]) -> str | None:
        """The file at the longest end of the cell's path that leads to one; an end has two parts at least."""
        if cell in self.paths:
            return cell
        for start in range(max(1, len(parts) - 1)):
            for base in bases:
                path = _join_path(base, parts[start:])
                if path in self.paths:
                    return path
        return None

    def _find_by_name(self, parts: list[str], uses: Counter[str]) -> list[str]:
        """Files with the cell's name; none when the cell names a folder too and other cells end alike."""
        if not parts or (len(parts) > 1 and uses[parts[-1]] > 1):
            return []
        name = parts[-1]
        stem, suffix = os.path.splitext(name)
        without_suffix = []
        if suffix.lower() in DICOM_SUFFIXES:  # scanners write DICOM without a suffix
            without_suffix = self.names.get(stem, [])
        return self.names.get(name) or self.stems.get(name) or without_suffix


class _OutsideFiles:
    """Absolute paths outside the folders given; each folder is listed once."""

    def __init__(self) -> None:
        self._names: dict[str, frozenset[str]] = {}

    def contains(self, path: str) -> bool:
        """Whether an absolute path leads to a file."""
        if not os.path.isabs(path):
            return False
        folder, name = os.path.split(path)
        if folder not in self._names:
            try:
                self._names[folder] = frozenset(os.listdir(folder))
            except OSError:
                self._names[folder] = frozenset()
        return name in self._names[folder]


def _unique_forms(paths: Iterable[str]) -> dict[str, str]:
    """Paths by their comparable forms, without those of which several have the same."""
    same: dict[str, list[str]] = {}
    for path in paths:
        same.setdefault(_comparable_path(path), []).append(path)
    return {form: group[0] for form, group in same.items() if len(group) == 1}


def _comparable_path(path: str, *, with_suffix: bool = True) -> str:
    """A path, or a cell, in the form in which spellings are compared; of a name without a suffix as a number."""
    *folders, name = path.replace("\\", "/").split("/")
    name = normalise_name(name)
    is_film = file_suffix(name) in IMAGE_SUFFIXES | DICOM_SUFFIXES
    if is_film and not with_suffix:
        name = os.path.splitext(name)[0]
    if not is_film:
        name = canonical_number(name)
    return "/".join([*map(normalise_name, folders), name])


def _split_path(cell: str) -> list[str]:
    return [part for part in cell.replace("\\", "/").split("/") if part not in {"", "."}]


def _join_path(folder: str, parts: list[str]) -> str:
    path = os.sep.join((folder, *parts))
    return os.path.normpath(path) if ".." in parts else path


def _choose_file(files: Sequence[str], folder: str) -> tuple[str, bool]:
    """The one of several files that is meant, and whether that is certain."""
    preferred = [path for path in files if "images" in path.removeprefix(folder).split(os.sep)[:-1]]
    return (preferred or files)[0], len(files) == 1 or len(preferred) == 1
