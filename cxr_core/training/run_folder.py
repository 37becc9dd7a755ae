"""A run's folder: what it was told, what it saw, how it went, what it made.

recipe.toml      the resolved recipe, whole        progress.jsonl  one line per epoch
manifest.json    data and split hashes, counts     model/          the finished model folder
"""

import json
import os
import time
from pathlib import Path
from typing import Any

from cxr_core.errors import RunError
from cxr_core.models.registry import workspace
from cxr_core.training.recipe import Recipe, load_recipe


class RunFolder:
    """Writes and reads one run's folder; nothing half-written is ever visible under a final name."""

    def __init__(self, path: Path):
        self.path = Path(path)
        self.model = self.path / "model"

    @classmethod
    def create(cls, recipe: Recipe, path: Path | None = None) -> "RunFolder":
        """A new run folder. Raises RunError when the path holds a run already or cannot be written."""
        path = path or workspace() / "runs" / f"{recipe.name}-{time.strftime('%Y%m%d-%H%M%S')}"
        if (path / "recipe.toml").exists():
            raise RunError(f"{path} holds a run already; give --run another folder")
        try:
            path.mkdir(parents=True, exist_ok=True)
            _write(path / "recipe.toml", recipe.as_toml())
        except OSError as error:
            raise RunError(f"the run folder {path} cannot be written: {error.strerror}") from error
        return cls(path)

    def recipe(self) -> Recipe:
        """The recipe of this run."""
        return load_recipe(self.path / "recipe.toml")

    def write_manifest(self, facts: dict[str, Any]) -> None:
        """Record which data the run was given."""
        _write(self.path / "manifest.json", json.dumps(facts, indent=2) + "\n")

    def manifest(self) -> dict[str, Any]:
        """What `write_manifest` recorded. Raises RunError when there is none."""
        try:
            return json.loads((self.path / "manifest.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{self.path} holds no run: its manifest.json cannot be read") from error

    def log(self, **line: Any) -> None:
        """Append one line to progress.jsonl."""
        with (self.path / "progress.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.rename(path)
