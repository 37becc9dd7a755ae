"""The cross-validations of the workspace: how far their folds are, the figures of each, and the pooled ones."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from cxr_core.jobs.job import Job
from cxr_core.jobs.status import find_evaluation
from cxr_core.presentation.wording import finding_in_sentence, finding_name, format_count
from cxr_core.training.sweeps.folds import (
    CrossValidation,
    list_cross_validations,
    read_fold_figures,
    read_pooled_figures,
)
from pages.components.error_boundary import keep_error, show_errors
from pages.components.markdown import plain
from pages.components.session import evaluate_page_state
from pages.components.training.job_state import state_badge
from pages.components.training.page_state import TrainPageState

SHOWN = 5  # the newest


def show_cross_validations(state: TrainPageState, runs: Sequence[Job]) -> None:
    """The newest cross-validations, a row each; open one to see its folds."""
    by_folder = {run.folder: run for run in runs}
    for cross_validation in list_cross_validations(SHOWN):
        with show_errors():
            _show_one(state, cross_validation, by_folder)


def _show_one(
    state: TrainPageState, cross_validation: CrossValidation, runs: dict[Path, Job]
) -> None:
    folds = [runs.get(folder) for folder in cross_validation.runs]
    pooling = find_evaluation(cross_validation.folder)
    pooled = read_pooled_figures(cross_validation)
    done = sum(run is not None and run.state == "finished" for run in folds)
    summary = f"{done} of {format_count(len(folds), 'folds')} trained"
    if pooled:
        summary = "; ".join(
            f"{finding_name(figure.finding)} {figure.text}, {figure.positives:,} of {figure.n:,} positive"
            for figure in pooled
        )
        summary = f"out-of-fold AUROC: {summary}"
    title = f"Cross-validation **{plain(cross_validation.name)}** :gray[· {plain(summary)}]"
    box = st.expander(
        title,
        icon=":material/call_split:",
        key=f"cross-validation-{cross_validation.name}",
        on_change="rerun",
    )
    if not box.open:  # the figures of its folds are read when somebody looks
        return
    with box:
        _show_folds(cross_validation, folds, [figure.finding for figure in pooled])
        if pooling is not None and pooling.state not in ("finished",):
            st.caption(f"Pooled evaluation: {plain(pooling.sentence)}")
        _offer_actions(state, cross_validation, folds, pooling, bool(pooled))


def _show_folds(
    cross_validation: CrossValidation, folds: Sequence[Job | None], findings: Sequence[str]
) -> None:
    """A row for each fold: its run, the run's state, and AUROC on its held-out films."""
    findings = findings or list(cross_validation.recipe.findings)
    figures = {key: read_fold_figures(cross_validation, key) for key in findings}
    rows = []
    for number, (folder, run) in enumerate(zip(cross_validation.runs, folds, strict=True), 1):
        row = {
            "Fold": str(number),
            "Run": plain(folder.name),
            "State": state_badge(run) if run else "deleted",
        }
        for key, values in figures.items():
            figure = values[number - 1]
            row[f"AUROC, {finding_in_sentence(key)}"] = figure.text if figure else ""
        rows.append(row)
    st.table(rows, border="horizontal", hide_header=False, hide_index=True)


def _offer_actions(
    state: TrainPageState,
    cross_validation: CrossValidation,
    folds: Sequence[Job | None],
    pooling: Job | None,
    is_pooled: bool,
) -> None:
    name = cross_validation.name
    waits = any(run is not None and run.active for run in folds)
    waits = waits or (pooling is not None and pooling.active)
    with st.container(horizontal=True, gap="small"):
        if not is_pooled and (not waits or any(_has_stopped(run) for run in folds)):
            st.button(
                "Continue",
                type="primary",
                icon=":material/play_arrow:",
                key=f"continue-{name}",
                on_click=_continue,
                args=(state, cross_validation, folds),
                help="Resumes the folds that have stopped, then evaluates all held-out films.",
            )
        if is_pooled and st.button(
            "Open its evaluation", icon=":material/monitoring:", key=f"open-{name}"
        ):
            evaluate_page_state().switch_evaluation(str(cross_validation.folder))
            st.switch_page("pages/evaluate.py")
        st.button(
            "Select its runs",
            icon=":material/checklist:",
            key=f"select-{name}",
            on_click=state.select_runs,
            args=(tuple(run.id for run in folds if run is not None),),
        )


def _has_stopped(run: Job | None) -> bool:
    """Whether a fold was deleted, or ended before it was finished."""
    return run is None or "resume" in run.actions


def _continue(
    state: TrainPageState, cross_validation: CrossValidation, folds: Sequence[Job | None]
) -> None:
    from cxr_core.jobs.sweeps import submit_cross_validation

    device = next((run.device for run in folds if run is not None and run.device), "auto")
    with keep_error(state):
        submit_cross_validation(cross_validation, device)
        state.message = f"{cross_validation.name} goes on."
