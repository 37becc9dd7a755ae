"""A dataset's charts, and beside them its films: all, those of the filter, or those behind the clicked bar."""

import streamlit as st

from cxr_core.data.charts import DatasetChart
from cxr_core.data.registry import Dataset
from pages.components.datasets.contents import DatasetContents, FilmCollection
from pages.components.datasets.film_list import select_films, show_film_list
from pages.components.datasets.page_state import DataPageState
from pages.components.error_boundary import show_errors
from pages.components.session import clicked_point

CHART_CONFIG = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}
NOTES = {
    "How often each finding is": "Whiskers are 95 % intervals. Films with an unknown label are left out of the share.",
    "Ages": "As shares, so that splits of any size can be compared.",
    "Findings on the same film": "Of the films with the finding of the row, the percentage that also has that of the "
    "column.",
}


def show_explorer(state: DataPageState, dataset: Dataset, contents: DatasetContents) -> None:
    """Charts on the left, films on the right; on a narrow screen the films come below."""
    films = _choose_films(state, contents)
    with st.container(horizontal=True, gap="large"):
        charts, gallery = st.container(key="dataset-charts"), st.container(key="dataset-films")
    with charts:
        st.caption("Click a bar or a cell to see [the films](#films) behind it.")
        for name, chart in films.charts.items():
            _show_chart(state, dataset, name, chart)
        if not films.index.findings:
            st.info(
                "No finding has labels in this dataset, so there is nothing to count. The films can still be viewed."
            )
    with gallery:
        show_film_list(state, dataset, contents, films)


def _choose_films(state: DataPageState, contents: DatasetContents) -> FilmCollection:
    """The usable films or all that are listed, where these differ."""
    if contents.usable is None or contents.usable is contents.listed:
        return contents.listed
    usable, listed = len(contents.usable.manifest.table), len(contents.listed.manifest.table)
    names = {False: f"The {usable:,} usable", True: f"All {listed:,} listed"}
    picked = st.segmented_control(
        "Films counted",
        list(names),
        format_func=names.__getitem__,
        default=state.all_listed,
        key=state.widget_key("listed"),
        required=True,
    )
    if picked is not None:
        state.all_listed = picked
    return contents.listed if state.all_listed else contents.usable


def _show_chart(state: DataPageState, dataset: Dataset, name: str, chart: DatasetChart) -> None:
    """One chart. A fragment: a click reruns the films and, at most, the chart that loses its selected bar."""

    @st.fragment(key=name)
    @show_errors()
    def draw_chart() -> None:
        # A chart that must lose its selection gets a new key.
        resets = state.selection_resets.get(name, 0)
        key = f"chart-{dataset.name}-{state.all_listed}-{name}-{resets}"
        st.plotly_chart(
            chart.figure,
            key=key,
            on_select=lambda: select_clicked(key),
            selection_mode="points",
            config=CHART_CONFIG,
            alt=chart.description,
        )

    def select_clicked(key: str) -> None:
        point = clicked_point(key)
        if point is None:
            select_films(state, None)
        else:
            select_films(state, chart.selection_at(*point), name)

    st.markdown(f"**{name}**")
    draw_chart()
    if name in NOTES:
        st.caption(NOTES[name])
