"""What is being done with a finished run: known to whoever looks, also when who asked for it was killed meanwhile.

<run>/job/asked.json names the process at work. Who asked removes it at the end; one whose process is gone says that
the work was cut off, and the next to ask puts its own in its place.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cxr_core.jobs import files as files
from cxr_core.jobs.process_id import Name, is_alive, name_of

ASKED = "asked.json"
MEASURED, JUDGED = "measured on its test films", "judged by the gate"


@dataclass(frozen=True)
class Asked:
    """what: is being done, in words that follow "it is being".  name: the process at it."""

    what: str
    name: Name

    @property
    def running(self) -> bool:
        """Whether that very process lives."""
        return is_alive(self.name)

    @property
    def sentence(self) -> str:
        """How it stands."""
        if self.running:
            return f"It is being {self.what}."
        return f"It was being {self.what} when that was cut off: who asked was ended or killed. Ask for it again."


def asked(run: Path) -> Asked | None:
    """What is being done with a run, or was when it was cut off; None when there is nothing of the kind."""
    record = files.read(run, ASKED)
    name = Name.read(record.get("process"))
    return Asked(str(record.get("what", "")), name) if name else None


@contextmanager
def asking(run: Path, what: str, pid: int | None = None) -> Iterator[None]:
    """Let be known, while the block runs, what a process does with a run. pid: of that process, else this one.

    Raises RunError when the run's folder cannot be written.
    """
    name = name_of(pid or os.getpid())
    own = {"what": what, "process": name.to_record()} if name is not None else {}
    if own:
        files.write(run, ASKED, own)
    try:
        yield
    finally:
        if files.read(run, ASKED) == own:  # and not that of another who has asked meanwhile
            files.drop(run, ASKED)
