"""The person whose page runs: asked of Streamlit each time, so that callbacks, fragments and dialogs know them too."""

import time
from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from cxr_core.access.actor import LOCAL, NOBODY, Actor, Role
from cxr_core.access.identity import Identity, read_identity
from cxr_core.errors import AccessRefused
from pages.components.sign_in.settings import load_sign_in
from pages.components.streamlit_internals import current_session_id

NAME_CLAIMS = ("name", "preferred_username", "email", "sub")  # what the page calls a person by


def find_identity() -> Identity | None:
    """Who has signed in on this page, also when that has ended; None for nobody, and where nobody needs to.

    Raises AccessRefused when the provider's answer cannot be used.
    """
    settings = load_sign_in()
    if settings is None or not current_session_id():
        return None
    claims = st.user.to_dict()
    if not claims.get("is_logged_in"):
        return None
    return read_identity(claims, settings.access)


def has_ended(identity: Identity) -> bool:
    """Whether a person has to sign in again: time has run out, or they have signed out in another tab."""
    return time.time() >= identity.ends_at or _name_sign_in(identity) in _signed_out


def end_sign_in(identity: Identity) -> None:
    """End a sign-in in every tab: Streamlit itself takes the identity from the one tab alone."""
    now = time.time()
    for ended in [key for key, ends_at in _signed_out.items() if ends_at < now]:
        _signed_out.pop(ended, None)
    _signed_out[_name_sign_in(identity)] = identity.ends_at


_signed_out: dict[tuple[str, float], float] = {}  # when each would have ended anyway


def _name_sign_in(identity: Identity) -> tuple[str, float]:
    return identity.actor.name, identity.signed_in_at


def hold_sign_in() -> Callable[[], None]:
    """A check for what is made later, without a page that runs: it raises AccessRefused once the sign-in has ended."""
    identity = find_identity()

    def require_sign_in() -> None:
        if identity is not None and has_ended(identity):
            raise AccessRefused("your sign-in has ended; reload the page and sign in again")

    return require_sign_in


def find_page_actor() -> Actor:
    """Who acts on the page that runs: LOCAL without sign-in. Before somebody signs in, and once that ends, no role."""
    if load_sign_in() is None:
        return LOCAL
    try:
        identity = find_identity()
    except AccessRefused:
        return NOBODY
    if identity is None:
        return NOBODY
    return replace(identity.actor, role=Role.NONE) if has_ended(identity) else identity.actor


def name_person() -> str:
    """What the page calls the person who has signed in; never logged."""
    claims = st.user.to_dict()
    return next((str(claims[claim]) for claim in NAME_CLAIMS if claims.get(claim)), "")
