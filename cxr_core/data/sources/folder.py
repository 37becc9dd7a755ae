"""The layout of Kaggle's chest_xray: `train|val|test/CLASS/`. Folders tell the labels, file names the patients."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxr_core.data.checks.issue import Issue, counted
from cxr_core.data.manifest import Manifest, as_table
from cxr_core.data.sources.cells import part_named
from cxr_core.data.sources.files import FileListing, examples_of
from cxr_core.data.sources.labels import unknown_label
from cxr_core.errors import DataError
from cxr_core.findings import FINDINGS, finding_named, is_no_finding

KERMANY = re.compile(r"person\d+_(bacteria|virus)_\d+")
KERMANY_TERMS = "Kermany et al. 2018, CC BY 4.0, doi:10.17632/rscbjbr9sj.2"
OTHER_TERMS = "Terms not known to this program: see what came with the data."


@dataclass(frozen=True, kw_only=True)
class ClassFilm:
    """One film in a class folder. root: the folder that holds its part.  part: None where there is no such folder."""

    path: str
    listing: FileListing
    root: str
    part: str | None
    label: str

    @property
    def name(self) -> str:
        """The file's name."""
        return os.path.basename(self.path)


def read_folder(listings: Sequence[FileListing]) -> Manifest:
    """Films below class folders. A patient's number counts within its part (and folder, if several are given).

    Raises DataError when no film lies in a class folder.
    """
    films, noticed = _without_copies(
        [film for listing in listings for film in class_films(listing)]
    )
    if not films:
        raise DataError(f"{listings[0].folder} holds no pictures under train|val|test/CLASS/")
    numbers = [patient_in(film.name) for film in films]
    several = len(listings) > 1
    table = as_table(
        {
            "image": [film.path for film in films],
            "patient": [
                _scoped(number, film, several) for number, film in zip(numbers, films, strict=True)
            ],
            "split": [film.part for film in films],
            "source": [film.listing.name for film in films],
            **_labels([film.label for film in films]),
        }
    )
    noticed += _unknown(films) + _shared_numbers(numbers, films)
    known = all(KERMANY.search(film.name) or "IM-" in film.name for film in films)
    return Manifest(
        table, "folder", KERMANY_TERMS if known else OTHER_TERMS, noticed=tuple(noticed)
    )


def class_films(listing: FileListing) -> list[ClassFilm]:
    """Every film in a class folder, whatever the class: below a part's folder, or named after a finding or "normal"."""
    found = []
    for path in listing.films:
        above = os.path.relpath(path, listing.folder).split(os.sep)[:-1]
        part = part_named(above[-2]) if len(above) > 1 else None
        if above and (part or is_known(above[-1])):
            root = os.path.join(listing.folder, *above[: -2 if part else -1])
            found.append(
                ClassFilm(path=path, listing=listing, root=root, part=part, label=above[-1])
            )
    return found


def is_known(label: str) -> bool:
    """Whether a class folder's name is a finding or says that there is none."""
    return is_no_finding(label) or finding_named(label) is not None


def patient_in(name: str) -> str:
    """`person12_bacteria_47.jpeg` -> person12; `NORMAL2-IM-0927-0001.jpeg` -> NORMAL2-IM-0927; else the whole name."""
    found = re.match(r"(person\d+)_|((?:NORMAL2-)?IM-\d+)-", name)
    return (found[1] or found[2]) if found else os.path.splitext(name)[0]


def _scoped(number: str, film: ClassFilm, several: bool) -> str:
    return "/".join(
        ([film.listing.name] if several else []) + ([film.part] if film.part else []) + [number]
    )


def _without_copies(films: list[ClassFilm]) -> tuple[list[ClassFilm], list[Issue]]:
    """Each film once: Kaggle's archive holds the whole set a second time, one folder down."""
    first: dict[tuple[str, str | None, str, str], ClassFilm] = {}
    for film in sorted(films, key=lambda film: film.root.count(os.sep)):
        first.setdefault((film.listing.folder, film.part, film.label, film.name), film)
    kept = sorted(first.values(), key=lambda film: film.path)
    copies = len(films) - len(kept)
    if not copies:
        return films, []
    used = set(map(id, kept))
    examples = examples_of([film.path for film in films if id(film) not in used][:5])
    message = f"The same part, class and name again in a deeper folder, for {counted(copies, 'films')}; not used."
    return kept, [Issue(code="same_name_twice", message=message, count=copies, examples=examples)]


def _labels(classes: list[str]) -> dict[str, np.ndarray]:
    """1 for the class, 0 for those of "normal"; of a film with one finding, nobody says that it lacks the others."""
    meant = [finding_named(label) for label in classes]
    normal = np.array([is_no_finding(label) for label in classes])
    labels = {}
    for key in FINDINGS:
        positive = np.array([found is not None and found.key == key for found in meant])
        if positive.any():
            labels[key] = np.where(positive, 1.0, np.where(normal, 0.0, np.nan)).astype(np.float32)
    return labels


def _unknown(films: list[ClassFilm]) -> list[Issue]:
    strange = [film for film in films if not is_known(film.label)]
    if not strange:
        return []
    counts = pd.Series([film.label for film in strange]).value_counts().to_dict()
    return [
        unknown_label(
            {str(label): count for label, count in counts.items()}, [film.path for film in strange]
        )
    ]


def _shared_numbers(numbers: list[str], films: list[ClassFilm]) -> list[Issue]:
    """Numbers that occur in several parts: whether they are the same patients, nobody knows."""
    parts = pd.DataFrame({"number": numbers, "part": [film.part for film in films]}).dropna()
    shared = [
        str(number)
        for number, count in parts.groupby("number")["part"].nunique().items()
        if count > 1
    ]
    if not shared:
        return []
    message = f"The same number in two parts, for {counted(len(shared), 'patients')}; they count as different ones."
    return [
        Issue(code="patients_scoped", message=message, count=len(shared), examples=tuple(shared))
    ]
