"""Reads NIH ChestX-ray14 (CXR8), as released and as on Kaggle: `images/` or `images_0NN/images/` and the tables.

Any number of the films may be there, and the tables may lie in another of the folders given. Films are joined on the
file name only: `Follow-up #` differs from it in thousands of rows.
"""

import os
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from cxr_core.data.checks.issue import EXAMPLES, Issue
from cxr_core.data.identifiers import (
    find_spellings,
    normalise_stem,
    report_respelled_names,
    unify_patients,
)
from cxr_core.data.manifest import BOX_COLUMNS, Manifest, build_table, empty_boxes
from cxr_core.data.sources.counts import count_sources, find_unused_files, list_surplus
from cxr_core.data.sources.csv_tables import (
    LabelTable,
    count_repeats,
    keep_first_rows,
    read_list,
    read_table,
    report_contradictory_rows,
)
from cxr_core.data.sources.files import (
    FileListing,
    folder_name,
    report_missing_images,
    report_same_name,
    report_surplus_images,
)
from cxr_core.data.sources.film_tables.radiologist_labels import (
    find_radiologist_labels,
    replace_mined_labels,
)
from cxr_core.data.sources.label_mapping import LabelVocabulary
from cxr_core.data.sources.labels import (
    labels_from_names,
    parse_ages,
    parse_findings,
    parse_sexes,
    report_not_in_split,
)
from cxr_core.data.sources.views import decide_status, read_views
from cxr_core.errors import DataError
from cxr_core.presentation.wording import format_count

ENTRIES = "Data_Entry_2017*.csv"
TRAINING_LIST, TEST_LIST, BOXES = "train_val_list.txt", "test_list.txt", "BBox_List_2017.csv"
TABLES = (ENTRIES, TRAINING_LIST, TEST_LIST, BOXES)
# What NIH's authors looked for in every report.
NIH_FINDINGS = (
    *("cardiomegaly", "pneumonia", "atelectasis", "effusion", "infiltration", "mass", "nodule"),
    *("pneumothorax", "consolidation", "edema", "emphysema", "fibrosis", "pleural_thickening"),
    "hernia",
)
BOX_FRAME = 1024  # the boxes were drawn on films of 1024 x 1024 pixels
TERMS = (
    "NIH ChestX-ray14, free use: link the NIH download site (nihcc.app.box.com/v/ChestXray-NIHCC), cite Wang et al. "
    "CVPR 2017 (arXiv:1705.02315), acknowledge the NIH Clinical Center as the provider."
)


def read_nih14(listings: Sequence[FileListing], vocabulary: LabelVocabulary) -> Manifest:
    """Every film that the table of entries lists, with the release's split and boxes.

    A table of radiologists' labels in one of the folders takes the place of the labels mined from reports.
    Raises DataError when a table is missing or names none of the films in the folders.
    """
    manifest = _read_release(listings, vocabulary)
    radiologists = find_radiologist_labels(listings)
    return manifest if radiologists is None else replace_mined_labels(manifest, radiologists)


def _read_release(listings: Sequence[FileListing], vocabulary: LabelVocabulary) -> Manifest:
    """Every film that the table of entries lists, with the labels that were mined from reports."""
    entries = read_table(_find_entries(listings))
    names, findings, patients = entries.require_columns(
        "Image Index", "Finding Labels", "Patient ID"
    )
    one_spelling, spelling_issues = unify_patients(patients)
    issues = [*entries.issues, *spelling_issues]
    files = _find_images(listings, set(names.tolist()), entries, issues)
    present = _are_among(names, files)
    # A missing film would lie beside the table, in images/.
    expected = os.path.join(os.path.dirname(entries.path), "images", "") + names
    images = names.map(files).where(present, expected)
    sources = names.map(_image_sources(files)).where(present, folder_name(entries.path))
    views = read_views([entries.read_column(["viewposition"])], [], images, issues)
    columns = {
        "name": names,
        "image": images,
        "patient": one_spelling,
        "source": sources,
        "view": views.view,
        "age": parse_ages(entries.read_column(["patientage"]), images, issues),
        "sex": parse_sexes(entries.read_column(["patientgender", "patientsex"]), images, issues),
        "status": decide_status(present, views.left_out),
        "reason": views.left_out,
        **labels_from_names(findings, images, issues, vocabulary, NIH_FINDINGS),
    }
    films, row_issues = keep_first_rows(pd.DataFrame(columns), entries.name)
    films["split"] = _assign_splits(listings, films, issues)
    issues += row_issues
    issues += _report_follow_ups(entries, names)
    issues += _report_text_mining(films)
    issues += report_missing_images(films["image"], films["status"] == "missing", entries.name)
    boxes = _read_boxes(listings, films, issues, vocabulary)
    unused_files = find_unused_files(
        listings, films, _list_same_names(listings, set(names.tolist()))
    )
    issues += report_surplus_images(list_surplus(unused_files), entries.name)
    counts = count_sources(films, unused_files, len(names), count_repeats(row_issues, names))
    table = build_table(dict(films.drop(columns="name").items()))
    return Manifest(table, "nih14", TERMS, boxes, tuple(issues), counts)


def _find_entries(listings: Sequence[FileListing]) -> str:
    """The newest table of entries: v2020 before the first one, which has some wrong ages."""
    paths = [path for listing in listings for path in listing.match_names(ENTRIES)]
    if not paths:
        folders = ", ".join(listing.folder for listing in listings)
        raise DataError(
            f"no {ENTRIES} below {folders}, which says what the NIH films there show; give the folder that holds it, "
            f"with {TEST_LIST}, with another --data"
        )
    newest = max(os.path.basename(path) for path in paths)
    return next(path for path in paths if os.path.basename(path) == newest)


def _find_first(listings: Sequence[FileListing], name: str) -> str | None:
    for listing in listings:
        for path in listing.match_names(name):
            return path
    return None


def _find_images(
    listings: Sequence[FileListing], listed: set[str], entries: LabelTable, issues: list[Issue]
) -> dict[str, str]:
    """The path of each image, by its name; the first one of several."""
    files: dict[str, str] = {}
    repeated: dict[str, str] = {}
    masks = {path for listing in listings for path in listing.masks}
    for path in dict.fromkeys(path for listing in listings for path in listing.images):
        name = os.path.basename(path)
        if path in masks:
            continue
        if files.setdefault(name, path) != path:
            repeated[name] = path
    other_names = find_spellings(listed - files.keys(), files.keys() - listed, normalise_stem)
    for name, file_name in other_names.items():
        files[name] = files.pop(file_name)
    issues += report_respelled_names(list(other_names), entries.name)
    if files and listed.isdisjoint(files):
        raise DataError(
            f"none of the {format_count(len(files), 'images')} found is listed in {entries.path}; "
            "films keep the names of NIH's release, such as 00000001_000.png"
        )
    repeated_films = [name for name in repeated if name in listed]
    if repeated_films:
        issues.append(report_same_name(repeated_films, "that of the first folder was taken"))
    return files


def _list_same_names(listings: Sequence[FileListing], listed: set[str]) -> set[str]:
    """The files that have the name of a film."""
    films = (path for listing in listings for path in listing.films)
    return {path for path in films if os.path.basename(path) in listed}


def _are_among(names: pd.Series, some: Collection[str]) -> np.ndarray:
    """(N,) whether each name is one of some. Four times as fast as `isin`, which turns them into an array first."""
    return np.fromiter((name in some for name in names.tolist()), bool, len(names))


def _are_listed(names: pd.Series, path: str) -> np.ndarray:
    """(N,) whether a list names each film, in whatever spelling."""
    listed, known = read_list(path), set(names.tolist())
    spellings = find_spellings(listed - known, known - listed, normalise_stem)
    return _are_among(names, listed.union(spellings.values()))


def _image_sources(files: dict[str, str]) -> dict[str, str]:
    """The folder each film is from: `images_001`, or the dataset's own where films lie in its images/."""
    sources = {}
    for name, path in files.items():
        parts = path.split(os.sep)
        sources[name] = parts[-3] if parts[-2] == "images" else parts[-2]
    return sources


def _assign_splits(
    listings: Sequence[FileListing], films: pd.DataFrame, issues: list[Issue]
) -> pd.Series:
    """The split of each film: test as listed, else train; missing for all when there is no list of tests."""
    test_list, training_list = (
        _find_first(listings, TEST_LIST),
        _find_first(listings, TRAINING_LIST),
    )
    if not test_list:
        return pd.Series(None, films.index, dtype="str")
    test = _are_listed(films["name"], test_list)
    if training_list:
        training = _are_listed(films["name"], training_list)
        both = films.loc[test & training, "image"]
        if len(both):
            count = format_count(len(both), "films")
            message = f"{TEST_LIST} and {TRAINING_LIST} both name {count}, which count as test."
            issues.append(report_contradictory_rows(both, message))
        neither = films.loc[~test & ~training, "image"]
        issues += report_not_in_split(neither, f"No line in {TEST_LIST} or {TRAINING_LIST}")
    return pd.Series(np.where(test, "test", "train"), films.index, dtype="str")


def _report_follow_ups(entries: LabelTable, names: pd.Series) -> list[Issue]:
    """Rows whose follow-up number is not the one in the film's name, `00000001_002.png`."""
    stated = pd.to_numeric(entries.read_column(["followup"]), errors="coerce")
    in_name = pd.to_numeric(names.str.slice(-7, -4), errors="coerce")
    different = names[stated.notna() & in_name.notna() & (stated != in_name)]
    if different.empty:
        return []
    rows = format_count(len(different), "rows")
    return [
        Issue(
            code="follow_up_differs",
            message=f"Follow-up # differs from the file name in {rows}; it is not used.",
            count=len(different),
            examples=tuple(different.head(EXAMPLES)),
        )
    ]


def _report_text_mining(films: pd.DataFrame) -> list[Issue]:
    count = format_count(len(films), "films")
    message = f"Labels of {count} were mined from reports; NIH expects above 90 % to be correct."
    return [Issue(code="text_mined_labels", message=message, count=len(films))]


def _read_boxes(
    listings: Sequence[FileListing],
    films: pd.DataFrame,
    issues: list[Issue],
    vocabulary: LabelVocabulary,
) -> pd.DataFrame:
    """The hand-drawn boxes of the films listed, in fractions of the film. The header names four columns in pieces."""
    path = _find_first(listings, BOXES)
    if not path:
        return empty_boxes()
    table = read_table(path)
    issues += table.issues
    names, findings = table.require_columns("Image Index", "Finding Label")
    images = dict(zip(films["name"].tolist(), films["image"].tolist(), strict=True))
    spellings = find_spellings(set(names.tolist()) - images.keys(), images, normalise_stem)
    image = names.map({**images, **{name: images[known] for name, known in spellings.items()}})
    listed = image.notna()
    keys = parse_findings(findings[listed], image[listed], issues, vocabulary)
    sides = table.frame.loc[listed].iloc[:, 2:6].apply(pd.to_numeric, errors="coerce") / BOX_FRAME
    if sides.shape[1] < 4 or sides.isna().any(axis=None) or (sides < 0).any(axis=None):
        raise DataError(
            f"{path} does not give each box as x, y, width and height in its third to sixth columns"
        )
    sides.columns = pd.Index(BOX_COLUMNS[2:])
    boxes = sides.clip(0, 1).astype(np.float32).assign(image=image[listed], finding=keys)
    known = boxes.dropna(subset=["finding"])[list(BOX_COLUMNS)]
    return known.astype({"image": "str", "finding": "str"}).reset_index(drop=True)
