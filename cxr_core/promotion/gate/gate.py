"""The gate: whether a model may be installed, asked of what two models say of the same films. Pure.

A model passes when it is shown not to be worse than the one in use by more than a margin, when its probabilities mean
what they say, and when no subgroup is significantly worse off. "Not enough cases" is never a pass.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from cxr_core.errors import DataError
from cxr_core.evaluation.bootstrap.bootstrap import bootstrapped, figures_of
from cxr_core.evaluation.metrics.delong import auroc_delong
from cxr_core.evaluation.metrics.metrics import auroc, expected_calibration_error
from cxr_core.evaluation.metrics.multiple_testing import holm
from cxr_core.evaluation.metrics.paired import BOOTSTRAP, DELONG, Apart, auroc_apart
from cxr_core.models.card import ModelCard
from cxr_core.models.figures import Figure
from cxr_core.promotion.gate.card import card_checks, passed_or_not
from cxr_core.promotion.gate.groups import Group, groups_of
from cxr_core.promotion.gate.margin import non_inferior, number, signed
from cxr_core.promotion.gate.verdict import Check, Status


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the gate holds a model to.

    margin: the AUROC that it may lie below the model in use, as far as the 95 % interval reaches.
    calibration_error: how far it may lie above what chance alone would show.  cases, subgroup_cases: films with, and
    as many without, a finding, below which nothing is compared.  significance: of all subgroups together.
    """

    margin: float = 0.02
    calibration_error: float = 0.05
    cases: int = 20
    subgroup_cases: int = 10
    significance: float = 0.05

    def to_json(self) -> dict[str, float]:
        """By name."""
        return asdict(self)


LIMITS = Limits()


@dataclass(frozen=True, kw_only=True, eq=False)
class Tables:
    """What is said of films that were never learnt from, as `evaluate.predictions` gives it; None = no such films.

    alone: by the candidate, of films that it alone never learnt from.  candidate, rival: of films that neither has.
    """

    alone: pd.DataFrame | None
    candidate: pd.DataFrame | None = None
    rival: pd.DataFrame | None = None


def judge(
    candidate: ModelCard, rival: ModelCard | None, tables: Tables, limits: Limits = LIMITS
) -> tuple[Check, ...]:
    """Every check of a candidate beside the model in use, or alone where there is none.

    Raises DataError when both tables of a comparison are not of the same films.
    """
    checks = card_checks(candidate, rival)
    checks += [_calibration(key, _rows(tables.alone, key), limits) for key in candidate.findings]
    if rival is None:
        return (
            *checks,
            *(_above_chance(key, _rows(tables.alone, key), limits) for key in candidate.findings),
        )
    pairs = {key: _pair(tables, key) for key in candidate.findings if key in rival.findings}
    checks += [_not_worse(key, pair, limits) for key, pair in pairs.items()]
    return (*checks, *_subgroups(pairs, limits))


def _calibration(key: str, rows: pd.DataFrame | None, limits: Limits) -> Check:
    if few := _few(rows, limits.cases):
        return Check(name="calibration error", finding=key, status="not enough cases", sentence=few)
    assert rows is not None
    chances, labels, patients = _arrays(rows)
    values = bootstrapped(
        lambda weights: {"ece": expected_calibration_error(chances, labels, weights)}, patients
    )
    figure = figures_of(values, labels)["ece"]
    expected = _expected_error(chances)
    excess = None if figure.value is None else figure.value - expected
    sentence = (
        f"{_with_interval(figure)}, where probabilities that mean what they say would show {expected:.3f} on as many "
        f"films; it may lie {limits.calibration_error:.2f} above that."
    )
    return Check(
        name="calibration error",
        finding=key,
        status=passed_or_not(excess is not None and excess <= limits.calibration_error),
        sentence=sentence,
        figures={
            "ece": figure.to_json(),
            "expected": round(expected, 6),
            "limit": limits.calibration_error,
        },
    )


def _expected_error(chances: np.ndarray, draws: int = 200, seed: int = 0) -> float:
    """The mean calibration error of films whose labels are drawn from these very probabilities: by chance alone.

    On few films it is far from 0. Source: Broecker & Smith 2007, Weather and Forecasting 22:651-661, who draw so.
    """
    chance = np.random.default_rng(seed)
    labels = (chance.random((draws, len(chances))) < chances).astype(np.float64)
    return float(np.mean([expected_calibration_error(chances, each) for each in labels]))


def _above_chance(key: str, rows: pd.DataFrame | None, limits: Limits) -> Check:
    if few := _few(rows, limits.cases):
        return Check(name="AUROC", finding=key, status="not enough cases", sentence=few)
    assert rows is not None
    chances, labels, patients = _arrays(rows)
    alone = len(set(patients)) == len(patients)
    method = DELONG.removeprefix("paired ") if alone else BOOTSTRAP
    figure = (
        auroc_delong(chances, labels) if alone else _bootstrapped_auroc(chances, labels, patients)
    )
    low = figure.value if figure.low is None else figure.low  # without an interval it is 0 or 1
    sentence = f"{_with_interval(figure)}, by {method}; none is in use to compare with, so it must lie above 0.5."
    return Check(
        name="AUROC",
        finding=key,
        status=passed_or_not(low is not None and low > 0.5),
        sentence=sentence,
        figures={"auroc": figure.to_json(), "method": method},
    )


def _bootstrapped_auroc(chances: np.ndarray, labels: np.ndarray, patients: np.ndarray) -> Figure:
    values = bootstrapped(lambda weights: {"auroc": auroc(chances, labels, weights)}, patients)
    return figures_of(values, labels)["auroc"]


def _not_worse(key: str, pair: pd.DataFrame | None, limits: Limits) -> Check:
    """Non-inferior: the whole 95 % interval of the difference lies above minus the margin."""
    if few := _few(pair, limits.cases):
        return Check(name="AUROC", finding=key, status="not enough cases", sentence=few)
    assert pair is not None
    found = _apart(pair)
    status, meaning = _non_inferior(found, limits.margin)
    sentence = (
        f"{number(found.first)} against {number(found.second)} in use: {signed(found.value)} "
        f"({signed(found.low)} to {signed(found.high)}), by {found.method}; {meaning}"
    )
    return Check(
        name="AUROC",
        finding=key,
        status=status,
        sentence=sentence,
        figures=_figures(found, limits.margin),
    )


def _non_inferior(found: Apart, margin: float) -> tuple[Status, str]:
    if found.value == 0 and found.low is None:
        return "pass", "both put these films in one order."
    return non_inferior(found.value, found.low, found.high, margin)


def _subgroups(pairs: dict[str, pd.DataFrame | None], limits: Limits) -> list[Check]:
    """Sex, age and view: significantly worse in none, where there are cases enough; all held to one level, by Holm."""
    asked = [
        (key, group, pair[group.rows(pair)])
        for key, pair in pairs.items()
        if pair is not None
        for group in groups_of(pair)
    ]
    counted = [
        place for place, (_, _, rows) in enumerate(asked) if not _few(rows, limits.subgroup_cases)
    ]
    found = {place: _apart(asked[place][2]) for place in counted}
    raised = holm(np.array([1.0 if each.p is None else each.p for each in found.values()]))
    p = dict(zip(found, raised.tolist(), strict=True))
    if not asked:
        sentence = "None of these films tells sex, age or view, or they are all alike in them."
        return [Check(name="subgroups", status="not applicable", sentence=sentence, needed=False)]
    return [
        _subgroup(key, group, rows, found.get(place), p.get(place), limits)
        for place, (key, group, rows) in enumerate(asked)
    ]


def _subgroup(
    key: str, group: Group, rows: pd.DataFrame, found: Apart | None, p: float | None, limits: Limits
) -> Check:
    if found is None or p is None:
        sentence = _few(rows, limits.subgroup_cases)
        return Check(
            name=group.name, finding=key, status="not enough cases", sentence=sentence, needed=False
        )
    worse = found.value is not None and found.value < 0 and p < limits.significance
    meaning = "significantly worse" if worse else "not significantly worse"
    interval = "" if found.low is None else f" ({signed(found.low)} to {signed(found.high)})"
    return Check(
        name=group.name,
        finding=key,
        status=passed_or_not(not worse),
        sentence=f"AUROC {signed(found.value)}{interval}, p {p:.3f} by Holm: {meaning}.",
        figures={**_figures(found, limits.margin), "p_holm": round(p, 6)},
        needed=False,
    )


def _pair(tables: Tables, key: str) -> pd.DataFrame | None:
    """The rows of a finding in both tables, the rival's probability beside the candidate's; None without films."""
    first, second = _rows(tables.candidate, key), _rows(tables.rival, key)
    if first is None or second is None:
        return None
    for column in ("image", "patient"):
        if not np.array_equal(first[column].to_numpy(str), second[column].to_numpy(str)):
            raise DataError("the two models were not asked about the same films in the same order")
    return first.assign(rival=second["probability"].to_numpy())


def _rows(table: pd.DataFrame | None, key: str) -> pd.DataFrame | None:
    if table is None:
        return None
    return table[(table["finding"] == key) & table["label"].notna()].reset_index(drop=True)


def _apart(pair: pd.DataFrame) -> Apart:
    chances, labels, patients = _arrays(pair)
    return auroc_apart(chances, pair["rival"].to_numpy(np.float64), labels, patients)


def _arrays(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities, labels and patients, (N,) each."""
    return (
        rows["probability"].to_numpy(np.float64),
        rows["label"].to_numpy(np.float64),
        rows["patient"].to_numpy(str),
    )


def _few(rows: pd.DataFrame | None, least: int) -> str:
    """Why these films are too few; empty when they are not."""
    if rows is None:
        return "There are no films to tell by."
    with_it, without = int((rows["label"] == 1).sum()), int((rows["label"] == 0).sum())
    if min(with_it, without) >= least:
        return ""
    return f"{with_it} films with it and {without} without; at least {least} of each are needed."


def _figures(found: Apart, margin: float) -> dict[str, Any]:
    return {"difference": found.to_json(), "margin": margin}


def _with_interval(figure: Figure) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return number(figure.value)
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"
