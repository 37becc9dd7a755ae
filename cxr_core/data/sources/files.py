"""Lists the files of dataset folders and reports what is odd about them. No film is decoded."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

import pandas as pd

from cxr_core.data.checks.issue import EXAMPLES, Issue
from cxr_core.data.checks.issue_kinds import ISSUES
from cxr_core.errors import DataError, FileRefused
from cxr_core.presentation.wording import format_count
from cxr_core.workspace.outside_files import read_file_start
from cxr_core.workspace.paths import is_utf8, printable

# Formats that the decoder refuses are among them: such a file is counted as unreadable, with the reason.
IMAGE_SUFFIXES = frozenset(
    (
        *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff", ".bmp"),
        *(".gif", ".heic", ".heif", ".avif", ".jp2"),
    )
)
DICOM_SUFFIXES = frozenset({".dcm", ".dicom"})
DICOM_MAGIC, DICOM_MAGIC_OFFSET = b"DICM", 128
# Scanners write no suffix; the last dot of 1.2.840.1 begins none.
NO_SUFFIX = re.compile(r"(\.\d*)?")
# Folders of masks: masks, lung_mask, leftMask, segmentation. Files of masks: 0001_mask.png.
MASK_FOLDER = re.compile(
    r"(.*[ _.-])?(masks?|segmentations?|ground[ _-]?truths?)"
    r"([ _.-](images?|png|jpg|left|right|hearts?|lungs?|\d+))?|.*masks?"
)
MASK_NAME = re.compile(r"(.*[ _.-])?masks?([ _.-]\d+)?")
MAC_ARCHIVE_FOLDER = "__MACOSX"  # a Mac adds it to archives, beside files that begin with a dot


@dataclass(frozen=True, eq=False)
class FileListing:
    """The files below one folder.

    folder: absolute.  name: tells it apart from the other folders given.  files: absolute paths, sorted, without hidden
    files.  unusable: files whose names are not in UTF-8, which no table and no record can hold.
    """

    folder: str
    name: str
    files: tuple[str, ...]
    unusable: tuple[str, ...] = ()

    @property
    def images(self) -> list[str]:
        """Image files other than DICOM, by their names."""
        return [path for path in self.files if file_suffix(path) in IMAGE_SUFFIXES]

    @cached_property
    def films(self) -> list[str]:
        """Image and DICOM files, by their names; without a suffix, by the mark of DICOM in their first bytes."""
        return [path for path in self.files if _is_film(path)]

    @cached_property
    def masks(self) -> frozenset[str]:
        """The films that are masks of a structure, by their names or those of folders above them."""
        mask_folders: dict[str, bool] = {}
        masks = []
        for path in self.films:
            place, name = os.path.split(self.relative(path).lower())
            if place not in mask_folders:
                mask_folders[place] = any(map(MASK_FOLDER.fullmatch, place.split(os.sep)))
            if mask_folders[place] or MASK_NAME.fullmatch(os.path.splitext(name)[0]):
                masks.append(path)
        return frozenset(masks)

    @property
    def unusable_films(self) -> list[str]:
        """The unusable files that are films."""
        return [path for path in self.unusable if _is_film(path)]

    def relative(self, path: str) -> str:
        """A file's path below this folder; the whole path of a file elsewhere."""
        return path.removeprefix(os.path.join(self.folder, ""))

    def match_names(self, pattern: str) -> list[str]:
        """The files whose name matches a pattern with wildcards."""
        return [path for path in self.files if fnmatchcase(os.path.basename(path), pattern)]


def list_folders(folders: Sequence[Path]) -> list[FileListing]:
    """One listing for each folder; a folder that is given twice counts once.

    Raises DataError when a folder is missing, is a file, is empty, or may not be read.
    """
    paths = list(dict.fromkeys(map(os.path.abspath, folders)))
    if not paths:
        raise DataError("no folder was given; give the dataset's own folder")
    names = _distinct_names(paths)
    return [_list_folder(path, name) for path, name in zip(paths, names, strict=True)]


def file_suffix(path: str) -> str:
    """The end of a file's name from its last dot, in lower case."""
    return os.path.splitext(path)[1].lower()


def folder_name(path: str) -> str:
    """The name of the folder that holds a file."""
    return os.path.basename(os.path.dirname(path))


def file_names(paths: Iterable[str]) -> tuple[str, ...]:
    """File names without their folders."""
    return tuple(map(os.path.basename, paths))


def film_issue(
    code: str, message: str, images: Sequence[str] | pd.Series, *, excludable: bool = False
) -> Issue:
    """An issue that counts films and names the first ones. images: paths; excludable: `--exclude` leaves them out."""
    unique = tuple(dict.fromkeys(images))
    return Issue(
        code=code,
        message=message,
        count=len(unique) if ISSUES[code].unit == "films" else len(images),
        examples=file_names(unique[:EXAMPLES]),
        images=unique if excludable else (),
        concerned=frozenset(unique),
    )


def report_unusable_names(paths: Sequence[str]) -> list[Issue]:
    """Films whose names are not in UTF-8."""
    if not paths:
        return []
    count = format_count(len(paths), "files")
    message = f"The names of {count} are not in UTF-8; these are not used."
    examples = tuple(printable(os.path.basename(path)) for path in paths[:EXAMPLES])
    return [Issue(code="unusable_names", message=message, count=len(paths), examples=examples)]


def report_same_name(names: Sequence[str], taken: str) -> Issue:
    """One name, several files. taken: says which one was taken."""
    count = format_count(len(set(names)), "films")
    message = f"Several files have the same name, for {count}; {taken}."
    return film_issue("same_name_twice", message, names)


def report_missing_images(images: pd.Series, missing: pd.Series, table: str) -> list[Issue]:
    """Films that a table lists without a file. missing: (N,) bool."""
    absent = images[missing]
    if absent.empty:
        return []
    listed = format_count(len(images), "films")
    message = f"Of {listed} listed in {table}, the folders lack {len(absent):,}."
    return [film_issue("missing_images", message, absent)]


def report_surplus_images(files: Sequence[str], table: str) -> list[Issue]:
    """Images that a table does not list."""
    if not files:
        return []
    message = f"The folders hold {format_count(len(files), 'files')} not listed in {table}."
    return [film_issue("surplus_images", message, files)]


def is_dicom_file(path: str) -> bool:
    """Whether a file has the mark of DICOM (PS3.10, 7.1) in its first bytes; False when it cannot be read."""
    end = DICOM_MAGIC_OFFSET + len(DICOM_MAGIC)
    try:
        return read_file_start(path, end)[DICOM_MAGIC_OFFSET:] == DICOM_MAGIC
    except FileRefused:
        return False


def _is_film(path: str) -> bool:
    suffix = file_suffix(path)
    if suffix in IMAGE_SUFFIXES or suffix in DICOM_SUFFIXES:
        return True
    return NO_SUFFIX.fullmatch(suffix) is not None and is_dicom_file(path)


def _list_folder(folder: str, name: str) -> FileListing:
    if not is_utf8(folder):
        raise DataError(
            f"the name of the folder {printable(folder)} is not in UTF-8; rename it, with convmv for instance"
        )
    _require_folder(folder)
    files: list[str] = []
    visited: set[tuple[int, int]] = set()  # folders may be linked in a circle
    for top, subfolders, names in os.walk(folder, onerror=_refuse_folder, followlinks=True):
        status = os.stat(top)
        if (status.st_dev, status.st_ino) in visited:
            subfolders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        subfolders[:] = [
            subfolder
            for subfolder in subfolders
            if subfolder != MAC_ARCHIVE_FOLDER and not subfolder.startswith(".")
        ]
        files += [os.path.join(top, file) for file in names if not file.startswith(".")]
    if not files:
        raise DataError(
            f"{printable(folder)} holds no files; give the folder that holds the dataset's films or tables"
        )
    usable = tuple(sorted(path for path in files if is_utf8(path)))
    unusable = tuple(sorted(path for path in files if not is_utf8(path)))
    if not usable:
        raise DataError(
            f"no file below {printable(folder)} has a name in UTF-8; rename them, with convmv for instance"
        )
    return FileListing(folder, name, usable, unusable)


def _require_folder(folder: str) -> None:
    try:
        os.stat(folder)
    except FileNotFoundError as error:
        name = printable(folder)
        if os.path.islink(folder):
            raise DataError(
                f"{name} is a link to what is not there; give the folder itself"
            ) from error
        raise DataError(f"there is no folder {name}; give the dataset's own folder") from error
    except NotADirectoryError:  # below a file: said next
        pass
    except OSError as error:
        raise DataError(
            f"{printable(folder)} cannot be opened ({error.strerror}); allow reading it and the folders above it"
        ) from error
    if not os.path.isdir(folder):
        raise DataError(
            f"{printable(folder)} is a file, not a folder; unpack it if it is an archive, and give the folder"
        )


def _refuse_folder(error: OSError) -> None:
    raise DataError(
        f"{printable(error.filename)} cannot be listed ({error.strerror}); allow reading it, or move it away"
    )


def _distinct_names(paths: list[str]) -> list[str]:
    """The folders' own names; with their parents' where two would be the same."""
    short = [os.path.basename(path) or path for path in paths]
    names = []
    for name, path in zip(short, paths, strict=True):
        if short.count(name) > 1:
            name = "/".join(path.split(os.sep)[-2:])
        names.append(name)
    return names
