"""The table of all runs: filtered, sorted, and chosen from."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import streamlit as st

from cxr_core.training.comparison import NAMES, Figure
from cxr_core.training.job import Job
from pages.components import cache, session
from pages.components.training.desk import Desk
from pages.components.training.words import state_word, took

GROUPS = {
    "Live and waiting": ("starting", "running", "stopping", "frozen", "orphaned", "queued"),
    "Finished": ("finished",),
    "Ended before": ("stopped", "failed", "interrupted"),
}
READ_FROM = ("model/card.json", "evaluation/metrics.json", "progress.jsonl")
NAME_PX, FIGURE_PX = 260, 260  # as wide as what is mostly there


def choose_runs(desk: Desk, found: Sequence[Job]) -> None:
    """The table; what is marked in it is looked at."""
    shown = _filtered(desk, found)
    desk.listed = tuple(job.id for job in shown)
    # Marks are places: with other rows it is another table, which starts with the marks that belong to it.
    key = desk.widget(f"runs-{hash(desk.listed)}")
    marked = [row for row, run in enumerate(desk.listed) if run in desk.runs]
    st.dataframe(
        [_row(job) for job in shown],
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
        if (group is None or job.state in GROUPS[group]) and all(word in _words(job) for word in sought)
    ]


def _words(job: Job) -> str:
    return " ".join((job.id, job.recipe, *job.data, job.state)).casefold()


def _row(job: Job) -> dict[str, object]:
    begun = job.started or job.submitted
    return {
        "Run": job.id,
        "State": state_word(job.state),
        "Best figure": figure_words(figure_of(job)),
        "Recipe": job.recipe,
        "Data": ", ".join(Path(each).name for each in job.data),
        "Begun": datetime.fromtimestamp(begun) if begun else None,
        "Took": took(job),
    }


def figure_of(job: Job) -> Figure | None:
    """The figure that a run is told by, read again only when what it is read from has changed."""
    return cache.headline(job.folder, tuple(_written(job.folder / name) for name in READ_FROM))


def figure_words(figure: Figure | None) -> str:
    """`0.847 (0.708 to 0.900) AUROC, test`."""
    return f"{figure.words} {NAMES[figure.name]}, {figure.part}" if figure else ""


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _look_at_marked(desk: Desk, key: str) -> None:
    rows = [row for row in session.chosen_rows(key) if row < len(desk.listed)]
    desk.look_at(tuple(desk.listed[row] for row in rows))
