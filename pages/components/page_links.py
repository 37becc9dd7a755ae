"""Links from an empty page to the page where one starts."""

import streamlit as st


def link_to_data_page() -> None:
    """The link of every page that needs a dataset while none is registered."""
    st.page_link(
        "pages/data.py",
        label="Add a dataset on the Data page",
        icon=":material/create_new_folder:",
    )
