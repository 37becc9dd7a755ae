"""Shows the worklist: the most suspicious film first, films that were not read at the end, one of them chosen."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from cxr_core.presentation.wording import finding_name, format_percent, format_ratio
from cxr_core.reading.results import FindingReading, Reading
from pages.components.read.page_state import ReadPageState

ROWS_IN_VIEW = 6.5  # half a row shows that there are more
ROW_PX = 32
FILE_PX = 110
FINDING_PX = 92
CALL_MARKS = {"present": "● ", "indeterminate": "? "}


def choose_film(state: ReadPageState, readings: Mapping[str, Reading]) -> str:
    """The key of the film to display; several films get a table to choose from."""
    order = sorted(readings, key=lambda key: -readings[key].suspicion)
    if state.chosen_key not in readings:
        state.chosen_key = order[0]
    if len(order) > 1:
        state.chosen_key = _show_table(state, readings, order)
    return state.chosen_key or order[0]


def _show_table(state: ReadPageState, readings: Mapping[str, Reading], order: Sequence[str]) -> str:
    refused = sum(reading.status == "refused" for reading in readings.values())
    end = f" · {refused} not read, at the end" if refused else ""
    st.markdown(f"**Worklist** :gray[· {len(order)} films, most suspicious first{end}]")
    chosen = order.index(state.chosen_key) if state.chosen_key in order else 0
    rows = [worklist_row(state.entries[key].name, readings[key]) for key in order]
    findings = {name: st.column_config.TextColumn(width=FINDING_PX) for name in list(rows[0])[1:-1]}
    event: Any = st.dataframe(
        rows,
        hide_index=True,
        height=round(ROW_PX * (1 + min(len(order), ROWS_IN_VIEW))) + 3,
        row_height=ROW_PX,
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [chosen]}},
        # A selection is a row number, so another order needs another table.
        key=state.widget_key(f"worklist-{state.page_choices}-{hash(tuple(order))}"),
        placeholder="",
        column_config={"File": st.column_config.TextColumn(width=FILE_PX, pinned=True)} | findings,
    )
    selected = event["selection"]["rows"]
    return order[selected[0]] if selected else order[chosen]


def worklist_row(name: str, reading: Reading) -> dict[str, str]:
    """One row: the file, each probability with its call, the cardiothoracic ratio, and the warnings."""
    cells = {"File": name}
    for finding in reading.findings:
        column = finding_name(finding.finding)
        cell = _finding_cell(finding)
        cells[column] = f"{cells[column]}, {cell}" if column in cells else cell
    for measurement in reading.measurements:
        ratio = "none" if measurement.value is None else format_ratio(measurement.value)
        cells["Heart ratio"] = f"{ratio}, by hand" if measurement.edited else ratio
    cells["Remark"] = _describe_warnings(reading)
    return cells


def _finding_cell(finding: FindingReading) -> str:
    if finding.probability is None:
        return "no model"
    return f"{CALL_MARKS.get(finding.call or '', '')}{format_percent(finding.probability)}"


def _describe_warnings(reading: Reading) -> str:
    if reading.status == "refused":
        return f"Not read. {reading.reason}"
    sentences = [concern.message for concern in reading.concerns]
    for measurement in reading.measurements:
        sentences += measurement.disagreements
    return " ".join(sentences)
