"""Several runs side by side: where their recipes differ, every figure with its interval, their curves overlaid."""

from collections.abc import Sequence

import streamlit as st

from cxr_core.jobs.job import Job
from cxr_core.training.runs.charts import overlaid
from cxr_core.training.runs.compare import NAMES, recipe_differences, side_by_side
from cxr_core.training.runs.progress import read_progress
from pages.components.markdown import plain
from pages.components.training.fields import label_of
from pages.components.training.live_runs import CHART_CONFIG, CHART_WIDTH
from pages.components.training.page_state import Desk
from pages.components.training.run_details import finding_words
from pages.components.training.wording import state_word

MOST = 8


def show_comparison(desk: Desk, chosen: Sequence[Job]) -> None:
    """The runs marked in the table, in its order."""
    if len(chosen) > MOST:
        st.info(f"{len(chosen)} runs are marked; the first {MOST} are compared.")
        chosen = chosen[:MOST]
    names = [plain(job.id) for job in chosen]
    st.markdown(f"### {len(chosen)} runs side by side")
    folders = [job.folder for job in chosen]
    states = {"State": tuple(state_word(job.state) for job in chosen)}
    changed = {_label(name): values for name, values in recipe_differences(folders).items()}
    measured = {_figure_label(*key): values for key, values in side_by_side(folders).items()}
    rows = {**states, **changed, **measured}
    cells = [
        {"": plain(what), **dict(zip(names, map(plain, values), strict=True))}
        for what, values in rows.items()
    ]
    st.table(cells, border="horizontal", hide_header=False, hide_index=True)
    same = "" if changed else "Recipe, data and first weights are the same. "
    st.caption(
        f"{same}Of recipe, data and first weights only what differs is listed. Figures with their 95 % intervals by "
        "patient; intervals that overlap show neither a difference nor that there is none."
    )
    curves = {
        job.id: desk.keep(job.id, read_progress(job.folder, desk.watched.get(job.id))).curves
        for job in chosen
    }
    with st.container(horizontal=True, gap="small"):
        for title, figure in overlaid(curves).items():
            with st.container(width=CHART_WIDTH, gap=None):
                st.markdown(f":small[**{title}**]")
                st.plotly_chart(
                    figure, key=f"compare-{title}", config=CHART_CONFIG, alt=f"{title} of each run"
                )


def _label(name: str) -> str:
    return (
        f"{name.partition('.')[0].capitalize()}: {label_of(name).lower()}"
        if "." in name
        else label_of(name)
    )


def _figure_label(part: str, finding: str, name: str) -> str:
    return ", ".join(
        filter(None, (NAMES[name], finding_words(finding).lower() if finding else "", part))
    )
