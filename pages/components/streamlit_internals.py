"""The only module that uses parts of Streamlit outside its documented interface.

Five things have no documented way:

* Streamlit takes a folder named `pages` for its older kind of multipage app until app.py has run once. Somebody who
  follows a link to a page as the first visitor of a server would get that page without the app around it.
* Streamlit keeps a copy of every uploaded file until the browser tab is closed. A study of hundreds of films would be
  held twice.
* Streamlit keeps the session of a tab that was closed, in case it was only cut off, until another tab comes or goes.
* Streamlit answers a browser that has files to upload with the addresses to send them to. When the page is run again
  at that very moment, it drops the answer, and the files never arrive.
* Streamlit takes uploads of whoever has opened a session, which everybody can before signing in.

Where the installed Streamlit lacks these parts, the app goes on with less: the page says that it was opened without the
app, the copies stay until the tab is closed, and files dropped while the page is loading may have to be dropped again.
Where people sign in, no upload is taken then.
"""

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any, Protocol

import streamlit as st

from cxr_core.workspace.malloc import erase_soon

RECONNECT_WITHIN_S = 20.0  # a tab that was cut off for as long finds its study again
SESSION_ENDS_WITHIN_S = 3.0  # Streamlit lets go of a closed session a moment after it was closed
TESTED_VERSION = (
    "1.67.0"  # the pinned one; tests/pages/test_streamlit_internals.py fails where it lacks a part
)

log = logging.getLogger(__name__)


class UploadedFile(Protocol):
    """What this program uses of a file that `st.file_uploader` returns."""

    name: str  # as the browser sent it
    file_id: str

    def getvalue(self) -> bytes:
        """The bytes of the file."""
        ...


@dataclass(frozen=True, kw_only=True)
class Internals:
    """The undocumented parts, looked up once."""

    pages_manager: Any
    memory_upload_manager: type[Any]
    rerun_data: Any
    rerun_exception: Any
    script_run_context: Any
    running_server: Any
    message_queue: type[Any]
    user_cookie: str
    decode_cookie: Any
    find_cookie_secret: Any


@cache
def find_internals() -> Internals | None:
    """The undocumented parts of the installed Streamlit; None, with one warning in the log, when one is missing."""
    try:
        return _import_internals()
    except (ImportError, AttributeError) as error:
        log.warning(
            "Streamlit %s is not supported in full (%s). Install streamlit==%s. Until then, uploaded files stay in "
            "memory until the browser tab is closed, and a link to a page can open it without the app around it.",
            st.__version__,
            error,
            TESTED_VERSION,
        )
        return None


def _import_internals() -> Internals:
    """Raises ImportError or AttributeError for a part that this version of Streamlit does not have."""
    from streamlit.runtime import Runtime, get_instance
    from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
    from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
    from streamlit.runtime.pages_manager import PagesManager
    from streamlit.runtime.scriptrunner import RerunData, RerunException, get_script_run_ctx
    from streamlit.web.server.server_util import get_cookie_secret
    from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
    from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

    PagesManager.uses_pages_directory  # noqa: B018 - raises AttributeError where it is gone
    MemoryUploadedFileManager.remove_file  # noqa: B018
    Runtime.close_session, Runtime.is_active_session  # noqa: B018
    ForwardMsgQueue()._queue, ForwardMsgQueue.clear
    missing = {"query_string", "page_name"} - set(inspect.signature(RerunData).parameters)
    if missing:
        raise AttributeError(f"RerunData has no {', '.join(sorted(missing))}")
    return Internals(
        pages_manager=PagesManager,
        memory_upload_manager=MemoryUploadedFileManager,
        rerun_data=RerunData,
        rerun_exception=RerunException,
        script_run_context=get_script_run_ctx,
        running_server=get_instance,
        message_queue=ForwardMsgQueue,
        user_cookie=USER_COOKIE_NAME,
        decode_cookie=decode_signed_value,
        find_cookie_secret=get_cookie_secret,
    )


def require_app_frame(page_name: str) -> None:
    """Run app.py around a page that was opened without it; does nothing when app.py is running already."""
    internals = find_internals()
    if internals is None:
        _explain_missing_frame()
        return
    if internals.pages_manager.uses_pages_directory:
        internals.pages_manager.uses_pages_directory = False
        context = internals.script_run_context()
        query = context.query_string if context else ""
        raise internals.rerun_exception(
            internals.rerun_data(query_string=query, page_name=page_name)
        )


def release_uploads(uploads: Iterable[UploadedFile]) -> None:
    """Make Streamlit drop its own copies of uploaded files, which it would also copy at every rerun."""
    internals = find_internals()
    context = internals.script_run_context() if internals else None
    if internals is None or context is None:
        return
    manager = context.uploaded_file_mgr
    if isinstance(manager, internals.memory_upload_manager):
        for upload in uploads:
            manager.remove_file(session_id=context.session_id, file_id=upload.file_id)


def keep_upload_answers() -> None:
    """Make Streamlit keep its answers to browsers that have files to upload when it clears the messages of a run."""
    internals = find_internals()
    if internals is None or hasattr(internals.message_queue.clear, "__wrapped__"):
        return
    clear = internals.message_queue.clear

    @wraps(clear)
    def clear_all_but_answers(
        queue: Any, retain_lifecycle_msgs: bool = False, *arguments: Any, **options: Any
    ) -> None:
        answers = [message for message in queue._queue if message.HasField("file_urls_response")]
        clear(queue, retain_lifecycle_msgs, *arguments, **options)
        if retain_lifecycle_msgs:  # a run begins; without it the messages have just been sent
            kept = {id(message) for message in queue._queue}
            queue._queue[:0] = [answer for answer in answers if id(answer) not in kept]

    internals.message_queue.clear = clear_all_but_answers


def has_user_cookie(cookies: Mapping[str, str]) -> bool:
    """Whether somebody has signed in with the browser that sends these: one has this server's signature."""
    internals = find_internals()
    value = cookies.get(internals.user_cookie) if internals else None
    if internals is None or value is None:
        return False
    secret, name = internals.find_cookie_secret(), internals.user_cookie
    return internals.decode_cookie(secret, name, value.encode("latin-1", "replace")) is not None


@dataclass(frozen=True)
class EndingSession:
    """A session, and what makes the objects that it leaves behind forget their films."""

    session_id: str
    forget: Callable[[], None]


def current_session_id() -> str:
    """The session whose page is running; empty where there is none."""
    context = _current_context()
    return context.session_id if context else ""


def is_connected(session_id: str) -> bool:
    """Whether the tab of a session is open."""
    internals = find_internals()
    return internals is not None and internals.running_server().is_active_session(session_id)


def current_session(leave: Callable[[str], None]) -> EndingSession:
    """The session whose page is running; without an id where there is none.

    leave: called at its end with its id. Everything that it holds for the page is forgotten then, such as the files of
    the uploader: Streamlit itself keeps the session that was closed last until another one is opened.
    """
    context = _current_context()
    if context is None:
        return EndingSession("", lambda: leave(""))
    session_id, state = context.session_id, context.session_state

    def forget() -> None:
        leave(session_id)
        state._state.clear()

    return EndingSession(session_id, forget)


def _current_context() -> Any:
    internals = find_internals()
    return internals.script_run_context() if internals else None


def end_session_soon(session: EndingSession) -> None:
    """End a session whose tab has been closed, unless it is back within RECONNECT_WITHIN_S.

    Called on the server's loop; anywhere else, as when all caches are cleared, it does nothing.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return
    loop.call_later(RECONNECT_WITHIN_S, _end_session, session)


def _end_session(session: EndingSession) -> None:
    internals = find_internals()
    if internals is None:
        return
    server = internals.running_server()
    if server.is_active_session(session.session_id):
        return
    server.close_session(session.session_id)
    session.forget()
    asyncio.get_running_loop().call_later(SESSION_ENDS_WITHIN_S, _erase_ended_session)


def _erase_ended_session() -> None:
    _forget_last_messages()
    erase_soon()


def _forget_last_messages() -> None:
    """Empty the messages that Streamlit sent last, once nobody is connected.

    Its loop keeps them as local variables until the next visitor comes, and the picture of a film is among them.
    """
    for task in asyncio.all_tasks():
        frame = getattr(task.get_coro(), "cr_frame", None)
        if frame is None or frame.f_code.co_name != "_loop_coroutine":
            continue
        variables = frame.f_locals
        server, messages = variables.get("self"), variables.get("msg_list")
        if isinstance(messages, list) and server.state.name == "NO_SESSIONS_CONNECTED":
            messages.clear()


def _explain_missing_frame() -> None:
    """A line on a page whose frame cannot be checked; inside the app it would be noise, so it is one small caption."""
    st.caption(
        f"This page was written for Streamlit {TESTED_VERSION}; {st.__version__} is installed. If the menu on the left "
        "is missing, open the [start page](/)."
    )
