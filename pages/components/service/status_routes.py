"""Answers what a program asks of the service itself: is it alive and ready, which models, which figures."""

from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cxr_core.errors import SilhouetteError
from pages.components import cache
from pages.components.service.description import describe_service
from pages.components.service.metrics import Metrics
from pages.components.service.own_thread import run_in_own_thread
from pages.components.service.public_facts import list_models

if TYPE_CHECKING:  # imports torch
    from cxr_core.reading.reader import Reader

NOT_KEPT = {"Cache-Control": "no-store"}


async def tell_alive(request: Request) -> Response:
    """The process answers; nothing else is looked at."""
    return JSONResponse({"status": "ok"}, headers=NOT_KEPT)


async def tell_ready(request: Request) -> Response:
    """Whether the next film would be read: models are loaded, and the decoding processes live. HTTPException 503."""
    problem = await run_in_own_thread(find_problem)
    if problem:
        raise HTTPException(503, problem, NOT_KEPT)
    return JSONResponse({"status": "ready"}, headers=NOT_KEPT)


def find_problem() -> str:
    """Why no film would be read now; empty when one would. Starts decoders that have ended."""
    try:
        ended = cache.load_reader().decoders.start_ended()
    except SilhouetteError as error:
        return str(error)
    if ended:
        return f"{ended} of the decoding processes had ended and start again. Ask again in a few seconds."
    return ""


async def tell_models(request: Request) -> Response:
    """The models in use."""
    reader: Reader = await run_in_own_thread(cache.load_reader)
    return JSONResponse(list_models(reader))


async def tell_description(request: Request) -> Response:
    """The OpenAPI description."""
    return JSONResponse(describe_service())


class MetricsRoute:
    """GET /metrics."""

    def __init__(self, metrics: Metrics):
        self._metrics = metrics

    async def answer(self, request: Request) -> Response:
        """Every figure in Prometheus' text format."""
        return Response(
            self._metrics.to_text(), headers={"Content-Type": CONTENT_TYPE_LATEST, **NOT_KEPT}
        )
