"""Several films: most suspicious first, refused ones at the end, one of them chosen."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from cxr_core.presentation.wording import finding_name, format_percent
from cxr_core.reading.cardiothoracic.ratio_wording import ratio_text
from cxr_core.reading.results import Reading
from pages.components.session import Study

ROWS_IN_VIEW = 6.5  # the half row says that there are more
ROW_PX = 32
FILE_PX = 110
FINDING_PX = 92


def choose_film(study: Study, readings: Mapping[str, Reading]) -> str:
    """The key of the film to look at; with several films, the table to choose it from."""
    order = sorted(readings, key=lambda key: -readings[key].suspicion)
    if study.chosen not in readings:
        study.chosen = order[0]
    if len(order) > 1:
        study.chosen = _show_table(study, readings, order)
    return study.chosen or order[0]


def _show_table(study: Study, readings: Mapping[str, Reading], order: list[str]) -> str:
    refused = sum(reading.status == "refused" for reading in readings.values())
    end = f" · {refused} not read, at the end" if refused else ""
    st.markdown(f"**Worklist** :gray[· {len(order)} films, most suspicious first{end}]")
    chosen = order.index(study.chosen) if study.chosen in order else 0
    lines = [line(study.entries[key].name, readings[key]) for key in order]
    findings = {
        name: st.column_config.TextColumn(width=FINDING_PX) for name in list(lines[0])[1:-1]
    }
    event: Any = st.dataframe(
        lines,
        hide_index=True,
        height=round(ROW_PX * (1 + min(len(order), ROWS_IN_VIEW))) + 3,
        row_height=ROW_PX,
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [chosen]}},
        # Rows are told by their place, so another order is another table.
        key=study.widget(f"worklist-{study.choices}-{hash(tuple(order))}"),
        placeholder="",
        column_config={"File": st.column_config.TextColumn(width=FILE_PX, pinned=True)} | findings,
    )
    rows = event["selection"]["rows"]
    return order[rows[0]] if rows else order[chosen]


def line(name: str, reading: Reading) -> dict[str, str]:
    """One row: the file, each probability with a dot where it is called present, the ratio, what to distrust."""
    cells = {"File": name}
    for finding in reading.findings:
        column = finding_name(finding.finding)
        said = "no model" if finding.probability is None else format_percent(finding.probability)
        marked = (
            f"● {said}"
            if finding.call == "present"
            else f"? {said}"
            if finding.call == "indeterminate"
            else said
        )
        cells[column] = f"{cells[column]}, {marked}" if column in cells else marked
    for measured in reading.measurements:
        ratio = "none" if measured.value is None else ratio_text(measured.value)
        cells["Heart ratio"] = f"{ratio}, by hand" if measured.edited else ratio
    remarks = [concern.message for concern in reading.concerns]
    remarks += [
        sentence
        for measured in reading.measurements
        for sentence in reading.disagreements(measured)
    ]
    cells["Remark"] = (
        f"Not read. {reading.reason}" if reading.status == "refused" else " ".join(remarks)
    )
    return cells
