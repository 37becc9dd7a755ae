"""The paths of the service beside the page. It answers where CXR_SERVICE=on, and says so everywhere else."""

import os
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages.components import cache
from pages.components.service.description import (
    ALIVE,
    DESCRIPTION,
    METRICS,
    MODELS,
    READ,
    READY,
)
from pages.components.service.error_answers import ANSWERS, answer_error

VARIABLE, ON = "CXR_SERVICE", "on"
BELOW = "/api"
PATHS = (READ, MODELS, DESCRIPTION, ALIVE, READY, METRICS)
SWITCHED_OFF = f"This server offers no service to programs. Start it with {VARIABLE}={ON}."
# In the header Sec-Fetch-Site a browser says where a request comes from; a program says nothing.
OWN_SITES = ("same-origin", "none")
OTHER_SITE = (
    "This service is for programs; a page of another site, or of another port, cannot call it."
)


def is_switched_on() -> bool:
    """Whether this server was started with the service."""
    return os.environ.get(VARIABLE, "").strip().lower() == ON


def is_service_path(path: str) -> bool:
    """Whether a path belongs to the service, and not to a page."""
    return path in (ALIVE, READY, METRICS, BELOW) or path.startswith(f"{BELOW}/")


def service_routes() -> list[BaseRoute]:
    """For `st.App`: every path of the service, by every method, whether it is switched on or not.

    Streamlit would answer the others with its own page.
    """
    service = ServiceGuard(build_service() if is_switched_on() else SwitchedOff())
    paths = (ALIVE, READY, METRICS, BELOW, f"{BELOW}/{{rest:path}}")
    return [Route(path, service) for path in paths]


def build_service() -> ASGIApp:
    """The service as an application of its own, with its own answers to errors."""
    # A server without the service need not import prometheus_client, which takes a third of a second.
    from pages.components.service import status_routes as status
    from pages.components.service.admission import Admission
    from pages.components.service.keys import KeyGuard
    from pages.components.service.metrics import Metrics
    from pages.components.service.read_route import ReadRoute

    admission = Admission()
    metrics = Metrics(lambda: admission.inside, lambda: cache.reading_queue().count())
    app = Starlette(
        routes=[
            Route(READ, ReadRoute(admission, metrics).answer, methods=["POST"]),
            Route(MODELS, status.tell_models),
            Route(DESCRIPTION, status.tell_description),
            Route(ALIVE, status.tell_alive),
            Route(READY, status.tell_ready),
            Route(METRICS, status.MetricsRoute(metrics).answer),
        ],
        exception_handlers=ANSWERS,
    )
    app.router.redirect_slashes = False
    return AnswerCounter(KeyGuard(app), metrics.count_answer)


class ServiceGuard:
    """Refuses what a browser sends for a page that is not this server's own."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on (ASGI)."""
        app: ASGIApp = self.app
        if Headers(scope=scope).get("sec-fetch-site", "none") not in OWN_SITES:
            app = answer_error(OTHER_SITE, 403)
        await app(scope, receive, send)


class SwitchedOff:
    """Answers every request of a server that was started without the service."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        await answer_error(SWITCHED_OFF, 404)(scope, receive, send)


class AnswerCounter:
    """Counts every answer by path and status; paths that a client has made up as one."""

    def __init__(self, app: ASGIApp, count: Callable[[str, int], None]):
        self.app, self.count = app, count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand one request on (ASGI)."""
        path = scope["path"] if scope["path"] in PATHS else "other"

        async def send_and_count(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.count(path, message["status"])
            await send(message)

        await self.app(scope, receive, send_and_count)
