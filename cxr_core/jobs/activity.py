"""Records what is being done with a finished run, so that everybody knows, even after the process was killed.

<run>/job/asked.json names the work and its process. The process removes the file at the end; if it was killed, the
file stays and says that the work was cut off, until the next one replaces it.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cxr_core.errors import RunError
from cxr_core.jobs import files
from cxr_core.jobs.records import read_text
from cxr_core.workspace.json_files import JsonObject
from cxr_core.workspace.process_id import ProcessId, current_process

ACTIVITY = "asked.json"
GATE_ACTIVITY = "compared with the active version by the gate"


@dataclass(frozen=True)
class Activity:
    """Work on a run. what: in words that follow "it is being".  process: that does it."""

    what: str
    process: ProcessId

    @property
    def is_running(self) -> bool:
        """Whether the process runs."""
        return self.process.is_running

    @property
    def sentence(self) -> str:
        """The work and its state in a sentence."""
        if self.is_running:
            return f"It is being {self.what}."
        return f"It was being {self.what}, but that was interrupted: the program was ended or killed. Start it again."


def read_activity(run: Path) -> Activity | None:
    """What is being done with a run, or was when it was cut off; None when there is nothing of the kind."""
    record = files.read_record(run, ACTIVITY)
    process = ProcessId.from_json(record.get("process"))
    return Activity(read_text(record, "what"), process) if process else None


@contextmanager
def track_activity(run: Path, what: str) -> Iterator[None]:
    """Let everybody know, while the block runs, what this process does with a run.

    Raises RunError when the run's folder cannot be written.
    """
    record: JsonObject = {"what": what, "process": current_process().to_json()}
    files.write_record(run, ACTIVITY, record)
    try:
        yield
    finally:
        # Not that of a later activity; and an error of the work counts more than one of its record.
        if files.read_record(run, ACTIVITY) == record:
            with suppress(RunError):
                files.remove_records(run, ACTIVITY)
