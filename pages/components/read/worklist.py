"""Shows the worklist: the most suspicious film first, films that were not read at the end, one of them on display."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import streamlit as st

from cxr_core.findings import sort_for_display
from cxr_core.presentation.wording import (
    call_name,
    finding_name,
    format_age,
    format_count,
    format_ratio,
)
from cxr_core.reading.patient import AGE_GROUP_NAMES, Patient
from cxr_core.reading.results import FindingReading, Reading
from pages.components.markdown import plain
from pages.components.read.page_state import ReadPageState
from pages.components.worklist_table import Cell, WorklistRow, show_worklist

NO_MODEL = Cell(text="no model", tone="none")
AGE_NEEDED = Cell(text="age needed", tone="none")
SHORT_UNITS = {"ye": "y", "mo": "mo", "we": "wk", "da": "d"}
# A spreadsheet takes a text that begins with one of these for a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def choose_film(state: ReadPageState, readings: Mapping[str, Reading]) -> str:
    """The key of the film to display: the chosen one, else the most suspicious."""
    if state.chosen_key not in readings:
        state.chosen_key = sort_films(state, readings)[0]
    return state.chosen_key or ""


def sort_films(state: ReadPageState, readings: Mapping[str, Reading]) -> list[str]:
    """The films' keys, most suspicious first; after those that wait for an age, those that were not read.

    In the order in which they came while any answer is hidden, which the order would tell.
    """
    if state.feedback.hidden:
        return sorted(readings, key=lambda key: readings[key].status == "refused")
    return sorted(
        readings, key=lambda key: (readings[key].status == "refused", -readings[key].suspicion)
    )


def show_films(state: ReadPageState, readings: Mapping[str, Reading]) -> None:
    """The list of the study's films, where there are several."""
    order = sort_films(state, readings)
    if len(order) < 2:
        return
    refused = sum(reading.status == "refused" for reading in readings.values())
    end = f" · {refused} not read, at the end" if refused else ""
    rule = "in the order they came" if state.feedback.hidden else "most suspicious first"
    findings = list_findings(readings)
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.markdown(
            f"**Worklist** :gray[· {format_count(len(order), 'films')}, {rule}{end}]",
            width="content",
        )
        st.download_button(
            "CSV",
            data=partial(write_csv, state, readings, order),
            file_name="worklist.csv",
            mime="text/csv",
            type="tertiary",
            icon=":material/download:",
            help="The list as a table for a spreadsheet.",
            key=state.widget_key("worklist-csv"),
        )
    notes = dict.fromkeys(note for each in readings.values() for note in _list_site_notes(each))
    if notes:
        st.caption(plain(" ".join(notes)))
    show_worklist(
        ["File", "Age", "View", "CTR", *map(finding_name, findings)],
        [build_row(state, key, readings[key], findings) for key in order],
        state.chosen_key or order[0],
        state.widget_key("worklist"),
        on_choose=state.choose_entry,
        on_mark=state.toggle_read_mark,
    )


def list_findings(readings: Mapping[str, Reading]) -> list[str]:
    """The findings of all films, each once, in the order of the page."""
    return sort_for_display(
        {finding.finding for reading in readings.values() for finding in reading.findings}
    )


def build_row(
    state: ReadPageState, key: str, reading: Reading, findings: Sequence[str]
) -> WorklistRow:
    """One film's row: its name, patient, verdicts and CTR, and below the name why it was not read or a remark."""
    entry = state.entries[key]
    texts = (
        entry.name,
        format_patient_age(reading.patient),
        reading.patient.view or "–",
        _format_ratio(reading),
    )
    verdicts = [_find_cell(reading, finding) for finding in findings]
    return WorklistRow(
        key=key,
        jpeg=entry.thumbnail,
        cells=(*(Cell(text=text) for text in texts), *verdicts),
        note=" ".join(_list_notes(state, key, reading)),
        suspected=any(f.call == "present" and not f.needs_age for f in reading.findings),
        read=key in state.read_marks,
    )


def format_patient_age(patient: Patient) -> str:
    """The age in short, `57 y` or `8 mo`; the age group where only that is known; a dash where nothing is."""
    if patient.age_years is not None:
        number, unit = format_age(patient.age_years).split()
        return f"{number} {SHORT_UNITS[unit[:2]]}"
    return AGE_GROUP_NAMES[patient.age_group] if patient.age_group else "–"


def write_csv(state: ReadPageState, readings: Mapping[str, Reading], order: Sequence[str]) -> bytes:
    """The list as CSV in UTF-8: a line for each film, with verdicts, probabilities and the ratio with its interval.

    A number that the page does not show is not in it. What the profile of the site did stands in columns of its own,
    where one is installed.
    """
    findings = list_findings(readings)
    header = ["file", "age_years", "view", "status", "note"]
    for finding in findings:
        header += [f"{finding}_verdict", f"{finding}_probability"]
    noted = [finding for finding in findings if _has_site_notes(readings, finding)]
    header += [f"{finding}_site_profile" for finding in noted]
    header += ["ctr", "ctr_low", "ctr_high", "read"]
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(header)
    for key in order:
        values = _list_values(state, key, readings[key], findings, noted)
        table.writerow([_guard(value) for value in values])
    return text.getvalue().encode("utf-8-sig")


def _has_site_notes(readings: Mapping[str, Reading], finding: str) -> bool:
    found = (_find_finding(reading, finding) for reading in readings.values())
    return any(each is not None and each.site is not None for each in found)


def _list_values(
    state: ReadPageState,
    key: str,
    reading: Reading,
    findings: Sequence[str],
    noted: Sequence[str],
) -> Iterator[object]:
    patient = reading.patient
    yield from (state.entries[key].name, patient.age_years, patient.view, reading.status)
    yield " ".join(_list_notes(state, key, reading))
    for finding in findings:
        known = _find_finding(reading, finding)
        if known is None or known.probability is None or known.needs_age:
            yield from ("", "")
        else:
            number = "" if known.is_withheld else f"{known.probability:.4f}"
            yield from (call_name(known.call), number)
    for finding in noted:
        known = _find_finding(reading, finding)
        shown = known is not None and known.shows_number
        yield known.site.describe() if known is not None and known.site and shown else ""
    for name in ("value", "low", "high"):
        numbers = [getattr(measurement, name) for measurement in reading.measurements]
        yield next((round(number, 3) for number in numbers if number is not None), None)
    yield "yes" if key in state.read_marks else "no"


def _guard(value: object) -> object:
    """A value for a spreadsheet; text that it would take for a formula begins with an apostrophe."""
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value


def _find_finding(reading: Reading, key: str) -> FindingReading | None:
    return next((each for each in reading.findings if each.finding == key), None)


def _find_cell(reading: Reading, key: str) -> Cell:
    """The verdict on a finding."""
    finding = _find_finding(reading, key)
    if finding is None:
        return Cell(text="–", tone="none")
    if finding.call is None:
        return NO_MODEL
    if finding.needs_age:
        return AGE_NEEDED
    return Cell(text=call_name(finding.call), tone=finding.call)


def _format_ratio(reading: Reading) -> str:
    for measurement in reading.measurements:
        if measurement.value is not None:
            edited = " (edited)" if measurement.edited else ""
            return f"{format_ratio(measurement.value)}{edited}"
    return "–"


def _list_site_notes(reading: Reading) -> Iterator[str]:
    """That the site's profile recalibrated findings of a film, or could not be used."""
    if reading.site_profile is not None and reading.site_profile.problem:
        yield reading.site_profile.problem
    for finding in reading.findings:
        if finding.site is not None and finding.shows_number:
            if finding.site.calibration is not None:
                yield f"{finding.name} {finding.site.describe_probability()}."
            elif finding.site.reason:
                yield f"{finding.name}: {finding.site.reason}"


def _list_notes(state: ReadPageState, key: str, reading: Reading) -> Iterator[str]:
    """Why a film was not read, and which one it repeats."""
    if reading.status == "refused":
        yield f"Not read: {reading.reason}"
    twins = [
        other.name
        for other_key, other in state.entries.items()
        if other_key != key and other.examination.sha256 == reading.sha256
    ]
    if twins:
        yield f"The same file as {twins[0]}."
