"""Translates the tables of the RSNA Pneumonia Detection Challenge 2018 into columns of findings.

Its films are named by `patientId`. `Target` says whether a film has evidence of pneumonia; `class` says Lung Opacity
(the evidence), No Lung Opacity / Not Normal, or Normal. Source: Shih et al. 2019, doi:10.1148/ryai.2019180041.
"""

from dataclasses import replace

import pandas as pd

from cxr_core.data.checks.issue import Issue
from cxr_core.data.sources.csv_tables import LabelTable, normalise_heading
from cxr_core.data.sources.labels import find_label_columns, is_yes_or_no
from cxr_core.presentation.wording import format_count

BOX_FRAME = 1024  # the challenge's films have 1024 x 1024 pixels
OPACITY, NOT_NORMAL, NORMAL = "lung opacity", "no lung opacity / not normal", "normal"
CLASSES = frozenset({OPACITY, NOT_NORMAL, NORMAL, ""})
FINDING = "Pneumonia"


def is_rsna_header(header: list[str]) -> bool:
    """Whether a table's columns are those of the challenge: patientId with Target or class."""
    headings = set(map(normalise_heading, header))
    return "patientid" in headings and bool({"target", "class"} & headings)


def translate_rsna_table(table: LabelTable) -> LabelTable:
    """The same table with a column Pneumonia instead of Target or of the challenge's classes; another is unchanged."""
    if find_label_columns(table.frame, table.vocabulary):
        return table
    target = table.find_column(["target"])
    if (
        target is not None
        and is_rsna_header(list(table.frame))
        and is_yes_or_no(table.frame[target])
    ):
        issue = _report_translation(f"{target} as {FINDING}", len(table.frame))
        return replace(
            table,
            frame=table.frame.rename(columns={target: FINDING}),
            issues=(*table.issues, issue),
            box_frame=BOX_FRAME,
        )
    for column in table.frame:
        cells = table.frame[column].str.lower()
        if _is_class_column(column, cells):
            labels = cells.map({OPACITY: "1", NOT_NORMAL: "0", NORMAL: "0", "": ""})
            issue = _report_translation(f"Lung Opacity as {FINDING}", int((labels == "1").sum()))
            frame = table.frame.drop(columns=[column]).assign(**{FINDING: labels.astype("str")})
            issues = (*table.issues, issue)
            return replace(table, frame=frame, issues=issues, box_frame=BOX_FRAME)
    return table


def _is_class_column(column: str, cells: pd.Series) -> bool:
    values = set(cells.unique())
    if not values <= CLASSES:
        return False
    return NOT_NORMAL in values or (normalise_heading(column) == "class" and OPACITY in values)


def _report_translation(reading: str, count: int) -> Issue:
    rows = format_count(count, "rows")
    message = f"Read {reading}, as the RSNA challenge means it ({rows})."
    return Issue(code="label_alias", message=message, count=count)
