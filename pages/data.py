"""Data: register datasets, read the issues that the checks found, and explore their figures and films."""

from functools import partial

import streamlit as st

from cxr_core.access.actor import Role
from cxr_core.data.registry import list_damaged_folders, list_datasets
from pages.components import cache
from pages.components.datasets.add_dataset import add_dataset
from pages.components.datasets.address import clear_filters, read_filters, read_tab, write_tab
from pages.components.datasets.checks import show_checks
from pages.components.datasets.explore import show_explorer
from pages.components.datasets.label_mapping import show_labels
from pages.components.datasets.overview import (
    choose_dataset,
    offer_actions,
    show_damaged_datasets,
    show_overview,
)
from pages.components.datasets.page_state import CHECKS, EXPLORE, LABELS, SPLITS
from pages.components.datasets.splits import show_splits
from pages.components.error_boundary import show_errors
from pages.components.session import data_page_state
from pages.components.sign_in.door import may_open
from pages.components.streamlit_internals import require_app_frame
from pages.components.tabs import show_tabs

TABS = {CHECKS: show_checks, LABELS: show_labels, EXPLORE: show_explorer, SPLITS: show_splits}


@show_errors()
def page() -> None:
    """The whole page, from top to bottom."""
    state = data_page_state()
    st.title("Datasets")
    datasets = list_datasets()
    with show_errors():
        add_dataset(state, is_first=not datasets)
    show_damaged_datasets(list_damaged_folders())
    if not datasets:
        return
    dataset = choose_dataset(state, datasets)
    contents = None
    with show_errors():
        contents = cache.load_dataset_contents(dataset)
    if contents is None:
        offer_actions(state, dataset)
        return
    with show_errors():
        show_overview(state, dataset, contents)
    read_tab(state, tuple(TABS))
    read_filters(state, contents.listed.index)
    shown = {name: partial(show, state, dataset, contents) for name, show in TABS.items()}
    show_tabs(state, shown, "data-tab")
    write_tab(state)
    if state.tab != EXPLORE:
        clear_filters()


require_app_frame("data")
if may_open(Role.RESEARCHER, "Datasets"):
    page()
