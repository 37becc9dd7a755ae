"""Lets programs in that have an API key, where one is needed: with sign-in, and as soon as there is or was a key."""

from functools import partial

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from cxr_core.access.actor import Actor, acting_as, current_actor
from cxr_core.access.api_keys import find_client, list_keys
from cxr_core.errors import AccessRefused, RecordError
from pages.components.service.description import ALIVE, READY
from pages.components.service.error_answers import answer_error
from pages.components.service.own_thread import run_in_own_thread
from pages.components.service.refused_requests import refused_requests
from pages.components.sign_in.settings import load_sign_in

WITHOUT_KEY = (ALIVE, READY)  # for a proxy or an orchestrator; they say nothing of films or models
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="silhouette"'}  # RFC 6750, section 3
NO_KEY = "This service needs an API key: send it as Authorization: Bearer KEY."


class KeyGuard:
    """Answers 401 without a valid key, and runs everything else as the program whose key it is."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on (ASGI)."""
        if scope["path"] in WITHOUT_KEY:
            await self.app(scope, receive, send)
            return
        sent = Headers(scope=scope).get("authorization", "")
        try:
            client = await run_in_own_thread(partial(find_sender, sent))
        except AccessRefused as refusal:
            await run_in_own_thread(refused_requests.add)
            await answer_error(str(refusal), 401, CHALLENGE)(scope, receive, send)
        except RecordError as error:  # which keys there are is not known, so nobody gets in
            await answer_error(str(error), 503)(scope, receive, send)
        else:
            with acting_as(client):
                await self.app(scope, receive, send)


def find_sender(authorization: str) -> Actor:
    """Who sends a request with this header. Raises AccessRefused without a valid key, RecordError for damaged keys."""
    if load_sign_in() is None and not list_keys():
        return current_actor()
    scheme, _, key = authorization.partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise AccessRefused(NO_KEY)
    return find_client(key.strip())
