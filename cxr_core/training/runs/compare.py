"""What runs say for themselves, side by side: the fields of their recipes that differ, and every figure measured."""

import json
import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr_core.models.card import CARD
from cxr_core.training.runs.progress import Curve, Watched, watch

METRICS, MODEL_CARD = "evaluation/metrics.json", f"model/{CARD}"
RECIPES = ("recipe.toml", "job/recipe.toml")  # of a run that has begun, of one that waits
WORDED = ("summary", "source")  # words about a recipe, which decide nothing
NAMES = {
    "auroc": "AUROC",
    "average_precision": "Average precision",
    "brier": "Brier score",
    "ece": "Calibration error",
    "accuracy": "Accuracy",
    "f1": "F1",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "dice_heart": "Dice, heart",
    "dice_left_lung": "Dice, left lung",
    "dice_right_lung": "Dice, right lung",
}
BEST = ("auroc", "dice_heart")
PARTS = ("test", "validation")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of a run. part: test or validation.  finding: its key, or "" for outlines.  name: as in NAMES.

    low, high: the 95 % interval; value is None where it is undefined, and so are they where there is none.
    """

    part: str
    finding: str
    name: str
    value: float | None
    low: float | None
    high: float | None
    n: int | None = None
    positives: int | None = None

    @property
    def words(self) -> str:
        """`0.85 (0.71 to 0.90)`."""
        if self.value is None or math.isnan(self.value):
            return "undefined"
        bounds = (
            f" ({self.low:.3f} to {self.high:.3f})"
            if self.low is not None and self.high is not None
            else ""
        )
        return f"{self.value:.3f}{bounds}"


def figures(run: Path) -> tuple[Figure, ...]:
    """Every figure that was measured of a finished run's model: on validation by its card, on test by an evaluation."""
    card, found = _json(run / MODEL_CARD), _json(run / METRICS)
    measured: dict[str, Any] = dict(card.get("metrics", {}))
    if found.get("weights_sha256") == card.get("weights_sha256") and (
        told := found.get("findings", found.get("figures"))
    ):
        measured[str(found.get("part"))] = told
    return tuple(figure for part in PARTS for figure in _of_part(part, measured.get(part, {})))


def headline(run: Path) -> Figure | None:
    """The figure that a run is told by: AUROC or Dice, on test films where measured, else on validation films.

    Of a run without a model it is the best on validation so far, without an interval. None before the first epoch.
    """
    known = [figure for figure in figures(run) if figure.name in BEST and figure.value is not None]
    return known[0] if known else best_so_far(watch(run))


def best_so_far(watched: Watched) -> Figure | None:
    """The best figure on validation films that a run has told of, without an interval; None before the first epoch."""
    for name, key in (("auroc", "validation_auroc"), ("dice_heart", "validation_dice")):
        curve = watched.curves.get(key, Curve())
        values = [value for value in curve.values if not math.isnan(value)]
        if values:
            return Figure(
                part="validation", finding="", name=name, value=max(values), low=None, high=None
            )
    return None


def recipe_of(run: Path) -> dict[str, Any]:
    """The fields of a run's recipe by dotted name, as its file holds them; empty when it cannot be read."""
    try:
        return dict(_flat(tomllib.loads(recipe_path(run).read_text(encoding="utf-8"))))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return {}


def outlines(run: Path) -> bool:
    """Whether the run's model outlines heart and lungs, instead of telling findings."""
    return bool(recipe_of(run).get("structures"))


def recipe_path(run: Path) -> Path:
    """The file of a run's recipe, whether it has begun or waits."""
    return next((run / name for name in RECIPES if (run / name).is_file()), run / RECIPES[0])


def data_of(run: Path) -> tuple[str, ...]:
    """The folders that a run was given, from its own words; empty before it has begun."""
    return tuple(_json(run / "manifest.json").get("folders", ()))


def differences(runs: Sequence[Path]) -> dict[str, tuple[str, ...]]:
    """The fields in which the recipes and beginnings of runs differ, with each run's value in words."""
    tables = [{**recipe_of(run), **_beginning(run)} for run in runs]
    names = dict.fromkeys(name for table in tables for name in table)
    rows = {
        name: tuple(_words(table.get(name)) for table in tables)
        for name in names
        if name not in WORDED
    }
    return {name: values for name, values in rows.items() if len(set(values)) > 1}


def side_by_side(runs: Sequence[Path]) -> dict[tuple[str, str, str], tuple[str, ...]]:
    """(part, finding, name) -> each run's figure in words, "" where it has none."""
    told = [
        {(each.part, each.finding, each.name): each.words for each in figures(run)} for run in runs
    ]
    rows = dict.fromkeys(key for run in told for key in run)
    return {key: tuple(run.get(key, "") for run in told) for key in rows}


def _of_part(part: str, table: Mapping[str, Any]) -> Iterator[Figure]:
    """Figures of a part: by finding, or, of outlines, at the top."""
    for key, entry in table.items():
        if key in NAMES and _is_figure(entry):
            yield _figure(part, "", key, entry)
        elif isinstance(entry, Mapping):
            inner = (
                (name, each) for name, each in entry.items() if name in NAMES and _is_figure(each)
            )
            yield from (_figure(part, key, name, each) for name, each in inner)


def _is_figure(entry: Any) -> bool:
    return isinstance(entry, Mapping) and "value" in entry


def _figure(part: str, finding: str, name: str, entry: Mapping[str, Any]) -> Figure:
    numbers = {key: entry.get(key) for key in ("value", "low", "high", "n", "positives")}
    return Figure(part=part, finding=finding, name=name, **numbers)


def _beginning(run: Path) -> dict[str, Any]:
    """What is not in the recipe and still makes a difference."""
    manifest = _json(run / "manifest.json")
    names = {"data": "folders", "began from": "began_from"}
    return {words: manifest[key] for words, key in names.items() if key in manifest}


def _flat(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from ((f"{key}.{inner}", each) for inner, each in _flat(value))
        else:
            yield key, value


def _words(value: Any) -> str:
    if value is None:
        return "not set"
    return (
        ", ".join(map(str, value))
        if isinstance(value, Iterable) and not isinstance(value, str)
        else str(value)
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
