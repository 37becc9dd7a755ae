"""The dashboard (`streamlit run app.py`): the list of pages, and the notice that every page carries.

Streamlit imports this file as a module to find `app`, which it serves, and runs it as a script for each view of a page.
"""

from pathlib import Path

import streamlit as st

from cxr_core.access.actor import Role
from cxr_core.dicom_io.pacs.settings import FILE as PACS_SETTINGS
from cxr_core.workspace.paths import workspace
from pages.components import cache
from pages.components.sign_in import door

HERE = Path(__file__).parent
ICON = HERE / "pages/components/icon.svg"
STYLE = HERE / "pages/components/page.css"
NOT_A_DEVICE = (
    "**Not a medical device.** Not for clinical use: a qualified reader must check every result."
)
# Under which heading a page stands, its file and title, and the role that opens it.
PAGES = (
    ("Reading", "read", "Read", Role.READER),
    ("Laboratory", "data", "Data", Role.RESEARCHER),
    ("Laboratory", "review", "Review", Role.RESEARCHER),
    ("Laboratory", "train", "Train", Role.RESEARCHER),
    ("Laboratory", "evaluate", "Evaluate", Role.RESEARCHER),
    ("Laboratory", "models", "Models", Role.RESEARCHER),
    ("Laboratory", "site", "Site", Role.RESEARCHER),
    ("Laboratory", "node", "Node", Role.ADMIN),
)


def show_page() -> None:
    """The page that the address names, in the frame that every page has."""
    idle_collector = cache.idle_collector()
    idle_collector.put_off()
    st.set_page_config(
        page_title="Silhouette",
        page_icon=ICON,  # a file: a named icon would be fetched from the internet
        layout="wide",
        initial_sidebar_state=300,
        menu_items={"Get help": None, "Report a bug": None, "About": NOT_A_DEVICE},
    )
    st.html(STYLE)

    page = st.navigation(list_pages())
    try:
        if door.let_in():
            page.run()
    finally:
        door.show_account()
        st.sidebar.caption(NOT_A_DEVICE)  # also on a page that failed
        idle_collector.put_off()


def list_pages() -> dict[str, list[st.Page]]:
    """The pages by heading. One whose role is missing is not in the menu, and says so when it is opened."""
    pages: dict[str, list[st.Page]] = {}
    for heading, file, title, role in PAGES:
        page = st.Page(
            f"pages/{file}.py",
            title=title,
            default=file == "read",
            visibility="visible" if door.may(role) and is_set_up(file) else "hidden",
        )
        pages.setdefault(heading, []).append(page)
    return pages


def is_set_up(file: str) -> bool:
    """Whether a page has something to show: that of the node needs the settings of archives."""
    return file != "node" or (workspace() / PACS_SETTINGS).is_file()


if __name__ == "__main__":
    show_page()
else:
    from pages.components.error_boundary import report_fault
    from pages.components.server import prepare_server, require_safe_settings, server_middleware
    from pages.components.service.routes import service_routes

    require_safe_settings()
    app = st.App(
        __file__,
        routes=service_routes(),
        middleware=server_middleware(),
        lifespan=prepare_server,
        on_script_error=report_fault,
    )
