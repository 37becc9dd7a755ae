"""Detects the layout of dataset folders and reads them into one manifest. Tables and names are read, no film is opened.

nih14    NIH ChestX-ray14 (CXR8): `images/` or `images_0NN/images/`, `Data_Entry_2017*.csv` and the split lists; also
         radiologists' labels of its films, `Image Index` and `RSNA class`
folder   Kaggle's chest_xray: `train|val|test/CLASS/`; patients from the file names
csv      films with a CSV: a column of images, columns of labels
dicom    DICOM files with such a CSV
"""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from cxr_core.data.account import LEFT_OUT, SourceCounts, join_counts
from cxr_core.data.checks.issue import Issue
from cxr_core.data.manifest import Manifest, build_table, empty_boxes
from cxr_core.data.sources.files import (
    FileListing,
    file_suffix,
    film_issue,
    list_folders,
    report_unusable_names,
)
from cxr_core.data.sources.film_tables.image_tables import lists_images, refuse_tables
from cxr_core.data.sources.film_tables.radiologist_labels import find_radiologist_labels
from cxr_core.data.sources.folder import (
    ClassFilm,
    list_class_films,
    read_folder,
)
from cxr_core.data.sources.label_mapping import LabelVocabulary
from cxr_core.data.sources.nih14 import ENTRIES, TABLES, read_nih14
from cxr_core.data.sources.table import holds_dicom, read_csv, read_dicom
from cxr_core.data.splits.splits import explain_small_validation
from cxr_core.errors import DataError
from cxr_core.presentation.wording import format_count

SOURCES: dict[str, Callable[[Sequence[FileListing], LabelVocabulary], Manifest]] = {
    "nih14": read_nih14,
    "folder": read_folder,
    "csv": read_csv,
    "dicom": read_dicom,
}
WORKBOOK_SUFFIXES = frozenset({".xlsx", ".xlsm", ".xls", ".ods"})
TABLE_KINDS = frozenset({"nih14", "csv", "dicom"})
NIH_NAME = re.compile(r"\d{8}_\d{3}\.png")


def read_sources(
    folders: Sequence[Path],
    kind: str | None = None,
    vocabulary: LabelVocabulary | None = None,
) -> Manifest:
    """The manifest of one or several folders; the kind of each is detected unless it is given for all.

    Every film that a table or a class folder names is a row, "present" or "missing". Folders of one kind are read
    together, so that a table in one describes the films in another; where kinds differ, patients get the kind as a
    prefix. vocabulary: what the labels mean; the names of the known findings unless given.
    Raises DataError that names the folder or file, and what to do, when one is missing, empty, unreadable or of no
    known layout.
    """
    if kind is not None and kind not in SOURCES:
        raise DataError(
            f"unknown dataset source {kind!r}; choose from {', '.join(sorted(SOURCES))}"
        )
    vocabulary = vocabulary or LabelVocabulary.from_mapping({})
    listings = list_folders(folders)
    kinds = [kind] * len(listings) if kind else _detect_kinds(listings, vocabulary)
    groups: dict[str, list[FileListing]] = {}
    for listing, listing_kind in zip(listings, kinds, strict=True):
        groups.setdefault(listing_kind, []).append(listing)
    manifests = []
    for group_kind, group in groups.items():
        manifests.append(_report_missing_facts(SOURCES[group_kind](group, vocabulary)))
    manifest = replace(_join_manifests(manifests), unknown_labels=dict(vocabulary.unknown))
    return _report_unusable_names(manifest, listings)


def _detect_kinds(listings: Sequence[FileListing], vocabulary: LabelVocabulary) -> list[str]:
    """The kind of each folder; a folder with films alone belongs to the table that another folder holds."""
    detected = [_detect_kind(listing, vocabulary) for listing in listings]
    table_kinds = {kind for kind in detected if kind in TABLE_KINDS}
    kinds = []
    for listing, kind in zip(listings, detected, strict=True):
        if kind is None and listing.films and len(table_kinds) == 1:
            (kind,) = table_kinds
        if kind is None:
            raise DataError(
                f"{listing.folder} is of no known layout: it holds {format_count(len(listing.films), 'films')}, but no "
                f"{ENTRIES}, no train|val|test/CLASS/ folders and no CSV with a column of images"
                f"{_describe_other_tables(listing)}"
            )
        kinds.append(kind)
    return kinds


def _detect_kind(listing: FileListing, vocabulary: LabelVocabulary) -> str | None:
    """None when there are only films, or nothing that is known."""
    if any(listing.match_names(table) for table in TABLES):
        return "nih14"
    if not listing.films and find_radiologist_labels([listing]):
        return "nih14"
    class_films = list_class_films(listing, vocabulary)
    known = [film for film in class_films if vocabulary.is_known(film.label)]
    if _are_classes(class_films, known) or (known and not lists_images(listing)):
        return "folder"
    if lists_images(listing):
        return "dicom" if holds_dicom(listing) else "csv"
    if class_films:
        return "folder"
    if any(NIH_NAME.fullmatch(os.path.basename(path)) for path in listing.images):
        return "nih14"
    refuse_tables(listing)
    return None


def _are_classes(films: Sequence[ClassFilm], known: Sequence[ClassFilm]) -> bool:
    """Whether folders divide the films into classes: several of them, or a class within a split.

    One folder alone may only be called so: pneumonia/images/ beside pneumonia/labels.csv. known: those of the films
    whose class is known.
    """
    return len({film.label for film in films}) > 1 <= len(known) or any(
        film.split is not None for film in known
    )


def _describe_other_tables(listing: FileListing) -> str:
    """What to do with a workbook that may hold the labels."""
    books = [path for path in listing.files if file_suffix(path) in WORKBOOK_SUFFIXES]
    if not books:
        return ""
    return f". {listing.relative(books[0])} is a workbook: if it names the films, save it as CSV"


def _join_manifests(manifests: list[Manifest]) -> Manifest:
    """One manifest of several: patients get the kind as a prefix, labels that one lacks are unknown there."""
    issues = _merge_issues(issue for manifest in manifests for issue in manifest.source_issues)
    if len(manifests) == 1:
        return replace(manifests[0], source_issues=issues)
    tables = []
    for manifest in manifests:
        patients = f"{manifest.kind}:" + manifest.table["patient"]
        tables.append(manifest.table.assign(patient=patients))
    table = build_table(dict(pd.concat(tables, ignore_index=True).items()))
    boxes = [manifest.boxes for manifest in manifests if len(manifest.boxes)]
    terms = dict.fromkeys(f"{manifest.terms.rstrip('.')}." for manifest in manifests)
    return Manifest(
        table=table,
        kind="+".join(sorted(manifest.kind for manifest in manifests)),
        terms=" ".join(terms),
        boxes=pd.concat(boxes or [empty_boxes()], ignore_index=True),
        source_issues=issues,
        counts=join_counts([manifest.counts for manifest in manifests if manifest.counts]),
        unused_columns=tuple(each for manifest in manifests for each in manifest.unused_columns),
    )


def _report_unusable_names(manifest: Manifest, listings: Sequence[FileListing]) -> Manifest:
    """The same manifest, with an issue and a count of the films whose names are not in UTF-8."""
    paths = sorted({path for listing in listings for path in listing.unusable_films})
    if not paths:
        return manifest
    issues = (*manifest.source_issues, *report_unusable_names(paths))
    counts = manifest.counts
    if counts is not None:
        unused = SourceCounts(files=len(paths), unused_files={"unusable_names": len(paths)}, rows=0)
        counts = join_counts([counts, unused])
    return replace(manifest, source_issues=issues, counts=counts)


def _report_missing_facts(manifest: Manifest) -> Manifest:
    """The same manifest, with issues for no labels, no ages, no split or too small a validation split."""
    usable = manifest.table["status"] != LEFT_OUT
    table = manifest.table[usable] if usable.any() else manifest.table
    count = len(table)
    films = format_count(count, "films")
    messages = {}
    if not any(table[key].notna().any() for key in manifest.findings):
        messages["no_labels"] = f"No column or folder names a finding, for {films}."
    if table["age"].isna().all():
        messages["population_unstated"] = f"No age is given for {films}."
    if table["split"].isna().all():
        messages["no_split"] = f"Nothing assigns {films} to train, val or test."
    issues = [Issue(code=code, message=text, count=count) for code, text in messages.items()]
    small = explain_small_validation(table, manifest.findings)
    if small:
        validation = table.loc[table["split"] == "val", "image"]
        issues.append(film_issue("small_validation", small, validation))
    return replace(manifest, source_issues=(*manifest.source_issues, *issues))


def _merge_issues(issues: Iterable[Issue]) -> tuple[Issue, ...]:
    """One issue per code, with the messages, counts, examples and films of all of them."""
    by_code: dict[str, list[Issue]] = {}
    for issue in issues:
        by_code.setdefault(issue.code, []).append(issue)
    merged = []
    for code, same in by_code.items():
        examples: dict[str, None] = {}
        images: dict[str, None] = {}
        for issue in same:
            examples |= dict.fromkeys(issue.examples)
            images |= dict.fromkeys(issue.images)
        merged.append(
            Issue(
                code=code,
                message=" ".join(dict.fromkeys(issue.message for issue in same)),
                count=_count_together(same),
                examples=tuple(examples),
                images=tuple(images),
            )
        )
    return tuple(merged)


def _count_together(issues: Sequence[Issue]) -> int:
    """How many things issues of one code concern together; a film that several name counts once."""
    in_films = issues[0].unit == "films" and all(issue.concerned for issue in issues)
    if in_films:
        return len(frozenset().union(*(issue.concerned for issue in issues)))
    return sum(issue.count for issue in issues)
