"""Receives the film of a request: within a size that is told before it is sent, and within a time."""

import asyncio
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import parse_options_header
from starlette.requests import Request
from starlette.types import Message, Receive

from cxr_core.film.limits import MAX_BYTES
from cxr_core.workspace.paths import printable

MAX_BODY_BYTES = MAX_BYTES + 64 * 1024  # a film, and what a form writes around it
BODY_TIME_LIMIT_S = 60.0
UNNAMED = "film"  # the name of a film that came without one
CLOSE = {"Connection": "close"}  # what the client still sends is not read
ONE_FILM = (
    "Send one film: as the body itself, or as the file of a form with one part and no other fields."
)


@dataclass(frozen=True, repr=False)
class ReceivedFilm:
    """The bytes of a film as they came, and the name that the form gave them; in no log and in no error."""

    name: str
    data: bytes


async def receive_film(request: Request) -> ReceivedFilm:
    """The film of a request. Raises HTTPException: 413 too large, 408 too slow, 400 no form with one file."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > MAX_BODY_BYTES:
        raise _too_large()
    limited = Request(request.scope, _limit(request.receive))
    content_type, _ = parse_options_header(request.headers.get("content-type"))
    try:
        async with asyncio.timeout(BODY_TIME_LIMIT_S):
            if content_type == b"multipart/form-data":
                return await _receive_form(limited)
            return ReceivedFilm(UNNAMED, await limited.body())
    except TimeoutError:
        raise HTTPException(
            408,
            f"The film did not arrive within {BODY_TIME_LIMIT_S:.0f} seconds. Send it again, by a faster connection.",
            CLOSE,
        ) from None


async def _receive_form(request: Request) -> ReceivedFilm:
    try:
        async with request.form(max_files=1, max_fields=0) as form:
            files = [file for file in form.values() if isinstance(file, UploadFile)]
            if not files:
                raise HTTPException(400, "The form has no file.")
            return ReceivedFilm(printable(files[0].filename or UNNAMED), await files[0].read())
    except HTTPException as error:
        if error.status_code != 400:
            raise
        raise HTTPException(400, f"{error.detail} {ONE_FILM}") from None


def _limit(receive: Receive) -> Receive:
    """The same messages, until they are more than a film."""
    received = 0

    async def receive_within_limit() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MAX_BODY_BYTES:
            raise _too_large()
        return message

    return receive_within_limit


def _too_large() -> HTTPException:
    return HTTPException(
        413,
        f"This request is larger than {MAX_BYTES // 2**20} MB, which is the most that is read. Export the film as a "
        "single compressed picture.",
        CLOSE,
    )
