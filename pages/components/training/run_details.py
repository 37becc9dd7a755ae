"""Shows one run in detail: its outcome, figures and curves, and what can be done with it."""

from collections.abc import Sequence

import streamlit as st

from cxr_core.errors import SilhouetteError
from cxr_core.jobs import actions
from cxr_core.jobs.job import Job
from cxr_core.presentation.wording import FITTED_HERE, finding_in_sentence, format_count
from cxr_core.training.runs.compare import read_data_folders
from cxr_core.training.runs.figures import FIGURE_LABELS, RunFigure, collect_figures
from cxr_core.training.runs.run_files import made_without_training, recipe_file
from pages.components.error_boundary import show_errors
from pages.components.markdown import plain
from pages.components.training.job_state import (
    dataset_names,
    name_data,
    state_badge,
    time_taken,
)
from pages.components.training.live_runs import (
    apply_action,
    describe_progress,
    describe_rates,
    read_run_progress,
    show_log,
    show_progress_charts,
)
from pages.components.training.page_state import TrainPageState
from pages.components.training.publishing import show_publishing
from pages.components.training.run_annotation import show_annotation
from pages.components.training.worst_films import show_worst_films
from pages.components.wording import format_timestamp


def show_run_details(state: TrainPageState, run: Job, known_tags: Sequence[str]) -> None:
    """Facts, notes, actions, figures, curves and log; for a finished run also how to publish it.

    known_tags: those of all runs.
    """
    st.markdown(f"### {plain(run.name)} {state_badge(run)}")
    st.markdown(plain(run.sentence))
    details = [f":gray[{name}] {plain(value)}" for name, value in _list_facts(run) if value]
    st.markdown(" · ".join(details))
    show_annotation(state, run, known_tags)
    _offer_actions(state, run)
    if run.live:
        st.caption("It is running; its curves are above.")
        return
    progress = read_run_progress(state, run)
    last = " · ".join(filter(None, (describe_progress(progress), describe_rates(progress))))
    if last and run.state not in ("finished", "queued"):
        st.caption(f"When it ended: {plain(last)}")
    with show_errors():
        _show_figures(collect_figures(run.folder))
    show_progress_charts(f"run-{run.id}", progress)
    with show_errors():
        show_worst_films(run)
    show_log(progress)
    if run.state == "finished":
        with show_errors():
            show_publishing(state, run)


def _list_facts(run: Job) -> list[tuple[str, str]]:
    device = f"{run.device}, {run.processes} processes" if run.processes > 1 else run.device
    return [
        ("folder", run.id if run.name != run.id else ""),
        ("recipe", run.recipe),
        ("model", run.model),
        ("data", ", ".join(name_data(run.data, dataset_names()))),
        ("device", device),
        ("started", format_timestamp(run.started or run.submitted)),
        ("took", time_taken(run)),
        ("cloned from", run.retry_of),
        ("", "started from a shell" if run.by_hand else ""),
    ]


def _offer_actions(state: TrainPageState, run: Job) -> None:
    with st.container(horizontal=True, gap="small"):
        if "resume" in run.actions:
            st.button(
                "Resume",
                type="primary",
                icon=":material/play_arrow:",
                key=f"resume-{run.id}",
                on_click=apply_action,
                args=(state, actions.resume_run, run.id),
                help="Continues from its last complete checkpoint, or from the start if there is none.",
            )
        if "retry" in run.actions:
            st.button(
                "Clone with changes",
                icon=":material/content_copy:",
                key=f"retry-{run.id}",
                on_click=apply_action,
                args=(state, _prefill_clone, state, run),
                help="Fills in the form with this run's recipe and data. This run stays as it is.",
            )
        elif made_without_training(run.folder):
            st.caption("This model was made without training; clone the run that trained it.")
        if "delete" in run.actions:
            st.button(
                "Delete",
                icon=":material/delete:",
                key=f"delete-{run.id}",
                on_click=state.ask_to_delete,
                args=(run.id,),
            )
    if state.deleting == run.id:
        state.deleting = ""
        confirm_deletion(state, run)


def _prefill_clone(state: TrainPageState, run: Job) -> None:
    from cxr_core.training.recipe.recipe_file import load_recipe

    recipe = load_recipe(recipe_file(run.folder))
    state.prefill_clone(run, recipe, run.data or read_data_folders(run.folder))


@st.dialog("Delete this run?")
@show_errors()
def confirm_deletion(state: TrainPageState, run: Job) -> None:
    """Ask before a run's folder is deleted."""
    st.markdown(
        f"**{plain(run.name)}** is deleted for good: its checkpoints, its model, its curves and its log."
    )
    with st.container(horizontal=True, gap="small"):
        confirmed = st.button(
            "Delete it",
            icon=":material/delete:",
            key=f"sure-delete-{run.id}",
            on_click=_delete,
            args=(state, run),
        )
        declined = st.button("Keep it", key=f"keep-{run.id}")
    if confirmed or declined:
        st.rerun()


def _delete(state: TrainPageState, run: Job) -> None:
    try:
        actions.delete_run(run.id)
    except SilhouetteError as error:
        state.error = str(error)
        return
    state.select_runs(tuple(selected for selected in state.selected_runs if selected != run.id))
    state.message = f"{run.id} was deleted."


def _show_figures(figures: Sequence[RunFigure]) -> None:
    if not figures:
        return
    empty = {_column(figure.split): "" for figure in figures}
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for figure in figures:
        label = FIGURE_LABELS[figure.name]
        if figure.finding:
            label += f", {finding_in_sentence(figure.finding)}"
        row = rows.setdefault((figure.finding, figure.name), {"Figure": label, **empty})
        row[_column(figure.split)] = figure.text + _describe_count(figure)
    st.markdown("**Performance** :gray[:small[with 95 % intervals from resampled patients]]")
    st.table(list(rows.values()), border="horizontal", hide_header=False, hide_index=True)


def _column(split: str) -> str:
    return f"On {split} films"


def _describe_count(figure: RunFigure) -> str:
    if figure.n is None:
        return ""
    if figure.positives is None:
        return f" · {format_count(figure.n, 'films')}"
    count = f" · {figure.positives:,} of {figure.n:,}"
    # Validation films chose the calibration, so its error on them says little.
    is_fitted_here = figure.split == "validation" and figure.name == "ece"
    return f"{count}, {FITTED_HERE}" if is_fitted_here else count
