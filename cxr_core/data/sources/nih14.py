"""NIH ChestX-ray14 (CXR8), as released and as on Kaggle: `images/` or `images_0NN/images/` and tables beside them.

Any part of the films may be there, and the tables may lie in another of the folders given. Films are joined on the file
name only: `Follow-up #` differs from it in thousands of rows.
"""

import os
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from cxr_core.data.checks.issue import Issue, counted
from cxr_core.data.manifest import BOX, Manifest, as_table, no_boxes
from cxr_core.data.sources.cells import ages, not_in_split, sexes, views
from cxr_core.data.sources.csv_tables import (
    LabelTable,
    contradictory,
    first_of_each,
    read_list,
    read_table,
)
from cxr_core.data.sources.files import FileListing, folder_name
from cxr_core.data.sources.image_paths import missing_images, same_name_twice, surplus_images
from cxr_core.data.sources.labels import finding_keys, labels_of_names
from cxr_core.errors import DataError
from cxr_core.findings import FINDINGS

ENTRIES = "Data_Entry_2017*.csv"
TRAINING_LIST, TEST_LIST, BOXES = "train_val_list.txt", "test_list.txt", "BBox_List_2017.csv"
TABLES = (ENTRIES, TRAINING_LIST, TEST_LIST, BOXES)
BOX_FRAME = 1024  # the boxes were drawn on films of 1024 x 1024 pixels
TERMS = (
    "NIH ChestX-ray14, free use: link the NIH download site (nihcc.app.box.com/v/ChestXray-NIHCC), cite Wang et al. "
    "CVPR 2017 (arXiv:1705.02315), acknowledge the NIH Clinical Center as the provider."
)


def read_nih14(listings: Sequence[FileListing]) -> Manifest:
    """Every film that the entries list, with the release's split and boxes.

    Raises DataError when the entries are missing, or name none of the pictures in the folders.
    """
    entries = read_table(_entries(listings))
    names, findings, patients = entries.need("Image Index", "Finding Labels", "Patient ID")
    noticed = list(entries.noticed)
    files = _files(listings, set(names.tolist()), entries, noticed)
    present = _among(names, files)
    # A missing film would lie beside the table, in images/.
    images = names.map(files).where(
        present, os.path.join(os.path.dirname(entries.path), "images", "") + names
    )
    films = pd.DataFrame(
        {
            "name": names,
            "image": images,
            "patient": patients,
            "source": names.map(_origins(files)).where(present, folder_name(entries.path)),
            "view": views(entries.cells(["viewposition"]), images, noticed),
            "age": ages(entries.cells(["patientage"]), images, noticed),
            "sex": sexes(entries.cells(["patientgender", "patientsex"]), images, noticed),
            "status": np.where(present, "present", "missing"),
            **labels_of_names(findings, images, noticed, tuple(FINDINGS)),
        }
    )
    films, repeats = first_of_each(films, entries.name)
    films["split"] = _split(listings, films, noticed)
    noticed += [*repeats, *_follow_ups(entries, names), *_text_mined(films)]
    noticed += missing_images(films["image"], films["status"] == "missing", entries.name)
    boxes = _boxes(listings, films, noticed)
    return Manifest(as_table(dict(films.items())), "nih14", TERMS, boxes, tuple(noticed))


def _entries(listings: Sequence[FileListing]) -> str:
    """The newest table of entries: v2020 before the first one, whose ages are wrong in places."""
    found = [path for listing in listings for path in listing.matching(ENTRIES)]
    if not found:
        folders = ", ".join(listing.folder for listing in listings)
        raise DataError(
            f"no {ENTRIES} below {folders}, which says what the NIH films there show; give the folder that holds it, "
            f"with {TEST_LIST}, with another --data"
        )
    newest = max(os.path.basename(path) for path in found)
    return next(path for path in found if os.path.basename(path) == newest)


def _first(listings: Sequence[FileListing], name: str) -> str | None:
    return next((path for listing in listings for path in listing.matching(name)), None)


def _files(
    listings: Sequence[FileListing], listed: set[str], entries: LabelTable, noticed: list[Issue]
) -> dict[str, str]:
    """The path of each film that is there, by its name; the first one of several."""
    files: dict[str, str] = {}
    twice = {}
    for path in dict.fromkeys(path for listing in listings for path in listing.pictures):
        name = os.path.basename(path)
        if files.setdefault(name, path) != path:
            twice[name] = path
    if files and listed.isdisjoint(files):
        raise DataError(
            f"none of the {counted(len(files), 'pictures')} found is named in {entries.path}; "
            "films keep the names of NIH's release, such as 00000001_000.png"
        )
    if doubled := [name for name in twice if name in listed]:
        noticed.append(same_name_twice(doubled, "that of the first folder was taken"))
    noticed += surplus_images(
        [path for name, path in files.items() if name not in listed], entries.name
    )
    return files


def _among(names: pd.Series, some: Collection[str]) -> np.ndarray:
    """(N,) whether each name is one of some. Four times as fast as `isin`, which turns them into an array first."""
    return np.fromiter((name in some for name in names.tolist()), bool, len(names))


def _origins(files: dict[str, str]) -> dict[str, str]:
    """The folder that tells where a film is from: `images_001`, or the dataset's own where films lie in its images/."""
    parts = {name: path.split(os.sep) for name, path in files.items()}
    return {
        name: above[-3] if above[-2] == "images" else above[-2] for name, above in parts.items()
    }


def _split(listings: Sequence[FileListing], films: pd.DataFrame, noticed: list[Issue]) -> pd.Series:
    """test as listed, else train; missing for all when there is no list of tests."""
    test_list, training_list = _first(listings, TEST_LIST), _first(listings, TRAINING_LIST)
    if not test_list:
        return pd.Series(None, films.index, dtype="str")
    test = _among(films["name"], read_list(test_list))
    if training_list:
        training = _among(films["name"], read_list(training_list))
        if (both := films.loc[test & training, "image"]).size:
            message = f"{TEST_LIST} and {TRAINING_LIST} both name {counted(len(both), 'films')}, taken as test."
            noticed.append(contradictory(both, message))
        neither = films.loc[~test & ~training, "image"]
        noticed += not_in_split(neither, f"No line in {TEST_LIST} or {TRAINING_LIST}")
    return pd.Series(np.where(test, "test", "train"), films.index, dtype="str")


def _follow_ups(entries: LabelTable, names: pd.Series) -> list[Issue]:
    """Rows whose follow-up number is not the one in the film's name, `00000001_002.png`."""
    stated = pd.to_numeric(entries.cells(["followup"]), errors="coerce")
    in_name = pd.to_numeric(names.str.slice(-7, -4), errors="coerce")
    differs = stated.notna() & in_name.notna() & (stated != in_name)
    if not differs.any():
        return []
    message = f"Follow-up # differs from the file name in {counted(int(differs.sum()), 'rows')}; nothing uses it."
    examples = tuple(names[differs].head())
    return [
        Issue(
            code="follow_up_differs", message=message, count=int(differs.sum()), examples=examples
        )
    ]


def _text_mined(films: pd.DataFrame) -> list[Issue]:
    message = f"Labels of {counted(len(films), 'films')} were mined from reports; NIH expects above 90 % to be correct."
    return [Issue(code="text_mined_labels", message=message, count=len(films))]


def _boxes(
    listings: Sequence[FileListing], films: pd.DataFrame, noticed: list[Issue]
) -> pd.DataFrame:
    """The hand-drawn boxes of the films listed, in fractions of the film. The header names four columns in pieces."""
    path = _first(listings, BOXES)
    if not path:
        return no_boxes()
    table = read_table(path)
    noticed += table.noticed
    names, findings = table.need("Image Index", "Finding Label")
    image = names.map(dict(zip(films["name"], films["image"], strict=True)))
    listed = image.notna()
    keys = finding_keys(findings[listed], image[listed], noticed)
    sides = table.frame.loc[listed].iloc[:, 2:6].apply(pd.to_numeric, errors="coerce") / BOX_FRAME
    if sides.shape[1] < 4 or sides.isna().any(axis=None) or (sides < 0).any(axis=None):
        raise DataError(
            f"{path} does not give each box as x, y, width and height in its third to sixth columns"
        )
    sides.columns = pd.Index(BOX[2:])
    boxes = sides.clip(0, 1).astype(np.float32).assign(image=image[listed], finding=keys)
    return (
        boxes.dropna(subset=["finding"])[list(BOX)]
        .astype({"image": "str", "finding": "str"})
        .reset_index(drop=True)
    )
