"""Compares an exported network with its model on films: whether a reading by it would say the same.

In full precision no logit may move by more than MAX_DIFFERENCE, and no verdict may change. int8 moves every logit a
little, so it is held to what a user would notice: how films are ranked, and how many calls change.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from cxr_core.data.manifest import Manifest
from cxr_core.data.prepare_apart import StageProgress
from cxr_core.decisions import DECISIONS
from cxr_core.evaluation.fused_predictions import fuse_predictions, measure_fused_ratios
from cxr_core.evaluation.metrics.metrics import auroc
from cxr_core.findings import RATIO_LIMIT
from cxr_core.inference import predict_films, segment_films
from cxr_core.models.card import ModelCard
from cxr_core.models.exported.record import AurocChange, ExportCheck, Precision
from cxr_core.presentation.wording import format_count
from cxr_core.reading.calibration import log_odds
from cxr_core.reading.cardiothoracic.contours import SegmentationResult
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.decision import find_thresholds
from cxr_core.reading.segmenter import Segmenter

MIN_FILMS = 500
MAX_DIFFERENCE = 0.02  # of a logit, in full precision
# Of int8: the loss of AUROC, the share of films with another verdict by any one decision, and the mean difference of
# the ratio, which on validation films is itself wrong by 0.017.
MAX_AUROC_LOSS = 0.002
MAX_CHANGED_SHARE = 0.005
MAX_RATIO_DIFFERENCE = 0.002
# Of log-odds. Torch's own change by up to 1e-5 with the number of films that share a forward pass.
ROUNDING = 1e-4
FUSED = "probability_with_ratio"


def check_exported_classifier(
    model: Classifier,
    exported: Classifier,
    films: Manifest,
    source: str,
    segmenter: Segmenter | None,
    progress: StageProgress,
) -> ExportCheck:
    """Read films with a model and with its export.

    films: of the model's population, decoded.  source: which films they are, in words.  segmenter: measures the ratio
    that the model's probability is fused with, by torch for both.
    """
    card = model.card
    ratios = measure_fused_ratios(card, films, segmenter, partial(progress, "measuring ratios"))
    tables = []
    for each, stage in ((model, "reading films"), (exported, "reading films, exported network")):
        table = predict_films(each, films, partial(progress, stage))
        tables.append(table if ratios is None else fuse_predictions(card, table, films, ratios))
    before, after = tables
    changed = _count_changed_films(card, before, after)
    return ExportCheck(
        films=len(films.table),
        patients=int(films.table["patient"].nunique()),
        source=source,
        largest_difference=float((before["logit"] - after["logit"]).abs().max()),
        verdicts_changed=changed.films,
        most_changed=changed.by_one_decision,
        on_threshold=changed.on_threshold,
        auroc=dict(_compare_aurocs(card, before, after)),
    )


def check_exported_segmenter(
    model: Segmenter,
    exported: Segmenter,
    films: Manifest,
    source: str,
    progress: StageProgress,
) -> ExportCheck:
    """Segment films with a model and with its export. Arguments as of `check_exported_classifier`."""
    difference, changed, ratios = 0.0, 0, []
    pairs = zip(
        segment_films(model, films, partial(progress, "segmenting films, both networks")),
        segment_films(exported, films),
        strict=True,
    )
    for before, after in pairs:
        difference = max(difference, float(np.abs(before.maps - after.maps).max()))
        changed += _describe_outcome(before) != _describe_outcome(after)
        if before.ratio is not None and after.ratio is not None:
            ratios.append(abs(before.ratio - after.ratio))
    return ExportCheck(
        films=len(films.table),
        patients=int(films.table["patient"].nunique()),
        source=source,
        largest_difference=difference,
        verdicts_changed=changed,
        most_changed=changed,
        ratio_difference=float(np.mean(ratios)) if ratios else None,
    )


def list_objections(check: ExportCheck, precision: Precision) -> list[str]:
    """Why an export may not be installed, a sentence each with the figures; empty when it may."""
    objections = []
    if check.films < MIN_FILMS:
        objections.append(
            f"It was compared on {format_count(check.films, 'films')}; at least {MIN_FILMS} are needed."
        )
    limits = _full_precision_objections if precision == "float32" else _int8_objections
    return objections + list(limits(check))


def _full_precision_objections(check: ExportCheck) -> Iterator[str]:
    if not check.largest_difference <= MAX_DIFFERENCE:
        yield f"A logit differs by {check.largest_difference:.4f}; the limit is {MAX_DIFFERENCE}."
    if check.verdicts_changed:
        yield (
            f"The verdict on {check.verdicts_changed} of {format_count(check.films, 'films')} differs; none may."
        )


def _int8_objections(check: ExportCheck) -> Iterator[str]:
    for finding, change in check.auroc.items():
        if change.torch - change.exported > MAX_AUROC_LOSS:
            yield (
                f"The AUROC for {finding} falls from {change.torch:.4f} to {change.exported:.4f}; it may fall by "
                f"{MAX_AUROC_LOSS}."
            )
    if check.most_changed > MAX_CHANGED_SHARE * check.films:
        yield (
            f"By one decision the verdict on {check.most_changed} of {format_count(check.films, 'films')} "
            f"({check.most_changed / check.films:.1%}) differs; the limit is {MAX_CHANGED_SHARE:.1%}."
        )
    if (check.ratio_difference or 0.0) > MAX_RATIO_DIFFERENCE:
        yield (
            f"The cardiothoracic ratio differs by {check.ratio_difference:.4f} on average; the limit is "
            f"{MAX_RATIO_DIFFERENCE}."
        )


def _compare_aurocs(
    card: ModelCard, before: pd.DataFrame, after: pd.DataFrame
) -> Iterator[tuple[str, AurocChange]]:
    """The AUROC by the model and by its export, of findings with labels of both classes."""
    for finding in card.findings:
        rows = (before["finding"] == finding) & before["label"].notna()
        labels = before.loc[rows, "label"].to_numpy(np.float64)
        if len(np.unique(labels)) == 2:
            values = [
                float(auroc(table.loc[rows, "logit"].to_numpy(), labels))
                for table in (before, after)
            ]
            yield finding, AurocChange(torch=values[0], exported=values[1])


@dataclass(frozen=True)
class _ChangedFilms:
    """Films with another verdict: all of them, by the decision that changes most, and those that lie on a threshold."""

    films: int
    by_one_decision: int
    on_threshold: int


def _count_changed_films(
    card: ModelCard, before: pd.DataFrame, after: pd.DataFrame
) -> _ChangedFilms:
    """How many films get another verdict.

    The thresholds of a card are the probabilities of validation films, so some films lie exactly on one. On which side
    is a matter of rounding, which differs in torch itself with the number of films that share a forward pass.
    """
    changed: dict[tuple[str, int], set[str]] = defaultdict(set)  # by finding and decision
    on_threshold: set[str] = set()
    for old, new in zip(before.itertuples(), after.itertuples(), strict=True):
        for place, (value, other, limits) in enumerate(_list_decided_values(card, old, new)):
            crossed = [limit for limit in limits if (value >= limit) != (other >= limit)]
            if any(abs(value - limit) >= ROUNDING for limit in crossed):
                changed[old.finding, place].add(old.image)
            elif crossed:
                on_threshold.add(old.image)
    films = set().union(*changed.values())
    by_one_decision = max(map(len, changed.values()), default=0)
    return _ChangedFilms(len(films), by_one_decision, len(on_threshold - films))


def _list_decided_values(
    card: ModelCard, old: Any, new: Any
) -> Iterator[tuple[float, float, tuple[float, ...]]]:
    """For each decision on a film and finding: the value before and after, and its thresholds, in log-odds.

    The last is the distance to the training films, which makes a film unlike them above 1.
    """
    pairs = {False: (old.probability, new.probability)}
    if old.finding in card.fusion and not np.isnan(getattr(old, FUSED, np.nan)):
        pairs[True] = (getattr(old, FUSED), getattr(new, FUSED))
    for fused, (value, other) in pairs.items():
        thresholds = [find_thresholds(card, old.finding, decision, fused) for decision in DECISIONS]
        limits: list[tuple[float, ...]] = [
            (each.absent_below, each.present_from) for each in thresholds
        ]
        if old.finding in card.confident_normal:
            limits.append((card.confident_normal[old.finding].threshold,))
        for each in limits:
            yield log_odds(value), log_odds(other), tuple(map(log_odds, each))
    yield old.unfamiliarity, new.unfamiliarity, (1.0,)


def _describe_outcome(result: SegmentationResult) -> tuple[object, ...]:
    """What a reader is told of a measured ratio, but for its digits."""
    side = None if result.ratio is None else result.ratio > RATIO_LIMIT
    return side, result.errors, result.warnings
