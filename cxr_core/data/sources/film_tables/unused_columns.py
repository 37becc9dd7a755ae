"""Finds the columns of tables that the program does not use, and tells which of them may be labels."""

from collections.abc import Iterator, Sequence

import pandas as pd

from cxr_core.data.checks.issue import EXAMPLES, Issue
from cxr_core.data.manifest import UnusedColumn
from cxr_core.data.sources.csv_tables import LabelTable, normalise_heading
from cxr_core.data.sources.film_tables import headings
from cxr_core.data.sources.film_tables.label_rows import find_name_columns
from cxr_core.data.sources.label_mapping import LabelVocabulary
from cxr_core.data.sources.labels import is_label, says_nothing
from cxr_core.errors import DataError
from cxr_core.presentation.wording import format_count
from cxr_core.workspace.paths import printable

MOST_COLUMNS = 200  # that are kept for the page
SHOWN_VALUES, SHOWN_CHARACTERS = 5, 40
FACT_HEADINGS = frozenset(
    (
        *headings.IMAGE_HEADINGS,
        *headings.PATIENT_HEADINGS,
        *headings.STUDY_HEADINGS,
        *headings.SPLIT_HEADINGS,
        *headings.VIEW_HEADINGS,
        *headings.AGE_HEADINGS,
        *headings.BIRTH_HEADINGS,
        *headings.STUDY_DATE_HEADINGS,
        *headings.SEX_HEADINGS,
        *headings.READER_HEADINGS,
        "imagedir",  # PadChest's folders are numbered
    )
)
BOX_HEADINGS = frozenset(name for names in headings.BOX_HEADINGS for name in names)


def list_unused_columns(tables: Sequence[LabelTable]) -> tuple[UnusedColumn, ...]:
    """The columns that are neither a fact about a film, nor a label, nor ignored; each name once."""
    columns: dict[str, UnusedColumn] = {}
    for table in tables:
        for name in _names_of_unused(table):
            if name not in columns and len(columns) < MOST_COLUMNS:
                columns[name] = _describe_column(name, table.frame[name])
    return tuple(columns.values())


def report_unknown_columns(columns: Sequence[UnusedColumn]) -> list[Issue]:
    """A warning that names the unused columns that may be labels."""
    labels = [column for column in columns if column.may_be_label]
    if not labels:
        return []
    named = [f"{printable(column.name)} ({column.positives:,} yes)" for column in labels]
    more = f" and {len(named) - EXAMPLES} others" if len(named) > EXAMPLES else ""
    count = format_count(len(labels), "columns")
    verb = "holds" if len(labels) == 1 else "hold"
    message = (
        f"{count} {verb} labels, but no known finding is called so: {', '.join(named[:EXAMPLES])}{more}. "
        "Not used for training."
    )
    examples = tuple(printable(column.name) for column in labels)
    return [Issue(code="unknown_columns", message=message, count=len(labels), examples=examples)]


def require_mappable(table: LabelTable, vocabulary: LabelVocabulary) -> None:
    """Raises DataError when a column that says which film, patient or view a row is about is mapped to a finding."""
    for column in table.frame:
        if normalise_heading(column) in FACT_HEADINGS and vocabulary.find_key(column):
            raise DataError(
                f"the column {printable(column)} of {table.name} is no label: it says what film or patient a row is "
                "about; map another column"
            )


def _names_of_unused(table: LabelTable) -> Iterator[str]:
    used = {*find_name_columns(table)}
    has_boxes = any(normalise_heading(name) in BOX_HEADINGS for name in table.frame)
    for name in table.frame:
        heading = normalise_heading(name)
        is_box = has_boxes and heading in BOX_HEADINGS
        if heading in FACT_HEADINGS or is_box or name in used or table.vocabulary.is_known(name):
            continue
        yield name


def _describe_column(name: str, cells: pd.Series) -> UnusedColumn:
    counts = cells[cells != ""].value_counts()
    labels = [text for text in counts.index if is_label(text)]
    others = [text for text in counts.index if not is_label(text) and not says_nothing(text)]
    positives = int(sum(counts[text] for text in labels if is_label(text, positive=True)))
    stated = int(counts[labels].sum()) + int(counts[others].sum())
    # Numbers other than 0 and 1 are measurements, a few words are remarks; what is never there teaches nothing.
    may_be_label = (
        positives > 0
        and not any(map(_is_number, others))
        and 2 * int(counts[labels].sum()) > stated
    )
    return UnusedColumn(
        name=name,
        values=tuple(printable(text)[:SHOWN_CHARACTERS] for text in counts.index[:SHOWN_VALUES]),
        may_be_label=may_be_label,
        positives=positives,
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
