"""The figures of a run's model: on validation films by its card, on test films by its evaluation.

Importing this module loads no torch.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_core.models.card import CARD
from cxr_core.training.runs.progress import Curve, RunProgress
from cxr_core.training.runs.run_files import EVALUATION, MODEL
from cxr_core.workspace.json_files import Json, JsonObject, read_json_object

METRICS_FILE = "metrics.json"
FIGURE_LABELS = {
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
HEADLINES = ("auroc", "dice_heart")
CURVE_OF_HEADLINE = {"auroc": "validation_auroc", "dice_heart": "validation_dice"}
SPLITS = ("test", "validation")


@dataclass(frozen=True, kw_only=True)
class RunFigure:
    """One figure of a run.

    split: test or validation.  finding: its key, or "" for segmentation.  name: as in FIGURE_LABELS.  value: None where
    undefined.  low, high: the 95 % interval, None where there is none.  n, positives: films.  mean_of: the number of
    findings whose mean it is.
    """

    split: str
    finding: str
    name: str
    value: float | None
    low: float | None
    high: float | None
    n: int | None = None
    positives: int | None = None
    mean_of: int = 1

    @property
    def text(self) -> str:
        """`0.850 (0.710 to 0.900)`."""
        if self.value is None or math.isnan(self.value):
            return "undefined"
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def collect_figures(run: Path) -> tuple[RunFigure, ...]:
    """Every figure of a finished run's model: on validation films, and on test films once it was evaluated there."""
    card = read_json_object(run / MODEL / CARD) or {}
    by_split = dict(_as_object(card.get("metrics")))
    evaluation = read_json_object(run / EVALUATION / METRICS_FILE) or {}
    figures = evaluation.get("findings", evaluation.get("figures"))
    if figures and evaluation.get("weights_sha256") == card.get("weights_sha256"):
        by_split[str(evaluation.get("part"))] = figures
    collected: list[RunFigure] = []
    for split in SPLITS:
        collected += _figures_of_split(split, _as_object(by_split.get(split)))
    return tuple(collected)


def find_headline(figures: Sequence[RunFigure], split: str) -> RunFigure | None:
    """The figure that stands for a run on one split: AUROC or Dice; of several findings their mean, without interval.

    None where there is none.
    """
    for name in HEADLINES:
        found = [each for each in figures if (each.split, each.name) == (split, name)]
        values = [each.value for each in found if each.value is not None]
        if len(found) == 1:
            return found[0]
        if values:
            mean = sum(values) / len(values)
            return RunFigure(
                split=split,
                finding="",
                name=name,
                value=mean,
                low=None,
                high=None,
                mean_of=len(values),
            )
    return None


def best_validation_figure(progress: RunProgress) -> RunFigure | None:
    """The best figure on validation films so far, without an interval; None before the first epoch."""
    for name, key in CURVE_OF_HEADLINE.items():
        curve = progress.curves.get(key, Curve())
        values = [value for value in curve.values if not math.isnan(value)]
        if values:
            return RunFigure(
                split="validation", finding="", name=name, value=max(values), low=None, high=None
            )
    return None


def _figures_of_split(split: str, table: JsonObject) -> Iterator[RunFigure]:
    """Figures by finding, or, of a segmenter, at the top."""
    for key, entry in table.items():
        if _is_figure(key, entry):
            yield parse_figure(split, "", key, _as_object(entry))
            continue
        for name, nested in _as_object(entry).items():
            if _is_figure(name, nested):
                yield parse_figure(split, key, name, _as_object(nested))


def _is_figure(name: str, entry: Json) -> bool:
    return name in FIGURE_LABELS and isinstance(entry, dict) and "value" in entry


def parse_figure(split: str, finding: str, name: str, entry: JsonObject) -> RunFigure:
    """A figure as metrics.json and model cards hold it."""
    return RunFigure(
        split=split,
        finding=finding,
        name=name,
        value=_as_number(entry.get("value")),
        low=_as_number(entry.get("low")),
        high=_as_number(entry.get("high")),
        n=_as_count(entry.get("n")),
        positives=_as_count(entry.get("positives")),
    )


def _as_object(content: Json) -> JsonObject:
    return content if isinstance(content, dict) else {}


def _as_number(content: Json) -> float | None:
    return content if isinstance(content, int | float) else None


def _as_count(content: Json) -> int | None:
    return content if isinstance(content, int) else None
