"""What a victim is: a program of this project, with the promises that hold whenever it is killed."""

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.soak.victims.fork import Violation

TEMPORARY = re.compile(r"\.[0-9a-f]{8}-|\.import-|\.replacement$")


@dataclass(frozen=True)
class Site:
    """Where a victim works. films, more_films: folders of films, the same for all victims.

    seen: what an inspection has seen as done, for the next one.
    """

    base: Path
    workspace: Path
    seen: dict[str, Any] = field(default_factory=dict)

    @property
    def films(self) -> Path:
        """The films of the prepared dataset."""
        return self.base / "films"

    @property
    def more_films(self) -> Path:
        """Films that no dataset has yet."""
        return self.base / "more-films"

    @property
    def run(self) -> Path:
        """The finished run, evaluated and published."""
        return self.workspace / "runs" / "finished"

    @property
    def other_run(self) -> Path:
        """Another finished and evaluated run of the same model."""
        return self.workspace / "runs" / "other"


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program that is killed.

    begin: changes the copy of the base workspace that it works in.  work: the program itself, its exit status.
    inspect: raises Violation where something that was done is lost, or something unfinished is visible.
    outcome: what an undisturbed one ends with.  outlived: whether what it has started may outlive it.
    targets: what is killed: "all" its processes, the "main" one alone, or a "child" that it has started, directly or
    not, and without which it goes on.  share: of all kills.
    """

    name: str
    work: Callable[[Site], int]
    inspect: Callable[[Site], None]
    outcome: Callable[[Site], Any]
    begin: Callable[[Site], None] = lambda site: None
    targets: tuple[str, ...] = ("all",)
    outlived: bool = False
    share: int = 20


def age_leftovers(workspace: Path) -> None:
    """Let what killed writers have left be old enough that the next writer removes it."""
    for name in find_leftovers(workspace):
        os.utime(workspace / name, (0, 0))


def require(condition: object, sentence: str) -> None:
    """Raises Violation with a sentence unless something holds."""
    if not condition:
        raise Violation(sentence)


def copy_base(base: Path, workspace: Path) -> Site:
    """A site with a fresh copy of the base workspace."""
    shutil.rmtree(workspace, ignore_errors=True)
    shutil.copytree(base / "workspace", workspace)
    return Site(base, workspace)


def find_leftovers(workspace: Path) -> list[str]:
    """What killed writers have left under hidden names; deleted runs and the files of a job go when the next starts."""
    return sorted(
        str(path.relative_to(workspace))
        for path in workspace.rglob(".*")
        if TEMPORARY.match(path.name)
        and path.parent.name != "job"  # a job's own go when it is started
    )
