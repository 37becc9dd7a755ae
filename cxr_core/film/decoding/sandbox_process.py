"""The decoding process itself: `python -m cxr_core.film.decoding.sandbox_process MEMORY_BYTES SECONDS`.

Over its pipes come a length (8 bytes) and a file; back go a length (4 bytes), a JSON header and, unless that is a
refusal, the film's raw float32 pixels. It ends when its pipe closes, and by SIGPROF or SIGALRM when a film takes too
long.
"""

import io
import json
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable
from dataclasses import fields
from typing import IO, Any

from cxr_core.errors import FilmRefused
from cxr_core.film.radiograph import Radiograph

# Imports on a busy machine; a process that does not get that far is broken.
START_LIMIT_S = 120.0
# A time limit is one of computing, so that a busy machine refuses no sound film; by the clock it is this much longer.
WAITING_FACTOR = 6
FACTS = tuple(field.name for field in fields(Radiograph) if field.name != "pixels")


def serve(memory_limit: int, time_limit: float) -> None:
    """The worker's own loop: read a file, decode it, answer; until the pipe closes."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C is for the server, which then closes the pipe
    signal.setitimer(signal.ITIMER_REAL, START_LIMIT_S)
    requests, answers = own_pipes()
    # Imported here, as the server itself needs neither the codecs nor the time they take to load.
    import cv2

    import cxr_core.film.decoding.dicom  # noqa: F401 - here, so that the first DICOM file need not wait for its codecs
    from cxr_core.film.decoding.decode import decode

    cv2.setNumThreads(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no film in a core dump
    resource.setrlimit(resource.RLIMIT_DATA, (memory_limit, memory_limit))
    signal.setitimer(signal.ITIMER_REAL, 0)
    while (data := _request(requests)) is not None:
        _answer(answers, decode, data, time_limit)


def _request(pipe: IO[bytes]) -> bytes | None:
    """The next file's bytes; None when the pipe has closed."""
    try:
        (length,) = struct.unpack(">Q", read_exactly(pipe, 8))
        return read_exactly(pipe, length)
    except EOFError:
        return None


def _answer(
    pipe: IO[bytes], decode: Callable[[bytes], Radiograph], data: bytes, time_limit: float
) -> None:
    """Decode one file and send the film or the refusal. Any other error ends the process: that is its answer."""
    limit_time(time_limit)
    try:
        film = decode(data)
    except FilmRefused as refusal:
        limit_time(0)
        _send(
            pipe, {"refused": type(refusal).__name__, "message": str(refusal), "code": refusal.code}
        )
        return
    limit_time(0)
    _send(pipe, {"shape": film.shape, **{name: getattr(film, name) for name in FACTS}})
    write_all(pipe, film.pixels.data.cast("B"))


def limit_time(seconds: float) -> None:
    """End the process after so many seconds of computing, even inside a codec's own loop; 0 lifts the limit."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, WAITING_FACTOR * seconds)


def _send(pipe: IO[bytes], header: dict[str, Any]) -> None:
    encoded = json.dumps(header).encode()
    write_all(pipe, struct.pack(">I", len(encoded)) + encoded)


def own_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Keep stdin and stdout for the conversation; whatever a codec prints goes nowhere."""
    requests, answers = io.FileIO(os.dup(0), "rb"), io.FileIO(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    return requests, answers


def write_all(pipe: IO[bytes], data: bytes | memoryview) -> None:
    """Write everything. Raises OSError when nobody reads any more."""
    view = memoryview(data)
    while view:
        view = view[pipe.write(view) :]


def read_exactly(pipe: IO[bytes], size: int) -> bytes:
    """The next `size` bytes. Raises EOFError when the pipe ends first."""
    data = bytearray(size)
    read_into(pipe, memoryview(data))
    return bytes(data)


def read_into(pipe: IO[bytes], view: memoryview) -> None:
    """Fill the view. Raises EOFError when the pipe ends first."""
    while view:
        count = pipe.readinto(view)  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        view = view[count:]


if __name__ == "__main__":
    serve(int(sys.argv[1]), float(sys.argv[2]))
