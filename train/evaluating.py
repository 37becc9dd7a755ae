"""Evaluating a model of either kind, with a classifier beside a ratio, or outlines beside heatmaps."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from cxr_core.data.manifest import Manifest
from cxr_core.evaluation.evaluate import evaluate
from cxr_core.evaluation.evaluate_ratio import has_labels
from cxr_core.evaluation.evaluate_segmenter import SegmenterEvaluation, evaluate_segmenter
from cxr_core.evaluation.folder import Evaluation
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.outline import Outliner
from train.beside import beside
from train.named import outliner_named

FIT_ON = ("val", "train")


@dataclass(frozen=True, kw_only=True)
class Aside:
    """Models by name or folder; None for the installed one. fit_on: the part to combine ratio and classifier on."""

    beside: str | None = None
    fit_on: str = FIT_ON[0]
    outlines: str | None = None


ALONE = Aside()  # beside nothing but what is installed


def evaluation_of(
    model: Classifier | Outliner,
    manifest: Manifest,
    films: Manifest,
    part: str,
    aside: Aside,
    events: Iterable[Mapping[str, Any]],
    bar: Callable[..., None],
) -> Evaluation | SegmenterEvaluation:
    """Evaluate a model on the films of a part. manifest: all usable films.  events: of the model's run, if any."""
    if isinstance(model, Outliner):
        other = beside(aside.beside, manifest, part, aside.fit_on) if aside.beside or has_labels(films) else None
        return evaluate_segmenter(model, films, part, beside=other, progress=partial(bar, "outlining films"))
    outliner = outliner_named(aside.outlines)
    reading = partial(bar, "reading films")
    return evaluate(model, films, part, events=events, outliner=outliner, learnt=manifest, progress=reading)
