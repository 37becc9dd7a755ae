"""The line of runs that wait for a device: who is next, and the process that starts them, browser or no browser.

One process a workspace, `python -m cxr_core.jobs.queue`, starts whoever is next as soon as a device is free, and
ends when nobody waits. Whoever puts a run into the line, or looks at the runs, sees to it that it lives.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from cxr_core.jobs import files as files
from cxr_core.jobs import launch
from cxr_core.jobs.process_id import holding, is_held
from cxr_core.jobs.status import standing
from cxr_core.workspace.paths import ROOT

PAUSE_S = 0.5
STARTER = ".starter.lock"


def waiting() -> dict[str, list[Path]]:
    """The runs that wait, by device, the next one first."""
    entries = [(files.read(run, files.QUEUE), run) for run in files.run_folders()]
    ordered = sorted((entry["order"], entry["since"], run) for entry, run in entries if entry)
    devices: dict[str, list[Path]] = {}
    for _, _, run in ordered:
        if not files.is_run_live(run):
            devices.setdefault(files.read(run, files.QUEUE).get("device", "cpu"), []).append(run)
    return devices


def join(run: Path, device: str) -> None:
    """Put a run at the end of its device's line."""
    there = waiting().get(device, [])
    last = max((files.read(each, files.QUEUE).get("order", 0) for each in there), default=0)
    files.write(run, files.QUEUE, {"device": device, "since": time.time(), "order": last + 1})


def shift(run: Path, places: int) -> None:
    """Move a run by so many places, to an end of the line at most."""
    device = files.read(run, files.QUEUE).get("device", "")
    line = waiting().get(device, [])
    at = line.index(run)
    line.insert(max(0, min(len(line) - 1, at + places)), line.pop(at))
    for order, each in enumerate(line, 1):
        entry = files.read(each, files.QUEUE)
        if entry and entry["order"] != order:
            files.write(each, files.QUEUE, {**entry, "order": order})


def see_to_it() -> None:
    """Start the process that starts runs, unless it lives or nobody waits. It outlives this one."""
    if waiting() and not is_held(files.runs_folder() / STARTER):
        environment = os.environ | {"CXR_WORKSPACE": str(files.runs_folder().parent)}
        subprocess.run([sys.executable, "-m", __name__], cwd=ROOT, env=environment, check=False)


def start_due() -> None:
    """Start the next run of every device that is free."""
    line = waiting()
    if not line:
        return
    busy = {job.device for job in map(standing, filter(files.is_run_live, files.run_folders()))}
    for device, runs in line.items():
        if device not in busy:
            _start(runs[0])


def _start(run: Path) -> None:
    done = subprocess.run([sys.executable, "-m", launch.__name__, str(run)], cwd=ROOT, check=False)
    if done.returncode not in (0, launch.HELD):
        sentence = f"it could not be started; {run / files.FOLDER / files.OUTPUT} says why"
        with files.alone():
            files.write(
                run, files.END, {"state": "failed", "sentence": sentence, "time": time.time()}
            )
            files.drop(run, files.QUEUE)


def serve() -> None:
    """Start runs until nobody waits."""
    while (
        waiting()
    ):  # asked once more after the lock is given back: somebody may have joined just before
        with holding(files.runs_folder() / STARTER) as held:
            if held is None:
                return
            while waiting():
                start_due()
                time.sleep(PAUSE_S)


if __name__ == "__main__":
    if launch.detach():
        serve()
