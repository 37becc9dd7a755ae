"""Evaluations asked for on the page: `python -m train.evaluate`, apart from whoever asked and known to all who look.

<evaluation>/job/ tells what was asked for, which process is at it, and all that it wrote, in the files of `job_files`.
It is at work as long as it holds its lock, and has finished when it names the figures that it wrote.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from cxr_core.errors import RunError
from cxr_core.evaluation.report.parts import part_name
from cxr_core.evaluation.store.catalogue import evaluation_folders
from cxr_core.evaluation.store.folder import METRICS
from cxr_core.jobs import files as files
from cxr_core.jobs import launch
from cxr_core.jobs.activity import asked
from cxr_core.jobs.process_id import holding, is_held, require_linux, signal_to
from cxr_core.models.registry.registry import in_use
from cxr_core.workspace.paths import ROOT, workspace

PROGRAM = "train.evaluate"
PROGRESS = re.compile(r"(.+?)  ([\d,]+) of ([\d,]+)  \[")  # as train/progress.py writes it

State = Literal["running", "finished", "failed", "stopped", "cut off"]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be evaluated. model: the name of an installed one, or a run's folder.  data: a registered dataset.

    recalibrate: a method of `adapt.fitter`; empty for none.
    """

    model: str
    data: str
    part: str
    recalibrate: str = ""

    @property
    def of_run(self) -> bool:
        """Whether it is a run that is evaluated."""
        return Path(self.model).parent.name == "runs"

    @property
    def folder(self) -> Path:
        """Where it is written: beside a run's own figures, or under the workspace by model and version."""
        name = "-".join(each for each in (self.part, self.data, self.recalibrate) if each)
        if self.of_run:
            return workspace() / "runs" / Path(self.model).name / "evaluation" / _plain(name)
        there = in_use(self.model)
        version = there.folder.name if there else "none"
        return workspace() / "evaluations" / _plain(f"{self.model}-{version}-{name}")

    @property
    def program(self) -> list[str]:
        """The module and its arguments."""
        more = [f"--recalibrate={self.recalibrate}"] if self.recalibrate else []
        place, model = (
            os.path.abspath(self.folder),
            os.path.abspath(self.model) if self.of_run else self.model,
        )
        return [
            PROGRAM,
            f"--data={self.data}",
            f"--split={self.part}",
            f"--out={place}",
            *more,
            "--",
            model,
        ]

    def __str__(self) -> str:
        mended = f", recalibrated by {self.recalibrate}" if self.recalibrate else ""
        return f"{Path(self.model).name} on the {part_name(self.part)} of {self.data}{mended}"


@dataclass(frozen=True, kw_only=True)
class Evaluating:
    """One that was asked for. sentence: how it stands.  done, total: of the present stage, 0 while nothing counts."""

    folder: Path
    wanted: Wanted
    state: State
    sentence: str
    done: int = 0
    total: int = 0


def start(wanted: Wanted) -> Path:
    """Evaluate in a process of its own; one that is at it already goes on. Returns the folder of the figures.

    Raises RunError when the run is being measured elsewhere, or the process cannot be started.
    """
    require_linux()
    busy = asked(Path(wanted.model))
    if busy and busy.running:
        raise RunError(f"{Path(wanted.model).name} is being {busy.what}; wait for that")
    folder = wanted.folder
    with files.alone():
        if not is_held(folder / files.FOLDER / files.LOCK):
            _begin(folder, wanted)
    return folder


def evaluating() -> list[Evaluating]:
    """All that were asked for, in the order of their folders."""
    return [found for folder in evaluation_folders(workspace()) if (found := look(folder))]


def look(folder: Path) -> Evaluating | None:
    """How the one in a folder stands; None when none was asked for there."""
    try:
        wanted = Wanted(**files.read(folder, files.REQUEST).get("wanted", {}))
    except TypeError:
        return None
    running = is_held(
        folder / files.FOLDER / files.LOCK
    )  # before its words: what ends in between is seen as running
    lines = _said(folder)
    if running:
        last = next((each for each in reversed(lines) if PROGRESS.match(each)), "")
        stage, done, total = _progress(last)
        return Evaluating(
            folder=folder, wanted=wanted, state="running", sentence=stage, done=done, total=total
        )
    state, sentence = _outcome(folder, lines)
    return Evaluating(folder=folder, wanted=wanted, state=state, sentence=sentence)


def stop(folder: Path) -> None:
    """Ask the process at it to end; nothing of its figures is written then."""
    name = files.process_of(folder)
    if name is not None and is_held(folder / files.FOLDER / files.LOCK):
        files.write(folder, files.STOP, name.to_record())
        signal_to(name, signal.SIGTERM)


def forget(folder: Path) -> None:
    """Drop what is told of one that has ended; its figures, if there are any, stay."""
    place = folder / files.FOLDER
    if not place.is_dir():
        return
    with holding(place / files.LOCK) as lock:
        if lock is not None:
            shutil.rmtree(place, ignore_errors=True)


def _begin(folder: Path, wanted: Wanted) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder} cannot be made: {error.strerror}; mend the workspace") from error
    files.write(folder, files.REQUEST, {"program": wanted.program, "wanted": asdict(wanted)})
    threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    place = {"CXR_WORKSPACE": os.path.abspath(workspace())}
    begun = subprocess.run(
        [sys.executable, "-m", launch.__name__, os.path.abspath(folder)],
        cwd=ROOT,
        env=os.environ | threads | place,
        check=False,
    )
    if begun.returncode not in (0, launch.HELD):
        raise RunError(
            f"the evaluation could not be started; {folder / files.FOLDER / files.OUTPUT} says why"
        )


def _outcome(folder: Path, lines: list[str]) -> tuple[State, str]:
    written = os.path.abspath(folder / METRICS)
    if written in lines and os.path.exists(written):
        return "finished", "It is finished."
    own = [each for each in lines if each.startswith(f"{PROGRAM}: ")]
    if own:
        return "failed", own[-1].removeprefix(f"{PROGRAM}: ")
    if lines and ("Traceback (most recent call last):" in lines or ": error: " in lines[-1]):
        return "failed", f"the evaluation failed: {lines[-1]}"
    name = files.process_of(folder)
    if name is not None and files.read(folder, files.STOP) == name.to_record():
        return "stopped", "It was stopped before it was finished."
    return "cut off", "It was cut off: its process was ended or killed. Start it again."


def _said(folder: Path) -> list[str]:
    """The lines that the present or last process wrote, not those of one before it."""
    begins = files.read(folder, files.PROCESS).get("output_from", 0)
    try:
        with (folder / files.FOLDER / files.OUTPUT).open("rb") as file:
            file.seek(int(begins))
            text = file.read().decode(errors="replace")
    except (OSError, ValueError):
        return []
    return [each.strip() for each in text.splitlines() if each.strip()]


def _progress(line: str) -> tuple[str, int, int]:
    found = PROGRESS.match(line)
    if found is None:
        return "", 0, 0
    done, total = (int(found[place].replace(",", "")) for place in (2, 3))
    return found[1], done, total


def _plain(name: str) -> str:
    return re.sub(r"[^\w.+=-]+", "-", name)
