"""A dataset's charts, which filter one another, and beside them the films that the filters leave."""

import streamlit as st

from cxr_core.data.charts.chart import DatasetChart
from cxr_core.data.charts.draw import draw_charts
from cxr_core.data.registry import Dataset
from cxr_core.data.selection import EVERY_FILM
from cxr_core.data.summary import summarise_films
from pages.components.datasets.address import write_filters
from pages.components.datasets.contents import DatasetContents, FilmCollection
from pages.components.datasets.film_list import show_film_list
from pages.components.datasets.filters import ask_selection, show_chips
from pages.components.datasets.page_state import DataPageState
from pages.components.datasets.subsets import show_subsets
from pages.components.error_boundary import show_errors
from pages.components.session import selected_points

CHART_CONFIG = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}
NOTES = {
    "How often each finding is": "Whiskers are 95 % intervals. Films with an unknown label are left out of the share.",
    "Ages": "As shares, so that splits of any size can be compared. Drag across several bands to select them.",
    "Findings on the same film": "Of the films with the finding of the row, the percentage that also has that of the "
    "column.",
}


@st.fragment
@show_errors()
def show_explorer(state: DataPageState, dataset: Dataset, contents: DatasetContents) -> None:
    """Filters, then charts on the left and films on the right; on a narrow screen the films come below.

    A fragment: a click on a bar runs the explorer again, and not the page.
    """
    films = _choose_films(state, contents)
    chips = st.container()
    with st.expander("Filter by fields", icon=":material/filter_alt:"):
        selection = ask_selection(state, films.index, contents.issues)
    state.reset_charts(selection)
    state.selection = selection
    write_filters(selection)
    with chips:
        show_chips(state, selection)
    show_subsets(state, dataset, contents)
    with st.container(horizontal=True, gap="large"):
        charts, gallery = st.container(key="dataset-charts"), st.container(key="dataset-films")
    with charts:
        st.caption(
            "Click a bar or a cell to filter the other charts and [the films](#films); hold Shift for several."
        )
        summary = summarise_films(films.index, selection)
        for name, chart in draw_charts(summary, films.summary, selection).items():
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
    # A chart that must lose its clicked bars gets a new key, and so does one with other bars.
    generation = state.chart_generation(name, chart.dimension)
    key = f"chart-{dataset.name}-{dataset.prepared}-{state.all_listed}-{name}-{generation}"

    def filter_by_clicked() -> None:
        clicked = chart.selection_at(selected_points(key)) or EVERY_FILM
        selection = (state.selection or EVERY_FILM).with_dimension(chart.dimension, clicked)
        state.select_films(selection, clicked=name)

    st.markdown(f"**{name}**")
    st.plotly_chart(
        chart.figure,
        key=key,
        on_select=filter_by_clicked,
        selection_mode=("points", "box"),
        config=CHART_CONFIG,
        alt=chart.description,
    )
    if name in NOTES:
        st.caption(NOTES[name])
