"""Reads class folders, the layout of Kaggle's chest_xray: `train|val|test/CLASS/`.

The folders give the labels, the file names the patients.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxr_core.data.checks.issue import EXAMPLES, Issue, format_count
from cxr_core.data.manifest import Manifest, build_table
from cxr_core.data.sources.files import FileListing, file_names
from cxr_core.data.sources.labels import find_finding_key, parse_split, report_unknown_label
from cxr_core.errors import DataError
from cxr_core.findings import FINDINGS, finding_named, is_no_finding

KERMANY_NAME = re.compile(r"person\d+_(bacteria|virus)_\d+")
KERMANY_TERMS = "Kermany et al. 2018, CC BY 4.0, doi:10.17632/rscbjbr9sj.2"
OTHER_TERMS = "Terms not known to this program: see what came with the data."


@dataclass(frozen=True, kw_only=True)
class ClassFilm:
    """One film in a class folder.

    root: the folder that holds the folder of its split.  split: None where there is no such folder.  label: the class
    folder's name.
    """

    path: str
    listing: FileListing
    root: str
    split: str | None
    label: str

    @property
    def name(self) -> str:
        """The file's name."""
        return os.path.basename(self.path)


def read_folder(listings: Sequence[FileListing]) -> Manifest:
    """Films below class folders. A patient's number counts within its split (and folder, if several are given).

    Raises DataError when no film lies in a class folder.
    """
    class_films: list[ClassFilm] = []
    for listing in listings:
        class_films += list_class_films(listing)
    class_films, issues = _drop_deeper_copies(class_films)
    if not class_films:
        raise DataError(f"{listings[0].folder} holds no images under train|val|test/CLASS/")
    films = _tabulate_films(class_films, several_folders=len(listings) > 1)
    columns = dict(films[["image", "patient", "split", "source"]].items())
    table = build_table({**columns, **_labels_from_classes(films["label"])})
    issues += _report_unknown_classes(films)
    issues += _report_shared_numbers(films)
    from_kermany = all(map(_is_kermany_name, file_names(films["image"])))
    terms = KERMANY_TERMS if from_kermany else OTHER_TERMS
    return Manifest(table, "folder", terms, source_issues=tuple(issues))


def list_class_films(listing: FileListing) -> list[ClassFilm]:
    """Every film in a class folder: below a split's folder, whatever the class, or in a folder named after a class."""
    films = []
    for path in listing.films:
        parents = os.path.relpath(path, listing.folder).split(os.sep)[:-1]
        if not parents:
            continue
        split = parse_split(parents[-2]) if len(parents) > 1 else None
        if split or is_known_class(parents[-1]):
            outer = parents[: -2 if split else -1]
            root = os.path.join(listing.folder, *outer)
            film = ClassFilm(path=path, listing=listing, root=root, split=split, label=parents[-1])
            films.append(film)
    return films


def is_known_class(label: str) -> bool:
    """Whether a class folder's name is a finding or says that there is none."""
    return is_no_finding(label) or finding_named(label) is not None


def find_patient_number(name: str) -> str:
    """`person12_bacteria_47.jpeg` -> person12; `NORMAL2-IM-0927-0001.jpeg` -> NORMAL2-IM-0927; else the whole name."""
    match = re.match(r"(person\d+)_|((?:NORMAL2-)?IM-\d+)-", name)
    if match is None:
        return os.path.splitext(name)[0]
    return match[1] or match[2]


def _tabulate_films(films: list[ClassFilm], *, several_folders: bool) -> pd.DataFrame:
    """A row per film: image, patient, split, source, label, and the patient's bare number."""
    rows = []
    for film in films:
        number = find_patient_number(film.name)
        scope = [film.listing.name] if several_folders else []
        if film.split:
            scope.append(film.split)
        row = {
            "image": film.path,
            "patient": "/".join([*scope, number]),
            "split": film.split,
            "source": film.listing.name,
            "label": film.label,
            "number": number,
        }
        rows.append(row)
    return pd.DataFrame(rows)


def _is_kermany_name(name: str) -> bool:
    return KERMANY_NAME.search(name) is not None or "IM-" in name


def _drop_deeper_copies(films: list[ClassFilm]) -> tuple[list[ClassFilm], list[Issue]]:
    """Each film once: Kaggle's archive holds the whole set a second time, one folder down."""
    first: dict[tuple[str, str | None, str, str], ClassFilm] = {}
    for film in sorted(films, key=lambda film: film.root.count(os.sep)):
        first.setdefault((film.listing.folder, film.split, film.label, film.name), film)
    kept = sorted(first.values(), key=lambda film: film.path)
    copies = len(films) - len(kept)
    if not copies:
        return films, []
    kept_paths = {film.path for film in kept}
    dropped = [film.path for film in films if film.path not in kept_paths]
    count = format_count(copies, "films")
    message = f"The same split, class and name again in a deeper folder, for {count}; not used."
    issue = Issue(
        code="same_name_twice",
        message=message,
        count=copies,
        examples=file_names(dropped[:EXAMPLES]),
    )
    return kept, [issue]


def _labels_from_classes(classes: pd.Series) -> dict[str, np.ndarray]:
    """1 for the class, 0 on films of "normal"; a film with one finding is unknown for the others."""
    keys = classes.map(find_finding_key)
    otherwise = np.where(classes.map(is_no_finding), 0.0, np.nan)
    labels = {}
    for key in FINDINGS:
        positive = (keys == key).to_numpy()
        if positive.any():
            labels[key] = np.where(positive, 1.0, otherwise).astype(np.float32)
    return labels


def _report_unknown_classes(films: pd.DataFrame) -> list[Issue]:
    unknown = films[~films["label"].map(is_known_class)]
    if unknown.empty:
        return []
    counts = unknown["label"].value_counts().to_dict()
    return [report_unknown_label(counts, unknown["image"].tolist())]


def _report_shared_numbers(films: pd.DataFrame) -> list[Issue]:
    """Numbers that occur in several splits: nothing says whether they are the same patients."""
    splits = films.dropna(subset=["split"]).groupby("number")["split"].nunique()
    shared = splits.index[splits > 1].tolist()
    if not shared:
        return []
    count = format_count(len(shared), "patients")
    message = f"The same number in two splits, for {count}; they count as different patients."
    return [
        Issue(code="patients_scoped", message=message, count=len(shared), examples=tuple(shared))
    ]
