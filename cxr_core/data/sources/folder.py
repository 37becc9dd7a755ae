"""Reads class folders, the layout of Kaggle's chest_xray: `train|val|test/CLASS/`.

The folders give the labels, the paths the patients. Where a path names no patient, the file's name counts as one, with
a warning. A film may lie any number of folders below its class.
"""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxr_core.data.account import USED, SourceCounts
from cxr_core.data.checks.issue import EXAMPLES, Issue
from cxr_core.data.manifest import Manifest, build_table
from cxr_core.data.sources.files import FileListing, file_names, film_issue
from cxr_core.data.sources.film_paths import (
    PathPatient,
    find_patient,
    is_patient_folder,
)
from cxr_core.data.sources.film_tables.image_tables import list_film_tables
from cxr_core.data.sources.label_mapping import LabelVocabulary
from cxr_core.data.sources.labels import (
    parse_split_folder,
    report_unknown_label,
)
from cxr_core.data.sources.patients import report_shared_numbers
from cxr_core.data.sources.views import decide_status, read_views
from cxr_core.errors import DataError
from cxr_core.known_findings import order_findings
from cxr_core.presentation.wording import format_count

KERMANY_NAME = re.compile(r"person\d+_(bacteria|virus)_\d+")
KERMANY_TERMS = "Kermany et al. 2018, CC BY 4.0, doi:10.17632/rscbjbr9sj.2"
OTHER_TERMS = "Terms not known to this program: see what came with the data."
# Folders that only hold files, as in COVID/images.
CONTAINERS = frozenset(
    ("image", "images", "img", "imgs", "film", "films", "png", "jpg", "jpeg", "dicom", "dcm")
)


@dataclass(frozen=True, kw_only=True)
class ClassFilm:
    """One film in a class folder.

    root: the folder that holds the folders of its split and class.  split: None where there is no such folder.
    label: the class folder's name.  inner: the film's path below both.
    """

    path: str
    listing: FileListing
    root: str
    split: str | None
    label: str
    inner: str

    @property
    def name(self) -> str:
        """The file's name."""
        return os.path.basename(self.path)

    @property
    def relative(self) -> str:
        """The path below the folder that was given."""
        return self.listing.relative(self.path)


def read_folder(listings: Sequence[FileListing], vocabulary: LabelVocabulary) -> Manifest:
    """Films below class folders. A patient's number counts within its split (and folder, if several are given).

    Raises DataError when no film lies in a class folder.
    """
    in_classes: list[ClassFilm] = []
    for listing in listings:
        in_classes += list_class_films(listing, vocabulary)
    class_films, issues = _drop_deeper_copies(in_classes)
    if not class_films:
        raise DataError(f"{listings[0].folder} holds no images under train|val|test/CLASS/")
    films = _tabulate_films(class_films, several_folders=len(listings) > 1)
    views = read_views([], [film.relative for film in class_films], films["image"], issues)
    films["reason"] = views.left_out
    films["status"] = decide_status(np.ones(len(films), bool), views.left_out)
    columns = dict(films[["image", "patient", "split", "source", "status", "reason"]].items())
    table = build_table({**columns, **_labels_from_classes(films["label"], vocabulary)})
    used = films[films["status"] == USED]
    issues += _report_unknown_classes(used, vocabulary)
    issues += _report_unknown_patients(used)
    issues += _report_shared_numbers(films)
    issues += _report_tables(listings)
    counts = _count_files(listings, in_classes, class_films, issues)
    from_kermany = all(map(_is_kermany_name, file_names(films["image"])))
    terms = KERMANY_TERMS if from_kermany else OTHER_TERMS
    return Manifest(table, "folder", terms, source_issues=tuple(issues), counts=counts)


def list_class_films(listing: FileListing, vocabulary: LabelVocabulary) -> list[ClassFilm]:
    """Every film below a class folder, however deep.

    A class folder is named after a class, or lies beside such a folder or in the folder of a split. Masks are no films.
    """
    parents_of_films: dict[str, tuple[str, ...]] = {}
    for path in listing.films:
        if path not in listing.masks:
            parents_of_films[path] = tuple(listing.relative(path).split(os.sep)[:-1])
    places = set(parents_of_films.values())
    known = {place: _find_known_classes(place, vocabulary) for place in places}
    class_roots = {place[:index] for place in places for index in known[place][-1:]}
    indices = {place: _find_class(place, known[place], class_roots) for place in places}
    films = []
    for path, place in parents_of_films.items():
        class_index = indices[place]
        if class_index is not None:
            films.append(_build_class_film(path, place, class_index, listing))
    return films


def _build_class_film(
    path: str, place: tuple[str, ...], class_index: int, listing: FileListing
) -> ClassFilm:
    """A film whose class is that folder; its split is the folder nearest to the class that names one."""
    split_index = _find_split(place, class_index)
    used = {class_index, split_index} - {None}
    first = min(index for index in used if index is not None)
    inner = [name for index, name in enumerate(place) if index > first and index not in used]
    return ClassFilm(
        path=path,
        listing=listing,
        root=os.path.join(listing.folder, *place[:first]),
        split=None if split_index is None else parse_split_folder(place[split_index]),
        label=place[class_index],
        inner=os.sep.join([*inner, os.path.basename(path)]),
    )


def _find_known_classes(place: tuple[str, ...], vocabulary: LabelVocabulary) -> list[int]:
    return [index for index, name in enumerate(place) if vocabulary.is_known(name)]


def _find_class(
    place: tuple[str, ...], known: Sequence[int], class_roots: set[tuple[str, ...]]
) -> int | None:
    """Which of a film's folders is its class: the deepest known one, one beside a known one, one in a split."""
    if known:
        return known[-1]
    for index, name in enumerate(place):
        if place[:index] in class_roots and _may_be_class(name):
            return index
    split_index = _find_split(place, len(place))
    if split_index is None:
        return None
    below = range(split_index + 1, len(place))
    return next((index for index in below if _may_be_class(place[index])), None)


def _may_be_class(name: str) -> bool:
    is_other = parse_split_folder(name) is not None or is_patient_folder(name)
    return not is_other and name.lower() not in CONTAINERS


def _find_split(place: tuple[str, ...], class_index: int) -> int | None:
    """The folder of a split, nearest above the class, else nearest below it."""
    above = [index for index in range(class_index) if parse_split_folder(place[index])]
    below = [i for i in range(class_index + 1, len(place)) if parse_split_folder(place[i])]
    if above:
        return above[-1]
    return below[0] if below else None


def _tabulate_films(films: list[ClassFilm], *, several_folders: bool) -> pd.DataFrame:
    """A row per film: image, patient, split, source, label, bare number, and whether the path names the patient."""
    rows = []
    for film in films:
        found = find_patient(film.relative)
        patient = found or PathPatient(os.path.splitext(film.name)[0], is_unique=False)
        scope = [film.listing.name] if several_folders else []
        if film.split and not patient.is_unique:
            scope.append(film.split)
        row = {
            "image": film.path,
            "patient": "/".join([*scope, patient.number]),
            "split": film.split,
            "source": film.listing.name,
            "label": film.label,
            "number": None if patient.is_unique else patient.number,
            "names_patient": found is not None,
        }
        rows.append(row)
    return pd.DataFrame(rows)


def _is_kermany_name(name: str) -> bool:
    return KERMANY_NAME.search(name) is not None or "IM-" in name


def _drop_deeper_copies(films: list[ClassFilm]) -> tuple[list[ClassFilm], list[Issue]]:
    """Each film once: Kaggle's archive holds the whole set a second time, one folder down."""
    first: dict[tuple[str, str | None, str, str], ClassFilm] = {}
    for film in sorted(films, key=lambda film: film.root.count(os.sep)):
        first.setdefault((film.listing.folder, film.split, film.label, film.inner), film)
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


def _count_files(
    listings: Sequence[FileListing],
    in_classes: list[ClassFilm],
    kept: list[ClassFilm],
    issues: list[Issue],
) -> SourceCounts:
    """How many image files there are, and why some are no row; reports masks and those in no class folder."""
    files = {path for listing in listings for path in listing.films}
    masks = {path for listing in listings for path in listing.masks}
    outside = sorted(files - masks - {film.path for film in in_classes})
    if outside:
        places = Counter(os.path.dirname(path) for path in outside)
        shown = [f"{os.path.basename(place)} ({n:,})" for place, n in places.most_common(EXAMPLES)]
        count = format_count(len(outside), "files")
        message = f"{count} in no class folder; most of them in {', '.join(shown)}."
        issues.append(film_issue("outside_classes", message, outside))
    unused = {"masks": len(masks), "outside_classes": len(outside)}
    unused["same_name"] = len(files) - len(masks) - len(outside) - len(kept)
    return SourceCounts(files=len(files), unused_files=unused)


def _report_tables(listings: Sequence[FileListing]) -> list[Issue]:
    """A note about tables of films beside class folders."""
    names: list[str] = []
    for listing in listings:
        try:
            tables = list_film_tables(listing)
        except DataError:  # a table that cannot be read is not needed here
            continue
        names += file_names(tables)
    if not names:
        return []
    message = f"{', '.join(names[:EXAMPLES])}: the class folders say what the films show."
    return [Issue(code="unused_tables", message=message, count=len(names), examples=tuple(names))]


def _labels_from_classes(classes: pd.Series, vocabulary: LabelVocabulary) -> dict[str, np.ndarray]:
    """1 for the class, 0 on films of "normal"; a film with one finding is unknown for the others."""
    keys = classes.map({label: vocabulary.find_key(label) for label in classes.unique()})
    otherwise = np.where(classes.map(vocabulary.is_no_finding), 0.0, np.nan)
    labels = {}
    for key in order_findings(keys.dropna().unique()):
        positive = (keys == key).to_numpy()
        labels[key] = np.where(positive, 1.0, otherwise).astype(np.float32)
    return labels


def _report_unknown_classes(films: pd.DataFrame, vocabulary: LabelVocabulary) -> list[Issue]:
    unknown = films[~films["label"].map(vocabulary.is_known).astype(bool)]
    if unknown.empty:
        return []
    counts = unknown["label"].value_counts().to_dict()
    return [report_unknown_label(counts, unknown["image"].tolist(), vocabulary)]


def _report_unknown_patients(films: pd.DataFrame) -> list[Issue]:
    unknown = films.loc[~films["names_patient"], "image"]
    if unknown.empty:
        return []
    count = format_count(len(unknown), "films")
    message = (
        f"The paths of {count} name no patient; each file name counts as a patient of its own."
    )
    return [film_issue("patient_unknown", message, unknown)]


def _report_shared_numbers(films: pd.DataFrame) -> list[Issue]:
    splits = films.dropna(subset=["split"]).groupby("number")["split"].nunique()
    return report_shared_numbers(splits.index[splits > 1].tolist())
