"""The second way in of the Read page, beside the drop zone: shown where the workspace has a pacs.toml."""

import streamlit as st

from cxr_core.dicom_io.pacs.settings import read_pacs_settings
from cxr_core.errors import SettingsError
from pages.components.error_boundary import show_errors
from pages.components.markdown import plain
from pages.components.read.page_state import ReadPageState


def take_from_pacs(state: ReadPageState) -> None:
    """Show the search; read the films of the study that is being opened."""
    try:
        settings = read_pacs_settings()
    except SettingsError as error:
        st.warning(plain(str(error)), icon=":material/dns:")
        return
    if settings is None:
        return
    key = state.widget_key(f"from-pacs-{state.pacs.opened_studies}")
    way_in = st.expander("From PACS", key=key, icon=":material/dns:", on_change="rerun")
    if way_in.open:
        # Imported once it is opened: it brings pydicom and the network libraries along.
        from pages.components.pacs.search import show_search

        with way_in, show_errors():
            show_search(state, settings)
    if state.pacs.fetch is not None:
        from pages.components.pacs.arrivals import read_arriving_films

        read_arriving_films(state)
    elif state.pacs.problem and not way_in.open:
        st.error(plain(state.pacs.problem))
