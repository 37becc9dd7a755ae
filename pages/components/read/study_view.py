"""Lays out a study: the worklist, the chosen film, and the results for it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import streamlit as st

from cxr_core.reading.impression import write_impression
from cxr_core.reading.interpret import interpret, list_not_assessed
from cxr_core.reading.results import Reading
from cxr_core.site.watching import Week, count_reading, is_watching, name_week
from pages.components import cache
from pages.components.feedback.hidden_answers import hide_answers
from pages.components.feedback.panel import VerdictPanel, find_keeper, open_panel
from pages.components.pacs.archive_settings import find_settings
from pages.components.read.cardiothoracic_ratio import (
    apply_edited_ends,
    show_ratio,
    show_ratio_details,
)
from pages.components.read.film_view import (
    offer_corrections,
    show_film_facts,
    show_film_name,
)
from pages.components.read.finding_cards import (
    explain_findings,
    show_findings,
    show_not_assessed,
)
from pages.components.read.page_state import ReadPageState, StudyEntry
from pages.components.read.patient_form import SidebarAnswers, patient_of, show_film_patient
from pages.components.read.prior_film import defer_prior_report, show_film_and_prior
from pages.components.read.quality_flags import show_quality_flags
from pages.components.read.report_downloads import offer_reports
from pages.components.read.worklist import choose_film, show_films, sort_films

FILM = "film"  # of a film itself in `ReadPageState.watched`, beside its findings
OUTLINES_ONLY = "The models are not made for drawings: outlines and CTR alone are shown."


def show_study(state: ReadPageState, answers: SidebarAnswers) -> None:
    """The verdicts on the chosen film beside its picture, and below them what they rest on.

    On a narrow screen the picture stands between the two.
    """
    answered = {key: interpret_entry(state, entry, answers) for key, entry in state.entries.items()}
    watch_readings(state, answered)
    keeper = find_keeper(state)
    readings = hide_answers(state, answered)  # nothing below sees what the reader may not see yet
    # Two containers, as page.css chooses the columns of the inner one by the width of the outer one.
    with st.container(key="study-frame"), st.container(key="study"):
        results = st.container(key="read-findings", gap="small")
        picture = st.container(key="picture")
        details = st.container(key="read-details", gap="small")
    key = choose_film(state, readings)
    entry, reading = state.entries[key], readings[key]
    panel = open_panel(state, keeper, entry, answered[key])
    settings = find_settings()
    with picture:  # before the list: a new row never stands beside an old picture
        if settings is not None:
            # Imported where archives are: these bring highdicom and the network libraries along.
            from pages.components.pacs.arrivals import offer_priors

            offer_priors(state, key, settings)
        show_film_and_prior(state, entry, readings, panel.mark_on_film if panel else None)
    with results:
        show_films(state, readings)
        order = sort_films(state, readings)
        show_results(state, entry, reading, panel, order)
    with details:
        is_hidden = panel is not None and panel.hides_answer
        show_details(state, entry, reading, is_hidden)
        if is_hidden:
            return
        offer_reports(entry, reading, defer_prior_report(state, entry, readings))
        if settings is not None:
            from pages.components.pacs.sending import offer_sending

            offer_sending(state, entry, reading, settings)


def interpret_entry(state: ReadPageState, entry: StudyEntry, answers: SidebarAnswers) -> Reading:
    """The reading of one film for its own patient, with the endpoints that the reader has set."""
    patient = patient_of(state, entry, answers)
    reading = interpret(
        entry.examination, patient, answers.decision, answers.prevalence, answers.site_profile
    )
    if entry.outlines_only:
        reading = _drop_findings(reading)
    reading = apply_edited_ends(state, entry, reading)
    if any(finding.needs_age for finding in reading.findings):
        return _drop_remarks_on_verdicts(reading)
    return reading


def watch_readings(state: ReadPageState, readings: Mapping[str, Reading]) -> None:
    """Add what is new in a study to the site's statistics: each film once, each verdict once it can be given."""
    if not is_watching():
        return
    week = name_week(datetime.now(UTC))
    total = Week(week=week)
    for key, reading in readings.items():
        counts = count_reading(reading, week)
        fresh = [c for c in counts.findings if (key, c.model, c.finding) not in state.watched]
        if (key, FILM) in state.watched:
            counts = Week(week=week)
        total += replace(counts, findings=tuple(fresh))
        state.watched.add((key, FILM))
        state.watched.update((key, c.model, c.finding) for c in fresh)
    cache.site_watcher().add_counts(total)


def _drop_remarks_on_verdicts(reading: Reading) -> Reading:
    """The reading without what is said about verdicts that are not shown."""
    return replace(
        reading,
        concerns=tuple(c for c in reading.concerns if c.code != "unlike_training"),
        measurements=tuple(replace(m, disagreements=()) for m in reading.measurements),
    )


def _drop_findings(reading: Reading) -> Reading:
    """The reading with its measurement alone."""
    names = dict.fromkeys(f.name.lower() for f in reading.findings)
    return replace(
        _drop_remarks_on_verdicts(reading),
        findings=(),
        warnings=(),
        not_assessed=(*names, *list_not_assessed(())),
    )


def show_results(
    state: ReadPageState,
    entry: StudyEntry,
    reading: Reading,
    panel: VerdictPanel | None,
    order: list[str],
) -> None:
    """A film's name and patient, quality flags, verdicts, the ratio, and what was not assessed."""
    show_film_name(state, entry)
    # Each in its own container: a warning that appears or goes does not redraw what follows.
    patient, flags = st.container(gap="xsmall"), st.container(key="read-banners", gap=None)
    findings = st.container(gap="small")
    with patient:
        needs_age = any(finding.needs_age for finding in reading.findings)
        show_film_patient(state, entry, reading.patient, needs_age)
    with flags:
        show_quality_flags(reading)
        offer_corrections(state, entry)
    with findings:
        if panel is not None and panel.hides_answer:
            panel.show_hidden(order)
            show_ratio(state, reading)
        elif reading.status == "read":
            if entry.outlines_only:
                st.markdown(OUTLINES_ONLY)
            with st.container(border=True, gap="small", key="verdicts-on-film"):
                show_findings(reading, panel.show_row if panel else None)
                show_ratio(state, reading)
            if panel is not None:
                panel.show_rest(order)
            show_not_assessed(reading)


def show_details(
    state: ReadPageState, entry: StudyEntry, reading: Reading, is_hidden: bool
) -> None:
    """What the verdicts and the ratio rest on, the impression, and the facts of the file.

    is_hidden: nothing is said that tells the program's answer.
    """
    if is_hidden:
        show_ratio_details(state, entry, reading)
    elif reading.status == "read":
        explain_findings(state, entry, reading)
        show_ratio_details(state, entry, reading)
        st.caption("Impression")
        st.code(write_impression(reading), language=None, wrap_lines=True)
    show_film_facts(entry, reading)
