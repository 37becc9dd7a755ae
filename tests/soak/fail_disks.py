"""Lets the disk fail at random writes: `python -m tests.soak.fail_disks [--count N] [--seed S] [--minutes M]`.

For each program and each of three disks (full, read-only, broken) the n-th write below the workspace and all that
follow fail, whichever library writes. The program has to end with its own sentence that names the place, the reason and
what to do, without a traceback; what was there before has to be intact; and once the disk is well again the same
command has to end as one whose disk never failed. Needs Linux and a C compiler; see kill_processes.py.
"""

import os
import re
import sys
import time
from random import Random
from typing import Any

from tests.soak.victims.faults import DISK_ERRORS, FAIL, Fault, preload_faults
from tests.soak.victims.fork import in_fork
from tests.soak.victims.program import Site, require
from tests.soak.victims.trial import Trial, choose_programs, create_parser, report_violations

MODULE = "tests.soak.fail_disks"
DONE, REFUSED = 0, 3
FAILURES_OF_ONE = 6
REASONS_OF_SQLITE = (
    "disk I/O error",
    "database or disk is full",
    "readonly database",
    "unable to open",
)


class FailingDisk(Trial):
    """Lets one program's disk fail again and again. failures: how often it has, by disk."""

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.failures = dict.fromkeys(DISK_ERRORS, 0)

    def disturb(self, site: Site, history: list[str]) -> int:
        """The program with the disk that has failed least so far, from a random write on."""
        disk = min(self.failures, key=lambda name: self.failures[name])
        write = self.chance.randint(1, self.undisturbed.writes)
        history.append(f"{disk} at write {write} of {self.undisturbed.writes}")
        return self._fail(site, disk, Fault(write, FAIL, DISK_ERRORS[disk]))

    def _fail(self, site: Site, disk: str, fault: Fault) -> int:
        """Run the program with a disk that fails. Returns its status."""
        victim = self.start(site, fault)
        status, output = self.finish(victim), self.read_output()
        self.failures[disk] += victim.state.happened
        require("Traceback" not in output, f"it ended with a traceback: {output}")
        require(status in (DONE, REFUSED), f"it ended with status {status}: {output}")
        outcome = f"{disk}: only signs of life were lost"
        if status == REFUSED:
            _require_sentence(output, os.strerror(fault.error))
            outcome = f"{disk}: ended in a sentence"
        if victim.state.happened:
            self.tally.outcomes[outcome] += 1
        return status


def _require_sentence(output: str, reason: str) -> None:
    """The program's own sentence is there, with the system's reason, or SQLite's."""
    sentences = re.findall(r"(?:train\.\w+|page|import): (.+)", output)
    require(len(sentences) == 1, f"no sentence of its own, or several: {output}")
    reasons = (reason, *REASONS_OF_SQLITE)
    require(any(text in sentences[0] for text in reasons), f"not {reason!r}: {sentences[0]}")


def main() -> int:
    """Fail until the count is reached for each disk and program. 1 when a promise was not kept."""
    parser = create_parser(MODULE, __doc__, 50, "failures of each disk and program")
    parser.add_argument("--victim", action="append", help="only this one; repeatable")
    given = parser.parse_args()
    folder = preload_faults(MODULE)
    # Only now: the process that the line above has started again needs none of it.
    from tests.soak.victims.programs import WRITERS
    from tests.soak.victims.site import build_base

    in_fork(lambda: build_base(folder / "base"))
    deadline = time.monotonic() + 60 * given.minutes
    trials = []
    for program in choose_programs(WRITERS, given.victim):
        chance = Random(f"{given.seed} {program.name}")
        trial = FailingDisk(program, folder / "base", folder, chance)
        trials.append(trial)
        while min(trial.failures.values()) < given.count and time.monotonic() < deadline:
            trial.disturb_until_done(FAILURES_OF_ONE)
        print(trial.describe(), flush=True)
    violations = [text for trial in trials for text in trial.tally.violations]
    return report_violations(violations, folder, MODULE)


if __name__ == "__main__":
    sys.exit(main())
