"""Reads any tables that name films: PNG, JPEG or DICOM files with a CSV that says what they show.

Columns are recognised by their names, in any case. No film is opened, so what a DICOM file says is not read.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from cxr_core.data.checks.issue import Issue
from cxr_core.data.identifiers import normalise_cells, normalise_patient, unify_patients
from cxr_core.data.manifest import Manifest, build_table, empty_boxes, list_findings
from cxr_core.data.sources.counts import count_sources, find_unused_files, list_surplus
from cxr_core.data.sources.csv_tables import (
    LabelTable,
    count_repeats,
    keep_first_rows,
    report_contradictory_rows,
)
from cxr_core.data.sources.files import (
    DICOM_SUFFIXES,
    FileListing,
    file_suffix,
    is_dicom_file,
    report_missing_images,
    report_surplus_images,
)
from cxr_core.data.sources.film_paths import find_split
from cxr_core.data.sources.film_tables.ages import ages_from_dates
from cxr_core.data.sources.film_tables.boxes import read_boxes
from cxr_core.data.sources.film_tables.headings import (
    AGE_HEADINGS,
    BIRTH_HEADINGS,
    PATIENT_HEADINGS,
    SEX_HEADINGS,
    SPLIT_HEADINGS,
    STUDY_DATE_HEADINGS,
    STUDY_HEADINGS,
    VIEW_HEADINGS,
)
from cxr_core.data.sources.film_tables.image_tables import (
    MatchedTable,
    holds_tables,
    join_names,
    match_tables,
)
from cxr_core.data.sources.film_tables.label_rows import (
    has_several_rows_per_film,
    join_rows,
    list_label_columns,
    read_labels,
)
from cxr_core.data.sources.film_tables.unused_columns import (
    list_unused_columns,
    report_unknown_columns,
    require_mappable,
)
from cxr_core.data.sources.label_mapping import LabelVocabulary
from cxr_core.data.sources.labels import (
    is_unstated,
    parse_ages,
    parse_sexes,
    parse_splits,
    report_not_in_split,
)
from cxr_core.data.sources.patients import assign_patients, report_shared_numbers
from cxr_core.data.sources.views import FilmViews, decide_status, read_views
from cxr_core.errors import DataError
from cxr_core.presentation.wording import format_count

TERMS = "Terms not known to this program: see what came with the data."
MAX_OPENED_FILES = 20
# The facts about a film that stand in a table as text.
FACTS = {
    "patient": PATIENT_HEADINGS,
    "study": STUDY_HEADINGS,
    "split": SPLIT_HEADINGS,
    "age": AGE_HEADINGS,
    "birth": BIRTH_HEADINGS,
    "study_date": STUDY_DATE_HEADINGS,
    "sex": SEX_HEADINGS,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class TableFilms:
    """What tables say about films.

    films: a row per film: image, present, view, left_out, the text of each of FACTS, and labels by finding.
    boxes: as in a manifest.  rows: of the tables.  unused_rows: those that gave no row of their own, by reason.
    named_files: every file that a row names.
    """

    films: pd.DataFrame
    boxes: pd.DataFrame
    rows: int
    unused_rows: Counter[str] = field(default_factory=Counter)
    named_files: frozenset[str] = frozenset()


def read_csv(listings: Sequence[FileListing], vocabulary: LabelVocabulary) -> Manifest:
    """Films listed by the tables in each folder."""
    return _read_listings(listings, "csv", vocabulary)


def read_dicom(listings: Sequence[FileListing], vocabulary: LabelVocabulary) -> Manifest:
    """DICOM files listed by the tables in each folder."""
    return _read_listings(listings, "dicom", vocabulary)


def holds_dicom(listing: FileListing) -> bool:
    """Whether the films are DICOM, by their names; by the first bytes of some files where no name tells."""
    dicom = sum(file_suffix(path) in DICOM_SUFFIXES for path in listing.files)
    if dicom or listing.images:
        return dicom > len(listing.images)
    return any(is_dicom_file(path) for path in listing.files[:MAX_OPENED_FILES])


def _read_listings(
    listings: Sequence[FileListing], kind: str, vocabulary: LabelVocabulary
) -> Manifest:
    with_table = [listing for listing in listings if holds_tables(listing)]
    without_table = [listing for listing in listings if not holds_tables(listing)]
    if not with_table:
        raise DataError(
            f"{listings[0].folder} holds no CSV table; one must say which film shows what"
        )
    issues: list[Issue] = []
    parts: list[TableFilms] = []
    frames: list[pd.DataFrame] = []
    tables: list[LabelTable] = []
    for listing in with_table:
        matched = match_tables(listing, [listing, *without_table], issues, vocabulary)
        tables += [match.table for match in matched]
        part = _join_tables([_read_films(match, listing, issues) for match in matched], issues)
        parts.append(part)
        frames.append(_finish_films(part.films, listing, issues))
    if len(frames) > 1:
        issues += _scope_patients(frames)
    films = pd.concat(frames, ignore_index=True)
    names = join_names(tables, " and ")
    issues += report_missing_images(films["image"], films["status"] == "missing", names)
    named_files = frozenset().union(*(part.named_files for part in parts))
    unused_files = find_unused_files(listings, films, named_files)
    issues += report_surplus_images(list_surplus(unused_files), names)
    unused_rows = sum((part.unused_rows for part in parts), Counter[str]())
    rows = sum(part.rows for part in parts)
    boxes = [part.boxes for part in parts if len(part.boxes)]
    unused_columns = list_unused_columns(tables)
    issues += report_unknown_columns(unused_columns)
    return Manifest(
        table=build_table(dict(films.items())),
        kind=kind,
        terms=TERMS,
        boxes=pd.concat(boxes or [empty_boxes()], ignore_index=True),
        source_issues=tuple(issues),
        counts=count_sources(films, unused_files, rows, unused_rows),
        unused_columns=unused_columns,
    )


def _read_films(matched: MatchedTable, listing: FileListing, issues: list[Issue]) -> TableFilms:
    """A row per film of one table; its several rows about one film are joined, repeated ones are dropped."""
    images = pd.Series(matched.files.images, dtype="str")
    require_mappable(matched.table, matched.table.vocabulary)
    table = _without_labels_of_left_out(matched.table, images, listing)
    boxes = read_boxes(table, images, issues)
    present = dict(zip(matched.files.images, matched.files.present, strict=True))
    if has_several_rows_per_film(table, images):
        joined = join_rows(table, images, issues)
        films = _tabulate_facts(joined.frame, table, joined.images, listing, issues)
        films = films.assign(**joined.labels)
        unused = Counter(joined.unused)
    else:
        films = _tabulate_facts(table.frame, table, images, listing, issues)
        films = films.assign(**read_labels(table, images, issues))
        films, row_issues = keep_first_rows(films, table.name)
        issues += row_issues
        unused = Counter(count_repeats(row_issues, images))
    films.insert(1, "present", films["image"].map(present).astype(bool))
    return TableFilms(
        films=films,
        boxes=boxes,
        rows=len(images),
        unused_rows=unused,
        named_files=matched.files.used,
    )


def _without_labels_of_left_out(
    table: LabelTable, images: pd.Series, listing: FileListing
) -> LabelTable:
    """The same table, whose rows about films that are left out say nothing of findings."""
    left_out = _read_table_views(table, images, listing, []).left_out.notna()
    if not left_out.any():
        return table
    frame = table.frame.copy()
    frame.loc[left_out, list_label_columns(table)] = ""
    return replace(table, frame=frame)


def _read_table_views(
    table: LabelTable, images: pd.Series, listing: FileListing, issues: list[Issue]
) -> FilmViews:
    columns = filter(None, (table.find_column([heading]) for heading in VIEW_HEADINGS))
    paths = list(map(listing.relative, images))
    return read_views([table.frame[name] for name in columns], paths, images, issues)


def _tabulate_facts(
    frame: pd.DataFrame,
    table: LabelTable,
    images: pd.Series,
    listing: FileListing,
    issues: list[Issue],
) -> pd.DataFrame:
    """The film, the view and the text of each fact, for each row of a frame with the table's columns."""
    rows = replace(table, frame=frame)
    views = _read_table_views(rows, images, listing, issues)
    columns = {"image": images, "view": views.view, "left_out": views.left_out}
    for fact, headings in FACTS.items():
        columns[fact] = rows.read_column(headings)
    return pd.DataFrame(columns)


def _join_tables(parts: list[TableFilms], issues: list[Issue]) -> TableFilms:
    """One table of films of several that describe the same ones. Reports where they contradict each other."""
    if len(parts) == 1:
        return parts[0]
    films = pd.concat([part.films for part in parts], ignore_index=True)
    text = [*FACTS, "view", "left_out"]
    films[text] = films[text].mask(films[text] == "")
    grouped = films.groupby("image", sort=False)
    findings = list_findings(films.columns)
    compared = [fact for fact in FACTS if fact != "study"]
    spelled = films.assign(**{fact: normalise_cells(films[fact]) for fact in compared})
    values = spelled.groupby("image", sort=False)[[*findings, *compared]]
    differing = (values.nunique() > 1).any(axis=1)
    contradicted = pd.Series(differing.index[differing], dtype="str")
    if len(contradicted):
        count = format_count(len(contradicted), "films")
        message = f"The tables contradict each other about {count}; the first table was used."
        issues.append(report_contradictory_rows(contradicted, message))
    joined = grouped.first().reset_index()
    joined[list(FACTS)] = joined[list(FACTS)].fillna("")
    unused = sum((part.unused_rows for part in parts), Counter[str]())
    unused["joined"] += len(films) - len(joined)
    return TableFilms(
        films=joined,
        boxes=pd.concat([part.boxes for part in parts], ignore_index=True),
        rows=sum(part.rows for part in parts),
        unused_rows=unused,
        named_files=frozenset().union(*(part.named_files for part in parts)),
    )


def _finish_films(films: pd.DataFrame, listing: FileListing, issues: list[Issue]) -> pd.DataFrame:
    """The columns of a manifest, from what the tables of one folder say."""
    images = films["image"]
    paths = images.map(listing.relative)
    split_cells = _read_splits_of_paths(films["split"], paths, issues)
    split = _assign_splits(split_cells, images, issues)
    patients = assign_patients(films["patient"], films["study"], paths, split)
    issues += patients.issues
    one_spelling, spelling_issues = unify_patients(patients.patient, patients.placeholders)
    issues += spelling_issues
    stated_age = parse_ages(films["age"], images, issues)
    age = stated_age.fillna(ages_from_dates(films["birth"], films["study_date"]))
    columns = {
        "image": images,
        "patient": one_spelling,
        "split": split,
        "source": listing.name,
        "view": films["view"],
        "age": age,
        "sex": parse_sexes(films["sex"], images, issues),
        "status": decide_status(films["present"].to_numpy(), films["left_out"]),
        "reason": films["left_out"],
        **{key: films[key] for key in list_findings(films.columns)},
    }
    return pd.DataFrame(columns)


def _read_splits_of_paths(cells: pd.Series, paths: pd.Series, issues: list[Issue]) -> pd.Series:
    """The splits that folders name (train/a.png, test/b.png), where no table gives any; else the cells as they are."""
    if not all(map(is_unstated, cells.unique())):
        return cells
    splits = paths.map(find_split).fillna("")
    named = sorted(set(splits) - {""})
    if len(named) < 2:
        return cells
    count = int((splits != "").sum())
    message = f"Folders give the split of {format_count(count, 'films')}: {', '.join(named)}."
    issues.append(Issue(code="splits_from_paths", message=message, count=count))
    return splits


def _assign_splits(cells: pd.Series, images: pd.Series, issues: list[Issue]) -> pd.Series:
    """The split of each film; train where none is given while other films have one."""
    split = parse_splits(cells, images, issues)
    unknown = cells.map({text: is_unstated(text) for text in cells.unique()}).astype(bool)
    if unknown.all():
        return split
    issues += report_not_in_split(images[unknown], "No split")
    return split.mask(unknown, "train")


def _scope_patients(frames: list[pd.DataFrame]) -> list[Issue]:
    """Prefix patients with their folder, since two folders may count from 1 each; changes the tables given."""
    pairs = pd.concat([frame[["patient", "source"]].drop_duplicates() for frame in frames])
    numbers = pairs["patient"].map(normalise_patient)
    shared = pairs.loc[numbers.duplicated(), "patient"].drop_duplicates()
    for frame in frames:
        frame["patient"] = frame["source"] + "/" + frame["patient"]
    return report_shared_numbers(shared.tolist(), "folders")
