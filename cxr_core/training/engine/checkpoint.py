"""Checkpoints of a run: whole or absent, checked when they are read, tensors and JSON alone.

    checkpoints/step_000200/weights.safetensors   the network
                            state.safetensors     averages and the optimizer's tensors
                            state.json            counters, schedule, the best epoch so far
                            done                  the SHA-256 of each file; written last

A checkpoint is made under a hidden name, flushed to the disk and then renamed. The last two are kept, and the best.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from cxr_core.errors import RunError

WEIGHTS, TENSORS, FACTS, DONE = "weights.safetensors", "state.safetensors", "state.json", "done"
KEPT = 2


@dataclass(frozen=True, eq=False, kw_only=True)
class Checkpoint:
    """All that a run needs to go on. facts: what JSON can hold."""

    step: int
    weights: Mapping[str, Tensor]
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]


class Latest(NamedTuple):
    """Where a run can go on. damaged: what is wrong with later checkpoints."""

    checkpoint: Checkpoint | None
    damaged: tuple[str, ...]


class Checkpoints:
    """The checkpoints of one run."""

    def __init__(self, run: Path):
        self.folder = run / "checkpoints"

    def save(self, checkpoint: Checkpoint, best_step: int | None) -> Path:
        """Write a checkpoint in one step, then drop those no longer needed.

        Raises RunError when the disk is full or cannot be written; the checkpoints before it are then intact.
        """
        final = self.folder / f"step_{checkpoint.step:06}"
        draft = self.folder / f".step_{checkpoint.step:06}.{os.getpid()}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
            draft.mkdir()
            _fill(draft, checkpoint)
            if final.exists():  # damaged, or it would have been resumed from
                shutil.rmtree(final)
            draft.rename(final)
            _flush(self.folder)
        except (OSError, SafetensorError) as error:
            shutil.rmtree(draft, ignore_errors=True)
            why = getattr(error, "strerror", None) or error
            raise RunError(
                f"no checkpoint could be written to {self.folder} at step {checkpoint.step}: {why}. Free space or mend "
                "the disk, then go on with --resume; the checkpoint before this one is whole"
            ) from error
        self._thin(best_step)
        return final

    def steps(self) -> list[int]:
        """The steps that have a checkpoint, damaged ones too, in order."""
        names = [re.fullmatch(r"step_(\d+)", path.name) for path in self.folder.glob("step_*")]
        return sorted(int(name.group(1)) for name in names if name)

    def load(self, step: int) -> Checkpoint:
        """The checkpoint of a step. Raises RunError when it is missing or damaged."""
        place = self.folder / f"step_{step:06}"
        try:
            promised = json.loads((place / DONE).read_text(encoding="utf-8"))
            for name in (WEIGHTS, TENSORS, FACTS):
                if promised[name] != _sha256(place / name):
                    raise ValueError(f"{name} has changed since it was written")
            facts = json.loads((place / FACTS).read_text(encoding="utf-8"))
            return Checkpoint(
                step=step,
                weights=load_file(place / WEIGHTS),
                tensors=load_file(place / TENSORS),
                facts=facts,
            )
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise RunError(f"the checkpoint {place} is damaged: {error}") from error

    def latest(self) -> Latest:
        """The last whole checkpoint, if any, and what was said of the damaged ones after it."""
        damaged: list[str] = []
        for step in reversed(self.steps()):
            try:
                return Latest(self.load(step), tuple(damaged))
            except RunError as error:
                damaged.append(str(error))
        return Latest(None, tuple(damaged))

    def _thin(self, best_step: int | None) -> None:
        for step in self.steps()[:-KEPT]:
            if step != best_step:
                shutil.rmtree(self.folder / f"step_{step:06}", ignore_errors=True)

    def _sweep(self) -> None:
        """Remove what killed runs left half-written."""
        for path in self.folder.glob(".step_*"):
            shutil.rmtree(path, ignore_errors=True)


def _fill(place: Path, checkpoint: Checkpoint) -> None:
    save_file(
        {name: tensor.contiguous() for name, tensor in checkpoint.weights.items()}, place / WEIGHTS
    )
    save_file(
        {name: tensor.contiguous() for name, tensor in checkpoint.tensors.items()}, place / TENSORS
    )
    (place / FACTS).write_text(json.dumps(dict(checkpoint.facts)), encoding="utf-8")
    hashes = {name: _sha256(place / name) for name in (WEIGHTS, TENSORS, FACTS)}
    (place / DONE).write_text(json.dumps(hashes), encoding="utf-8")
    for file in (*place.iterdir(), place):
        _flush(file)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    """Make sure that a file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
