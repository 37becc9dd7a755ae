"""Puts one program to the test again and again, each time in a fresh workspace, and counts what comes of it."""

import argparse
import os
import shutil
import tempfile
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.soak.victims.faults import Fault
from tests.soak.victims.fork import Victim, Violation, fork_victim, in_fork
from tests.soak.victims.program import (
    Program,
    Site,
    age_leftovers,
    copy_base,
    find_leftovers,
    require,
)


@dataclass(frozen=True)
class Undisturbed:
    """What a program does to which nothing happens."""

    writes: int
    duration_s: float
    outcome: Any


@dataclass
class Tally:
    """What has come of one program."""

    outcomes: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


class Trial(ABC):
    """One program and its workspaces. folder: for everything that it needs, outside the repository."""

    def __init__(self, program: Program, base: Path, folder: Path, chance: Random):
        self.program, self.base, self.chance = program, base, chance
        self.scratch = folder / program.name.replace(" ", "-")
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir()
        self.tally = Tally()
        self.undisturbed = self._observe()

    def disturb_until_done(self, most: int) -> None:
        """One workspace, in which the program is disturbed up to `most` times, then ends undisturbed."""
        site, history = self.begin(), list[str]()
        try:
            for _ in range(most):
                status = self.disturb(site, history)
                self.inspect(site)
                if status == 0:
                    break
            self.require_same_end(site)
            self.tally.outcomes["continued to the same end"] += 1
        except Violation as violation:
            self.tally.outcomes["violations"] += 1
            self.note(f"{violation}\n  after {'; '.join(history)}")

    @abstractmethod
    def disturb(self, site: Site, history: list[str]) -> int:
        """Run the program once with something that befalls it, and add that to the history. Returns its status."""

    def begin(self) -> Site:
        """A fresh workspace."""
        site = copy_base(self.base, self.scratch / "workspace")
        self._ask(site, self.program.begin)
        return site

    def start(self, site: Site, fault: Fault) -> Victim:
        """Start the program."""
        return fork_victim(lambda: self.program.work(site), site.workspace, fault, self.scratch)

    def finish(self, victim: Victim) -> int:
        """The exit status of a program that ends by itself, and with it all that it has started."""
        status = victim.wait()
        if status is None:
            victim.kill()
            victim.wait()
            raise Violation("it hangs")
        if not self.program.outlived:
            victim.require_no_process_left()
        return status

    def inspect(self, site: Site) -> None:
        """Raise Violation where something that was done is lost, or something unfinished is visible."""
        seen = self._ask(site, lambda asked: self.program.inspect(asked) or asked.seen)
        site.seen.update(seen)

    def require_same_end(self, site: Site) -> None:
        """Let the program end by itself, as one that nothing has happened to, with nothing left behind."""
        age_leftovers(site.workspace)
        status = self.finish(self.start(site, Fault()))
        require(status == 0, f"it does not continue, status {status}: {self.read_output()}")
        self.inspect(site)
        outcome = self._ask(site, self.program.outcome)
        require(outcome == self.undisturbed.outcome, "it ended differently from an undisturbed one")
        leftovers = find_leftovers(site.workspace)
        require(not leftovers, f"it left behind {leftovers}")

    def note(self, violation: str) -> None:
        """Keep a violation, and show it."""
        self.tally.violations.append(f"{self.program.name}: {violation}")
        print(self.tally.violations[-1], flush=True)

    def describe(self) -> str:
        """The counts so far in a line."""
        counts = [f"{count} {name}" for name, count in sorted(self.tally.outcomes.items())]
        writes = f"{self.undisturbed.writes:>5} writes"
        return f"{self.program.name:<14} {writes}  {', '.join(counts)}"

    def read_output(self) -> str:
        """The end of what the last program wrote to its terminal."""
        return (self.scratch / "output-0.txt").read_text(errors="replace")[-2000:]

    def _observe(self) -> Undisturbed:
        site, began = self.begin(), time.monotonic()
        victim = self.start(site, Fault())
        if victim.wait() != 0:
            raise RuntimeError(f"{self.program.name} does not work: {self.read_output()}")
        duration_s, writes = time.monotonic() - began, victim.state.writes
        return Undisturbed(writes, duration_s, self._ask(site, self.program.outcome))

    def _ask(self, site: Site, question: Callable[[Site], Any]) -> Any:
        """What a question about a workspace has for an answer, in JSON."""

        def answer() -> Any:
            os.environ["CXR_WORKSPACE"] = str(site.workspace)
            return question(site)

        return in_fork(answer)


def create_parser(
    module: str, description: str, count: int, counted: str
) -> argparse.ArgumentParser:
    """The options of a program that disturbs others. count: of what is counted, unless it is given."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--count", type=int, default=count, help=f"{counted} (default {count})")
    parser.add_argument("--seed", type=int, default=0, help="of what is left to chance (default 0)")
    parser.add_argument("--minutes", type=float, default=600, help="stop after so long")
    return parser


def choose_programs(programs: Sequence[Program], names: Sequence[str] | None) -> list[Program]:
    """The programs of these names; all of them where no name is given."""
    return [program for program in programs if not names or program.name in names]


def report_violations(violations: Sequence[str], folder: Path, module: str) -> int:
    """Write the violations to a file; the exit status. folder: of the workspaces, removed when there are none."""
    print(f"{len(violations)} violations")
    if not violations:
        shutil.rmtree(folder)
        return 0
    path = Path(tempfile.gettempdir()) / f"{module.rpartition('.')[2]}-violations.txt"
    path.write_text("\n\n".join(violations), encoding="utf-8")
    print(f"the violations are in {path}; workspaces in {folder}")
    return 1
