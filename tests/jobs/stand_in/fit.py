"""Stands in for `train.fit` where a test is about processes: its folder, locks, pulse and signals, without a network.

What it does follows from the recipe's name: `fails` ends with a sentence before it has a folder, `decodes` starts a
decoding process, the others count steps until <run>/job/finish is there.
"""

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path

from filelock import FileLock

from cxr_core.data.cache.builder import Builder
from cxr_core.errors import DataError, RunError, SilhouetteError
from cxr_core.jobs import files as files
from cxr_core.jobs.heartbeat import Pulse

EVERY = 5  # steps a checkpoint


def main() -> int:
    given = dict(
        argument.lstrip("-").partition("=")[::2]
        for argument in sys.argv[1:]
        if argument.startswith("--")
    )
    run = Path(given.get("run") or given["resume"])
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
    try:
        with Pulse(
            lambda event: print(event, flush=True),
            Path(given["resume"]) if "resume" in given else None,
        ) as pulse:
            train(run, given, pulse, asked)
    except SilhouetteError as error:
        print(error, file=sys.stderr)
        return 3
    return 0


def train(run: Path, given: dict[str, str], pulse: Pulse, asked: list[bool]) -> None:
    name = files.recipe_facts(run)["name"]
    pulse.report({"event": "data", "stage": "decoding", "done": 0, "of": 1})
    if name == "fails":
        raise DataError("the data was eaten by a test")
    if int(os.environ.get("RANK", "0")) > 0:
        while True:  # a process beside the first, that waits for it
            time.sleep(1)
    if name == "decodes":
        (run / "decoder").write_text(str(Builder(run, False, 1)._start().pid))
    if not files.can_go_on(run):
        (run / files.RUN_MANIFEST).write_text(json.dumps({"retry_of": given.get("retry-of", "")}))
        (run / files.RUN_RECIPE).write_text((run / "job" / "recipe.toml").read_text())
    with FileLock(run / files.RUN_LOCK, timeout=5):
        count(run, pulse, asked)


def count(run: Path, pulse: Pulse, asked: list[bool]) -> None:
    places = (run / "checkpoints").glob("step_*")
    step = max((int(place.name[5:]) for place in places), default=0)
    tell(run, pulse, {"event": "begun", "device": "cpu", "run": str(run), "step": step})
    while not (run / "job" / "finish").exists():
        step += 1
        time.sleep(0.02)
        if asked or step % EVERY == 0:
            with contextlib.suppress(FileExistsError):
                (run / "checkpoints" / f"step_{step:06}").mkdir(parents=True)
        tell(run, pulse, {"event": "stopped" if asked else "step", "step": step})
        if asked:
            raise RunError(f"stopped at step {step}")
    (run / "model").mkdir(exist_ok=True)
    tell(run, pulse, {"event": "finished", "step": step})


def tell(run: Path, pulse: Pulse, event: dict) -> None:
    with (run / files.RUN_PROGRESS).open("a") as file:
        file.write(json.dumps({"time": time.time(), **event}) + "\n")
    pulse.report(event)


if __name__ == "__main__":
    sys.exit(main())
