"""Checkpoints of a run: complete or absent, verified when read, tensors and JSON only.

    checkpoints/step_000200/weights.safetensors   the network
                            state.safetensors     averaged weights and the optimizer's tensors
                            state.json            counters, schedule, the best epoch so far
                            done                  the SHA-256 of each file

The last two are kept, and the best.
"""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cxr_core.errors import RecordError, RunError
from cxr_core.workspace.atomic import atomic_folder, remove_unfinished
from cxr_core.workspace.hashing import sha256_of_file
from cxr_core.workspace.json_files import JsonObject, read_object

WEIGHTS, TENSORS, STATE, HASHES = "weights.safetensors", "state.safetensors", "state.json", "done"
KEPT = 2


@dataclass(frozen=True, eq=False, kw_only=True)
class Checkpoint:
    """All that a run needs to go on. state: what JSON can hold."""

    step: int
    weights: Mapping[str, Tensor]
    tensors: Mapping[str, Tensor]
    state: JsonObject


class LatestCheckpoint(NamedTuple):
    """Where a run can be resumed. damaged: what is wrong with later checkpoints."""

    checkpoint: Checkpoint | None
    damaged: tuple[str, ...]


class Checkpoints:
    """The checkpoints of one run. folder: where they lie."""

    def __init__(self, folder: Path):
        self.folder = folder

    def save(self, checkpoint: Checkpoint, best_step: int | None) -> Path:
        """Write a checkpoint, complete or not at all, then remove those that are no longer needed.

        Raises RunError when the disk is full or cannot be written; the checkpoints before it are then intact.
        """
        path = self._path_of(checkpoint.step)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._remove_unfinished()
            if path.exists():  # damaged, or the run would have been resumed from it
                shutil.rmtree(path)
            with atomic_folder(path) as draft:
                _write_files(draft, checkpoint)
        except (OSError, SafetensorError) as error:
            reason = getattr(error, "strerror", None) or error
            raise RunError(
                f"no checkpoint could be written to {self.folder} at step {checkpoint.step}: {reason}. Free space or "
                "repair the disk, then resume the run; the checkpoint before this one is intact"
            ) from error
        self._remove_old(best_step)
        return path

    def list_steps(self) -> list[int]:
        """The steps that have a checkpoint, damaged ones too, in order."""
        names = [re.fullmatch(r"step_(\d+)", path.name) for path in self.folder.glob("step_*")]
        return sorted(int(name.group(1)) for name in names if name)

    def load(self, step: int) -> Checkpoint:
        """The checkpoint of a step. Raises RunError when it is missing or damaged."""
        path = self._path_of(step)
        try:
            hashes = read_object(path / HASHES)
            for name in (WEIGHTS, TENSORS, STATE):
                if hashes.get(name) != sha256_of_file(path / name):
                    raise ValueError(f"{name} has changed since it was written")
            return Checkpoint(
                step=step,
                weights=load_file(path / WEIGHTS),
                tensors=load_file(path / TENSORS),
                state=read_object(path / STATE, finite=False),
            )
        except (OSError, ValueError, RecordError, SafetensorError) as error:
            raise RunError(f"the checkpoint {path} is damaged: {error}") from error

    def load_latest(self) -> LatestCheckpoint:
        """The last intact checkpoint, if any, and what is wrong with those after it."""
        damaged: list[str] = []
        for step in reversed(self.list_steps()):
            try:
                return LatestCheckpoint(self.load(step), tuple(damaged))
            except RunError as error:
                damaged.append(str(error))
        return LatestCheckpoint(None, tuple(damaged))

    def _path_of(self, step: int) -> Path:
        return self.folder / f"step_{step:06}"

    def _remove_old(self, best_step: int | None) -> None:
        for step in self.list_steps()[:-KEPT]:
            if step != best_step:
                shutil.rmtree(self._path_of(step), ignore_errors=True)

    def _remove_unfinished(self) -> None:
        """Remove what killed runs left incomplete, under the hidden names of this version and of 0.1."""
        remove_unfinished(self.folder)
        for path in self.folder.glob(".step_*"):
            shutil.rmtree(path, ignore_errors=True)


def _write_files(folder: Path, checkpoint: Checkpoint) -> None:
    for name, tensors in ((WEIGHTS, checkpoint.weights), (TENSORS, checkpoint.tensors)):
        contiguous = {key: tensor.contiguous() for key, tensor in tensors.items()}
        save_file(contiguous, folder / name)
    (folder / STATE).write_text(json.dumps(checkpoint.state), encoding="utf-8")
    hashes = {name: sha256_of_file(folder / name) for name in (WEIGHTS, TENSORS, STATE)}
    (folder / HASHES).write_text(json.dumps(hashes), encoding="utf-8")
