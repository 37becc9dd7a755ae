"""Compares several runs: where their recipes differ, every figure with its interval, and their curves."""

from collections.abc import Sequence

import streamlit as st

from cxr_core.jobs.job import Job
from cxr_core.presentation.wording import finding_name
from cxr_core.training.recipe.field_help import field_label
from cxr_core.training.runs.charts import overlay_charts
from cxr_core.training.runs.compare import recipe_differences, tabulate_figures
from cxr_core.training.runs.figures import FIGURE_LABELS
from pages.components.markdown import plain
from pages.components.training.live_runs import CHART_CONFIG, CHART_PX, read_run_progress
from pages.components.training.page_state import TrainPageState

MOST_RUNS = 8


def show_run_comparison(state: TrainPageState, runs: Sequence[Job]) -> None:
    """The runs that are selected in the table, in its order."""
    if len(runs) > MOST_RUNS:
        st.info(f"{len(runs)} runs are selected; the first {MOST_RUNS} are compared.")
        runs = runs[:MOST_RUNS]
    st.markdown(f"### {len(runs)} runs side by side")
    folders = [run.folder for run in runs]
    differences = recipe_differences(folders)
    rows: dict[str, tuple[str, ...]] = {"State": tuple(run.state for run in runs)}
    rows |= {_label_field(name): values for name, values in differences.items()}
    rows |= {_label_figure(*key): values for key, values in tabulate_figures(folders).items()}
    names = [plain(run.id) for run in runs]
    cells = [
        {"": plain(label), **dict(zip(names, map(plain, values), strict=True))}
        for label, values in rows.items()
    ]
    st.table(cells, border="horizontal", hide_header=False, hide_index=True)
    same = "" if differences else "Recipe, data and initial weights are the same. "
    st.caption(
        f"{same}Of recipe, data and initial weights, only differences are listed. Figures have 95 % intervals from "
        "resampled patients; overlapping intervals show neither a difference nor its absence."
    )
    _show_overlaid_curves(state, runs)


def _show_overlaid_curves(state: TrainPageState, runs: Sequence[Job]) -> None:
    curves = {run.id: read_run_progress(state, run).curves for run in runs}
    with st.container(horizontal=True, gap="small"):
        for title, figure in overlay_charts(curves).items():
            with st.container(width=CHART_PX, gap=None):
                st.markdown(f":small[**{title}**]")
                st.plotly_chart(
                    figure, key=f"compare-{title}", config=CHART_CONFIG, alt=f"{title} of each run"
                )


def _label_field(name: str) -> str:
    label = field_label(name)
    if "." not in name:
        return label
    return f"{name.partition('.')[0].capitalize()}: {label.lower()}"


def _label_figure(split: str, finding: str, name: str) -> str:
    words = finding_name(finding).lower() if finding else ""
    return ", ".join(filter(None, (FIGURE_LABELS[name], words, split)))
