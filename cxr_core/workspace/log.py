"""Writes the log of a workspace: a line when something that a user started begins, and one when it has ended.

`<workspace>/logs/silhouette.jsonl` holds one JSON object per line, see docs/logs.md. No line names a film, a patient, a
file or a folder, and none holds the text of an error, which may name them: only words of this program, the ids of runs,
the names of models, numbers, and the class of an error with the place in the code where it arose.

Servers, runs and commands write the same file. Python's own rotation is for one process: another would go on writing
into the file that was renamed. So the file is opened for each line and closed after it, all of that under a lock.
"""

import contextlib
import json
import logging
import os
import secrets
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from logging.handlers import RotatingFileHandler
from pathlib import Path

from filelock import FileLock, Timeout

from cxr_core.errors import Cancelled, SilhouetteError
from cxr_core.workspace.paths import ROOT, workspace

FILE = "silhouette.jsonl"
MAX_BYTES, KEPT_FILES = 2 * 2**20, 5
LOCK_S = 2.0  # a line that waits longer is left out: the log never holds up the work
LEVEL_VARIABLE = "CXR_LOG_LEVEL"
LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "off": logging.CRITICAL + 1,
}
Detail = str | int | float | bool | dict[str, int]


class Task:
    """Something that a user started. add: what its last line says beside its outcome and duration."""

    def __init__(self, kind: str):
        self.kind = kind
        self.id = secrets.token_hex(4)
        self.details: dict[str, Detail] = {}

    def count(self, **counts: int | dict[str, int]) -> None:
        """Add to the counts of the last line: `films=1`, or of several kinds, `codes={"lateral_view": 1}`."""
        for name, count in counts.items():
            before = self.details.get(name)
            if isinstance(count, dict):
                former = before if isinstance(before, dict) else {}
                self.details[name] = dict(Counter(former) + Counter(count))
            else:
                self.details[name] = count + (before if isinstance(before, int) else 0)

    def add(self, **details: Detail) -> None:
        """Add details to the last line: counts, codes, ids. Never what a file, a header or a user says."""
        self.details |= details


_current: ContextVar[Task | None] = ContextVar("task", default=None)


@contextmanager
def log_task(kind: str, **details: Detail) -> Iterator[Task]:
    """Around what a user started, or as decorator of the function that does it.

    details: what both lines say. The outcome is finished, stopped (by the user), refused (an error that this program
    explains) or failed (a fault of this program, whose place in the code is told).
    """
    task, parent = Task(kind), _current.get()
    token = _current.set(task)
    record: dict[str, Detail] = {"task": kind, "id": task.id, **details}
    if parent is not None:
        record["within"] = parent.id
    write_log_line(logging.INFO, {**record, "state": "started"})
    began, level, outcome = time.monotonic(), logging.INFO, {"state": "finished"}
    try:
        yield task
    except Cancelled:
        outcome = {"state": "stopped"}
        raise
    except SilhouetteError as error:
        level, outcome = logging.WARNING, {"state": "refused", "error": type(error).__name__}
        raise
    except Exception as error:
        level = logging.ERROR
        outcome = {"state": "failed", "error": type(error).__name__, "where": describe_place(error)}
        raise
    except BaseException:  # Ctrl-C, or a tab that was closed
        outcome = {"state": "stopped"}
        raise
    finally:
        _current.reset(token)
        duration_s = round(time.monotonic() - began, 3)
        write_log_line(level, {**record, **task.details, **outcome, "duration_s": duration_s})


def add_details(**details: Detail) -> None:
    """Add details to the last line of the task that runs, see `Task.add`; nothing where none does."""
    task = _current.get()
    if task is not None:
        task.add(**details)


def count_details(**counts: int | dict[str, int]) -> None:
    """Add to counts in the last line of the task that runs, see `Task.count`; nothing where none does."""
    task = _current.get()
    if task is not None:
        task.count(**counts)


def write_log_line(level: int, content: dict[str, Detail]) -> None:
    """Write one line, with time, level and process. What cannot be written is left out: the work goes on.

    Of several processes that train one run only the first writes.
    """
    if os.environ.get("RANK", "0") != "0":
        return
    if level < LEVELS.get(os.environ.get(LEVEL_VARIABLE, "").lower(), logging.INFO):
        return
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": logging.getLevelName(level).lower(),
        "pid": os.getpid(),
        **content,
    }
    record = logging.LogRecord(FILE, level, "", 0, json.dumps(line), None, None)
    _open_log(workspace().absolute() / "logs").handle(record)


def log_folder() -> Path:
    """Where the log of the workspace lies."""
    return workspace() / "logs"


def describe_place(error: BaseException) -> str:
    """Where in this program's code an error arose, the innermost last: `cxr_core/reading/reader.py:120 examine`."""
    places = []
    for frame in traceback.extract_tb(error.__traceback__):
        with contextlib.suppress(ValueError):
            path = Path(frame.filename).relative_to(ROOT)
            places.append(f"{path.as_posix()}:{frame.lineno} {frame.name}")
    return " > ".join(places[-3:])


class _SharedFile(RotatingFileHandler):
    """A rotated file that several processes append to."""

    def emit(self, record: logging.LogRecord) -> None:
        path = Path(self.baseFilename)
        with contextlib.suppress(OSError, Timeout):
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_name(f".{path.name}.lock"), timeout=LOCK_S):
                try:
                    super().emit(record)
                finally:
                    if self.stream is not None:
                        self.stream.close()
                        self.stream = None

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """A full or read-only disk; Python's own answer is a traceback in the terminal."""


@cache
def _open_log(folder: Path) -> logging.Handler:
    return _SharedFile(
        folder / FILE, maxBytes=MAX_BYTES, backupCount=KEPT_FILES, encoding="utf-8", delay=True
    )
