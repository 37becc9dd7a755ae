"""Reads the labels of a table's films, also from tables with several rows a film: one a finding, a box or a reader.

A film's rows by one reader are joined: a finding is present when any of them names it. Of several readers the majority
counts; where there is none the label is unknown.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxr_core.data.checks.issue import Issue
from cxr_core.data.identifiers import normalise_cells
from cxr_core.data.sources.csv_tables import LabelTable, report_contradictory_rows
from cxr_core.data.sources.files import film_issue
from cxr_core.data.sources.film_tables.headings import (
    AGE_HEADINGS,
    BOX_HEADINGS,
    FINDING_HEADINGS,
    PATIENT_HEADINGS,
    POSSIBLE_FINDING_HEADINGS,
    READER_HEADINGS,
    SEX_HEADINGS,
    SPLIT_HEADINGS,
    VALUE_HEADINGS,
)
from cxr_core.data.sources.label_mapping import LabelVocabulary
from cxr_core.data.sources.labels import (
    find_label_columns,
    is_yes_or_no,
    labels_from_columns,
    labels_from_name_and_value,
    labels_from_names,
    split_names,
)
from cxr_core.presentation.wording import format_count

Labels = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """The rows that stand for one film each, and their labels.

    frame: (F,) rows of the table, for each column the first cell of the film that says something.
    images: (F,) the film of each.  labels: (F,) by finding.  unused: how many rows gave none of their own, by reason.
    """

    frame: pd.DataFrame
    images: pd.Series
    labels: Labels
    unused: Mapping[str, int]


def read_labels(table: LabelTable, images: pd.Series, issues: list[Issue]) -> Labels:
    """(N,) float32 by finding, a label for each row. images: (N,) the film of each row."""
    vocabulary = table.vocabulary
    if find_label_columns(table.frame, vocabulary):
        return labels_from_columns(table.frame, images, issues, vocabulary)
    names, values = find_name_columns(table)
    if names is not None and values is not None:
        return labels_from_name_and_value(
            table.frame[names], table.frame[values], images, issues, vocabulary
        )
    if names is None:
        empty = pd.Series("", images.index, dtype="str")
        return labels_from_names(empty, images, issues, vocabulary)
    cells = table.frame[names]
    if is_yes_or_no(cells):
        message = (
            f"The column {names} of {table.name} says yes or no, but not of which finding; map it to the finding, or "
            "call it after the finding, such as Pneumonia."
        )
        issues.append(film_issue("unknown_label", message, images, excludable=True))
        return {}
    contradicts = {
        text: _is_contradiction(split_names(text), vocabulary) for text in cells.unique()
    }
    _report_contradictions(table, images[cells.map(contradicts).astype(bool)], issues)
    return labels_from_names(cells, images, issues, vocabulary)


def list_label_columns(table: LabelTable) -> list[str]:
    """Every column that may say what a film shows."""
    vocabulary = table.vocabulary
    columns = [
        *find_label_columns(table.frame, vocabulary).values(),
        *filter(vocabulary.is_no_finding, table.frame),
    ]
    headings = (*FINDING_HEADINGS, *POSSIBLE_FINDING_HEADINGS, *VALUE_HEADINGS)
    return list(dict.fromkeys([*columns, *_find_each(table, headings)]))


def find_name_columns(table: LabelTable) -> tuple[str | None, str | None]:
    """The column that names findings, and the one that says whether they are there, each None where there is none."""
    certain = _find_each(table, FINDING_HEADINGS)
    possible = _find_each(table, POSSIBLE_FINDING_HEADINGS)
    naming = [column for column in (*possible, *certain) if _names_findings(table, column)]
    candidates = [*naming, *certain]
    if not candidates:
        return None, None
    names = candidates[0]
    for column in _find_each(table, VALUE_HEADINGS):
        if column != names and is_yes_or_no(table.frame[column]):
            return names, column
    return names, None


def find_box_columns(table: LabelTable) -> list[str]:
    """The four columns of a box; none when there are none."""
    for headings in BOX_HEADINGS:
        columns = _find_each(table, headings)
        if len(columns) == len(headings):
            return columns
    return []


def has_several_rows_per_film(table: LabelTable, images: pd.Series) -> bool:
    """Whether a film's rows belong together: they name findings, hold boxes, are by several readers, or fill gaps."""
    if not images.duplicated().any():
        return False
    if table.find_column(READER_HEADINGS) or find_box_columns(table) or table.box_frame is not None:
        return True
    if find_label_columns(table.frame, table.vocabulary):
        return _rows_fill_gaps(table, images)
    return find_name_columns(table)[0] is not None


def _rows_fill_gaps(table: LabelTable, images: pd.Series) -> bool:
    """Whether one row of a film says what another row of it leaves open."""
    labels = pd.DataFrame(labels_from_columns(table.frame, images, [], table.vocabulary))
    known = labels.notna().groupby(images.to_numpy())
    return bool((known.any() & ~known.all()).any(axis=None))


def join_rows(table: LabelTable, images: pd.Series, issues: list[Issue]) -> LabelledRows:
    """One row for each film of a table with several. Reports rows that contradict each other and readers who disagree.

    Raises DataError when two columns name the same finding.
    """
    film = pd.factorize(images)[0]
    film_images = images[~images.duplicated()].reset_index(drop=True)
    readers = table.read_column(READER_HEADINGS)
    opinion, pairs = pd.factorize(pd.MultiIndex.from_arrays([film, readers]))
    film_of_opinion = pairs.get_level_values(0).to_numpy()
    opinions, is_contradicted = _label_opinions(table, images, opinion, issues)
    labels, is_disagreed = _take_majority(opinions, film_of_opinion, len(film_images))
    contradicted = {*film_of_opinion[is_contradicted], *_find_differing_facts(table, film)}
    _report_contradictions(table, film_images[sorted(contradicted)], issues)
    if is_disagreed.any():
        named = film_images[is_disagreed]
        message = f"Readers disagree on a finding in {format_count(len(named), 'films')}."
        issues.append(film_issue("readers_disagree", message, named))
    joined = len(images) - len(film_images)
    rows, films = format_count(len(images), "rows"), format_count(len(film_images), "films")
    message = f"{table.name} has {rows} about {films}."
    issues.append(Issue(code="joined_rows", message=message, count=joined))
    cells = table.frame.mask(table.frame == "").groupby(film).first().fillna("")
    return LabelledRows(cells, film_images, labels, {"joined": joined})


def _report_contradictions(table: LabelTable, films: pd.Series, issues: list[Issue]) -> None:
    """films: those that have a finding and none, or two patients, and the like."""
    if films.empty:
        return
    message = (
        f"{table.name} contradicts itself about {format_count(films.nunique(), 'films')}; a finding that is named "
        "counts, and else the first row."
    )
    issues.append(report_contradictory_rows(films.drop_duplicates(), message))


def _label_opinions(
    table: LabelTable, images: pd.Series, opinion: np.ndarray, issues: list[Issue]
) -> tuple[Labels, np.ndarray]:
    """(P,) labels of what one reader says about one film, and (P,) whether their rows contradict each other.

    opinion: (N,) which opinion each row belongs to.
    """
    names, values = find_name_columns(table)
    vocabulary = table.vocabulary
    has_columns = bool(find_label_columns(table.frame, vocabulary))
    by_name_only = names is not None and values is None and not has_columns
    if by_name_only:
        rows = table.frame[names].map(split_names).groupby(opinion)
        named = rows.agg(
            lambda lists: list(dict.fromkeys(name for list_ in lists for name in list_))
        )
        cells = named.map("|".join).astype("str")
        first_images = images.groupby(opinion).first()
        labels = labels_from_names(cells, first_images, issues, vocabulary)
        is_contradicted = [_is_contradiction(found, vocabulary) for found in named]
        return labels, np.array(is_contradicted, bool)
    labels = {}
    contradicted = np.zeros(opinion.max() + 1, bool)
    for key, row_labels in read_labels(table, images, issues).items():
        grouped = pd.Series(row_labels).groupby(opinion)
        labels[key] = grouped.first().to_numpy(np.float32)
        contradicted |= (grouped.max() > grouped.min()).to_numpy()
    return labels, contradicted


def _is_contradiction(names: list[str], vocabulary: LabelVocabulary) -> bool:
    """Whether one reader finds something and nothing; an unknown name may say no more than "unchanged"."""
    finds = any(vocabulary.find_key(name) is not None for name in names)
    return finds and any(map(vocabulary.is_no_finding, names))


def _take_majority(opinions: Labels, film: np.ndarray, films: int) -> tuple[Labels, np.ndarray]:
    """(F,) labels of most opinions about each film, NaN for as many on both sides; and (F,) whether any differ."""
    labels = {}
    disagreed = np.zeros(films, bool)
    for key, values in opinions.items():
        present = np.bincount(film, values == 1, films)
        absent = np.bincount(film, values == 0, films)
        majority = np.where(present > absent, np.float32(1), np.float32(0))
        labels[key] = np.where(present == absent, np.float32(np.nan), majority)
        disagreed |= (present > 0) & (absent > 0)
    return labels, disagreed


def _find_differing_facts(table: LabelTable, film: np.ndarray) -> np.ndarray:
    """The films about whose patient, split, age or sex two rows say different things."""
    differing: list[int] = []
    for headings in (PATIENT_HEADINGS, SPLIT_HEADINGS, AGE_HEADINGS, SEX_HEADINGS):
        cells = normalise_cells(table.read_column(headings))
        counts = cells.mask(cells == "").groupby(film).nunique()
        differing += counts.index[counts > 1].tolist()
    return np.array(differing, int)


def _find_each(table: LabelTable, headings: tuple[str, ...]) -> list[str]:
    """The columns with these headings, in the order of the headings."""
    columns = [table.find_column([heading]) for heading in headings]
    return [
        column
        for column in columns
        if column is not None and not table.vocabulary.is_ignored(column)
    ]


def _names_findings(table: LabelTable, column: str) -> bool:
    """Whether at least one cell names a finding, or says that there is none."""
    names = {name for text in table.frame[column].unique() for name in split_names(text)}
    return any(map(table.vocabulary.is_known, names))
