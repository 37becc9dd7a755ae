"""Shows the table of all runs: filtered, sorted, and selected from."""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import streamlit as st

from cxr_core.jobs.job import Job
from cxr_core.training.runs.figures import FIGURE_LABELS, RunFigure, best_validation_figure
from pages.components import cache, session
from pages.components.error_boundary import show_errors
from pages.components.training.job_state import time_taken
from pages.components.training.live_runs import POLL_S, read_run_progress
from pages.components.training.page_state import TrainPageState

STATE_GROUPS = {
    "Running and queued": ("starting", "running", "stopping", "frozen", "orphaned", "queued"),
    "Finished": ("finished",),
    "Ended early": ("stopped", "failed", "interrupted"),
}
# The files that a run's main figure is read from.
FIGURE_FILES = ("model/card.json", "evaluation/metrics.json", "progress.jsonl")
NAME_PX, FIGURE_PX = 260, 260  # the usual length of names and figures


def choose_runs(state: TrainPageState, runs: Sequence[Job]) -> None:
    """The table; the runs selected in it are shown below. Figures of running runs are updated without a click."""
    shown = _filter_runs(state, runs)
    state.table_runs = tuple(run.id for run in shown)
    if any(run.live for run in shown):
        _show_updating_table(state, shown)
    else:
        _show_table(state, [_run_row(state, run) for run in shown])


def _show_updating_table(state: TrainPageState, shown: Sequence[Job]) -> None:
    """The table, polled for figures of running runs; the page reruns once another run is selected."""
    rows, selected = [_run_row(state, run) for run in shown], state.selected_runs

    @st.fragment(run_every=POLL_S, key="best-figures")
    @show_errors()
    def draw_table() -> None:
        if state.selected_runs != selected:
            st.rerun()
        for row, run in zip(rows, shown, strict=True):
            if run.live:
                row["Best figure"] = format_run_figure(find_main_figure(state, run))
        _show_table(state, rows)

    draw_table()


def _show_table(state: TrainPageState, rows: Sequence[dict[str, object]]) -> None:
    # A selection is row numbers, so other rows need another table, which starts with its own selection.
    key = state.widget_key(f"runs-{hash(state.table_runs)}")
    selected = [row for row, run in enumerate(state.table_runs) if run in state.selected_runs]
    st.dataframe(
        rows,
        key=key,
        hide_index=True,
        selection_mode="multi-row",
        selection_default={"selection": {"rows": selected}},
        on_select=lambda: _store_selection(state, key),
        column_config={
            "Run": st.column_config.TextColumn(width=NAME_PX, pinned=True),
            "Best figure": st.column_config.TextColumn(
                width=FIGURE_PX, help="With its 95 % interval, where there is one."
            ),
            "Started": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
        },
        alt="All runs, one in each row",
    )


def _filter_runs(state: TrainPageState, runs: Sequence[Job]) -> list[Job]:
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        text = st.text_input(
            "Search",
            key=state.widget_key("search"),
            placeholder="Name, recipe or dataset",
            icon=":material/search:",
            width=280,
        )
        group = st.segmented_control("State", list(STATE_GROUPS), key=state.widget_key("state"))
    words = text.casefold().split()
    in_group = [run for run in runs if group is None or run.state in STATE_GROUPS[group]]
    return [run for run in in_group if all(word in _searchable_text(run) for word in words)]


def _searchable_text(run: Job) -> str:
    return " ".join((run.id, run.recipe, *run.data, run.state)).casefold()


def _run_row(state: TrainPageState, run: Job) -> dict[str, object]:
    started = run.started or run.submitted
    return {
        "Run": run.id,
        "State": run.state,
        "Best figure": format_run_figure(find_main_figure(state, run)),
        "Recipe": run.recipe,
        "Data": ", ".join(Path(data).name for data in run.data),
        "Started": datetime.fromtimestamp(started) if started else None,
        "Took": time_taken(run),
    }


def find_main_figure(state: TrainPageState, run: Job) -> RunFigure | None:
    """A run's main figure, read again only when its files have changed; for a running run, only what is new."""
    if run.live:
        return best_validation_figure(read_run_progress(state, run))
    stamp = tuple(_modified_at(f"{run.folder}/{name}") for name in FIGURE_FILES)
    return cache.load_headline_figure(run.folder, stamp)


def format_run_figure(figure: RunFigure | None) -> str:
    """`0.847 (0.708 to 0.900) AUROC, test`."""
    return f"{figure.text} {FIGURE_LABELS[figure.name]}, {figure.split}" if figure else ""


def _modified_at(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def _store_selection(state: TrainPageState, key: str) -> None:
    rows = [row for row in session.selected_rows(key) if row < len(state.table_runs)]
    state.select_runs(tuple(state.table_runs[row] for row in rows))
