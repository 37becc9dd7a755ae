"""The evaluations there are: those of installed models under the workspace, and those in run folders."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr_core.evaluation.store.folder import METRICS, PREDICTIONS, SCHEMA
from cxr_core.workspace.paths import workspace

PLACES = ("evaluations/[!.]*", "runs/[!.]*/evaluation", "runs/[!.]*/evaluation/[!.]*")
HEAD = ("model", "version", "part", "data", "made")


@dataclass(frozen=True, kw_only=True, eq=False)
class Shelved:
    """One evaluation folder. metrics: its metrics.json, empty when it cannot be read; problem then says why."""

    folder: Path
    metrics: Mapping[str, Any]
    problem: str | None = None

    @property
    def stamp(self) -> str:
        """Another one for another evaluation, and when it is made again."""
        return f"{self.folder}|{self.metrics.get('made')}"

    @property
    def run(self) -> str | None:
        """The run that it is of, if it lies in one."""
        return next(
            (p.parent.name for p in (self.folder, self.folder.parent) if p.name == "evaluation"),
            None,
        )

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders of the films that were measured, as far as it names them."""
        return tuple(Path(each) for each in self.metrics["data"].get("folders", ()))

    @property
    def of_findings(self) -> bool:
        """Whether it is of a model that tells findings; else it is of one that outlines."""
        return "findings" in self.metrics


def shelved(root: Path | None = None) -> list[Shelved]:
    """Every evaluation under the workspace, the newest first; those that cannot be read come last."""
    found = [
        look(folder) for folder in evaluation_folders(root or workspace()) if _holds_one(folder)
    ]
    return sorted(
        found,
        key=lambda each: (each.problem is None, str(each.metrics.get("made", ""))),
        reverse=True,
    )


def evaluation_folders(root: Path) -> list[Path]:
    """Every folder under a workspace that may hold an evaluation, in their order."""
    while True:
        try:
            return [folder for place in PLACES for folder in sorted(root.glob(place))]
        except FileNotFoundError:  # a run was deleted while it was looked into
            continue


def look(folder: Path) -> Shelved:
    """One evaluation by its metrics.json, or what is wrong with that."""
    path = folder / METRICS
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Shelved(
            folder=folder,
            metrics={},
            problem=f"it has no {METRICS}: it was not finished; evaluate again",
        )
    except (OSError, ValueError) as error:
        return Shelved(
            folder=folder,
            metrics={},
            problem=f"its {METRICS} cannot be read ({error}); evaluate again",
        )
    problem = _problem(metrics)
    return Shelved(folder=folder, metrics={} if problem else metrics, problem=problem)


def _holds_one(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (METRICS, PREDICTIONS))


def _problem(metrics: Any) -> str | None:
    if not isinstance(metrics, dict) or metrics.get("schema") != SCHEMA:
        found = metrics.get("schema") if isinstance(metrics, dict) else type(metrics).__name__
        return f"its {METRICS} has schema {found}, not {SCHEMA}; evaluate again"
    lacking = [name for name in HEAD if name not in metrics]
    if lacking or not isinstance(metrics["data"], dict):
        return f"its {METRICS} does not say its {', '.join(lacking) or 'data'}; evaluate again"
    return None
