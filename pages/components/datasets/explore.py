"""A dataset's charts, and beside them the films: all, those of a filter, or those behind the bar just clicked."""

import streamlit as st

from cxr_core.data.charts import Chart
from cxr_core.data.registry import Dataset
from pages.components.datasets.contents import Contents, Films
from pages.components.datasets.film_list import look_at, show_films
from pages.components.session import Exploration, clicked_point

CHART_CONFIG = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}
NOTES = {
    "How often each finding is": "Whiskers are 95 % intervals. Films whose label is unknown are left out of the share.",
    "Ages": "As shares, so that parts of any size compare.",
    "Findings on the same film": "Of the films with the row's finding, the per cent that has the column's too.",
}


def show_explorer(exploration: Exploration, dataset: Dataset, contents: Contents) -> None:
    """Charts on the left, the films on the right; on a narrow screen the films come below."""
    films = _ask_which(exploration, contents)
    with st.container(horizontal=True, gap="large"):
        charts, shown = st.container(key="dataset-charts"), st.container(key="dataset-films")
    with charts:
        st.caption("Click a bar or a cell to see [the films](#films) behind it.")
        for name, chart in films.charts.items():
            _show_chart(exploration, dataset, name, chart)
        if not films.index.findings:
            st.info(
                "No finding has labels in this dataset: there is nothing to count, but the films can be seen."
            )
    with shown:
        show_films(exploration, dataset, contents, films)


def _ask_which(exploration: Exploration, contents: Contents) -> Films:
    """The usable films or all that are listed, when they are not the same."""
    if contents.usable is None or contents.usable is contents.listed:
        return contents.listed
    usable, listed = (
        f"{len(each.manifest.table):,}" for each in (contents.usable, contents.listed)
    )
    picked = st.segmented_control(
        "Films counted",
        (False, True),
        format_func=lambda every: (
            f"All {listed} listed" if every else f"The {usable} that can be used"
        ),
        default=exploration.listed,
        key=exploration.widget("listed"),
        required=True,
    )
    if picked is not None:
        exploration.listed = picked
    return contents.listed if exploration.listed else contents.usable


def _show_chart(exploration: Exploration, dataset: Dataset, name: str, chart: Chart) -> None:
    """One chart, a fragment: a click draws the films anew and, at most, the chart that loses its mark to this one."""

    @st.fragment(key=name)
    def draw() -> None:
        # A chart that is to lose its mark starts anew, under another key.
        key = (
            f"chart-{dataset.name}-{exploration.listed}-{name}-{exploration.unmarked.get(name, 0)}"
        )
        st.plotly_chart(
            chart.figure,
            key=key,
            on_select=lambda: clicked(key),
            selection_mode="points",
            config=CHART_CONFIG,
            alt=chart.says,
        )

    def clicked(key: str) -> None:
        point = clicked_point(key)
        look_at(exploration, chart.selection_at(*point) if point else None, name if point else None)

    st.markdown(f"**{name}**")
    draw()
    if name in NOTES:
        st.caption(NOTES[name])
