"""Finds films that are worth a reader's time, says why, and puts them in order.

The value of a case, in [0, 1], is the chance that its label or its verdict is wrong, as far as the evidence says; the
least sure films, which nothing contradicts, have at most half of that.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest

import numpy as np
import pandas as pd
from scipy.special import ndtr

from cxr_core.feedback.review.confident_learning import find_label_errors
from cxr_core.findings import RATIO_LIMIT
from cxr_core.presentation.wording import finding_name, format_percent, format_ratio
from cxr_core.reading.cardiothoracic.ratio import MEASURED_FINDING

# Why a film is in the queue, by code.
REASONS = {
    "label_and_ratio": "The measured heart contradicts the label.",
    "label_and_model": "A model that is confident of such films contradicts the label.",
    "reader_and_model": "The reader and the model differ.",
    "reader_and_reader": "Two readers differ.",
    "unsure_reader": "A reader is not sure.",
    "unsure_model": "The model is not sure.",
}
# On AP films the heart lies farther from the detector and appears wider; an unknown view may be AP.
RATIO_LIMITS = {"PA": RATIO_LIMIT, "AP": 0.55}
UNKNOWN_VIEW_LIMIT = 0.55
HALF_WIDTH = 1.96  # of a 95 % interval, in standard errors
UNSURE_SHARE = 0.5  # of the value of a film that nothing contradicts
TIERS = 4  # of values that are in order; within one, views and scores take turns
SCORE_BANDS = (1 / 3, 2 / 3)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A film and a finding that may be worth reading.

    film: the hash of its pixels.  reasons: codes of REASONS, the weightiest first.  detail: what was found, in
    sentences.  view, probability: what the queue is balanced by.
    """

    film: str
    finding: str
    value: float
    reasons: tuple[str, ...]
    detail: str = ""
    view: str = ""
    probability: float = 0.5


def find_candidates(table: pd.DataFrame) -> list[Candidate]:
    """Every labelled film of a table that label, model or ratio gives a reason for.

    table: a row per film and finding: sha256, finding, label (1, 0 or NaN), probability, view, and where the heart was
    measured ratio and ratio_error, its standard error.
    """
    found: list[Candidate] = []
    for finding, rows in table.dropna(subset=["sha256", "probability"]).groupby(
        "finding", sort=False
    ):
        rows = rows.drop_duplicates("sha256").reset_index(drop=True)
        found += _find_of_finding(str(finding), rows)
    return found


def order_candidates(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The most valuable first; within a quarter of the range of values, views and scores take turns."""
    tiers: dict[int, dict[tuple[str, int], list[Candidate]]] = {}
    by_value = sorted(candidates, key=lambda one: (-one.value, one.film, one.finding))
    for candidate in by_value:
        tier = min(int(candidate.value * TIERS), TIERS - 1)
        band = sum(candidate.probability >= edge for edge in SCORE_BANDS)
        stratum = (candidate.view, band)
        tiers.setdefault(tier, {}).setdefault(stratum, []).append(candidate)
    ordered: list[Candidate] = []
    for tier in sorted(tiers, reverse=True):
        turns = zip_longest(*tiers[tier].values())
        ordered += [one for one in chain.from_iterable(turns) if one is not None]
    return ordered


def merge_candidates(candidates: Iterable[Candidate]) -> list[Candidate]:
    """One candidate for each film and finding, with the greatest value and all reasons."""
    merged: dict[tuple[str, str], Candidate] = {}
    for candidate in sorted(candidates, key=lambda one: -one.value):
        key = (candidate.film, candidate.finding)
        first = merged.get(key)
        if first is None:
            merged[key] = candidate
            continue
        merged[key] = replace(
            first,
            reasons=tuple(dict.fromkeys((*first.reasons, *candidate.reasons))),
            detail=" ".join(filter(None, (first.detail, candidate.detail))),
        )
    return list(merged.values())


def _find_of_finding(finding: str, rows: pd.DataFrame) -> list[Candidate]:
    labels = rows["label"].to_numpy(np.float64)
    probabilities = rows["probability"].to_numpy(np.float64)
    views = rows["view"].fillna("").to_numpy(str)
    found: list[Candidate] = []

    def add(chosen: np.ndarray, reason: str, values: np.ndarray, details: Sequence[str]) -> None:
        for row in np.flatnonzero(chosen).tolist():
            candidate = Candidate(
                film=str(rows["sha256"][row]),
                finding=finding,
                value=float(values[row]),
                reasons=(reason,),
                detail=details[row],
                view=str(views[row]),
                probability=float(probabilities[row]),
            )
            found.append(candidate)

    labelled = ~np.isnan(labels)
    wrong = np.zeros(len(rows), bool)
    wrong[labelled] = find_label_errors(labels[labelled], probabilities[labelled])
    against_label = np.where(labels == 1, 1 - probabilities, probabilities)
    add(wrong, "label_and_model", against_label, _describe_labels(finding, labels, probabilities))
    if finding == MEASURED_FINDING and "ratio" in rows and "ratio_error" in rows:
        beyond = _measure_beyond_limit(rows, views, labels)
        details = [_describe_ratio(ratio) for ratio in rows["ratio"]]
        add(beyond >= HALF_WIDTH, "label_and_ratio", ndtr(beyond), details)
    unsureness = 1 - np.abs(2 * probabilities - 1)
    details = [f"The model gives {format_percent(value)}." for value in probabilities]
    add(np.ones(len(rows), bool), "unsure_model", UNSURE_SHARE * unsureness, details)
    return merge_candidates(found)


def _measure_beyond_limit(rows: pd.DataFrame, views: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(N,) how many standard errors the ratio lies beyond the limit, on the other side than the label; NaN: unknown."""
    limits = np.array([RATIO_LIMITS.get(view, UNKNOWN_VIEW_LIMIT) for view in views.tolist()])
    limits = np.where(labels == 1, RATIO_LIMIT, limits)  # a wide view never makes a heart narrower
    side = np.where(labels == 1, -1.0, 1.0)
    ratios = rows["ratio"].to_numpy(np.float64)
    errors = np.maximum(rows["ratio_error"].to_numpy(np.float64), 1e-9)
    beyond: np.ndarray = np.where(np.isnan(labels), np.nan, side * (ratios - limits) / errors)
    return beyond


def _describe_labels(finding: str, labels: np.ndarray, probabilities: np.ndarray) -> list[str]:
    name = finding_name(finding)
    return [
        f"Labelled {'with' if label == 1 else 'without'} {name[:1].lower()}{name[1:]}; the model gives "
        f"{format_percent(probability)}."
        for label, probability in zip(labels, probabilities, strict=True)
    ]


def _describe_ratio(ratio: float) -> str:
    return "" if np.isnan(ratio) else f"The CTR is {format_ratio(ratio)}."
