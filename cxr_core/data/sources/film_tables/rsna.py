"""Translates the tables of the RSNA Pneumonia Detection Challenge 2018 into columns of findings.

Its films are named by `patientId`. `Target` says whether a film has evidence of pneumonia; `class` says Lung Opacity
(the evidence), No Lung Opacity / Not Normal, or Normal. Source: Shih et al. 2019, doi:10.1148/ryai.2019180041.
"""

from dataclasses import replace

import pandas as pd

from cxr_core.data.checks.issue import Issue
from cxr_core.data.sources.csv_tables import LabelTable, normalise_heading
from cxr_core.data.sources.labels import find_label_columns, is_yes_or_no
from cxr_core.findings import ABNORMALITY
from cxr_core.presentation.wording import format_count

BOX_FRAME = 1024  # the challenge's films have 1024 x 1024 pixels
OPACITY, NOT_NORMAL, NORMAL = "lung opacity", "no lung opacity / not normal", "normal"
PNEUMONIA = "pneumonia"
# What each class says of each finding.
CLASS_LABELS = {
    PNEUMONIA: {OPACITY: "1", NOT_NORMAL: "0", NORMAL: "0", "": ""},
    ABNORMALITY: {OPACITY: "1", NOT_NORMAL: "1", NORMAL: "0", "": ""},
}
CLASSES = frozenset(CLASS_LABELS[PNEUMONIA])


def is_rsna_header(header: list[str]) -> bool:
    """Whether a table's columns are those of the challenge: patientId with Target or class."""
    headings = set(map(normalise_heading, header))
    return "patientid" in headings and bool({"target", "class"} & headings)


def translate_rsna_table(table: LabelTable) -> LabelTable:
    """The same table with columns of findings instead of Target and the challenge's classes; another is unchanged."""
    if find_label_columns(table.frame, table.vocabulary):
        return table
    labels: dict[str, pd.Series] = {}
    issues = [*table.issues]
    target, classes = _find_target(table), _find_class_column(table)
    if target is not None:
        labels[PNEUMONIA] = table.frame[target]
        issues.append(_report_translation(f"{target} as Pneumonia", len(table.frame)))
    if classes is not None:
        cells = table.frame[classes].str.lower()
        for finding, meaning in CLASS_LABELS.items():
            labels.setdefault(finding, cells.map(meaning).astype("str"))
        opacities, others = int((cells == OPACITY).sum()), int((cells == NOT_NORMAL).sum())
        issues.append(_report_translation("Lung Opacity as Pneumonia", opacities))
        issues.append(
            _report_translation("every class but Normal as Abnormal film", opacities + others)
        )
    if not labels:
        return table
    used = [column for column in (target, classes) if column is not None]
    frame = table.frame.drop(columns=used).assign(**labels)
    return replace(table, frame=frame, issues=tuple(issues), box_frame=BOX_FRAME)


def _find_target(table: LabelTable) -> str | None:
    """The column that says whether a film has evidence of pneumonia."""
    target = table.find_column(["target"])
    if target is None or not is_rsna_header(list(table.frame)):
        return None
    return target if is_yes_or_no(table.frame[target]) else None


def _find_class_column(table: LabelTable) -> str | None:
    """The column with the challenge's classes."""
    for column in table.frame:
        values = set(table.frame[column].str.lower().unique())
        is_called_so = normalise_heading(column) == "class" and OPACITY in values
        if values <= CLASSES and (NOT_NORMAL in values or is_called_so):
            return str(column)
    return None


def _report_translation(reading: str, count: int) -> Issue:
    rows = format_count(count, "rows")
    message = f"Read {reading}, as the RSNA challenge means it ({rows})."
    return Issue(code="label_alias", message=message, count=count)
