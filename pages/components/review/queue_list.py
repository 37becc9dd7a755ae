"""The review queue as a list, and what fills it: a model's evaluation, measured hearts, and readers who differ."""

from typing import cast

import streamlit as st

from cxr_core.access.actor import Role
from cxr_core.access.permission import require_role
from cxr_core.evaluation.store.catalogue import EvaluationRecord, list_records
from cxr_core.feedback.projects import Project
from cxr_core.feedback.readers import RegisteredReader
from cxr_core.feedback.review.candidates import REASONS
from cxr_core.feedback.review.queue import Case, QueuePage, list_queue, load_case
from cxr_core.presentation.wording import finding_name, format_count, format_percent
from pages.components import cache
from pages.components.background_tasks import BackgroundTask
from pages.components.error_boundary import show_errors
from pages.components.evaluation.selection import title_evaluations
from pages.components.markdown import plain
from pages.components.review.page_state import QUEUE, ReviewPageState
from pages.components.selectable_table import (
    SelectableRow,
    SelectableTable,
    TableColumn,
    show_selectable_table,
)

PAGE = 50
POLL_S = 1.0
SHORT_REASONS = {
    "label_and_ratio": "label and heart",
    "label_and_model": "label and model",
    "reader_and_model": "reader and model",
    "reader_and_reader": "two readers",
    "unsure_reader": "reader unsure",
    "unsure_model": "model unsure",
}
COLUMNS = (
    TableColumn(name="Film", help="The first digits of the hash of its pixels"),
    TableColumn(name="Finding"),
    TableColumn(name="View"),
    TableColumn(name="Why", help="Between whom there is a disagreement, or who is not sure"),
    TableColumn(
        name="Value",
        help="How likely label or verdict is wrong, as far as the evidence says; for films that nothing contradicts "
        "half of how unsure the model is",
        is_number=True,
    ),
    TableColumn(name="Wanted", help="Readers who are still needed", is_number=True),
)


def show_queue(state: ReviewPageState, project: Project, reader: RegisteredReader) -> None:
    """A page of the open cases; a click on one displays its film. Below it what fills the queue."""
    total = _show_cases(state, project, reader)
    with st.expander("Fill the queue", icon=":material/playlist_add:", expanded=not total):
        _offer_filling(state, project)


@st.fragment
@show_errors()
def _show_cases(state: ReviewPageState, project: Project, reader: RegisteredReader) -> int:
    """A page of the open cases, turned over without the rest of the page. Returns how many cases the queue has."""
    if state.tab != QUEUE:
        st.rerun()  # a case was clicked, and is read elsewhere on the page
    page = list_queue(project, after=state.queue_starts[-1], count=PAGE, reader=reader.id)
    if page.total:
        st.markdown(
            f"**{page.open:,} of {format_count(page.total, 'cases')} open** "
            ":gray[· the most valuable first · click one to read it]"
        )
        _show_table(state, project, reader, page)
        _offer_pages(state, page)
    return page.total


def _show_table(
    state: ReviewPageState, project: Project, reader: RegisteredReader, page: QueuePage
) -> None:
    cases = {f"{case.film}/{case.finding}": case for case in page.cases}

    @show_errors()
    def choose(ids: tuple[str, ...]) -> None:
        case = cases.get(ids[-1]) if ids else None
        if case is not None:
            state.show_case(load_case(project, case.film, case.finding, reader.id))

    show_selectable_table(
        SelectableTable(
            columns=COLUMNS,
            rows=tuple(
                SelectableRow(id=key, cells=_list_cells(case)) for key, case in cases.items()
            ),
            label="Cases of the review queue",
            limit=1,
        ),
        (),
        key=state.widget_key("queue"),
        on_select=choose,
        on_sort=lambda column: None,
    )


def _list_cells(case: Case) -> tuple[str, ...]:
    # That the model is not sure goes without saying where something contradicts it.
    codes = [code for code in case.reasons if code != "unsure_model"] or case.reasons
    reasons = ", ".join(SHORT_REASONS.get(code, code) for code in codes)
    hidden = "hidden until you have read it" if case.value is None else ""
    return (
        case.pixels_sha256[:8],
        finding_name(case.finding),
        case.properties.view or "–",
        reasons or hidden or "–",
        "" if case.value is None else format_percent(case.value),
        str(case.missing),
    )


def _offer_pages(state: ReviewPageState, page: QueuePage) -> None:
    is_first = len(state.queue_starts) == 1
    if is_first and page.after is None:
        return
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Earlier",
            icon=":material/chevron_left:",
            key=state.widget_key("earlier"),
            disabled=is_first,
            on_click=state.turn_back,
        )
        st.button(
            "Later",
            icon=":material/chevron_right:",
            key=state.widget_key("later"),
            disabled=page.after is None,
            on_click=state.queue_starts.append,
            args=(page.after,),
        )


def _offer_filling(state: ReviewPageState, project: Project) -> None:
    """Readers' verdicts fill every queue; of a dataset's labels a model's evaluation does too."""
    task = cache.background_tasks().find(_task_key(project))
    if task is not None:
        if task.is_running:
            watch_task(task, "filling the queue")
            return
        _show_outcome(state, task)
    evaluation, measure = _ask_evidence(state, project) if project.dataset else (None, False)
    st.button(
        "Fill the queue",
        type="primary",
        icon=":material/playlist_add:",
        key=state.widget_key("fill"),
        disabled=bool(project.dataset) and evaluation is None,
        help="Cases that were judged keep their verdicts.",
        on_click=show_errors()(_start_filling),
        args=(state, project, evaluation, measure),
    )
    kinds = [REASONS[code] for code in REASONS if project.dataset or "reader" in code]
    st.caption(plain(f"The queue holds, the most valuable first: {' '.join(kinds)}"))


def _ask_evidence(state: ReviewPageState, project: Project) -> tuple[EvaluationRecord | None, bool]:
    records = [
        record for record in list_records()[0] if set(record.findings) & set(project.findings)
    ]
    if not records:
        st.markdown(
            "No evaluation answers what this project judges. Evaluate a model on "
            f"{plain(project.dataset)} first, on films that it was not trained on."
        )
        st.page_link("pages/evaluate.py", label="Evaluate", icon=":material/arrow_forward:")
        return None, False
    titles = title_evaluations(records)
    place = st.selectbox(
        "A model's answers",
        range(len(records)),
        format_func=titles.__getitem__,
        key=state.widget_key("evidence"),
        help="On films that it was not trained on: a model remembers the labels of its training films, right or wrong.",
    )
    measure = "cardiomegaly" in project.findings and st.checkbox(
        "Also measure the hearts, and compare labels of cardiomegaly with them",
        key=state.widget_key("measure"),
    )
    return records[place], measure


def _start_filling(
    state: ReviewPageState, project: Project, record: EvaluationRecord | None, measure: bool
) -> None:
    require_role(Role.RESEARCHER, "the review queue")

    def fill(task: BackgroundTask) -> tuple[int, tuple[str, ...]]:
        return fill_project(task, project, record, measure)

    task = cache.background_tasks().start(_task_key(project), fill, project.name)
    task.wait(POLL_S)
    state.start_queue()


def fill_project(
    task: BackgroundTask, project: Project, record: EvaluationRecord | None, measure: bool
) -> tuple[int, tuple[str, ...]]:
    """Fill a project's queue. Returns its length, and what to know about it."""
    from cxr_core.evaluation.store.loaded import load_evaluation
    from cxr_core.feedback.review.dataset_review import fill_from_evaluation
    from cxr_core.feedback.review.measured_hearts import measure_hearts
    from cxr_core.feedback.review.queue import fill_queue, find_reader_candidates

    if record is None:
        return fill_queue(project, find_reader_candidates(project)), ()
    ratios = None
    if measure:
        ratios = measure_hearts(
            project, lambda done, total: task.report_progress("measuring hearts", done, total)
        )
    filled = fill_from_evaluation(project, load_evaluation(record), ratios)
    return filled.cases, filled.notes


@st.fragment(run_every=POLL_S)
@show_errors()
def watch_task(task: BackgroundTask, purpose: str) -> None:
    """The progress of a task; the page reruns once when it is done. purpose: what is said before its first stage."""
    if not task.is_running:
        st.rerun()
    count = f": {task.done:,} of {task.total:,}" if task.total > 1 else ""
    st.progress(task.share_done, text=f"{(task.stage or purpose).capitalize()}{count}")
    st.button("Cancel", on_click=task.cancel, disabled=task.is_cancelled)


def _show_outcome(state: ReviewPageState, task: BackgroundTask) -> None:
    cache.background_tasks().dismiss(task)
    if task.error:
        st.error(plain(task.error))
    elif task.result is not None:
        cases, notes = cast(tuple[int, tuple[str, ...]], task.result)
        st.success(f"{format_count(cases, 'cases')} in the queue.")
        for note in notes:
            st.caption(plain(note))


def _task_key(project: Project) -> str:
    return f"fill queue {project.id}"
