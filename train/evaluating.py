"""Evaluating a model of either kind, with a classifier beside a ratio, or outlines beside heatmaps."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError
from cxr_core.evaluation.evaluate import evaluate
from cxr_core.evaluation.metrics.figures import BALANCED
from cxr_core.evaluation.metrics.recalibrate import adapted, require_fitter
from cxr_core.evaluation.segmentation.evaluate import SegmenterEvaluation, evaluate_segmenter
from cxr_core.evaluation.segmentation.evaluate_ratio import has_labels
from cxr_core.evaluation.store.folder import Evaluation
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.segmenter import Outliner
from train.comparator import beside
from train.model_names import outliner_named

FIT_ON = ("val", "train")


@dataclass(frozen=True, kw_only=True)
class Aside:
    """Models by name or folder; None for the installed one. fit_on: the part to combine ratio and classifier on.

    recalibrate: a method of `adapt.fitter` to recalibrate by, besides; None for none.
    """

    beside: str | None = None
    fit_on: str = FIT_ON[0]
    outlines: str | None = None
    recalibrate: str | None = None


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
    """Evaluate a model on the films of a part. manifest: all usable films.  events: of the model's run, if any.

    Raises DataError when a model that outlines is to be recalibrated, or no finding can be.
    """
    if isinstance(model, Outliner):
        if aside.recalibrate:
            raise DataError(
                f"{model.card.model} outlines, so it has no probabilities that could be recalibrated"
            )
        other = (
            beside(aside.beside, manifest, part, aside.fit_on)
            if aside.beside or has_labels(films)
            else None
        )
        return evaluate_segmenter(
            model, films, part, beside=other, progress=partial(bar, "outlining films")
        )
    if aside.recalibrate:
        require_fitter(aside.recalibrate, model.card)
    outliner = outliner_named(aside.outlines)
    reading = partial(bar, "reading films")
    found = evaluate(
        model, films, part, events=events, outliner=outliner, learnt=manifest, progress=reading
    )
    if not aside.recalibrate:
        return found
    return replace(
        found, recalibrated=adapted(found.card, found.table, aside.recalibrate, BALANCED)
    )
