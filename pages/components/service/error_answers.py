"""Turns whatever goes wrong with a request into JSON with one sentence, and never into a traceback."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from cxr_core.errors import Cancelled, ModelError, SilhouetteError
from cxr_core.workspace.log import describe_place, write_log_line
from pages.components.service.description import DESCRIPTION

GONE = 499  # the client hung up, and nobody sees the answer; a number that others use for it too
UNKNOWN_PATH = f"There is nothing at this path; {DESCRIPTION} describes what there is."
FAULT = "A fault in the program; the server's log has the details. If it happens again, please report it."


def answer_error(sentence: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that says what is wrong."""
    return JSONResponse({"error": sentence}, status, headers)


async def _answer_refusal(request: Request, error: HTTPException) -> Response:
    sentence = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND:
        sentence = UNKNOWN_PATH
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (error.headers or {}).get("Allow", "")
        sentence = f"The method {request.method:.20} is not for this path; use {allowed}."
    return answer_error(sentence, error.status_code, error.headers)


async def _answer_nobody(request: Request, error: Exception) -> Response:
    return Response(status_code=GONE)


async def _answer_missing_models(request: Request, error: ModelError) -> Response:
    return answer_error(str(error), HTTPStatus.SERVICE_UNAVAILABLE)


async def _answer_core_error(request: Request, error: SilhouetteError) -> Response:
    return answer_error(str(error), HTTPStatus.INTERNAL_SERVER_ERROR)


async def _answer_fault(request: Request, error: Exception) -> Response:
    """The server has the traceback in its own log afterwards: Starlette raises the error once more."""
    write_log_line(
        logging.ERROR,
        {"task": "service", "error": type(error).__name__, "where": describe_place(error)},
    )
    return answer_error(FAULT, HTTPStatus.INTERNAL_SERVER_ERROR)


ANSWERS: dict[type[Exception], Callable[[Request, Any], Awaitable[Response]]] = {
    HTTPException: _answer_refusal,
    ClientDisconnect: _answer_nobody,
    Cancelled: _answer_nobody,
    ModelError: _answer_missing_models,
    SilhouetteError: _answer_core_error,
    Exception: _answer_fault,
}
