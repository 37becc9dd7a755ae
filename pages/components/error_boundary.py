"""The one place where a page meets an error: the part that it occurred in says it in a sentence, the rest goes on."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import streamlit as st

from cxr_core.errors import SilhouetteError
from cxr_core.workspace.jsonl import utc_now
from cxr_core.workspace.log import describe_place, write_log_line
from pages.components.markdown import plain
from pages.components.sign_in.door import leave_if_ended


@contextmanager
def show_errors() -> Iterator[None]:
    """Around a section, a tab or a callback, or as decorator of a fragment or dialog: shows the error that ends it.

    A fragment or dialog is run without the page around it, so whether sign-in has ended is looked at here too.
    Only the core's own error, whose message is for people. Any other is a fault of the program, for `report_fault`.
    """
    leave_if_ended()
    try:
        yield
    except SilhouetteError as error:
        st.error(plain(str(error)))


class KeepsOutcome(Protocol):
    """The state of a page that shows once, at its next run, what was done or why it could not be."""

    message: str
    error: str


def show_outcome(state: KeepsOutcome) -> None:
    """The outcome of the last action, once."""
    if state.message:
        st.success(plain(state.message), icon=":material/check_circle:")
    if state.error:
        st.error(plain(state.error), icon=":material/error:")
    state.message = state.error = ""


@contextmanager
def keep_error(state: KeepsOutcome) -> Iterator[None]:
    """In a callback of a button: the page's next run says why what is done here could not be done."""
    try:
        yield
    except SilhouetteError as error:
        state.error = str(error)


def report_fault(error: Exception) -> bool:
    """Handle what nothing else does: say that the program is at fault. Streamlit has logged the traceback before.

    Returns True: Streamlit need not show anything of its own.
    """
    write_log_line(
        logging.ERROR,
        {"task": "page", "error": type(error).__name__, "where": describe_place(error)},
    )
    st.error(
        f"This part of the page failed because of a fault in the program ({type(error).__name__}, {utc_now()}); the "
        "server's log has the details. Reload the page. If it fails again, please report it, with these words and what "
        "you did before.",
        icon=":material/bug_report:",
    )
    return True
