"""Writes and reads the folder of a run, which alone is enough to resume, evaluate or publish it.

run_files.py has the names of all files in it.
"""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from cxr_core.data.splits.saved_split import SavedSplit, copy_split
from cxr_core.errors import RecipeError, RecordError, RunError
from cxr_core.known_findings import adopt_findings, local_findings
from cxr_core.training.engine.checkpoint import Checkpoints
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.recipe.recipe_file import format_recipe, load_recipe
from cxr_core.training.runs.annotation import NO_ANNOTATION, RunAnnotation, write_annotation
from cxr_core.training.runs.events import Event, event_to_json
from cxr_core.training.runs.manifest import RunManifest
from cxr_core.training.runs.run_files import (
    CHECKPOINTS,
    EVALUATION,
    MODEL,
    RUN_LOCK,
    RUN_LOG,
    RUN_MANIFEST,
    RUN_PROGRESS,
    RUN_RECIPE,
    RUN_SPLIT,
    has_run,
    parse_event_line,
)
from cxr_core.workspace.atomic import atomic_write, remove_unfinished
from cxr_core.workspace.json_files import Json, JsonObject, read_bounded
from cxr_core.workspace.json_record import read_record_file
from cxr_core.workspace.paths import workspace
from cxr_core.workspace.process_lock import find_lock_holder, hold_lock

LOCK_WAIT_S = 0.5
MAX_RUNS_OF_ONE_NAME = 10**6


class RunFolder:
    """One run's folder. No file under a final name is ever incomplete.

    path: the folder.  model: the finished model folder.  evaluation: what train.evaluate writes.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        self.model = self.path / MODEL
        self.evaluation = self.path / EVALUATION
        self.checkpoints = Checkpoints(self.path / CHECKPOINTS)

    @classmethod
    def create(
        cls,
        recipe: Recipe,
        manifest: RunManifest,
        path: Path | None = None,
        annotation: RunAnnotation = NO_ANNOTATION,
        split: SavedSplit | None = None,
    ) -> "RunFolder":
        """A new run folder; without a path, a new one in the workspace.

        annotation: when it is empty, one that the folder holds already is kept.
        split: the saved split that the recipe names, if any; the folder gets a copy.
        Raises RunError when the path holds a run already or cannot be written.
        """
        if path is not None and (path / RUN_RECIPE).exists():
            raise RunError(
                f"{path} holds a run already; give --run another folder, or resume it with --resume {path}"
            )
        try:
            path = path or _create_folder(f"{recipe.name}-{time.strftime('%Y%m%d-%H%M%S')}")
            path.mkdir(parents=True, exist_ok=True)
            if annotation != NO_ANNOTATION:
                write_annotation(path, annotation)
            if split is not None:
                copy_split(split, path / RUN_SPLIT)
            atomic_write(path / RUN_MANIFEST, json.dumps(manifest.to_json(), indent=2) + "\n")
            # Last, as a folder with a recipe is a run that can be resumed.
            atomic_write(path / RUN_RECIPE, format_recipe(recipe))
        except OSError as error:
            folder = path or workspace() / "runs"
            raise RunError(
                f"the run folder {folder} cannot be written: {error.strerror}"
            ) from error
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """The folder of an existing run. Raises RunError when it holds none."""
        if not has_run(path):
            raise RunError(
                f"{path} holds no run that can be resumed: it has no {RUN_RECIPE} or no {RUN_MANIFEST}"
            )
        return cls(path)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Be the only process that trains in this folder. Raises RunError when another one does, or for a full disk."""
        with ExitStack() as stack:
            try:
                is_free = stack.enter_context(hold_lock(self.path / RUN_LOCK, LOCK_WAIT_S))
            except OSError as error:
                raise self._explain_error(error) from error
            if not is_free:
                raise RunError(
                    f"another process is training in {self.path}; wait for it, or stop it first"
                )
            remove_unfinished(self.path)
            yield

    @property
    def is_finished(self) -> bool:
        """Whether the model is written and no process trains here."""
        return self.model.is_dir() and find_lock_holder(self.path / RUN_LOCK) is None

    def load_recipe(self) -> Recipe:
        """The recipe of this run. Findings that the run defines, and this workspace does not, are added to it.

        Raises RecipeError.
        """
        try:
            return load_recipe(self.path / RUN_RECIPE)
        except RecipeError:
            manifest = self.load_manifest()
            if all(finding.key in local_findings() for finding in manifest.local_findings):
                raise
            adopt_findings(manifest.local_findings)
            return load_recipe(self.path / RUN_RECIPE)

    def load_manifest(self) -> RunManifest:
        """The data that the run was given. Raises RunError when the manifest cannot be read."""
        try:
            return read_record_file(self.path / RUN_MANIFEST, RunManifest)
        except (OSError, RecordError) as error:
            raise RunError(
                f"{self.path} holds no run: its {RUN_MANIFEST} cannot be read ({error})"
            ) from error

    def append_event(self, event: Event) -> None:
        """Append to progress.jsonl, and to run.log in words. Raises RunError when the disk is full."""
        record = event_to_json(event)
        line = json.dumps({"time": round(time.time(), 3), **record})
        try:
            with (self.path / RUN_PROGRESS).open("a", encoding="utf-8") as file:
                file.write(line + "\n")
            log = (self.path / RUN_LOG).open("a", encoding="utf-8", errors="backslashreplace")
            with log as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {_describe_event(record)}\n")
        except OSError as error:
            raise self._explain_error(error) from error

    def read_events(self) -> list[JsonObject]:
        """Every event so far, as written; a line that a kill or a full disk cut short is left out."""
        try:
            lines = read_bounded(self.path / RUN_PROGRESS).split(b"\n")[:-1]
        except (OSError, RecordError):
            return []
        events = [parse_event_line(line) for line in lines]
        return [event for event in events if event]

    def remove_events_after(self, step: int) -> None:
        """Forget the steps and epochs after a step, which are about to be repeated. Raises RunError for a full disk."""
        kept = [event for event in self.read_events() if _step_of(event) <= step]
        lines = "".join(json.dumps(event) + "\n" for event in kept)
        try:
            atomic_write(self.path / RUN_PROGRESS, lines)
        except OSError as error:
            raise self._explain_error(error) from error

    def _explain_error(self, error: OSError) -> RunError:
        return RunError(
            f"the run folder {self.path} cannot be written: {error.strerror}. Free space or repair the disk, then "
            "resume the run; what is done so far is kept"
        )


def _step_of(event: JsonObject) -> int:
    step = event.get("step", 0)
    return step if isinstance(step, int) else 0


def _describe_event(record: JsonObject) -> str:
    values = [f"{key}={_shorten(value)}" for key, value in record.items() if key != "event"]
    return f"{record['event']} {' '.join(values)}"


def _shorten(value: Json) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _create_folder(name: str) -> Path:
    """A new folder of that name in the workspace, with a number where the name is taken."""
    runs = workspace() / "runs"
    for number in range(1, MAX_RUNS_OF_ONE_NAME):
        path = runs / (name if number == 1 else f"{name}-{number}")
        with suppress(FileExistsError):
            path.mkdir(parents=True)
            return path
    raise RunError(f"{runs} holds a million runs named {name}; move them away")
