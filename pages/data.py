"""Data: datasets in; whether they can be trusted, their numbers, and the films behind every number."""

import streamlit as st

from cxr_core.data.registry import list_damaged_folders, list_datasets
from cxr_core.errors import SilhouetteError
from pages.components import cache, session
from pages.components.datasets.add_dataset import add_dataset
from pages.components.datasets.checks import show_doctor
from pages.components.datasets.damaged import show_damaged
from pages.components.datasets.explore import show_explorer
from pages.components.datasets.overview import choose_dataset, show_overview
from pages.components.markdown import plain
from pages.components.streamlit_internals import require_frame

VIEWS = ("Doctor", "Explore")


def page() -> None:
    """The whole page, top to bottom."""
    exploration = session.exploration()
    st.title("Datasets")
    found = list_datasets()
    add_dataset(exploration, first=not found)
    show_damaged(list_damaged_folders())
    if not found:
        return
    dataset = choose_dataset(exploration, found)
    contents = cache.contents(dataset)
    show_overview(exploration, dataset, contents)
    tabs = st.tabs(
        VIEWS, default=exploration.view, key=exploration.widget("view"), on_change="rerun"
    )
    for name, tab, show in zip(VIEWS, tabs, (show_doctor, show_explorer), strict=True):
        if tab.open:
            exploration.view = name
            with tab:
                show(exploration, dataset, contents)


require_frame("data")
try:
    page()
except SilhouetteError as error:
    st.error(plain(str(error)))
