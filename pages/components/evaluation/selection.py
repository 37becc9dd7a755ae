"""Chooses the evaluation, the finding and the films that the page shows."""

from collections.abc import Sequence

import streamlit as st

from cxr_core.evaluation.store.catalogue import EvaluationRecord, UnreadableEvaluation
from cxr_core.evaluation.store.loaded import LoadedEvaluation
from cxr_core.presentation.wording import finding_name, format_count, split_name
from pages.components.evaluation.address import EVALUATION
from pages.components.evaluation.page_state import EvaluatePageState
from pages.components.markdown import plain
from pages.components.wording import format_day

ALL_VIEWS = "all"
VIEW_NAMES = {ALL_VIEWS: "All films", "PA": "PA views", "AP": "AP views"}


def show_unreadable(evaluations: Sequence[UnreadableEvaluation]) -> None:
    """List the evaluations that cannot be shown, each with the reason."""
    if not evaluations:
        return
    count = format_count(len(evaluations), "evaluations")
    with st.expander(f"{count} cannot be shown", icon=":material/warning:"):
        lines = [f"- {plain(str(each.folder))}: {plain(each.problem)}" for each in evaluations]
        st.markdown("\n".join(lines))


def choose_evaluation(
    state: EvaluatePageState, records: Sequence[EvaluationRecord]
) -> EvaluationRecord:
    """The evaluation that was chosen here, or named in the address, or the newest."""
    folders = [str(record.folder) for record in records]
    requested = state.folder or _find_named(records)
    if requested not in folders:
        name = st.query_params.get(EVALUATION)
        if requested is not None or name is not None:
            lost = (
                f"There is no evaluation {plain(name)}" if name else "That evaluation is not there"
            )
            st.warning(f"{lost} any more. Choose one of these.")
        requested = folders[0]
        state.switch_evaluation(requested)
    state.folder = requested
    titles = dict(zip(folders, title_evaluations(records), strict=True))
    # The browser sends the title that was clicked, which stands for the same evaluation in a list that has grown.
    picked = st.selectbox(
        "Model and films",
        folders,
        index=folders.index(requested),
        format_func=titles.__getitem__,
        key=state.widget_key("evaluation"),
    )
    if picked != requested:
        state.switch_evaluation(picked)
    return records[folders.index(picked)]


def _find_named(records: Sequence[EvaluationRecord]) -> str | None:
    """The folder of the evaluation that the address names; links of earlier versions had the folder itself."""
    name = st.query_params.get(EVALUATION)
    for record in records:
        if name in (record.name, str(record.folder)):
            return str(record.folder)
    return None


def title_evaluations(records: Sequence[EvaluationRecord]) -> list[str]:
    """A line for each evaluation; where two would read the same, its name in the workspace tells them apart."""
    titles = [describe_evaluation(record) for record in records]
    return [
        f"{title} · {record.name}" if titles.count(title) > 1 else title
        for title, record in zip(titles, records, strict=True)
    ]


def choose_finding(
    state: EvaluatePageState, evaluation: LoadedEvaluation
) -> tuple[str, str | None]:
    """The finding, where there are several; and all films or one view's, where both views occur."""
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        state.finding = _ask_finding(state, evaluation)
        state.view = _ask_view(state, evaluation, state.finding)
    return state.finding, state.view


def _ask_finding(state: EvaluatePageState, evaluation: LoadedEvaluation) -> str:
    findings = evaluation.findings
    finding = state.finding if state.finding in findings else findings[0]
    if len(findings) == 1:
        return finding
    picked = st.selectbox(
        "Finding",
        findings,
        index=findings.index(finding),
        format_func=finding_name,
        key=state.widget_key("finding"),
        width=260,
    )
    if picked != finding:
        state.switch_evaluation(str(evaluation.record.folder), picked)
    return picked


def _ask_view(state: EvaluatePageState, evaluation: LoadedEvaluation, finding: str) -> str | None:
    views = evaluation.views(finding)
    view = state.view if state.view in views else None
    if not views:
        return view
    picked = st.segmented_control(
        "Films",
        [ALL_VIEWS, *views],  # None would mean that nothing is selected
        default=view or ALL_VIEWS,
        required=True,
        format_func=lambda name: VIEW_NAMES.get(name, name),
        key=state.widget_key("view"),
        help="PA: the X-ray beam passes from back to front. AP: from front to back, often in bed; there the heart "
        "looks wider.",
    )
    chosen = None if picked == ALL_VIEWS else picked
    if chosen != view:
        state.switch_evaluation(str(evaluation.record.folder), finding, chosen)
    return chosen


def describe_evaluation(record: EvaluationRecord) -> str:
    """An evaluation in a line: model, split, data, films, day."""
    head = record.head
    run = f"run {record.run}, " if record.run else ""
    data = " + ".join(folder.name for folder in record.data_folders) or "unnamed data"
    films, day = format_count(head.data.films, "films"), format_day(head.made)
    return (
        f"{run}{head.model} {head.version} · {split_name(head.split)} of {data} · {films} · {day}"
    )


def name_evaluations(records: Sequence[EvaluationRecord]) -> list[str]:
    """Short names that tell evaluations apart."""
    names = []
    for record in records:
        model = f"{record.head.model} {record.head.version}"
        names.append(f"{record.run}: {model}" if record.run else model)
    unique_names = []
    for name, record in zip(names, records, strict=True):
        if names.count(name) > 1:
            name = f"{name} ({record.folder.name}, {format_day(record.head.made)})"
        unique_names.append(name)
    return unique_names
