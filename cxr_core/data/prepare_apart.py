"""Runs the preparation of a dataset in a process of its own, so that it can be stopped at any moment.

A table may have gigabytes, a folder a million files, another process a lock, and a disk may not answer: the process is
killed, whatever it is at. What it has decoded by then is kept, and the registry is as it was.
"""

import contextlib
import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cxr_core.access.actor import Role
from cxr_core.access.permission import require_role
from cxr_core.data.checks.decision import Action
from cxr_core.errors import DataError
from cxr_core.workspace.child_process import (
    PATIENCE_FOR_STATUS_S,
    ChildEnded,
    ChildProcess,
    describe_end,
    ended_from_outside,
)
from cxr_core.workspace.json_files import JsonObject
from cxr_core.workspace.json_record import JsonRecord, PathText
from cxr_core.workspace.paths import workspace

# Stage, done, total; the same again several times a second while nothing changes. What it raises (errors.Cancelled,
# say) stops the preparation; what is decoded by then is kept.
StageProgress = Callable[[str, int, int], None]
MODULE = "cxr_core.data.prepare_process"
READING = "reading tables"  # the first stage
POLL_S = 0.2
PATIENCE_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Preparation(JsonRecord):
    """What is to be prepared.

    folders: absolute.  kind, name: None to detect and to choose them.  decisions: (code, "accept" or "exclude").
    label_mapping: changes to the mapping of labels on record; see `sources.label_mapping.merge_mappings`.
    """

    folders: tuple[PathText, ...]
    kind: str | None = None
    name: str | None = None
    decisions: tuple[tuple[str, Action], ...] = ()
    note: str = ""
    label_mapping: Mapping[str, str] = field(default_factory=dict)


def prepare_apart(preparation: Preparation, progress: StageProgress) -> str:
    """Prepare and register a dataset. Returns its name. Raises DataError, AccessRefused, and what progress raises."""
    require_role(Role.RESEARCHER, "preparation of a dataset")
    # The search for near-duplicates multiplies small matrices, for which more threads cost more than they save.
    environment = {"CXR_WORKSPACE": os.path.abspath(workspace()), "OPENBLAS_NUM_THREADS": "1"}
    try:
        # A fault of this program leaves its traceback where this process leaves its own.
        child = ChildProcess(MODULE, environment=environment, stderr=sys.__stderr__)
    except OSError as error:
        raise DataError(
            f"no process can be started to prepare the films ({error.strerror}); close other programs"
        ) from error
    messages: queue.SimpleQueue[JsonObject | int] = queue.SimpleQueue()
    receiver = threading.Thread(target=_pass_messages, args=(child, messages), daemon=True)
    receiver.start()
    try:
        with contextlib.suppress(ChildEnded):  # how it ended is the last of its messages
            child.send(preparation.to_json())
        return _follow_child(messages, progress)
    finally:
        child.kill()
        receiver.join(PATIENCE_S)


def _follow_child(messages: queue.SimpleQueue[JsonObject | int], progress: StageProgress) -> str:
    """Report the child's progress until it is done."""
    counts: tuple[str, int, int] = (READING, 0, 1)
    while True:
        progress(*counts)
        try:
            message = messages.get(timeout=POLL_S)
        except queue.Empty:
            continue
        if isinstance(message, int):
            raise DataError(_explain_end(message))
        match message:
            case {"progress": [str(stage), int(done), int(total)]}:
                counts = (stage, done, total)
            case {"dataset": str(name)}:
                return name
            case {"error": str(sentence)}:
                raise DataError(sentence)


def _pass_messages(child: ChildProcess, messages: queue.SimpleQueue[JsonObject | int]) -> None:
    """Pass on the child's messages, and at last its exit status."""
    try:
        while True:
            messages.put(child.receive())
    except ChildEnded:
        messages.put(child.end(PATIENCE_FOR_STATUS_S))


def _explain_end(status: int) -> str:
    kept = "what is decoded so far is kept"
    if ended_from_outside(status):
        return (
            f"the process that prepares was {describe_end(status)} from outside, as the system does when memory runs "
            f"out. Close other programs and prepare again; {kept}"
        )
    return (
        f"the process that prepares {describe_end(status)}, by a fault of this program. Prepare again, and report it "
        f"if that ends the same way; {kept}"
    )
