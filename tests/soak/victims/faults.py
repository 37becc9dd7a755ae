"""What can befall a victim: it is killed, its disk fails, or its clock is set; see faults.c for how."""

import ctypes
import errno
import mmap
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("faults.c")
ONLY_COUNT, KILL_GROUP, FAIL = range(3)
DISK_ERRORS = {"full": errno.ENOSPC, "read-only": errno.EROFS, "broken": errno.EIO}
_LAYOUT = struct.Struct("5q512s")
STATE, _LIBRARY = "SOAK_STATE", "SOAK_LIBRARY"


@dataclass(frozen=True)
class Fault:
    """What happens at the `at`-th write below the workspace: one of the actions above. error: an errno of FAIL."""

    at: int = 0
    action: int = ONLY_COUNT
    error: int = 0


class FaultState:
    """The page of memory that a victim, all that it starts, and its watcher share."""

    def __init__(self, path: Path, folder: Path, fault: Fault):
        self.path = path
        content = _LAYOUT.pack(0, fault.at, fault.action, fault.error, 0, os.fsencode(folder))
        path.touch()
        # Never cut short: what outlives an earlier victim would be ended by the system as it looks at the page.
        with path.open("r+b") as file:
            file.write(content)
            file.flush()
            self._page = mmap.mmap(file.fileno(), _LAYOUT.size)

    def enter(self) -> None:
        """Let the fault befall this process and all that it starts."""
        os.environ[STATE] = str(self.path)
        ctypes.CDLL(os.environ[_LIBRARY]).soak_attach(os.fsencode(self.path))

    @property
    def writes(self) -> int:
        """How many writes there were so far."""
        return int(struct.unpack_from("q", self._page, 0)[0])

    @property
    def happened(self) -> bool:
        """Whether the write has come at which the fault happens."""
        at = int(struct.unpack_from("q", self._page, 8)[0])
        return 0 < at <= self.writes

    def set_clock(self, offset_s: int) -> None:
        """Set the clock of the victim forward, or back."""
        struct.pack_into("q", self._page, 32, offset_s)


def preload_faults(module: str) -> Path:
    """Start this program again with the library of faults.c, unless it has it. Returns a folder for all that it needs.

    Ends it where there is no compiler.
    """
    if _LIBRARY in os.environ:
        return Path(os.environ[_LIBRARY]).parent
    library = build_library(Path(tempfile.mkdtemp(prefix="soak-")))
    if library is None:
        sys.exit("this needs Linux and a C compiler (cc); install one")
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment = os.environ | threads | {_LIBRARY: str(library), "LD_PRELOAD": str(library)}
    os.execve(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]], environment)


def build_library(folder: Path) -> Path | None:
    """The library of faults.c; None where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        return None
    library = folder / "faults.so"
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    return library
