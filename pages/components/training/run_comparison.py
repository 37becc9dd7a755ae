"""Compares several runs: where their settings differ, every figure with its interval, their curves, and which setting
goes with which figure.
"""

from collections.abc import Mapping, Sequence

import streamlit as st

from cxr_core.jobs.job import Job
from cxr_core.presentation.wording import format_count
from cxr_core.training.runs.annotation import read_baseline
from cxr_core.training.runs.charts import overlay_charts
from cxr_core.training.runs.compare import (
    describe_difference,
    format_setting,
    recipe_differences,
    tabulate_figures,
)
from cxr_core.training.runs.figures import RunFigure
from cxr_core.training.runs.parallel_coordinates import draw_parallel_coordinates
from cxr_core.training.runs.short_names import shorten_names
from cxr_core.workspace.json_files import Json
from pages.components.markdown import plain
from pages.components.training.job_state import dataset_names, name_data
from pages.components.training.live_runs import CHART_CONFIG, CHART_PX, read_run_progress
from pages.components.training.page_state import TrainPageState
from pages.components.training.run_columns import label_figure, label_setting

MOST_RUNS = 10


def show_run_comparison(state: TrainPageState, runs: Sequence[Job]) -> None:
    """The runs that are selected in the table, in its order; the baseline, where it is among them, comes first."""
    if len(runs) > MOST_RUNS:
        st.info(f"{len(runs)} runs are selected; the first {MOST_RUNS} are compared.")
        runs = runs[:MOST_RUNS]
    baseline = read_baseline()
    runs = sorted(runs, key=lambda run: run.id != baseline)
    names = shorten_names([run.annotation.name for run in runs], [run.id for run in runs])
    st.markdown(f"### {len(runs)} runs side by side")
    folders = [run.folder for run in runs]
    differences = recipe_differences(folders)
    figures = tabulate_figures(folders)
    has_baseline = runs[0].id == baseline
    rows: dict[str, Sequence[str]] = {
        "Run": [run.name for run in runs],
        "State": [run.state for run in runs],
    }
    for name, settings in differences.items():
        rows[label_setting(name)] = _show_setting(name, settings)
    for key, values in figures.items():
        rows[label_figure(*key)] = _show_figures(values, has_baseline)
    heads = [
        f"{name} (baseline)" if run.id == baseline else name
        for run, name in zip(runs, names, strict=True)
    ]
    _show_table(rows, heads)
    same = "" if differences else "Settings, data and initial weights are the same. "
    against = (
        "In brackets after a figure: the difference from the baseline. " if has_baseline else ""
    )
    st.caption(
        f"{same}{against}Of settings, data and initial weights, only differences are listed. Figures have 95 % "
        "intervals from resampled patients; overlapping intervals show neither a difference nor its absence. The "
        "Evaluate page compares models film by film."
    )
    _show_overlaid_curves(state, runs, names)
    _show_parallel_coordinates(differences, figures, names)


def _show_table(rows: Mapping[str, Sequence[str]], heads: Sequence[str]) -> None:
    cells = [
        {"": plain(label), **dict(zip(map(plain, heads), map(plain, values), strict=True))}
        for label, values in rows.items()
    ]
    st.table(cells, border="horizontal", hide_header=False, hide_index=True)


def _show_setting(name: str, values: Sequence[Json]) -> list[str]:
    if name == "data":
        known = dataset_names()
        return [
            ", ".join(name_data(list(map(str, value)), known)) if isinstance(value, list) else ""
            for value in values
        ]
    return [format_setting(value) for value in values]


def _show_figures(figures: Sequence[RunFigure | None], has_baseline: bool) -> list[str]:
    """Each run's figure; with a baseline, which comes first, also how far the others lie from it."""
    baseline = figures[0] if has_baseline else None
    return [
        _show_figure(figure, baseline if index else None) for index, figure in enumerate(figures)
    ]


def _show_figure(figure: RunFigure | None, baseline: RunFigure | None) -> str:
    if figure is None:
        return ""
    films = f", {format_count(figure.n, 'films')}" if figure.n is not None else ""
    difference = describe_difference(figure, baseline)
    return f"{figure.text}{films}" + (f" [{difference}]" if difference else "")


def _show_overlaid_curves(state: TrainPageState, runs: Sequence[Job], names: Sequence[str]) -> None:
    progress = [read_run_progress(state, run) for run in runs]
    curves = {name: each.curves for name, each in zip(names, progress, strict=True)}
    with st.container(horizontal=True, gap="small"):
        for title, figure in overlay_charts(curves).items():
            with st.container(width=CHART_PX, gap=None):
                st.markdown(f":small[**{title}**]")
                st.plotly_chart(
                    figure, key=f"compare-{title}", config=CHART_CONFIG, alt=f"{title} of each run"
                )


def _show_parallel_coordinates(
    differences: Mapping[str, Sequence[Json]],
    figures: Mapping[tuple[str, str, str], Sequence[RunFigure | None]],
    names: Sequence[str],
) -> None:
    """Settings that differ against one figure of the runs that have it."""
    offered = {
        label_figure(*key): values
        for key, values in figures.items()
        if sum(_value_of(value) is not None for value in values) > 1
    }
    settings = {
        label_setting(name): values for name, values in differences.items() if name != "data"
    }
    if not offered or not settings:
        return
    st.markdown("**Settings against a figure** :gray[:small[a line for each run]]")
    chosen = st.selectbox("Figure", list(offered), key="parallel-figure", width=320)
    values = [_value_of(figure) for figure in offered[chosen]]
    chart = draw_parallel_coordinates(settings, {chosen: values}, names)
    st.plotly_chart(
        chart,
        key="parallel-coordinates",
        config=CHART_CONFIG,
        alt=f"Settings of each run against {chosen}",
    )


def _value_of(figure: RunFigure | None) -> float | None:
    return figure.value if figure else None
