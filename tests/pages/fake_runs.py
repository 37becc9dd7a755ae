"""Writes run folders as they are in each state of a run, without any training."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from cxr_core.data.checks.issue import Issue
from cxr_core.data.manifest import Manifest, build_table
from cxr_core.jobs.activity import ACTIVITY
from cxr_core.jobs.files import runs_folder
from cxr_core.jobs.scheduler import SCHEDULER_LOCK
from cxr_core.promotion.gate.verdict import Verdict
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.recipe.recipe_file import format_recipe
from cxr_core.training.runs.run_files import HEARTBEAT
from cxr_core.workspace.process_id import current_process
from cxr_core.workspace.process_lock import hold_lock
from tests.pages.fake_datasets import FINDINGS
from tests.tiny import TINY_RECIPE

HOSTILE = "<img src=x onerror=alert(1)> **bold**"
RECIPE = replace(
    TINY_RECIPE,
    findings=("cardiomegaly",),
    epochs=4,
    batch_size=32,
    learning_rate=3e-4,
    validation_share=0.15,
)
LEADER = {"pid": 2**22 + 1, "started": 1, "boot": "of long ago"}


class FakeRuns:
    """Writes runs into the workspace. This process is that of the running ones."""

    def __init__(self, alive: ExitStack):
        self._alive = alive
        self.root = runs_folder()
        self.root.mkdir(parents=True, exist_ok=True)
        alive.enter_context(hold_lock(self.root / SCHEDULER_LOCK))  # so nothing starts queued runs
        self._written = 0

    def write_interrupted(
        self, name: str, *, epochs_done: int = 2, hand: bool = False, **changes: Any
    ) -> Path:
        """A run that was killed after so many epochs."""
        run = self.root / name
        self._written += 1
        begun = time.time() - 3600 + self._written
        recipe = replace(RECIPE, **changes)
        _write(run / "job" / "recipe.toml", format_recipe(recipe))
        if not hand:
            _json(run / "job" / "request.json", _request(name, recipe, begun))
        if epochs_done < 0:
            return run
        _write(run / "recipe.toml", format_recipe(recipe))
        _json(
            run / "manifest.json",
            {"folders": ["/data/films"], "version": "1.0.0", "began_from": recipe.init},
        )
        _json(run / "job" / "process.json", {**LEADER, "time": begun, "monotonic": 0.0})
        events = [
            {"time": begun, "event": "begun", "run": str(run), "device": "cpu", "processes": 1}
        ]
        for epoch in range(1, epochs_done + 1):
            events += [_step(begun, epoch, recipe), _epoch(begun, epoch, recipe)]
        _write(run / "progress.jsonl", "".join(json.dumps(event) + "\n" for event in events))
        _write(run / "run.log", f"begun {HOSTILE}\n")
        return run

    def write_running(self, name: str, **changes: Any) -> Path:
        """A run whose process, this one, is running and sends heartbeats."""
        run = self.write_interrupted(name, **changes)
        process = current_process().to_json()
        _json(
            run / "job" / "process.json",
            {**process, "time": time.time(), "monotonic": time.monotonic()},
        )
        last = json.loads((run / "progress.jsonl").read_text().splitlines()[-1])
        heartbeat = {
            **process,
            "leader": process,
            "event": last,
            "monotonic": time.monotonic() + 600,
        }
        _json(run / "job" / HEARTBEAT, heartbeat)
        return run

    def write_queued(self, name: str, order: int) -> Path:
        """A run in the queue of the CPU."""
        run = self.write_interrupted(name, epochs_done=-1)
        _json(run / "job" / "queue.json", {"device": "cpu", "since": time.time(), "order": order})
        return run

    def write_failed(self, name: str, sentence: str) -> Path:
        """A run that failed with a sentence."""
        run = self.write_interrupted(name, epochs_done=1)
        _json(
            run / "job" / "end.json", {"state": "failed", "sentence": sentence, "time": time.time()}
        )
        return run

    def write_finished(
        self, name: str, auroc: float = 0.9, tested: bool = False, **changes: Any
    ) -> Path:
        """A run with a card, and figures on validation films, on test films too when tested."""
        run = self.write_interrupted(name, epochs_done=4, **changes)
        figure = {
            "value": auroc,
            "low": auroc - 0.05,
            "high": auroc + 0.04,
            "n": 400,
            "positives": 40,
        }
        card = {
            "weights_sha256": name,
            "metrics": {"validation": {"cardiomegaly": {"auroc": figure, "ece": figure}}},
        }
        _json(run / "model" / "card.json", card)
        if tested:
            lower = {**figure, "value": auroc - 0.1, "low": auroc - 0.2, "high": auroc}
            found = {
                "part": "test",
                "weights_sha256": name,
                "findings": {"cardiomegaly": {"auroc": lower}},
            }
            _json(run / "evaluation" / "metrics.json", found)
        return run

    def append_epoch(self, run: Path, auroc: float) -> None:
        """One more epoch of a run, with this figure on validation films."""
        event = _epoch(time.time(), 3, RECIPE) | {"validation_auroc": auroc}
        with (run / "progress.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")

    def write_activity(self, run: Path, what: str, alive: bool) -> None:
        """As if a process worked on a run, which was killed unless it is alive."""
        process = current_process().to_json()
        _json(
            run / "job" / ACTIVITY,
            {"what": what, "process": process if alive else LEADER},
        )

    def write_verdict(self, run: Path, verdict: Verdict) -> None:
        """As if the gate had been run for a run."""
        _json(run / "gate.json", verdict.to_json())


@contextmanager
def fake_runs() -> Iterator[FakeRuns]:
    """A writer of runs for a workspace without any."""
    with ExitStack() as alive:
        yield FakeRuns(alive)


def register_dataset(
    workspace: Path, name: str = "films", blocking: bool = False, findings: Any = FINDINGS
) -> str:
    """Register a dataset without decoding its films. Returns its name."""
    folder = workspace / "datasets" / name
    columns = {
        "image": list("abcdef"),
        "patient": list("123456"),
        "split": "train",
        "source": "here",
        **findings,
    }
    Manifest(build_table(columns), "csv", "Free use.").save(folder / "manifest.parquet")
    found = Issue(code="same_picture_two_parts", message="Two of them.", count=2, images=("a", "b"))
    _json(folder / "issues.json", [found.to_json()] if blocking else [])
    record = {
        "schema": 1,
        "folders": [f"/data/{name}"],
        "kind": "csv",
        "prepared": "2026-01-01",
        "choices": [],
    }
    _json(folder / "dataset.json", record)
    return name


def _request(name: str, recipe: Recipe, begun: float) -> dict[str, Any]:
    return {
        "token": name,
        "recipe": recipe.name,
        "model": recipe.model,
        "data": ["films"],
        "folders": ["/data/films"],
        "device": "cpu",
        "processes": 1,
        "version": "1.0.0",
        "retry_of": "",
        "submitted": begun,
    }


def _step(begun: float, epoch: int, recipe: Recipe) -> dict[str, Any]:
    figures = {
        "loss": 1.2 / epoch,
        "learning_rate": 3e-4,
        "images_per_second": 50.0,
        "eta_s": 200.0,
    }
    where = {"step": 10 * epoch - 5, "of": 10 * recipe.epochs, "epoch": epoch}
    return {"time": begun + 60 * epoch - 30, "event": "step", **where, **figures}


def _epoch(begun: float, epoch: int, recipe: Recipe) -> dict[str, Any]:
    return {
        "time": begun + 60 * epoch,
        "event": "epoch",
        "epoch": epoch,
        "step": 10 * epoch,
        "of": 10 * recipe.epochs,
        "loss": 1 / epoch,
        "validation_loss": 1.1 / epoch,
        "validation_auroc": 0.6 + 0.05 * epoch,
        "validation_accuracy": 0.5 + 0.05 * epoch,
        "learning_rate": 3e-4,
        "images_per_second": 50.0,
        "best_epoch": epoch,
    }


def _json(path: Path, value: Any) -> None:
    _write(path, json.dumps(value))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
