"""The process that reads headers: `python -m cxr_core.dicom_io.header_process MEMORY_BYTES SECONDS`.

A request is {"bytes": N} and the N bytes of a file. The answer is what `read_header_values` gives, or {"refused": why,
"code"}. The process has limits and ends with its parent as the decoder's does; see `workspace.child_process`. It is
not the decoder: that one cannot be asked for a name.
"""

import sys

from pydicom.errors import InvalidDicomError

from cxr_core.dicom_io.header_values import REFUSED, read_header_values
from cxr_core.errors import FilmRefused
from cxr_core.film.decoding.dicom_header.values import BROKEN_VALUE
from cxr_core.workspace.child_process import connect_to_parent, limit_computing_time, limit_memory
from cxr_core.workspace.json_files import JsonObject

DAMAGED = (
    "The header of this DICOM file cannot be read, so there is nothing that says where a result belongs. Export the "
    "film again."
)


def answer_file(data: bytes) -> JsonObject:
    """The header's values, or the refusal; no message quotes the file."""
    try:
        return read_header_values(data)
    except FilmRefused as refusal:
        return {"refused": str(refusal), "code": refusal.code}
    except (*BROKEN_VALUE, InvalidDicomError, MemoryError, RecursionError):
        return {"refused": DAMAGED, "code": REFUSED}


def serve_parent(memory_limit: int, time_limit_s: float) -> None:
    """Read a file, answer with its header; until the pipe closes. memory_limit: bytes.  time_limit_s: for one file."""
    parent = connect_to_parent()
    limit_memory(memory_limit)
    while (request := parent.receive()) is not None:
        size = request["bytes"]
        assert isinstance(size, int)
        data = parent.receive_payload(size)
        if data is None:
            return
        limit_computing_time(time_limit_s)
        answer = answer_file(data)
        limit_computing_time(0)
        parent.send(answer)


if __name__ == "__main__":
    serve_parent(int(sys.argv[1]), float(sys.argv[2]))
