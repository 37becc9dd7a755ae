"""Stands in for `train.fit` where a test is about processes: folder, lock, heartbeat and signals, without a network.

What it does follows from the recipe's name: `fails` ends with an error before it has a folder, `decodes` starts a
decoding process, the others count steps until <run>/job/finish is there.
"""

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path

from cxr_core.data.cache.pixel_cache import PixelCache
from cxr_core.data.cache.worker_pool import WorkerPool
from cxr_core.data.registry import THUMBNAIL
from cxr_core.errors import DataError, RunError, SilhouetteError
from cxr_core.jobs.heartbeat import Heartbeat
from cxr_core.training.runs import run_files
from cxr_core.training.runs.events import (
    Event,
    PreparationProgress,
    RunBegun,
    RunFinished,
    RunResumed,
    RunStopped,
    StepDone,
    event_to_json,
)
from cxr_core.workspace.process_lock import hold_lock

CHECKPOINT_STEPS = 5


class StandIn:
    """One run of the stand-in."""

    def __init__(self, run: Path, heartbeat: Heartbeat):
        self.run, self.heartbeat = run, heartbeat
        self.stop = False
        signal.signal(signal.SIGTERM, self._request_stop)

    def _request_stop(self, *_: object) -> None:
        self.stop = True

    def train(self, retry_of: str) -> None:
        name = run_files.read_recipe_values(self.run)["name"]
        self.heartbeat.report(PreparationProgress(stage="decoding", done=0, total=1))
        if name == "fails":
            raise DataError("the data was eaten by a test")
        while int(os.environ.get("RANK", "0")) > 0:  # a process beside the first, that waits
            time.sleep(1)
        if name == "decodes":
            self.pool = WorkerPool(PixelCache(THUMBNAIL).folder, False, 1)
            (self.run / "decoder").write_text(str(self.pool._start_child().pid))
        if not run_files.has_run(self.run):
            (self.run / run_files.RUN_MANIFEST).write_text(json.dumps({"retry_of": retry_of}))
            recipe = (self.run / "job" / "recipe.toml").read_text()
            (self.run / run_files.RUN_RECIPE).write_text(recipe)
        with hold_lock(self.run / run_files.RUN_LOCK, wait_s=5) as held:
            if not held:
                raise RunError("another process is training here")
            self._count_steps()

    def _count_steps(self) -> None:
        step = run_files.last_checkpoint_step(self.run) or 0
        if step:
            self._report(RunResumed(step=step, damaged_checkpoints=()))
        else:
            self._report(
                RunBegun(run=str(self.run), device="cpu", processes=1, unmatched=(), missing=())
            )
        while not (self.run / "job" / "finish").exists():
            step += 1
            time.sleep(0.02)
            stop = self.stop
            if stop or step % CHECKPOINT_STEPS == 0:
                with contextlib.suppress(FileExistsError):
                    (self.run / "checkpoints" / f"step_{step:06}").mkdir(parents=True)
            self._report(RunStopped(step=step) if stop else step_done(step))
            if stop:
                raise RunError(f"stopped at step {step}")
        (self.run / "model").mkdir(exist_ok=True)
        self._report(RunFinished(model=str(self.run / "model"), epoch=1))

    def _report(self, event: Event) -> None:
        with (self.run / run_files.RUN_PROGRESS).open("a") as file:
            file.write(json.dumps({"time": time.time(), **event_to_json(event)}) + "\n")
        self.heartbeat.report(event)


def step_done(step: int) -> StepDone:
    return StepDone(
        step=step,
        total_steps=10**6,
        epoch=1,
        loss=0.5,
        learning_rate=0.1,
        images_per_second=50.0,
        eta_s=9.0,
    )


def main() -> int:
    flags = [word.lstrip("-").partition("=") for word in sys.argv[1:] if word.startswith("--")]
    values = {flag: value for flag, _, value in flags}
    run = Path(values.get("run") or values["resume"])
    resumed = run if "resume" in values else None
    try:
        with Heartbeat(lambda event: print(event, flush=True), resumed) as heartbeat:
            StandIn(run, heartbeat).train(values.get("retry-of", ""))
    except SilhouetteError as error:
        print(error, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
