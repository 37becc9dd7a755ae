"""Asks who reads: who has signed in, else a name that is typed or chosen once."""

import streamlit as st

from cxr_core.access.actor import current_actor
from cxr_core.feedback.readers import (
    MAX_NAME,
    RegisteredReader,
    find_reader_of_account,
    list_readers,
    register_reader,
)
from pages.components.error_boundary import show_errors
from pages.components.feedback.page_state import FeedbackState
from pages.components.session import field_text, set_field_value
from pages.components.sign_in.person import name_person
from pages.components.sign_in.settings import load_sign_in


def ask_reader(state: FeedbackState, key: str) -> RegisteredReader | None:
    """The reader, asked for by name where nobody signs in; None until there is one."""
    if load_sign_in() is not None:
        return find_signed_in_reader(state)
    set_field_value(key, state.reader.name if state.reader else None)
    st.selectbox(
        "Reader",
        [reader.name for reader in list_readers()],
        index=None,
        key=key,
        accept_new_options=True,
        placeholder="Your name or initials",
        help=f"Kept with your verdicts. Up to {MAX_NAME} characters.",
        on_change=_store_name,
        args=(state, key),
    )
    return state.reader


def find_current_reader(state: FeedbackState) -> RegisteredReader | None:
    """The reader without asking: who has signed in, else the name that was given; None until there is one."""
    return find_signed_in_reader(state) if load_sign_in() is not None else state.reader


def find_signed_in_reader(state: FeedbackState) -> RegisteredReader:
    """The reader who has signed in, looked up once for each account."""
    account = current_actor().name
    if state.reader is None or state.account != account:
        state.reader = find_reader_of_account(account, name_person() or account)
        state.account = account
    return state.reader


@show_errors()
def _store_name(state: FeedbackState, key: str) -> None:
    name = field_text(key)
    state.reader = register_reader(name) if name else None
