"""Shows the table of all runs: searched, sorted, with the columns that were chosen, and selected from."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from cxr_core.errors import RecordError
from cxr_core.jobs.job import Job
from cxr_core.training.runs.annotation import read_baseline
from cxr_core.training.runs.figures import best_validation_figure
from cxr_core.training.runs.summary import RunSummary, read_settings, stamp_summary
from pages.components import cache
from pages.components.error_boundary import show_errors
from pages.components.selectable_table import (
    SelectableRow,
    SelectableTable,
    Sorting,
    TableColumn,
    show_selectable_table,
)
from pages.components.session import field_text, field_value, set_field_value
from pages.components.training.job_state import dataset_names, name_data
from pages.components.training.live_runs import POLL_S, read_run_progress
from pages.components.training.page_state import TrainPageState
from pages.components.training.run_columns import (
    DEFAULT_COLUMNS,
    FIXED_COLUMNS,
    RUN,
    SHOWN_WHERE_FILLED,
    Column,
    TableRow,
    list_columns,
    sort_rows,
)
from pages.components.training.run_comparison import MOST_RUNS

STATE_GROUPS = {
    "Running and queued": ("starting", "running", "stopping", "frozen", "orphaned", "queued"),
    "Finished": ("finished",),
    "Ended early": ("stopped", "failed", "interrupted"),
}
# Names of widgets, and of what they put into the address.
SEARCH, STATE, SORT, ASCENDING, COLUMNS = "search", "state", "sort", "ascending", "columns"
NEWEST = "Newest"  # the order of `list_runs`


def choose_runs(state: TrainPageState, runs: Sequence[Job]) -> None:
    """The table; the runs selected in it are shown below. Figures of running runs are updated without a click."""
    rows = _make_rows(state, runs)
    columns = list_columns(rows)
    shown, chosen = _ask_rows_and_columns(rows, columns)
    if any(row.run.live for row in shown):
        _show_updating_table(state, shown, chosen)
    else:
        _show_table(state, shown, chosen)


def _make_rows(state: TrainPageState, runs: Sequence[Job]) -> list[TableRow]:
    names, baseline = dataset_names(), read_baseline()
    rows = []
    for run in runs:
        summary = _summarise(state, run)
        row = TableRow(
            run=run,
            summary=summary,
            data=name_data(run.data, names),
            test_uses=_count_test_uses(summary.test_films),
            is_baseline=run.id == baseline,
        )
        rows.append(row)
    return rows


def _summarise(state: TrainPageState, run: Job) -> RunSummary:
    """A run's settings and figures, read again only when its files have changed; of a running run only what is new."""
    if run.live:
        figure = best_validation_figure(read_run_progress(state, run))
        return RunSummary(settings=read_settings(run.folder), validation=figure)
    return cache.load_run_summary(run.folder, stamp_summary(run.folder))


def _count_test_uses(test_films: str) -> int | None:
    try:
        return cache.count_test_uses(test_films).evaluations if test_films else None
    except RecordError:
        return None


def _ask_rows_and_columns(
    rows: Sequence[TableRow], columns: dict[str, Column]
) -> tuple[list[TableRow], dict[str, Column]]:
    """Search, state, columns and order. Returns the rows and the columns to show."""
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        text = st.text_input(
            "Search",
            key=SEARCH,
            bind="query-params",
            placeholder="Name, tag, recipe or dataset",
            icon=":material/search:",
            width=270,
        )
        group = st.segmented_control(
            "State", list(STATE_GROUPS), key=STATE, bind="query-params", default=None
        )
        order = st.selectbox(
            "Sort by", [NEWEST, *columns], key=SORT, bind="query-params", width=230
        )
        ascending = order != NEWEST and st.toggle(
            "Lowest first", key=ASCENDING, bind="query-params"
        )
        with st.popover("Columns", icon=":material/view_column:"):
            names = st.multiselect(
                "Columns",
                [name for name in columns if name != RUN],
                default=[*DEFAULT_COLUMNS],
                key=COLUMNS,
                bind="query-params",
                width=420,
                help="Figures of the runs' models, and settings of their recipes, can be shown too.",
            )
    found = [row for row in rows if _matches(row, text, group)]
    if order in columns:
        found = sort_rows(found, columns[order], ascending)
    return found, _columns_to_show(names, columns, found)


def _columns_to_show(
    names: Sequence[str], columns: dict[str, Column], rows: Sequence[TableRow]
) -> dict[str, Column]:
    """The chosen columns after the run's name, without those that none of the rows has anything for."""
    shown = {RUN: FIXED_COLUMNS[RUN]}
    for name in names:
        column = columns[name]
        is_filled = any(column.value(row) not in (None, "") for row in rows)
        if is_filled or name not in SHOWN_WHERE_FILLED:
            shown[name] = column
    return shown


def _matches(row: TableRow, text: str, group: str | None) -> bool:
    if group is not None and row.run.state not in STATE_GROUPS[group]:
        return False
    written = row.run.annotation
    texts = (row.run.id, written.name, *written.tags, written.note, row.run.recipe, *row.data)
    searched = " ".join((*texts, row.run.state)).casefold()
    return all(word in searched for word in text.casefold().split())


def _show_updating_table(
    state: TrainPageState, shown: Sequence[TableRow], columns: dict[str, Column]
) -> None:
    """The table, polled for figures of running runs; the page reruns once runs are selected or sorted otherwise."""
    drawn_for = state.selected_runs, _find_sorting()

    @st.fragment(run_every=POLL_S, key="best-figures")
    @show_errors()
    def draw_table() -> None:
        if (state.selected_runs, _find_sorting()) != drawn_for:
            st.rerun()
        current = [
            replace(row, summary=_summarise(state, row.run)) if row.run.live else row
            for row in shown
        ]
        _show_table(state, current, columns)

    draw_table()


def _show_table(
    state: TrainPageState, shown: Sequence[TableRow], columns: dict[str, Column]
) -> None:
    table = SelectableTable(
        columns=tuple(
            TableColumn(name=name, help=column.help, is_number=column.is_number)
            for name, column in columns.items()
        ),
        rows=tuple(
            SelectableRow(
                id=row.run.id, cells=tuple(column.text(row) for column in columns.values())
            )
            for row in shown
        ),
        label="Runs, one in each row",
        limit=MOST_RUNS,
        sorting=_find_sorting(),
    )
    show_selectable_table(
        table, state.selected_runs, "runs", on_select=state.select_runs, on_sort=_sort_by
    )


def _find_sorting() -> Sorting:
    """The order that the fields above the table say."""
    column = field_text(SORT)
    if column in ("", NEWEST):
        return Sorting()
    return Sorting(column=column, ascending=bool(field_value(ASCENDING)))


def _sort_by(column: str) -> None:
    """Callback of a column's head: the highest first, at a second click the lowest, at a third the newest run."""
    sorting = _find_sorting()
    if sorting.column != column:
        sorting = Sorting(column=column)
    elif not sorting.ascending:
        sorting = Sorting(column=column, ascending=True)
    else:
        sorting = Sorting(column=NEWEST)
    set_field_value(SORT, sorting.column)
    set_field_value(ASCENDING, sorting.ascending)
