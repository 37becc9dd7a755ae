"""Kills the program at random moments: `python -m tests.soak.kill_processes [--count N] [--seed S] [--minutes M]`.

Half of the kills come at a random write below the workspace (rename, write, fsync and so on, by whatever library), the
others at a random time. After each one, whatever was shown as done has to be there, all that is visible has to be
complete, and the same command has to continue; at last it has to end as one that nobody killed, with nothing left
behind. Victims are forked from a process that has imported everything and done nothing else, and call the `main` of
their command: the same code as in a shell, without the seconds of imports. Needs Linux and a C compiler.
"""

import signal
import sys
import time
from dataclasses import dataclass
from random import Random

from tests.soak.victims.faults import KILL_GROUP, Fault, preload_faults
from tests.soak.victims.fork import in_fork
from tests.soak.victims.program import Site, require
from tests.soak.victims.trial import Trial, choose_programs, create_parser, report_violations

MODULE = "tests.soak.kill_processes"
KILLS_OF_ONE = 6  # then it may end


@dataclass(frozen=True)
class Kill:
    """What is killed, and when: at a write below the workspace, or after a time."""

    target: str
    write: int = 0
    after_s: float | None = None


class Killer(Trial):
    """Kills one program again and again."""

    kills = 0

    def disturb(self, site: Site, history: list[str]) -> int:
        """The program, killed at a random moment."""
        kill = self._choose()
        history.append(str(kill))
        return self._kill(site, kill)

    def _choose(self) -> Kill:
        """A kill at a write or at a time, in the whole of the program's work."""
        target = self.chance.choice(self.program.targets)
        if target == "all" and self.chance.random() < 0.5:
            return Kill(target, write=self.chance.randint(1, self.undisturbed.writes))
        return Kill(target, after_s=self.chance.uniform(0, self.undisturbed.duration_s))

    def _kill(self, site: Site, kill: Kill) -> int:
        """Start the program, kill it or a process that it has started, and wait for its end. Returns its status."""
        fault = Fault(kill.write, KILL_GROUP) if kill.write else Fault()
        victim = self.start(site, fault)
        ended = victim.wait(kill.after_s) if kill.after_s is not None else victim.wait()
        if ended is None:
            victim.kill(kill.target, self.chance)
        status = self.finish(victim)
        outcome = "ended before its kill"
        if status == -signal.SIGKILL or (ended is None and kill.target == "child"):
            self.kills += 1
            outcome = f"{kill.target} killed at a {'write' if kill.write else 'time'}"
        self.tally.outcomes[outcome] += 1
        allowed = (0, 3) if kill.target == "child" else (0, -signal.SIGKILL)
        require(status in allowed, f"it ended with status {status}: {self.read_output()}")
        return status


def main() -> int:
    """Kill until the count is reached, or the time is over. 1 when a promise was not kept."""
    parser = create_parser(MODULE, __doc__, 1000, "kills in all")
    parser.add_argument("--victim", action="append", help="only this one; repeatable")
    given = parser.parse_args()
    folder = preload_faults(MODULE)
    # Only now: the process that the line above has started again needs none of it.
    from tests.soak.victims.programs import PROGRAMS
    from tests.soak.victims.site import build_base

    chosen = choose_programs(PROGRAMS, given.victim)
    in_fork(lambda: build_base(folder / "base"))
    shares = sum(program.share for program in chosen)
    deadline = time.monotonic() + 60 * given.minutes
    killers = []
    for program in chosen:
        killer = Killer(program, folder / "base", folder, Random(f"{given.seed} {program.name}"))
        killers.append(killer)
        began, enough = time.monotonic(), -(-given.count * program.share // shares)
        while killer.kills < enough and time.monotonic() < deadline:
            killer.disturb_until_done(min(KILLS_OF_ONE, enough - killer.kills))
        print(f"{killer.describe()}  {time.monotonic() - began:.0f} s", flush=True)
    print(f"{sum(killer.kills for killer in killers)} kills")
    violations = [text for killer in killers for text in killer.tally.violations]
    return report_violations(violations, folder, MODULE)


if __name__ == "__main__":
    sys.exit(main())
