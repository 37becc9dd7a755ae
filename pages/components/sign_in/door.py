"""What stands before every page: sign-in, the roles that open it, and the way out."""

import threading

import streamlit as st

from cxr_core.access.actor import NOBODY, Actor, Role, current_actor
from cxr_core.access.audit import DONE, REFUSED, record_action
from cxr_core.access.permission import WHOM_TO_ASK, describe_missing_role
from cxr_core.errors import AccessRefused
from pages.components.markdown import plain
from pages.components.sign_in.person import end_sign_in, find_identity, has_ended, name_person
from pages.components.sign_in.settings import SignIn, check_address, load_sign_in
from pages.components.streamlit_internals import current_session_id

SIGN_IN, SIGN_OUT, ENDED = "sign-in", "sign-out", "ended"
PAGE = "page"
MOST_REMEMBERED = 10_000  # sign-ins and refused pages, so that each is recorded once


def let_in() -> bool:
    """Whether the page may be shown: somebody with a role has signed in, or nobody needs to. Else asks for sign-in."""
    settings = load_sign_in()
    if settings is None:
        return True
    try:
        identity = find_identity()
    except AccessRefused as refusal:
        _record_once(NOBODY, current_session_id(), SIGN_IN, REFUSED)
        _show_refusal(str(refusal))
        return False
    if identity is None:
        _offer_sign_in(settings, "Sign in to read chest films.")
    elif has_ended(identity):
        _record_once(identity.actor, identity.signed_in_at, SIGN_IN, ENDED)
        _offer_sign_in(settings, "Your sign-in has ended. Films that you had open wait for you.")
    elif identity.actor.role is Role.NONE:
        _record_once(identity.actor, identity.signed_in_at, SIGN_IN, REFUSED)
        _show_refusal(f"You have signed in, but you have no role here. {WHOM_TO_ASK}")
    else:
        _record_once(identity.actor, identity.signed_in_at, SIGN_IN, DONE)
        return True
    return False


def may_open(role: Role, title: str) -> bool:
    """Whether the person whose page runs may see it. Else that is recorded, and the page says what is missing."""
    actor = current_actor()
    if actor.role >= role:
        return True
    if let_in():  # signed in, with a lower role
        identity = find_identity()
        signed_in_at = identity.signed_in_at if identity is not None else None
        _record_once(actor, signed_in_at, PAGE, REFUSED, title)
        st.title(title)
        st.error(plain(describe_missing_role(role, "this page", actor)), icon=":material/lock:")
        st.page_link("pages/read.py", label="Read films", icon=":material/arrow_back:")
    return False


def may(role: Role) -> bool:
    """Whether the person whose page runs has a role; to leave out what would be refused."""
    return current_actor().role >= role


def offer_only_to(role: Role, what: str) -> bool:
    """Whether to offer what needs a role. Else a caption says that it does. what: begins the caption."""
    if may(role):
        return True
    st.caption(f":material/lock: {what} needs the role {role.word}.")
    return False


def leave_if_ended() -> None:
    """Run the whole page again once sign-in has ended, in a part of it that is run alone."""
    if load_sign_in() is None:
        return
    try:
        identity = find_identity()
        if identity is not None and not has_ended(identity):
            return
    except AccessRefused:
        pass
    st.rerun()


def show_account() -> None:
    """In the sidebar: who has signed in and the way out, or that the server is open to everybody."""
    if load_sign_in() is None:
        if notice := check_address():
            st.sidebar.warning(notice, icon=":material/lock_open:")
        return
    name = name_person()
    if not name:
        return
    role = current_actor().role
    with st.sidebar.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            plain(f"{name}, {role.word}" if role is not Role.NONE else name), width="stretch"
        )
        st.button("Sign out", type="tertiary", icon=":material/logout:", on_click=_sign_out)


def _offer_sign_in(settings: SignIn, sentence: str) -> None:
    st.title("Silhouette")
    st.markdown(sentence)
    for provider in settings.providers:
        st.button(
            f"Sign in with {provider}" if provider else "Sign in",
            type="primary",
            icon=":material/login:",
            on_click=st.login,
            args=(provider,),
            key=f"sign-in-{provider}",
        )


def _show_refusal(sentence: str) -> None:
    st.title("Silhouette")
    st.error(plain(sentence), icon=":material/lock:")


def _sign_out() -> None:
    identity = find_identity()
    if identity is not None:
        record_action(SIGN_OUT, who=identity.actor)
        end_sign_in(identity)
    st.logout()


_recorded: dict[tuple[str | float | None, ...], None] = {}
_recording = threading.Lock()


def _record_once(
    who: Actor, sign_in: str | float | None, action: str, outcome: str, name: str | None = None
) -> None:
    """Record once what each run of a page would record again. sign_in: which of this person's, or which tab."""
    event = (who.name, sign_in, action, outcome, name)
    with _recording:
        if event in _recorded:
            return
        while len(_recorded) >= MOST_REMEMBERED:
            del _recorded[next(iter(_recorded))]
        _recorded[event] = None
    record_action(action, who=who, name=name, outcome=outcome)
