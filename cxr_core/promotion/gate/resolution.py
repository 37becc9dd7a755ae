"""Checks that a classifier answers nearly the same when a film comes in another size or file format."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from cxr_core.evaluation.robustness.resolution import compute_resolution
from cxr_core.models.resolution import MAX_MOVEMENT, MAX_SHARE_OUTSIDE, ResolutionFigures
from cxr_core.promotion.gate.checks import Check, pass_or_fail

NAME = "resolution and file format"


@dataclass(frozen=True, kw_only=True)
class MovementPair:
    """How far the answers of the candidate and of one incumbent move, on the same copies of the same films."""

    candidate: ResolutionFigures
    incumbent: ResolutionFigures


def compare_movement(
    candidate: Mapping[str, pd.DataFrame],
    incumbent: Mapping[str, pd.DataFrame],
    findings: Iterable[str],
    sample: str,
) -> dict[str, MovementPair]:
    """Both models on the copies for which both give a number; a finding without such copies is left out.

    candidate, incumbent: by finding, the log-odds of the same films as `read_copies` gives them.
    """
    pairs = {}
    for finding in findings:
        if finding not in candidate or finding not in incumbent:
            continue
        own, other = candidate[finding].align(incumbent[finding], join="inner")
        both = own.notna() & other.notna()
        films = both.any(axis=1)
        if films.any():
            pairs[finding] = MovementPair(
                candidate=compute_resolution(own.where(both)[films], sample),
                incumbent=compute_resolution(other.where(both)[films], sample),
            )
    return pairs


def check_resolution(
    finding: str,
    figures: Mapping[str, ResolutionFigures],
    incumbents: Mapping[str, MovementPair | None],
) -> Check:
    """The check of one finding. figures: by finding, of those that some film of the sample was read for.

    incumbents: those that answer the finding, by name; they count where more films move than may. None: there are no
    films to compare on.  It closes the gate only by failing: without films there is nothing to be said.
    """
    measured = figures.get(finding)
    if measured is None:
        sentence = "There are no films to read in several sizes and file formats."
        return Check(
            name=NAME, finding=finding, status="not enough cases", sentence=sentence, needed=False
        )
    limit = f"{100 * MAX_SHARE_OUTSIDE:.0f} %"
    passes, sentence = measured.is_stable, f"{measured.describe()} At most {limit} may."
    if not passes and incumbents:
        comparisons = " ".join(_describe_comparison(*item) for item in incumbents.items())
        passes = all(_is_no_worse(pair) for pair in incumbents.values())
        sentence = (
            f"{measured.describe()} The limit of {limit} is missed, so no more films may move than with a model "
            f"in use. {comparisons}"
        )
    return Check(
        name=NAME,
        finding=finding,
        status=pass_or_fail(passes),
        sentence=sentence,
        figures={
            "movement": measured.to_json(),
            "limit": MAX_MOVEMENT,
            "share": MAX_SHARE_OUTSIDE,
            "incumbents": {
                name: {"candidate": pair.candidate.to_json(), "incumbent": pair.incumbent.to_json()}
                for name, pair in incumbents.items()
                if pair is not None
            },
        },
        needed=False,
    )


def _is_no_worse(pair: MovementPair | None) -> bool:
    return pair is not None and pair.candidate.outside <= pair.incumbent.outside


def _describe_comparison(incumbent: str, pair: MovementPair | None) -> str:
    if pair is None:
        return f"There are no films to compare it with {incumbent} on."
    own, other = (f"{100 * one.outside:.0f} %" for one in (pair.candidate, pair.incumbent))
    return (
        f"On the copies of {pair.candidate.sample} that {incumbent} reads too, {own} move, and {other} with "
        f"{incumbent}."
    )
