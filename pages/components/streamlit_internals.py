"""The frame that app.py puts around each page, asked for by a page that was run without it.

Streamlit takes a folder named `pages` for its older kind of app until app.py has run once. Whoever follows a link to a
page as a server's very first visitor would get the page's file alone.
"""

from streamlit.runtime.pages_manager import PagesManager
from streamlit.runtime.scriptrunner import RerunData, RerunException, get_script_run_ctx


def require_frame(address: str) -> None:
    """Have app.py run, and within it the page of this address; nothing happens when it runs already."""
    if PagesManager.uses_pages_directory:
        PagesManager.uses_pages_directory = False
        context = get_script_run_ctx()
        query = context.query_string if context else ""
        raise RerunException(RerunData(query_string=query, page_name=address))
