"""Starts an evaluation from the page, and shows the progress of running evaluations and how they ended."""

from pathlib import Path

import streamlit as st

from cxr_core.data.registry import list_datasets
from cxr_core.data.subsets import list_subsets
from cxr_core.evaluation.store.folder import METRICS
from cxr_core.jobs import actions, status
from cxr_core.jobs.files import list_run_folders
from cxr_core.jobs.job import Job
from cxr_core.jobs.records import EvaluationRequest
from cxr_core.jobs.scheduler import ensure_scheduler
from cxr_core.models.registry.registry import list_active_versions
from cxr_core.presentation.wording import split_name
from pages.components.error_boundary import keep_error, show_errors, show_outcome
from pages.components.evaluation.methods import METHOD_HELP, METHODS
from pages.components.evaluation.page_state import EvaluatePageState
from pages.components.markdown import plain
from pages.components.page_links import link_to_data_page

SPLITS = ("test", "val", "train")
FIRST_MODEL = "cardiomegaly-adults"  # preselected where it is installed
NO_RECALIBRATION = "none"
POLL_S = 1.0
ENDED_ICONS = {
    "failed": ":material/error:",
    "stopped": ":material/stop_circle:",
    "interrupted": ":material/warning:",
}


def show_introduction(state: EvaluatePageState) -> None:
    """The page before anything has been evaluated."""
    first_step = "choose a model and a dataset" if list_datasets() else "add a dataset"
    st.markdown(
        "**No evaluation yet.** Here a model is measured on films with known labels: how well it tells them apart, "
        f"for which patients, and which films it gets wrong. First {first_step}."
    )
    offer_evaluation(state)


def show_evaluation_jobs(state: EvaluatePageState) -> None:
    """Evaluations that wait or run, and those that ended without figures; one that this tab saw run is opened."""
    ensure_scheduler()  # what waited when the machine was switched off starts again
    jobs = status.list_evaluations()
    for job in jobs:
        if job.state == "finished" and str(job.folder) in state.running_folders:
            state.switch_evaluation(str(job.folder))
            state.message = f"Finished: {job.title}."
    active = [job for job in jobs if job.active]
    state.running_folders = {str(job.folder) for job in active}
    show_outcome(state)
    for job in jobs:
        if job.state in ENDED_ICONS:
            _show_ended(job)
    if active:
        _watch_active(state)


def offer_evaluation(state: EvaluatePageState) -> None:
    """Ask for a model, a dataset, a split, a recalibration and whose films; start the evaluation."""
    models = [active.folder.parent.name for active in list_active_versions()]
    runs = sorted(str(run) for run in list_run_folders() if (run / "model" / "card.json").is_file())
    datasets = [dataset.name for dataset in list_datasets()]
    subsets = [each for each in list_subsets() if each.record.dataset in datasets]
    data_names = {name: name for name in datasets}
    data_names |= {
        each.reference: f"subset {each.name} of {each.record.dataset}" for each in subsets
    }
    with st.container(horizontal=True, gap="medium"):
        model = st.selectbox(
            "Model",
            [*models, *runs],
            index=models.index(FIRST_MODEL) if FIRST_MODEL in models else 0,
            format_func=lambda name: f"run {Path(name).name}" if name in runs else name,
            key="evaluate-new-model",
            width=280,
        )
        data = st.selectbox(
            "Dataset",
            list(data_names),
            format_func=lambda name: data_names.get(name, name),
            key="evaluate-new-data",
            width=320,
            placeholder="none is registered",
            help="Datasets and subsets of the Data page.",
        )
        split = st.selectbox(
            "Split", SPLITS, format_func=split_name, key="evaluate-new-split", width=200
        )
        method = st.selectbox(
            "Recalibration",
            [NO_RECALIBRATION, *METHODS],
            format_func=lambda name: METHODS.get(name, "None"),
            key="evaluate-new-method",
            width=200,
            help="Fitted on 30 % of the patients, measured on the others, and reported separately.",
        )
    recalibrate = method if method in METHODS else ""
    if recalibrate:
        st.caption(METHOD_HELP[recalibrate])
    outside = st.toggle(
        "Also measure films outside the intended population",
        key="evaluate-new-outside",
        help="An evaluation keeps to the patients whom the model is for and counts the other films. With this, the "
        "others are measured too and reported separately.",
    )
    if split == "test":
        st.caption(
            "Each evaluation on a test split is counted, and so is this one. Choosing between models by the same test "
            "films again and again fits the choice to them."
        )
    if model and data and split:
        request = EvaluationRequest(
            model=model,
            data=(data,),
            split=split,
            recalibrate=recalibrate,
            outside_population=outside,
        )
        _offer_start(state, request)
    else:
        link_to_data_page()


def _offer_start(state: EvaluatePageState, request: EvaluationRequest) -> None:
    folder = actions.evaluation_folder(request)
    job = status.find_evaluation(folder)
    is_active = job is not None and job.active
    st.button(
        "Evaluate",
        icon=":material/play_arrow:",
        type="primary",
        key="evaluate-new-start",
        disabled=is_active,
        on_click=_start,
        args=(state, request),
        help="Runs in a process of its own. This page may be closed meanwhile.",
    )
    if is_active:
        st.caption(
            "This evaluation is already queued or running; its progress is at the top of the page."
        )
    elif (folder / METRICS).is_file():
        st.caption("This evaluation exists already; the new one replaces it.")


def _start(state: EvaluatePageState, request: EvaluationRequest) -> None:
    with keep_error(state):
        job = actions.submit_evaluation(request)
        state.running_folders.add(str(job.folder))


@st.fragment(run_every=POLL_S)
@show_errors()
def _watch_active(state: EvaluatePageState) -> None:
    """The progress of those that wait or run; the page runs once when one has ended."""
    active = [job for job in status.list_evaluations() if job.active]
    if {str(job.folder) for job in active} != state.running_folders:
        st.rerun()
    for job in active:
        with st.container(horizontal=True, vertical_alignment="center"):
            progress = job.progress
            share = min(1.0, progress.done / progress.total) if progress.total else 0.0
            st.progress(
                share,
                text=f"Evaluating {plain(job.title)}: {plain(describe_evaluation_progress(job))}",
            )
            st.button(
                "Stop",
                key=f"stop-{job.folder}",
                on_click=_stop,
                args=(state, job),
                disabled=not job.actions & {"stop", "force_stop"},
            )


def describe_evaluation_progress(job: Job) -> str:
    """The progress of an evaluation that waits or runs: `reading films, 1,200 of 4,700`."""
    progress = job.progress
    if progress.total and job.state in ("starting", "running"):
        return f"{progress.stage}, {progress.done:,} of {progress.total:,}"
    return "starting …" if job.state in ("starting", "running") else job.sentence


def _stop(state: EvaluatePageState, job: Job) -> None:
    with keep_error(state):
        if "force_stop" in job.actions:
            actions.force_stop_job(job.id)
        else:
            actions.stop_job(job.id)


def _show_ended(job: Job) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        show = st.error if job.state == "failed" else st.warning
        show(f"Evaluating {plain(job.title)}: {plain(job.sentence)}", icon=ENDED_ICONS[job.state])
        st.button(
            "Dismiss",
            key=f"dismiss-{job.folder}",
            on_click=actions.dismiss_evaluation,
            args=(job.id,),
        )
