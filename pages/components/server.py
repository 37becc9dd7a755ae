"""What stands between the network and Streamlit: which host names are answered, and the headers of every response.

A page of another site can point its own host name at this computer (DNS rebinding) and then call the server as if it
were part of it. So every request and every web socket must name an allowed host, and come from a page of one.
"""

import asyncio
import logging
import os
import re
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.formparsers import MultiPartParser
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cxr_core.access.actor import use_actors_of
from cxr_core.errors import SettingsError
from cxr_core.film.limits import MAX_BYTES
from cxr_core.workspace.log import write_log_line
from cxr_core.workspace.malloc import (
    erase_in_server_too,
    keep_freed_memory,
    overwrite_freed_memory,
)
from pages.components import cache
from pages.components.service.error_answers import answer_error
from pages.components.service.refused_requests import refused_requests
from pages.components.service.routes import is_service_path
from pages.components.sign_in.person import find_page_actor
from pages.components.sign_in.settings import check_address, load_sign_in
from pages.components.streamlit_internals import has_user_cookie, keep_upload_answers

HOSTS_VARIABLE = "CXR_ALLOWED_HOSTS"
THIS_COMPUTER = ("localhost", "127.0.0.1", "::1")
EVERY_ADDRESS = ("", "0.0.0.0", "::")
HOST = re.compile(r"(?:https?://)?(?:\[([0-9a-f:.]+)\]|([\w.-]+?)\.?)(?::\d+)?", re.IGNORECASE)

REFUSAL = (
    "This server does not answer to the host name in this request, or to pages of another site. "
    f"Open it as localhost, or start it with {HOSTS_VARIABLE}=NAME for each further name, separated by commas.\n"
)

UPLOADS = "/_stcore/upload_file"
REFUSED_PAGE = PlainTextResponse(REFUSAL, 403)
REFUSED_UPLOAD = PlainTextResponse("Sign in before you send a file.\n", 401)
BAD_SETTINGS = 2  # the exit status
MODELS_WITHIN_S = 30.0  # after which the server answers without them

# The one inline script of Streamlit's own page, by its hash; its style sheets are made while the page runs.
INLINE_SCRIPT = "'sha256-THxz9J9+wf7rhwR2YkXJoSZ13UCmYyC+3lNDv2+8ugA='"
CONTENT_SECURITY_POLICY = {
    "default-src": "'none'",
    "script-src": f"'self' blob: {INLINE_SCRIPT}",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' blob: data:",
    "font-src": "'self' data:",
    "connect-src": "'self'",
    "worker-src": "'self' blob:",
    "manifest-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(map(" ".join, CONTENT_SECURITY_POLICY.items())),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}


log = logging.getLogger(__name__)


def require_safe_settings() -> None:
    """End the program with a sentence where it would serve a network without sign-in, or a setting is wrong."""
    try:
        warning = check_address()
        list_allowed_hosts()
    except SettingsError as error:
        print(f"silhouette: {error}", file=sys.stderr)
        sys.exit(BAD_SETTINGS)
    if warning:
        log.warning(warning)
        write_log_line(logging.WARNING, {"task": "server", "state": "open without sign-in"})


def server_middleware() -> list[Middleware]:
    """What `st.App` puts in front of Streamlit, with the host names of the server's settings."""
    return [Middleware(RequestGuard, allowed_hosts=list_allowed_hosts())]


@asynccontextmanager
async def prepare_server(app: st.App) -> AsyncIterator[dict[str, object]]:
    """While the server runs, no upload is lost or written to a temporary file, and memory of films is overwritten.

    As it ends, it records the requests that it has refused and not recorded yet.

    The server answers once the models are loaded, so that the first film is read as soon as any other. A model whose
    own code does not end holds it up for MODELS_WITHIN_S at most.
    """
    use_actors_of(find_page_actor)
    keep_upload_answers()
    MultiPartParser.spool_max_size = 2 * MAX_BYTES
    keep_freed_memory()
    overwrite_freed_memory()
    loop = asyncio.get_running_loop()
    erase_in_server_too(loop.call_soon_threadsafe)
    await _load_models()
    yield {}
    refused_requests.record()
    erase_in_server_too(None)


async def _load_models() -> None:
    # Of its own, since one of the loop's would stay, and a daemon, so that the server can end meanwhile.
    loader = threading.Thread(target=cache.warm_models, name="load models", daemon=True)
    loader.start()
    deadline = time.monotonic() + MODELS_WITHIN_S
    while loader.is_alive() and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    if loader.is_alive():
        log.warning("the models still load after %.0f s; the server answers", MODELS_WITHIN_S)


def list_allowed_hosts() -> tuple[str, ...]:
    """The host names that are answered: this computer's, the address that is served, and those that settings name.

    These are CXR_ALLOWED_HOSTS, and the host to which the identity provider sends people back. Raises SettingsError
    where CXR_ALLOWED_HOSTS names something else than a host.
    """
    served = str(st.get_option("server.address") or "")
    names = [name.strip() for name in os.environ.get(HOSTS_VARIABLE, "").split(",")]
    named = [_parse_named_host(name) for name in names if name]
    further = [*named, served] if served not in EVERY_ADDRESS else named
    sign_in = load_sign_in()
    if sign_in is not None:
        further.append(sign_in.host)
    return (*THIS_COMPUTER, *(name.strip("[]").lower() for name in further if name))


def _parse_named_host(text: str) -> str:
    """The host that one entry of CXR_ALLOWED_HOSTS names; its scheme, port and final dot are left out."""
    name = _host_name(text) or _host_name(f"[{text}]")  # an IPv6 address may stand without brackets
    if not name:
        raise SettingsError(
            f"{HOSTS_VARIABLE} names {text!r}, which is no host name; give names such as xray.example.org, separated "
            "by commas"
        )
    return name


class RequestGuard:
    """Refuses requests and web sockets by other host names or from pages of other hosts, and adds HEADERS."""

    def __init__(self, app: ASGIApp, allowed_hosts: Iterable[str]):
        self.app = app
        self.allowed_hosts = frozenset(allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on (ASGI)."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        app: ASGIApp = self.app
        if scope["type"] in ("http", "websocket"):
            if not self._is_allowed(Headers(scope=scope)):
                for_program = is_service_path(scope["path"])
                app = answer_error(REFUSAL.strip(), 403) if for_program else REFUSED_PAGE
            elif UPLOADS in scope["path"] and not _may_upload(scope):
                app = REFUSED_UPLOAD
        await app(scope, receive, send_with_headers)

    def _is_allowed(self, headers: Headers) -> bool:
        hosts = headers.getlist("host")
        names = map(_host_name, [*hosts, *headers.getlist("origin")])
        return len(hosts) == 1 and all(name in self.allowed_hosts for name in names)


def _may_upload(scope: Scope) -> bool:
    """Whether whoever uploads has signed in; otherwise anybody could fill the memory. The page checks the rest."""
    return load_sign_in() is None or has_user_cookie(Request(scope).cookies)


def _host_name(host: str) -> str:
    """The name in a Host or an Origin header, or in the settings, without scheme and port; empty when it is neither."""
    match = HOST.fullmatch(host)
    return (match[1] or match[2]).lower() if match else ""
