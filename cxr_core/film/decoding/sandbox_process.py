"""The worker process of the decoding sandbox: `python -m cxr_core.film.decoding.sandbox_process MEMORY_BYTES SECONDS`.

A request is {"bytes": N} and the N bytes of a file. The answer is {"height", "width", "facts"} and the film's float32
pixels, or {"refused", "message", "code"}. The process ends when its pipe closes, and by a signal when a film takes too
long; see `workspace.child_process`.
"""

import gc
import sys
from collections.abc import Callable

from cxr_core.errors import FilmRefused
from cxr_core.film.radiograph import Radiograph
from cxr_core.workspace.child_process import (
    ParentConnection,
    connect_to_parent,
    limit_computing_time,
    limit_memory,
)
from cxr_core.workspace.garbage_collection import load_for_good

# For the imports, on a busy machine; a process that does not get that far is broken.
START_LIMIT_S = 20.0


def serve_parent(memory_limit: int, time_limit: float) -> None:
    """Read a file, decode it, answer; until the pipe closes. memory_limit: bytes.  time_limit: seconds a film."""
    limit_computing_time(START_LIMIT_S)
    parent = connect_to_parent()
    with load_for_good():  # collecting what a film leaves then takes a millisecond
        # Imported here, as the server itself needs neither the codecs nor the time they take to load.
        import cv2

        import cxr_core.film.decoding.dicom  # noqa: F401 - so that the first DICOM file need not wait for its codecs
        from cxr_core.film.decoding.decode import decode_film

    cv2.setNumThreads(1)
    limit_memory(memory_limit)
    limit_computing_time(0)
    while (data := _receive_file(parent)) is not None:
        _answer(parent, decode_film, data, time_limit)
        del data
        gc.collect()


def _receive_file(parent: ParentConnection) -> bytes | None:
    """The next file's bytes; None when the pipe has closed."""
    request = parent.receive()
    if request is None:
        return None
    size = request["bytes"]
    assert isinstance(size, int)
    return parent.receive_payload(size)


def _answer(
    parent: ParentConnection,
    decode: Callable[[bytes], Radiograph],
    data: bytes,
    time_limit: float,
) -> None:
    """Decode one file and send the film or the refusal. Any other error ends the process, which the parent reports."""
    limit_computing_time(time_limit)
    try:
        film = decode(data)
    except FilmRefused as refusal:
        limit_computing_time(0)
        parent.send(
            {"refused": type(refusal).__name__, "message": str(refusal), "code": refusal.code}
        )
        return
    limit_computing_time(0)
    height, width = film.shape
    parent.send(
        {"height": height, "width": width, "facts": film.facts_to_json()},
        film.pixels.data.cast("B"),
    )


if __name__ == "__main__":
    serve_parent(int(sys.argv[1]), float(sys.argv[2]))
