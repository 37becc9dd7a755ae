"""One run looked at closely: what became of it, its figures and curves, and what can be done with it."""

from pathlib import Path

import streamlit as st

from cxr_core.errors import SilhouetteError
from cxr_core.findings import FINDINGS
from cxr_core.jobs import jobs
from cxr_core.jobs.job import Job
from cxr_core.training.runs.compare import NAMES, RunFigure, collect_figures, read_data_folders
from cxr_core.training.runs.progress import read_progress
from pages.components.markdown import plain
from pages.components.training.live_runs import (
    act,
    numbers_words,
    progress_words,
    show_charts,
    show_log,
)
from pages.components.training.page_state import Desk
from pages.components.training.publishing import show_publishing
from pages.components.training.wording import badge, moment, took


def show_run(desk: Desk, job: Job) -> None:
    """Facts, buttons, figures, curves, log; for a finished run the way to publish it."""
    st.markdown(f"### {plain(job.id)} {badge(job)}")
    st.markdown(plain(job.sentence))
    st.markdown(" · ".join(f":gray[{name}] {plain(words)}" for name, words in _facts(job) if words))
    _offer_actions(desk, job)
    if job.live:
        st.caption("It lives: its curves are above.")
        return
    watched = desk.keep(job.id, read_progress(job.folder, desk.watched.get(job.id)))
    told = " · ".join(filter(None, (progress_words(watched), numbers_words(watched))))
    if told and job.state != "finished":
        st.caption(f"When it ended: {plain(told)}")
    _show_figures(collect_figures(job.folder))
    show_charts(f"run-{job.id}", watched)
    show_log(watched)
    if job.state == "finished":
        show_publishing(desk, job)


def finding_words(key: str) -> str:
    """A finding as people call it."""
    return FINDINGS[key].name if key in FINDINGS else key


def _facts(job: Job) -> list[tuple[str, str]]:
    return [
        ("recipe", job.recipe),
        ("model", job.model),
        ("data", ", ".join(Path(each).name for each in job.data)),
        ("on", f"{job.device}, {job.processes} processes" if job.processes > 1 else job.device),
        ("begun", moment(job.started or job.submitted)),
        ("took", took(job)),
        ("a change of", job.retry_of),
        ("", "started from a shell" if job.by_hand else ""),
    ]


def _offer_actions(desk: Desk, job: Job) -> None:
    with st.container(horizontal=True, gap="small"):
        if "resume" in job.actions and st.button(
            "Go on",
            type="primary",
            icon=":material/play_arrow:",
            key=f"resume-{job.id}",
            help="From its last whole checkpoint; from the beginning if it has none.",
        ):
            act(lambda: jobs.resume(job.id))
        if "retry" in job.actions and st.button(
            "Try again with a change",
            icon=":material/edit:",
            key=f"retry-{job.id}",
            help="Fills the form in with this run's recipe and data. This run stays as it is.",
        ):
            _retry(desk, job)
        if "delete" in job.actions and st.button(
            "Delete", icon=":material/delete:", key=f"delete-{job.id}"
        ):
            ask_delete(desk, job)


def _retry(desk: Desk, job: Job) -> None:
    from cxr_core.training.recipe.recipe import load_recipe
    from cxr_core.training.runs.compare import recipe_path

    try:
        recipe = load_recipe(recipe_path(job.folder))
    except SilhouetteError as error:
        st.error(plain(str(error)))
        return
    desk.retry(job.id, recipe, job.data or read_data_folders(job.folder))
    st.rerun()


@st.dialog("Delete this run?")
def ask_delete(desk: Desk, job: Job) -> None:
    """Asks before a run's folder goes for good."""
    st.markdown(
        f"**{plain(job.id)}** goes for good: its checkpoints, its model, its curves and its log."
    )
    with st.container(horizontal=True, gap="small"):
        sure = st.button(
            "Delete it",
            type="primary",
            icon=":material/delete:",
            key=f"sure-{job.id}",
            on_click=_delete,
            args=(desk, job),
        )
        kept = st.button("Keep it", key=f"keep-{job.id}")
    if sure or kept:
        st.rerun()


def _delete(desk: Desk, job: Job) -> None:
    try:
        jobs.delete(job.id)
    except SilhouetteError as error:
        desk.refused = str(error)
        return
    desk.look_at(tuple(run for run in desk.runs if run != job.id))
    desk.said = f"{job.id} is deleted."


def _show_figures(found: tuple[RunFigure, ...]) -> None:
    if not found:
        return
    parts = list(dict.fromkeys(figure.part for figure in found))
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for figure in found:
        what = NAMES[figure.name] + (
            f", {finding_words(figure.finding).lower()}" if figure.finding else ""
        )
        row = rows.setdefault(
            (figure.finding, figure.name), {"Figure": what, **{_part(part): "" for part in parts}}
        )
        row[_part(figure.part)] = figure.words + _of(figure)
    st.markdown("**How well its model does** :gray[:small[with 95 % intervals by patient]]")
    st.table(list(rows.values()), border="horizontal", hide_header=False, hide_index=True)


def _part(part: str) -> str:
    return f"On {part} films"


def _of(figure: RunFigure) -> str:
    if figure.n is None:
        return ""
    return (
        f" · {figure.positives:,} of {figure.n:,}"
        if figure.positives is not None
        else f" · {figure.n:,} films"
    )
