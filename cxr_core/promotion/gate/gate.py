"""Checks a classifier beside each model that it would replace: what both answer on the same films. It reads no film.

A model passes when it is shown not to be worse than any of them by more than a margin, when its probabilities are
calibrated and tell films apart, and when no subgroup is significantly worse off. "Not enough cases" is never a pass.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import pandas as pd

from cxr_core.data.age_bands import AGE_BANDS, AgeBand
from cxr_core.decisions import DEFAULT_DECISION
from cxr_core.errors import DataError
from cxr_core.evaluation.bootstrap.bootstrap import bootstrap_patients, to_figures
from cxr_core.evaluation.bootstrap.resamples import Resamples
from cxr_core.evaluation.metrics.degenerate import (
    MAX_IDENTICAL,
    MIN_LOG_ODDS_SD,
    describe_degenerate_output,
)
from cxr_core.evaluation.metrics.delong import compute_delong_auroc
from cxr_core.evaluation.metrics.metrics import auroc, expected_calibration_error
from cxr_core.evaluation.metrics.multiple_testing import adjust_by_holm
from cxr_core.evaluation.metrics.paired import BOOTSTRAP, DELONG, AurocDifference, compare_aurocs
from cxr_core.evaluation.metrics.reported import (
    CALIBRATION_OF_REPORTS,
    REPORTED,
    name_calibrated,
    take_calibrated,
)
from cxr_core.models.card import ModelCard
from cxr_core.models.figures import Figure
from cxr_core.models.resolution import MAX_MOVEMENT, MAX_SHARE_OUTSIDE, ResolutionFigures
from cxr_core.presentation.wording import format_count
from cxr_core.promotion.gate.card import check_card, compare_cards
from cxr_core.promotion.gate.checks import (
    Check,
    Status,
    assess_non_inferiority,
    format_interval,
    format_number,
    format_signed,
    pass_or_fail,
)
from cxr_core.promotion.gate.coverage import NAME as EQUAL_COVERAGE
from cxr_core.promotion.gate.coverage import check_equal_coverage
from cxr_core.promotion.gate.resolution import MovementPair, check_resolution
from cxr_core.reading.decision import find_thresholds
from cxr_core.workspace.json_files import JsonObject


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the gate requires of a classifier.

    margin: by how much its AUROC may lie below that of a model in use, as far as the 95 % interval reaches.
    calibration_error: by how much it may lie above what chance alone would show.  cases, subgroup_cases: films with,
    and as many without, a finding, below which nothing is compared.  significance: of all subgroups together.
    log_odds_sd, identical: what counts as nearly constant output; see `evaluation.metrics.degenerate`.  movement: in
    log-odds, between copies of a film in other sizes and formats; moving_films: the share that may move more.
    decided_error: by how much the error among the decided films may lie above that of a model in use, as far as the
    95 % interval reaches.  coverage: the share decided there, where the default decision leaves no film undecided.
    """

    margin: float = 0.02
    calibration_error: float = 0.05
    cases: int = 20
    subgroup_cases: int = 10
    significance: float = 0.05
    log_odds_sd: float = MIN_LOG_ODDS_SD
    identical: float = MAX_IDENTICAL
    movement: float = MAX_MOVEMENT
    moving_films: float = MAX_SHARE_OUTSIDE
    decided_error: float = 0.02
    coverage: float = 0.9

    def to_json(self) -> dict[str, float]:
        """The limits by name."""
        return asdict(self)


LIMITS = Limits()


@dataclass(frozen=True, kw_only=True, eq=False)
class PredictionPair:
    """What the candidate and one incumbent answer on films that neither was trained on and both were made for.

    movement: by finding, of those for which more of the candidate's films move with size and format than may.
    """

    candidate: pd.DataFrame
    incumbent: pd.DataFrame
    movement: Mapping[str, MovementPair] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """Tables of `predict_films` on films that were never trained on; None where there are no such films.

    own: of the candidate, on films that it was not trained on.  pairs: one for each incumbent.  resolution: how far the
    candidate's answers to some of its own films move with their size and format, by finding; None = not measured.
    """

    own: pd.DataFrame | None
    pairs: tuple[PredictionPair | None, ...] = ()
    resolution: Mapping[str, ResolutionFigures] | None = None


@dataclass(frozen=True)
class Subgroup:
    """Films of one kind of patient or view. column: sex, view or age; value: what the column holds, or an age band."""

    name: str
    column: str
    value: str | AgeBand

    def contains(self, table: pd.DataFrame) -> np.ndarray:
        """(N,) bool: which films belong to it. Films where the column is empty belong to none."""
        if isinstance(self.value, str):
            inside: np.ndarray = (table[self.column] == self.value).to_numpy(bool)
            return inside
        return self.value.contains(table[self.column].to_numpy(np.float64))


SUBGROUPS = (
    Subgroup("women and girls", "sex", "F"),
    Subgroup("men and boys", "sex", "M"),
    Subgroup("PA films", "view", "PA"),
    Subgroup("AP films", "view", "AP"),
    *(Subgroup(f"ages {band.in_words}", "age", band) for band in AGE_BANDS),
)


@dataclass(frozen=True, eq=False)
class SubgroupPair:
    """The films of a subgroup with the answers of both models to one finding."""

    finding: str
    subgroup: Subgroup
    rows: pd.DataFrame


def check_classifier(
    candidate: ModelCard,
    incumbents: Sequence[ModelCard],
    predictions: Predictions,
) -> tuple[Check, ...]:
    """Every check of a candidate: alone, then beside each model that it would replace.

    A finding that none of them answers must be told better than by chance.
    Raises DataError when both tables of a comparison are not of the same films.
    """
    own = {key: _select_labelled(predictions.own, key) for key in candidate.findings}
    checks = check_card(candidate)
    checks += [_check_calibration(key, rows) for key, rows in own.items()]
    checks += [_check_spread(candidate, key, rows) for key, rows in own.items()]
    if predictions.resolution is not None:
        for key in candidate.findings:
            movement = _select_movement(key, incumbents, predictions)
            checks.append(check_resolution(key, predictions.resolution, movement))
    for incumbent, pair in zip(incumbents, predictions.pairs, strict=True):
        for check in _check_beside(candidate, incumbent, pair):
            checks.append(replace(check, incumbent=_name(incumbent)))
    compared = {key for incumbent in incumbents for key in incumbent.findings}
    checks += [_check_above_chance(key, rows) for key, rows in own.items() if key not in compared]
    return tuple(checks)


def _select_movement(
    key: str, incumbents: Sequence[ModelCard], predictions: Predictions
) -> dict[str, MovementPair | None]:
    """How far answers to a finding move beside each incumbent that answers it, by the incumbent's name."""
    return {
        _name(incumbent): pair.movement.get(key) if pair else None
        for incumbent, pair in zip(incumbents, predictions.pairs, strict=True)
        if key in incumbent.findings
    }


def _name(card: ModelCard) -> str:
    return f"{card.model} {card.version}"


def _check_beside(
    candidate: ModelCard, incumbent: ModelCard, predictions: PredictionPair | None
) -> Iterator[Check]:
    """The checks of a candidate beside one model that it would replace."""
    yield from compare_cards(candidate, incumbent)
    shared = [key for key in candidate.findings if key in incumbent.findings]
    pairs = {key: _pair_predictions(predictions, key) for key in shared}
    for key, pair in pairs.items():
        yield _check_auroc(key, pair, _name(incumbent))
        yield _check_equal_coverage(candidate, incumbent, key, pair)
    yield from _check_subgroups(pairs)


def _check_spread(card: ModelCard, key: str, rows: pd.DataFrame | None) -> Check:
    """Whether the model tells films apart at all, and its default decision gives both verdicts."""
    too_few = _describe_too_few(rows, LIMITS.cases)
    if rows is None or too_few:
        return _undecided("spread of output", key, too_few)
    probabilities, labels, _ = _arrays(rows)
    thresholds = find_thresholds(card, key, DEFAULT_DECISION, fused=False)
    problem = describe_degenerate_output(probabilities, labels, thresholds)
    low, high = np.quantile(probabilities, [0.05, 0.95])
    decision = card.effective_decision(key, DEFAULT_DECISION)
    sentence = (
        f"90 % of the films get a probability from {low:.3f} to {high:.3f}, and the {decision} decision "
        "suspects some of the films with the finding and clears some of those without."
    )
    return Check(
        name="spread of output",
        finding=key,
        status=pass_or_fail(not problem),
        sentence=problem or sentence,
        figures={"low": round(float(low), 6), "high": round(float(high), 6), "n": len(rows)},
    )


def _check_calibration(key: str, rows: pd.DataFrame | None) -> Check:
    too_few = _describe_too_few(rows, LIMITS.cases)
    if rows is None or too_few:
        return _undecided("calibration error", key, too_few)
    _, labels, patients = _arrays(rows)
    probabilities = take_calibrated(rows)

    def measure(resamples: Resamples) -> dict[str, np.ndarray]:
        weights = resamples.to_weights()
        return {"ece": expected_calibration_error(probabilities, labels, weights)}

    values = bootstrap_patients(measure, patients, by_film=True)
    figure = to_figures(values, labels)["ece"]
    expected = _expected_error(probabilities)
    passed = figure.value is not None and figure.value - expected <= LIMITS.calibration_error
    sentence = (
        f"{_describe_figure(figure)}, where calibrated probabilities would show {expected:.3f} on as many films; it "
        f"may lie {LIMITS.calibration_error:.2f} above that."
    )
    if name_calibrated(rows) == REPORTED:
        sentence += f" {CALIBRATION_OF_REPORTS}"
    return Check(
        name="calibration error",
        finding=key,
        status=pass_or_fail(passed),
        sentence=sentence,
        figures={
            "ece": figure.to_json(),
            "expected": round(expected, 6),
            "limit": LIMITS.calibration_error,
        },
    )


def _expected_error(probabilities: np.ndarray, resamples: int = 200, seed: int = 0) -> float:
    """The mean calibration error of labels drawn from these very probabilities: what chance alone would show.

    On few films it is far from 0. Source: Broecker & Smith 2007, Weather and Forecasting 22:651-661, who draw so.
    """
    rng = np.random.default_rng(seed)
    draws = rng.random((resamples, len(probabilities))) < probabilities
    labels = draws.astype(np.float64)
    return float(np.mean([expected_calibration_error(probabilities, row) for row in labels]))


def _check_above_chance(key: str, rows: pd.DataFrame | None) -> Check:
    too_few = _describe_too_few(rows, LIMITS.cases)
    if rows is None or too_few:
        return _undecided("AUROC", key, too_few)
    probabilities, labels, patients = _arrays(rows)
    if len(set(patients)) == len(patients):
        method = DELONG.removeprefix("paired ")
        figure = compute_delong_auroc(probabilities, labels)
    else:
        method = BOOTSTRAP
        figure = _bootstrap_auroc(probabilities, labels, patients)
    low = figure.value if figure.low is None else figure.low  # without an interval it is 0 or 1
    sentence = (
        f"{_describe_figure(figure)}, by {method}; no model in use answers this finding for these patients, so it must "
        "lie above 0.5."
    )
    return Check(
        name="AUROC",
        finding=key,
        status=pass_or_fail(low is not None and low > 0.5),
        sentence=sentence,
        figures={"auroc": figure.to_json(), "method": method},
    )


def _bootstrap_auroc(probabilities: np.ndarray, labels: np.ndarray, patients: np.ndarray) -> Figure:
    def measure(resamples: Resamples) -> dict[str, np.ndarray]:
        return {"auroc": auroc(probabilities, labels, resamples.to_weights())}

    return to_figures(bootstrap_patients(measure, patients, by_film=True), labels)["auroc"]


def _check_auroc(key: str, pair: pd.DataFrame | None, incumbent: str) -> Check:
    """Non-inferior: the whole 95 % interval of the difference lies above minus the margin."""
    too_few = _describe_too_few(pair, LIMITS.cases)
    if pair is None or too_few:
        return _undecided("AUROC", key, too_few)
    difference = _compare_pair(pair)
    status, meaning = _assess_auroc(difference, LIMITS.margin)
    sentence = (
        f"{format_number(difference.first)} against {format_number(difference.second)} of {incumbent}: "
        f"{_describe_difference(difference)}, by {difference.method}; {meaning}"
    )
    return Check(
        name="AUROC",
        finding=key,
        status=status,
        sentence=sentence,
        figures=_difference_figures(difference, LIMITS.margin),
    )


def _check_equal_coverage(
    candidate: ModelCard, incumbent: ModelCard, key: str, pair: pd.DataFrame | None
) -> Check:
    too_few = _describe_too_few(pair, LIMITS.cases)
    if pair is None or too_few:
        return _undecided(EQUAL_COVERAGE, key, too_few, needed=False)
    cards = (candidate, incumbent)
    return check_equal_coverage(key, pair, cards, LIMITS.coverage, LIMITS.decided_error)


def _assess_auroc(difference: AurocDifference, margin: float) -> tuple[Status, str]:
    if difference.value == 0 and difference.low is None:
        return "pass", "both rank these films in the same order."
    return assess_non_inferiority(difference.value, difference.low, difference.high, margin)


def _check_subgroups(pairs: Mapping[str, pd.DataFrame | None]) -> list[Check]:
    """Sex, age and view: significantly worse in none with enough cases; all held to one level together, by Holm."""
    groups = _list_subgroup_pairs(pairs)
    if not groups:
        sentence = "These films record neither sex, age nor view, or all have the same."
        return [Check(name="subgroups", status="not applicable", sentence=sentence, needed=False)]
    differences: dict[SubgroupPair, AurocDifference] = {}
    for group in groups:
        if not _describe_too_few(group.rows, LIMITS.subgroup_cases):
            differences[group] = _compare_pair(group.rows)
    p_values = [1.0 if one.p is None else one.p for one in differences.values()]
    adjusted = adjust_by_holm(np.array(p_values)).tolist()
    p_of_group = dict(zip(differences, adjusted, strict=True))
    checks = []
    for group in groups:
        if group in differences:
            checks.append(_check_subgroup(group, differences[group], p_of_group[group]))
        else:
            too_few = _describe_too_few(group.rows, LIMITS.subgroup_cases)
            checks.append(_undecided(group.subgroup.name, group.finding, too_few, needed=False))
    return checks


def _list_subgroup_pairs(pairs: Mapping[str, pd.DataFrame | None]) -> list[SubgroupPair]:
    """The subgroups that hold some but not all films of a finding: all of them are the comparison itself."""
    groups = []
    for finding, pair in pairs.items():
        if pair is None:
            continue
        for subgroup in SUBGROUPS:
            inside = subgroup.contains(pair)
            if 0 < int(inside.sum()) < len(pair):
                groups.append(SubgroupPair(finding, subgroup, pair[inside]))
    return groups


def _check_subgroup(group: SubgroupPair, difference: AurocDifference, p: float) -> Check:
    value, differs = difference.value or 0.0, p < LIMITS.significance
    worse = differs and value < 0
    meaning = "not significantly different"
    if differs:
        meaning = "significantly worse" if worse else "significantly better"
    return Check(
        name=group.subgroup.name,
        finding=group.finding,
        status=pass_or_fail(not worse),
        sentence=f"AUROC {_describe_difference(difference)}, {_format_p(p)} by Holm: {meaning}.",
        figures={**_difference_figures(difference, LIMITS.margin), "p_holm": round(p, 6)},
        needed=False,
    )


def _format_p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _pair_predictions(predictions: PredictionPair | None, key: str) -> pd.DataFrame | None:
    """The rows of a finding, with the incumbent's probability beside the candidate's; None without films."""
    if predictions is None:
        return None
    candidate = _select_labelled(predictions.candidate, key)
    incumbent = _select_labelled(predictions.incumbent, key)
    if candidate is None or incumbent is None:
        return None
    for column in ("image", "patient"):
        if not np.array_equal(candidate[column].to_numpy(str), incumbent[column].to_numpy(str)):
            raise DataError("the two models did not read the same films in the same order")
    return candidate.assign(incumbent=incumbent["probability"].to_numpy())


def _select_labelled(table: pd.DataFrame | None, key: str) -> pd.DataFrame | None:
    if table is None:
        return None
    return table[(table["finding"] == key) & table["label"].notna()].reset_index(drop=True)


def _compare_pair(pair: pd.DataFrame) -> AurocDifference:
    probabilities, labels, patients = _arrays(pair)
    return compare_aurocs(probabilities, pair["incumbent"].to_numpy(np.float64), labels, patients)


def _arrays(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities, labels and patients, (N,) each."""
    return (
        rows["probability"].to_numpy(np.float64),
        rows["label"].to_numpy(np.float64),
        rows["patient"].to_numpy(str),
    )


def _describe_too_few(rows: pd.DataFrame | None, required: int) -> str:
    """Why these films are too few; empty when they are enough."""
    if rows is None:
        return "There are no films to compare on."
    present, absent = int((rows["label"] == 1).sum()), int((rows["label"] == 0).sum())
    if min(present, absent) >= required:
        return ""
    with_it = format_count(present, "films")
    return f"{with_it} with it and {absent:,} without; at least {required} of each are needed."


def _undecided(name: str, finding: str, sentence: str, needed: bool = True) -> Check:
    return Check(
        name=name, finding=finding, status="not enough cases", sentence=sentence, needed=needed
    )


def _difference_figures(difference: AurocDifference, margin: float) -> JsonObject:
    return {"difference": difference.to_json(), "margin": margin}


def _describe_difference(difference: AurocDifference) -> str:
    low, high = format_signed(difference.low), format_signed(difference.high)
    if difference.low is None and difference.value is not None:
        return format_signed(difference.value)
    return f"{format_signed(difference.value)} ({low} to {high})"


def _describe_figure(figure: Figure) -> str:
    return format_interval(figure.value, figure.low, figure.high)
