"""Scores an archive from the Site page: asks for its films, starts the job, and shows how far each scoring is."""

from collections.abc import Sequence

import streamlit as st

from cxr_core.jobs import actions
from cxr_core.jobs.commands import SCORES
from cxr_core.jobs.job import Job
from cxr_core.jobs.scheduler import ensure_scheduler
from cxr_core.jobs.status import list_scoring_jobs
from cxr_core.presentation.wording import format_count
from pages.components.error_boundary import keep_error, show_errors
from pages.components.markdown import plain
from pages.components.site.page_state import SitePageState
from pages.components.training.job_state import state_badge

POLL_S = 5.0
INTRODUCTION = (
    "Reads every film of an archive with the installed models and the profile of the site, and writes the readings "
    "into Parquet files. It goes on when this page is closed. docs/scale.md says how to use several machines."
)
HELP = (
    "A folder, a CSV or Parquet table with the paths of films, the name of a registered dataset, a storage such as "
    "s3://bucket/films, or the films of a PACS by date: pacs://NAME?from=2026-01-01&to=2026-06-30. One per line."
)


def show_archive(state: SitePageState) -> None:
    """The form, and the scorings of the workspace, those that run first."""
    ensure_scheduler()
    st.markdown(INTRODUCTION)
    with st.container(border=True):
        data = st.text_area("Films to read", key="archive-data", height=80, help=HELP)
        with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
            name = st.text_input("Name", "archive", key="archive-name", width=260)
            clicked = st.button("Start", type="primary", icon=":material/play_arrow:")
    if clicked:
        _start(state, tuple(line.strip() for line in data.splitlines() if line.strip()), name)
    _watch(state, list_scoring_jobs())


def _start(state: SitePageState, data: tuple[str, ...], name: str) -> None:
    if not data:
        st.error("No films were named: give a folder, a table or a dataset.")
        return
    with show_errors():
        job = actions.submit_scoring(data, name.strip())
        state.message = f"Submitted: {job.title}."
        st.rerun()


def _watch(state: SitePageState, jobs: Sequence[Job]) -> None:
    """A card for each scoring, looked at again every few seconds while one runs."""
    is_active = any(job.active for job in jobs)

    @st.fragment(run_every=POLL_S if is_active else None, key="scorings")
    @show_errors()
    def draw_scorings() -> None:
        current = list_scoring_jobs()
        if is_active and not any(job.active for job in current):
            st.rerun()
        for job in sorted(current, key=lambda job: (not job.active, -(job.submitted or 0))):
            with show_errors():
                _show_scoring(state, job)

    draw_scorings()


def _show_scoring(state: SitePageState, job: Job) -> None:
    with st.container(border=True, key=f"scoring-{job.folder.name}"):
        with st.container(
            horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
        ):
            st.markdown(
                f"**{plain(job.folder.name)}** {state_badge(job)} :gray[:small[{plain(job.title)}]]",
                width="content",
            )
            _offer_actions(state, job)
        if job.progress.total:
            done, total = job.progress.done, job.progress.total
            text = f"{done:,} of {format_count(total, 'films')}"
            st.progress(min(1.0, done / total), text=text)
        elif not job.active:
            st.markdown(f":small[{plain(_describe_result(job))}]")


def _offer_actions(state: SitePageState, job: Job) -> None:
    with st.container(horizontal=True, width="content", gap="small"):
        if "stop" in job.actions:
            st.button(
                "Stop", key=f"stop-{job.id}", on_click=_apply, args=(state, actions.stop_job, job)
            )
        elif not job.active and job.state != "finished":
            st.button(
                "Continue",
                key=f"continue-{job.id}",
                on_click=_apply,
                args=(state, actions.submit_again, job),
                help="Films that have a row are not read again.",
            )


def _apply(state: SitePageState, action: object, job: Job) -> None:
    with keep_error(state):
        action(job.id)  # type: ignore[operator]


def _describe_result(job: Job) -> str:
    """What a scoring holds and where, or why it ended."""
    from cxr_core.scale.scoring.scoring_folder import describe_counts, read_manifest_counts

    folder = job.folder / SCORES
    counts = read_manifest_counts(folder)
    if counts is None:
        return job.sentence
    result = f"{describe_counts(counts)}, in {folder}."
    return result if job.state == "finished" else f"{job.sentence} {result}"
