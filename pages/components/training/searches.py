"""The searches of the workspace: how far each is, its best trial, what settings matter, and every trial in a chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import plotly.graph_objects as go
import streamlit as st

from cxr_core.errors import ScaleError
from cxr_core.evaluation.charts.base import make_figure
from cxr_core.jobs import actions
from cxr_core.jobs.job import Job
from cxr_core.jobs.status import list_search_jobs
from cxr_core.presentation.palette import BLUE
from cxr_core.presentation.wording import (
    format_count,
    format_exact_threshold,
    training_curve_name,
)
from pages.components.error_boundary import keep_error, show_errors
from pages.components.markdown import plain
from pages.components.training.job_state import state_badge
from pages.components.training.live_runs import apply_action
from pages.components.training.page_state import TrainPageState

if TYPE_CHECKING:
    from cxr_core.scale.search.results import SearchResults, TrialResult
    from cxr_core.scale.search.search_folder import SearchFolder
    from cxr_core.scale.search.space import Choice

SHOWN = 5  # the newest
POLL_S = 5.0
IMPORTANCE_HEIGHT, SHOWN_TRIALS = 200, 50
CHART_CONFIG = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}


def show_searches(state: TrainPageState) -> None:
    """The newest searches, a row each; those that run are looked at again every few seconds."""
    jobs = {job.folder: job for job in list_search_jobs()}
    folders = _list_folders(jobs)
    if not folders:
        return
    is_active = any(job.active for job in jobs.values())

    @st.fragment(run_every=POLL_S if is_active else None, key="searches")
    @show_errors()
    def draw_searches() -> None:
        if state.needs_page:
            st.rerun()
        current = {job.folder: job for job in list_search_jobs()}
        for folder in folders:
            with show_errors():
                _show_search(state, folder, current.get(folder))

    draw_searches()


def _list_folders(jobs: dict[Path, Job]) -> list[Path]:
    """Searches that wait for their first trial come before those that have a record."""
    from cxr_core.scale.search.search_folder import list_searches

    begun = list_searches()
    waiting = [folder for folder in jobs if folder not in begun]
    return [*waiting, *begun][:SHOWN]


def _show_search(state: TrainPageState, folder: Path, job: Job | None) -> None:
    from cxr_core.scale.search.search import load_results
    from cxr_core.scale.search.search_folder import list_searches

    try:
        search, results = load_results(folder.name)
    except ScaleError as error:
        if folder in list_searches():
            st.error(plain(str(error)))
        elif job is not None:
            st.markdown(_title(folder.name, job, "no trial yet", job.sentence))
        if job is not None:
            _offer_stop(state, job)
        return
    summary = f"{format_count(len(results.trials), 'trials')}, {results.count('pruned')} pruned"
    best = results.best
    if best is not None and best.value is not None:
        summary += f", best {training_curve_name(results.metric)} {best.value:.3f}"
    box = st.expander(
        _title(folder.name, job, summary),
        icon=":material/manage_search:",
        key=f"search-{folder.name}",
        on_change="rerun",
    )
    if not box.open:  # charts are drawn when somebody looks
        return
    with box:
        _show_results(state, search, results, job)


def _title(name: str, job: Job | None, *words: str) -> str:
    badge = f" {state_badge(job)}" if job is not None else ""
    return f"Search **{plain(name)}**{badge} :gray[· {plain(' · '.join(words))}]"


def _show_results(
    state: TrainPageState, search: SearchFolder, results: SearchResults, job: Job | None
) -> None:
    if results.best is not None:
        labels = _labels(search)
        settings = ", ".join(
            f"{labels[name]} {_format(value)}" for name, value in results.best.settings.items()
        )
        st.markdown(f"**Best so far: trial {results.best.number}** :gray[· {plain(settings)}]")
    if results.optimism is not None:
        st.markdown(f":small[{plain(results.optimism.describe())}]")
    with st.container(horizontal=True, gap="small"):
        if results.best is not None:
            _offer_run(state, search, results.best, "Start a run with the best settings")
        if job is not None:
            _offer_stop(state, job)
            _offer_continue(state, search, job)
    _show_charts(search, results)
    _show_trials(state, search, results)


def _show_charts(search: SearchFolder, results: SearchResults) -> None:
    from cxr_core.training.runs.parallel_coordinates import draw_parallel_coordinates

    complete, labels = (
        [trial for trial in results.trials if trial.value is not None],
        _labels(search),
    )
    if results.importance:
        st.markdown(":small[**What the differences between trials come from**]")
        st.plotly_chart(
            draw_importance({labels[name]: share for name, share in results.importance.items()}),
            key=f"importance-{search.name}",
            config=CHART_CONFIG,
            alt="Importance of each setting",
        )
    if len(complete) > 1:
        st.markdown(":small[**Complete trials: settings and figure**]")
        settings = {
            label: [_round(trial.settings.get(name)) for trial in complete]
            for name, label in labels.items()
        }
        figure = {training_curve_name(results.metric): [trial.value for trial in complete]}
        names = [f"trial {trial.number}" for trial in complete]
        st.plotly_chart(
            draw_parallel_coordinates(settings, figure, names),
            key=f"trials-{search.name}",
            config=CHART_CONFIG,
            alt="Settings of the complete trials against their figure",
        )


def draw_importance(importance: Mapping[str, float]) -> go.Figure:
    """A bar for each setting: its share of the variance between trials."""
    names = list(importance)[::-1]
    shares = [importance[name] for name in names]
    bars = go.Bar(
        x=shares,
        y=names,
        orientation="h",
        marker_color=BLUE,
        text=[format_exact_threshold(share) for share in shares],
        hovertemplate="%{y}: %{text}<extra></extra>",
    )
    figure = make_figure([bars], IMPORTANCE_HEIGHT, "share of the variance", "")
    figure.update_xaxes(range=[0, 1], tickformat=".0%")
    return figure


def _show_trials(state: TrainPageState, search: SearchFolder, results: SearchResults) -> None:
    """A row for each trial, the best first, then those that were pruned."""
    labels = _labels(search)
    ranked = sorted(results.trials, key=lambda trial: (-(trial.value or 0.0), trial.number))
    rows = [
        {
            "Trial": str(trial.number),
            "State": trial.state,
            training_curve_name(results.metric): _describe_figure(trial),
            **{labels[name]: _format(value) for name, value in trial.settings.items()},
        }
        for trial in ranked[:SHOWN_TRIALS]
    ]
    if rows:
        st.dataframe(rows, hide_index=True, height=min(38 * len(rows) + 40, 320))
    complete = [trial for trial in ranked if trial.value is not None]
    if len(complete) > 1:
        _offer_chosen_trial(state, search, complete)


def _offer_chosen_trial(
    state: TrainPageState, search: SearchFolder, trials: Sequence[TrialResult]
) -> None:
    by_number = {trial.number: trial for trial in trials}
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        number = st.selectbox("Trial", list(by_number), key=f"trial-of-{search.name}", width=140)
        _offer_run(state, search, by_number[number], "Start a run with its settings")


def _offer_run(state: TrainPageState, search: SearchFolder, trial: TrialResult, label: str) -> None:
    st.button(
        label,
        icon=":material/play_arrow:",
        key=f"run-{label}-{search.name}",
        on_click=_fill_in_form,
        args=(state, search, trial),
        help="Fills in the form with the recipe and these settings, on the recipe's own split.",
    )


def _fill_in_form(state: TrainPageState, search: SearchFolder, trial: TrialResult) -> None:
    from cxr_core.scale.search.space import apply_settings

    with keep_error(state):
        recipe = apply_settings(search.recipe, trial.settings)
        trial_name = f"trial {trial.number} of {search.name}"
        state.prefill_trial(trial_name, recipe, search.record.data)


def _offer_stop(state: TrainPageState, job: Job) -> None:
    if "stop" not in job.actions:
        return
    st.button(
        "Stop",
        icon=":material/stop:",
        key=f"stop-{job.id}",
        on_click=apply_action,
        args=(state, actions.stop_job, job.id),
    )


def _offer_continue(state: TrainPageState, search: SearchFolder, job: Job) -> None:
    if job.active or job.state == "finished":
        return
    st.button(
        "Continue",
        icon=":material/resume:",
        key=f"continue-{job.id}",
        on_click=apply_action,
        args=(state, actions.submit_again, job.id),
        help="The search goes on where it was; no trial is repeated.",
    )


def _describe_figure(trial: TrialResult) -> str:
    if trial.value is not None:
        return f"{trial.value:.4f}"
    if trial.reason:
        return trial.reason
    if trial.last is None:
        return ""
    return f"{trial.last:.4f} after {format_count(trial.epochs, 'epochs')}"


def _labels(search: SearchFolder) -> dict[str, str]:
    """The searched fields as the form names them, by their keys."""
    from cxr_core.training.recipe.form import form_specs

    return {name: form_specs()[name].setting.label for name in search.space.ranges}


def _round(value: Choice | None) -> Choice | None:
    """To three digits, as an axis can show it."""
    return float(f"{value:.3g}") if isinstance(value, float) else value


def _format(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
