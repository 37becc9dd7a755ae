"""The table of all runs: filtered, sorted, and chosen from."""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import streamlit as st

from cxr_core.jobs.job import Job
from cxr_core.training.runs.compare import NAMES, RunFigure, best_so_far
from cxr_core.training.runs.progress import read_progress
from pages.components import cache, session
from pages.components.training.live_runs import POLL_S
from pages.components.training.page_state import Desk
from pages.components.training.wording import state_word, took

GROUPS = {
    "Live and waiting": ("starting", "running", "stopping", "frozen", "orphaned", "queued"),
    "Finished": ("finished",),
    "Ended before": ("stopped", "failed", "interrupted"),
}
READ_FROM = ("model/card.json", "evaluation/metrics.json", "progress.jsonl")
NAME_PX, FIGURE_PX = 260, 260  # as wide as what is mostly there


def choose_runs(desk: Desk, found: Sequence[Job]) -> None:
    """The table; what is marked in it is looked at. Figures of runs that live follow by themselves."""
    shown = _filtered(desk, found)
    desk.listed = tuple(job.id for job in shown)
    if any(job.live for job in shown):
        _follow(desk, shown)
    else:
        _show_table(desk, [_row(desk, job) for job in shown])


def _follow(desk: Desk, shown: Sequence[Job]) -> None:
    """The table with the figures of runs that live, asked again and again; once another is marked the page runs."""
    rows, looked_at = [_row(desk, job) for job in shown], desk.runs

    @st.fragment(run_every=POLL_S, key="best-figures")
    def draw() -> None:
        if desk.runs != looked_at:
            st.rerun()
        for row, job in zip(rows, shown, strict=True):
            if job.live:
                row["Best figure"] = figure_words(figure_of(desk, job))
        _show_table(desk, rows)

    draw()


def _show_table(desk: Desk, rows: Sequence[dict[str, object]]) -> None:
    # Marks are places: with other rows it is another table, which starts with the marks that belong to it.
    key = desk.widget(f"runs-{hash(desk.listed)}")
    marked = [row for row, run in enumerate(desk.listed) if run in desk.runs]
    st.dataframe(
        rows,
        key=key,
        hide_index=True,
        selection_mode="multi-row",
        selection_default={"selection": {"rows": marked}},
        on_select=lambda: _look_at_marked(desk, key),
        column_config={
            "Run": st.column_config.TextColumn(width=NAME_PX, pinned=True),
            "Best figure": st.column_config.TextColumn(
                width=FIGURE_PX, help="With its 95 % interval, where it has one."
            ),
            "Begun": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
        },
        alt="All runs, one in each row",
    )


def _filtered(desk: Desk, found: Sequence[Job]) -> list[Job]:
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        text = st.text_input(
            "Search",
            key=desk.widget("search"),
            placeholder="Name, recipe or dataset",
            icon=":material/search:",
            width=280,
        )
        group = st.segmented_control("State", list(GROUPS), key=desk.widget("state"))
    sought = text.casefold().split()
    return [
        job
        for job in found
        if (group is None or job.state in GROUPS[group])
        and all(word in _words(job) for word in sought)
    ]


def _words(job: Job) -> str:
    return " ".join((job.id, job.recipe, *job.data, job.state)).casefold()


def _row(desk: Desk, job: Job) -> dict[str, object]:
    begun = job.started or job.submitted
    return {
        "Run": job.id,
        "State": state_word(job.state),
        "Best figure": figure_words(figure_of(desk, job)),
        "Recipe": job.recipe,
        "Data": ", ".join(Path(each).name for each in job.data),
        "Begun": datetime.fromtimestamp(begun) if begun else None,
        "Took": took(job),
    }


def figure_of(desk: Desk, job: Job) -> RunFigure | None:
    """The figure that a run is told by, read again only when what it is read from has changed.

    Of a run that lives only what is new is read.
    """
    if job.live:
        return best_so_far(desk.keep(job.id, read_progress(job.folder, desk.watched.get(job.id))))
    return cache.headline(job.folder, tuple(_written(f"{job.folder}/{name}") for name in READ_FROM))


def figure_words(figure: RunFigure | None) -> str:
    """`0.847 (0.708 to 0.900) AUROC, test`."""
    return f"{figure.words} {NAMES[figure.name]}, {figure.part}" if figure else ""


def _written(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def _look_at_marked(desk: Desk, key: str) -> None:
    rows = [row for row in session.chosen_rows(key) if row < len(desk.listed)]
    desk.look_at(tuple(desk.listed[row] for row in rows))
