"""A run's folder: what it was told, what it saw, how it went, what it made. It alone is enough to go on.

recipe.toml      the resolved recipe, whole       checkpoints/  see checkpoint.py
manifest.json    data and split hashes, counts    model/        the finished model folder
progress.jsonl   one line per event               run.log       the same in words
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from cxr_core.errors import RunError
from cxr_core.jobs.process_id import is_held
from cxr_core.training.engine.checkpoint import Checkpoints
from cxr_core.training.recipe.recipe import Recipe, load_recipe
from cxr_core.workspace.atomic import atomic_write
from cxr_core.workspace.paths import workspace

State = Literal["running", "finished", "stopped", "failed", "interrupted"]
RECIPE, MANIFEST, PROGRESS, LOG = "recipe.toml", "manifest.json", "progress.jsonl", "run.log"


class RunFolder:
    """Writes and reads one run's folder; nothing half-written is ever visible under a final name."""

    def __init__(self, path: Path):
        self.path = Path(path)
        self.model = self.path / "model"
        self.checkpoints = Checkpoints(self.path)

    @classmethod
    def create(cls, recipe: Recipe, facts: dict[str, Any], path: Path | None = None) -> "RunFolder":
        """A new run folder. facts: which data the run was given, for manifest.json.

        Raises RunError when the path holds a run already or cannot be written.
        """
        if path is not None and (path / RECIPE).exists():
            raise RunError(
                f"{path} holds a run already; give --run another folder, or go on with --resume {path}"
            )
        try:
            path = path or _new_folder(f"{recipe.name}-{time.strftime('%Y%m%d-%H%M%S')}")
            path.mkdir(parents=True, exist_ok=True)
            atomic_write(path / MANIFEST, json.dumps(facts, indent=2) + "\n")
            atomic_write(
                path / RECIPE, recipe.as_toml()
            )  # last: a folder with a recipe is a run, and can go on
        except OSError as error:
            where = path or workspace() / "runs"
            raise RunError(f"the run folder {where} cannot be written: {error.strerror}") from error
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """The folder of a run there was. Raises RunError when it holds none."""
        if not (path / RECIPE).is_file() or not (path / MANIFEST).is_file():
            raise RunError(
                f"{path} holds no run that could go on: it has no {RECIPE} or no {MANIFEST}"
            )
        return cls(path)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the only one that trains in this folder. Raises RunError when somebody else does."""
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(
                timeout=0.5, poll_interval=0.02
            )  # who only asks whether it is held, holds it for an instant
        except Timeout:
            raise RunError(
                f"another process is training in {self.path}; wait for it, or stop it first"
            ) from None
        try:
            yield
        finally:
            lock.release()

    @property
    def state(self) -> State:
        """What became of the run: told by its lock, its model and the last event, in this order."""
        if is_held(self.path / ".lock"):
            return "running"
        if self.model.is_dir():
            return "finished"
        last = next((line["event"] for line in reversed(self.progress()) if "event" in line), "")
        return last if last in ("stopped", "failed") else "interrupted"  # type: ignore[return-value]

    def recipe(self) -> Recipe:
        """The recipe of this run."""
        return load_recipe(self.path / RECIPE)

    def manifest(self) -> dict[str, Any]:
        """Which data the run was given. Raises RunError when that cannot be read."""
        try:
            found: dict[str, Any] = json.loads((self.path / MANIFEST).read_text(encoding="utf-8"))
            return found
        except (OSError, ValueError) as error:
            raise RunError(f"{self.path} holds no run: its {MANIFEST} cannot be read") from error

    def log(self, line: dict[str, Any]) -> None:
        """Append an event to progress.jsonl, and to run.log in words. Raises RunError when the disk is full."""
        stamped = {"time": round(time.time(), 3), **line}
        words = " ".join(f"{key}={_short(value)}" for key, value in line.items() if key != "event")
        try:
            with (self.path / PROGRESS).open("a", encoding="utf-8") as file:
                file.write(json.dumps(stamped) + "\n")
            with (self.path / LOG).open("a", encoding="utf-8") as file:
                file.write(
                    f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line.get('event', '')} {words}\n"
                )
        except OSError as error:
            raise RunError(
                f"the run folder {self.path} cannot be written: {error.strerror}"
            ) from error

    def progress(self) -> list[dict[str, Any]]:
        """Every event so far; a line that a kill or a full disk cut short is left out."""
        try:
            lines = (self.path / PROGRESS).read_text(encoding="utf-8").split("\n")[:-1]
        except OSError:
            return []
        return [event for line in lines if (event := _event(line))]

    def rewind(self, step: int) -> None:
        """Forget the steps and epochs after a step: they are about to be done again."""
        kept = [line for line in self.progress() if line.get("step", 0) <= step]
        atomic_write(self.path / PROGRESS, "".join(json.dumps(line) + "\n" for line in kept))


def _event(line: str) -> dict[str, Any]:
    try:
        return dict(json.loads(line))
    except ValueError:
        return {}


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _new_folder(name: str) -> Path:
    """A folder of that name in the workspace, made by this call alone; with a number where others have the name."""
    runs = workspace() / "runs"
    for path in (runs / name, *(runs / f"{name}-{number}" for number in range(2, 10**6))):
        with suppress(FileExistsError):
            path.mkdir(parents=True)
            return path
    raise RunError(f"{runs} holds a million runs named {name}; move them away")
