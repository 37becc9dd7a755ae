"""The layouts that datasets come in, each read into one Manifest. Tables and names are read, no film is opened.

nih14    NIH ChestX-ray14 (CXR8): `images/` or `images_0NN/images/`, `Data_Entry_2017*.csv` and the split lists
folder   Kaggle's chest_xray: `train|val|test/CLASS/`; patients from the file names
csv      PNG or JPEG files with a CSV: a column of images, columns of labels
dicom    DICOM files with such a CSV
"""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from cxr_core.data.checks.issue import Issue, counted
from cxr_core.data.manifest import Manifest, as_table, no_boxes
from cxr_core.data.sources.files import FileListing, examples_of, list_folders
from cxr_core.data.sources.folder import class_films, is_known, read_folder
from cxr_core.data.sources.nih14 import ENTRIES, TABLES, read_nih14
from cxr_core.data.sources.table import holds_dicom, image_table, lists_images, read_csv, read_dicom
from cxr_core.data.splits.splits import small_validation
from cxr_core.errors import DataError

SOURCES: dict[str, Callable[[Sequence[FileListing]], Manifest]] = {
    "nih14": read_nih14,
    "folder": read_folder,
    "csv": read_csv,
    "dicom": read_dicom,
}
NIH_NAME = re.compile(r"\d{8}_\d{3}\.png")


def read_sources(folders: Sequence[Path], kind: str | None = None) -> Manifest:
    """The manifest of one or several folders; the kind of each is detected unless given for all.

    Every film that a table or a class folder names is a row, "present" or "missing". Folders of one kind are read
    together, so that a table in one serves the films in another; where kinds differ, patients are told apart by kind.
    Raises DataError that names the folder or file and the mend when one is missing, empty, unreadable or of no known
    layout.
    """
    if kind is not None and kind not in SOURCES:
        raise DataError(
            f"unknown dataset source {kind!r}; choose from {', '.join(sorted(SOURCES))}"
        )
    listings = list_folders(folders)
    groups: dict[str, list[FileListing]] = {}
    for listing, its_kind in zip(
        listings, [kind] * len(listings) if kind else _kinds(listings), strict=True
    ):
        groups.setdefault(str(its_kind), []).append(listing)
    return _together([_with_what_it_lacks(SOURCES[each](group)) for each, group in groups.items()])


def _kinds(listings: Sequence[FileListing]) -> list[str]:
    """The kind of each folder; one with films alone belongs to the table that another folder holds."""
    kinds = [_kind_of(listing) for listing in listings]
    with_tables = {kind for kind in kinds if kind in {"nih14", "csv", "dicom"}}
    for listing, kind in zip(listings, kinds, strict=True):
        if kind is None and not (listing.films and len(with_tables) == 1):
            raise DataError(
                f"{listing.folder} is of no known layout: it holds {counted(len(listing.films), 'films')}, but no "
                f"{ENTRIES}, no train|val|test/CLASS/ folders and no CSV with a column of images"
            )
    return [kind or min(with_tables) for kind in kinds]


def _kind_of(listing: FileListing) -> str | None:
    """None when nothing but films, or nothing known, is there."""
    if any(listing.matching(table) for table in TABLES):
        return "nih14"
    classes = class_films(listing)
    if any(is_known(film.label) for film in classes):
        return "folder"
    if lists_images(listing):
        return "dicom" if holds_dicom(listing) else "csv"
    if classes:
        return "folder"
    if any(NIH_NAME.fullmatch(os.path.basename(path)) for path in listing.pictures):
        return "nih14"
    image_table(listing)  # says what is wrong with a CSV that is there
    return None


def _together(groups: list[Manifest]) -> Manifest:
    """One manifest of several: patients are told apart by kind, labels that one lacks are unknown there."""
    noticed = _merged(issue for group in groups for issue in group.noticed)
    if len(groups) == 1:
        return replace(groups[0], noticed=noticed)
    tables = [
        group.table.assign(patient=f"{group.kind}:" + group.table["patient"]) for group in groups
    ]
    table = as_table(dict(pd.concat(tables, ignore_index=True).items()))
    boxes = pd.concat(
        [group.boxes for group in groups if len(group.boxes)] or [no_boxes()], ignore_index=True
    )
    terms = " ".join(dict.fromkeys(f"{group.terms.rstrip('.')}." for group in groups))
    return Manifest(table, "+".join(sorted(group.kind for group in groups)), terms, boxes, noticed)


def _with_what_it_lacks(manifest: Manifest) -> Manifest:
    """The same manifest, which says that it has no labels, no ages, no parts or too small a validation part."""
    table, count = manifest.table, len(manifest.table)
    lacks = {
        "no_labels": (
            not any(table[key].notna().any() for key in manifest.findings),
            "No column or folder names a finding, for",
        ),
        "population_unstated": (table["age"].isna().all(), "No age is given for"),
        "no_split": (
            table["split"].isna().all(),
            "Nothing says which part is for training and which for testing, for",
        ),
    }
    noticed = [
        Issue(code=code, message=f"{what} {counted(count, 'films')}.", count=count)
        for code, (lacking, what) in lacks.items()
        if lacking
    ]
    small = small_validation(manifest.table, manifest.findings)
    if small:
        films = table.loc[table["split"] == "val", "image"]
        noticed.append(
            Issue(
                code="small_validation",
                message=small,
                count=len(films),
                examples=examples_of(films[:5]),
            )
        )
    return replace(manifest, noticed=(*manifest.noticed, *noticed))


def _merged(issues: Iterable[Issue]) -> tuple[Issue, ...]:
    """One issue per code, with the sentences, counts, examples and films of all of them."""
    by_code: dict[str, list[Issue]] = {}
    for issue in issues:
        by_code.setdefault(issue.code, []).append(issue)
    return tuple(
        Issue(
            code=code,
            message=" ".join(dict.fromkeys(issue.message for issue in same)),
            count=sum(issue.count for issue in same),
            examples=tuple(dict.fromkeys(example for issue in same for example in issue.examples)),
            images=tuple(dict.fromkeys(image for issue in same for image in issue.images)),
        )
        for code, same in by_code.items()
    )
