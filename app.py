"""The dashboard (`streamlit run app.py`): the list of pages, and the notice that every page carries.

Streamlit imports this file as a module to find `app`, which it serves, and runs it as a script for each view of a page.
"""

from pathlib import Path

import streamlit as st

from pages.components import cache

HERE = Path(__file__).parent
ICON = HERE / "pages/components/icon.svg"
STYLE = HERE / "pages/components/page.css"
NOT_A_DEVICE = (
    "**Not a medical device.** Not for clinical use: a qualified reader must check every result."
)


def show_page() -> None:
    """The page that the address names, in the frame that every page has."""
    st.set_page_config(
        page_title="Silhouette",
        page_icon=ICON,  # a file: a named icon would be fetched from the internet
        layout="wide",
        initial_sidebar_state=300,
        menu_items={"Get help": None, "Report a bug": None, "About": NOT_A_DEVICE},
    )
    st.html(STYLE)

    page = st.navigation(
        {
            "Reading": [st.Page("pages/read.py", title="Read", default=True)],
            "Laboratory": [
                st.Page("pages/data.py", title="Data"),
                st.Page("pages/train.py", title="Train"),
                st.Page("pages/evaluate.py", title="Evaluate"),
                st.Page("pages/models.py", title="Models"),
                st.Page("pages/site.py", title="Site"),
            ],
        }
    )
    try:
        page.run()
    finally:
        st.sidebar.caption(NOT_A_DEVICE)  # also on a page that failed

    # Last, so that the page is on the screen before the models are loaded.
    cache.start_warm_up()


if __name__ == "__main__":
    show_page()
else:
    from pages.components.error_boundary import report_fault
    from pages.components.server import prepare_server, server_middleware
    from pages.components.service.routes import service_routes

    app = st.App(
        __file__,
        routes=service_routes(),
        middleware=server_middleware(),
        lifespan=prepare_server,
        on_script_error=report_fault,
    )
