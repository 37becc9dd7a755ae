"""The process that prepares a dataset: `python -m cxr_core.data.prepare_process`.

It takes one request (a `Preparation`), sends {"progress": [stage, done, total]} while it works, and at last
{"dataset": name} or {"error": sentence}. It ends at once when its pipe closes. Whatever it is at then (a table of
a gigabyte, a folder of a million files, another's lock, a disk that does not answer) ends with it.
"""

import os
import threading

from cxr_core.data.prepare import prepare_here
from cxr_core.data.prepare_apart import Preparation
from cxr_core.errors import SilhouetteError
from cxr_core.workspace.child_process import ParentConnection, connect_to_parent

OUT_OF_MEMORY = "the memory does not suffice; close other programs, or give fewer folders at a time"


def serve_parent() -> None:
    """Prepare the dataset of one request."""
    parent = connect_to_parent()
    request = parent.receive()
    if request is None:
        return
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()

    def report_progress(stage: str, done: int, total: int) -> None:
        parent.send({"progress": [stage, done, total]})

    try:
        name = prepare_here(Preparation.from_json(request), report_progress)
    except SilhouetteError as error:
        parent.send({"error": str(error)})
    except MemoryError:
        parent.send({"error": OUT_OF_MEMORY})
    else:
        parent.send({"dataset": name})


def _end_with_parent(parent: ParentConnection) -> None:
    parent.receive()
    os._exit(1)


if __name__ == "__main__":
    serve_parent()
