"""Lets the disk fail at random writes: `python -m tests.soak.fail_disks [--count N] [--seed S] [--minutes M]`.

For each program and each of three disks (full, read-only, broken) the n-th write below the workspace and all that
follow fail, whichever library writes. The program has to end with its own sentence that names the place, the reason and
what to do, without a traceback; what was there before has to be intact; and once the disk is well again the same
command has to end as one whose disk never failed. Needs Linux and a C compiler; see kill_processes.py.
"""

import argparse
import os
import re
import sys
import time
from random import Random

from tests.soak.victims.faults import DISK_ERRORS, FAIL, Fault, preload_faults
from tests.soak.victims.fork import Violation, in_fork
from tests.soak.victims.program import require
from tests.soak.victims.trial import Trial, report_violations

MODULE = "tests.soak.fail_disks"
DONE, REFUSED = 0, 3
REASONS_OF_SQLITE = (
    "disk I/O error",
    "database or disk is full",
    "readonly database",
    "unable to open",
)


class FailingDisk(Trial):
    """Lets one program's disk fail again and again."""

    def fail_once(self, disk: str) -> None:
        """One workspace, in which the program's disk fails once and is well afterwards."""
        site, at = self.begin(), self.chance.randint(1, self.undisturbed.writes)
        error = DISK_ERRORS[disk]
        try:
            victim = self.start(site, Fault(at, FAIL, error))
            status, output = self.finish(victim), self.read_output()
            require("Traceback" not in output, f"it ended with a traceback: {output}")
            if status == DONE:  # only signs of life could not be written
                outcome = f"{disk}: it did not matter"
            else:
                require(status == REFUSED, f"it ended with status {status}: {output}")
                _require_sentence(output, os.strerror(error))
                outcome = f"{disk}: refused in a sentence"
            self.inspect(site)
            self.require_same_end(site)
            self.tally.outcomes[outcome] += 1
        except Violation as violation:
            self.tally.outcomes[f"{disk}: violations"] += 1
            self.note(f"{violation}\n  after write {at} of {self.undisturbed.writes}, {disk} disk")


def _require_sentence(output: str, reason: str) -> None:
    """The program's own sentence is there, with the system's reason, or SQLite's."""
    sentences = re.findall(r"(?:train\.\w+|page|import): (.+)", output)
    require(len(sentences) == 1, f"no sentence of its own, or several: {output}")
    reasons = (reason, *REASONS_OF_SQLITE)
    require(any(text in sentences[0] for text in reasons), f"not {reason!r}: {sentences[0]}")


def main() -> int:
    """Fail until the count is reached for each disk and program. 1 when a promise was not kept."""
    given = _parse()
    folder = preload_faults(MODULE)
    # Only now: the process that the line above has started again needs none of it.
    from tests.soak.victims.programs import WRITERS
    from tests.soak.victims.site import build_base

    chosen = [program for program in WRITERS if program.name in (given.victim or [program.name])]
    in_fork(lambda: build_base(folder / "base"))
    deadline = time.monotonic() + 60 * given.minutes
    trials = []
    for program in chosen:
        chance = Random(f"{given.seed} {program.name}")
        trial = FailingDisk(program, folder / "base", folder, chance)
        trials.append(trial)
        for number in range(given.count * len(DISK_ERRORS)):
            if time.monotonic() < deadline:
                trial.fail_once(list(DISK_ERRORS)[number % len(DISK_ERRORS)])
        print(trial.describe(), flush=True)
    return report_violations(trials, folder, MODULE)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("--count", type=int, default=50, help="of each disk and program (50)")
    parser.add_argument("--seed", type=int, default=0, help="of the writes (default 0)")
    parser.add_argument("--minutes", type=float, default=600, help="stop after so long")
    parser.add_argument("--victim", action="append", help="only this one; repeatable")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
