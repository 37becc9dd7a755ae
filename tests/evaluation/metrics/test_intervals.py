"""No figure lies outside its own interval, whatever the films; intervals of calibration errors hold the truth."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import expit

from cxr_core.errors import DataError
from cxr_core.evaluation.bootstrap.bootstrap import (
    basic_interval,
    bootstrap_patients,
    percentile_interval,
    to_figures,
)
from cxr_core.evaluation.bootstrap.confidence_bands import compute_confidence_bands
from cxr_core.evaluation.compare import ComparedEvaluation, compare_evaluations
from cxr_core.evaluation.metrics import metrics, subgroups
from cxr_core.evaluation.metrics.curves import compute_calibration_bins
from cxr_core.evaluation.metrics.figures import (
    compute_classification_report,
    compute_finding_figures,
    compute_macro_figures,
)
from cxr_core.evaluation.metrics.recalibrate import recalibrate_finding
from cxr_core.models.card import DecisionThresholds, OperatingPoint
from tests.tiny import tiny_card

POINT = OperatingPoint(name="youden", threshold=0.4, source="a test")
DECISION = DecisionThresholds(
    name="standard", error=0.1, present_from=0.6, absent_below=0.3, source="a test"
)
LEVELS = (0.0, 0.01, 0.3, 0.4, 0.5, 0.93, 1.0)


@st.composite
def small_datasets(draw: st.DrawFn) -> pd.DataFrame:
    """2 to 16 films of a few patients, with ties, probabilities of 0 and 1, and often one class only."""
    count = draw(st.integers(2, 16))

    def one_of(options: Sequence[Any]) -> list[Any]:
        return draw(st.lists(st.sampled_from(options), min_size=count, max_size=count))

    return pd.DataFrame(
        {
            "image": [f"{number}.png" for number in range(count)],
            "patient": [str(number) for number in one_of(range(6))],
            "finding": "cardiomegaly",
            "label": np.array(one_of((0, 1)), float),
            "probability": np.array(one_of(LEVELS), float),
            "age": np.array(one_of((5, 30, 70)), float),
            "sex": one_of(("F", "M")),
            "view": one_of(("PA", "AP")),
        }
    )


def equally_frequent_films() -> pd.DataFrame:
    """Of each probability one film of each class: a resolution of 0, which every resample exceeds."""
    probability = np.repeat(LEVELS, 2)
    return pd.DataFrame(
        {
            "image": [f"{number}.png" for number in range(len(probability))],
            "patient": [str(number) for number in range(len(probability))],
            "finding": "cardiomegaly",
            "label": np.tile([0.0, 1.0], len(LEVELS)),
            "probability": probability,
            "age": 50.0,
            "sex": "F",
            "view": "PA",
        }
    )


def list_figures(content: Any, place: str = "") -> Iterator[tuple[str, dict[str, float]]]:
    """Every object with a value and an interval at any depth of a record's JSON form."""
    if isinstance(content, dict):
        if "value" in content and content.get("low") is not None:
            yield place, content
        for key, entry in content.items():
            yield from list_figures(entry, f"{place}.{key}")
    elif isinstance(content, list):
        for number, entry in enumerate(content):
            yield from list_figures(entry, f"{place}.{number}")


def arrays(films: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        films["probability"].to_numpy(),
        films["label"].to_numpy(),
        films["patient"].to_numpy(str),
    )


def compute_records(films: pd.DataFrame) -> Iterator[Any]:
    """Everything with intervals that an evaluation, a recalibration and a comparison write about these films."""
    given = arrays(films)
    yield compute_finding_figures(*given, (POINT,), (DECISION,))
    yield compute_classification_report(*given, POINT)
    yield compute_macro_figures({"cardiomegaly": given, "pneumonia": given})
    yield subgroups.compute_subgroups(films, POINT)
    card = tiny_card(findings=("cardiomegaly",))
    for method in ("line", "temperature"):
        try:
            yield recalibrate_finding(films, method, card, POINT, share=0.5)
        except DataError:
            continue
    other = films.assign(probability=films["probability"].to_numpy()[::-1])
    pair = [
        ComparedEvaluation(name=name, table=table) for name, table in (("a", films), ("b", other))
    ]
    yield compare_evaluations(pair)


@settings(max_examples=25, deadline=None)
@given(films=small_datasets())
@example(films=equally_frequent_films())
def test_every_figure_lies_in_its_own_interval(films: pd.DataFrame) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subgroups, "MIN_PATIENTS", 1)
        figures = [
            each for record in compute_records(films) for each in list_figures(record.to_json())
        ]
    assert len(figures) > 20
    for place, figure in figures:
        assert figure["low"] <= figure["value"] <= figure["high"], (place, figure)


@settings(max_examples=25, deadline=None)
@given(films=small_datasets())
def test_every_curve_lies_in_its_own_band(films: pd.DataFrame) -> None:
    bands = compute_confidence_bands(*arrays(films), resamples=100)
    for band in (bands.roc, bands.precision_recall, *bands.at_thresholds.values()):
        if band is not None:
            known = ~np.isnan(band.low)
            assert np.all(band.low[known] <= band.value[known])
            assert np.all(band.value[known] <= band.high[known])
    for one in compute_calibration_bins(*arrays(films)):
        if one.observed_low is not None and one.observed_high is not None:
            assert one.observed_low <= one.observed <= one.observed_high


def test_a_calibration_error_near_one_has_no_interval_beyond_it() -> None:
    low, high = basic_interval(np.array([0.9, *np.linspace(0.6, 1.0, 200)]))
    assert 0 <= low <= 0.9 <= high == 1


def test_calibration_error_that_was_above_its_own_value_is_inside() -> None:
    """A constant prevalence is without error on its own films, and with one in every resample."""
    labels = np.repeat([1.0, 0.0], [1200, 1800])
    probabilities = np.full(3000, 0.4)

    def measure(sample: Any) -> dict[str, np.ndarray]:
        return {"ece": metrics.expected_calibration_error(probabilities, labels, sample)}

    values = bootstrap_patients(measure, np.arange(3000).astype(str))
    low, _ = np.percentile(values["ece"][1:], [2.5, 97.5])
    assert values["ece"][0] == pytest.approx(0.0, abs=1e-12)
    assert low > 1e-6
    figure = to_figures(values, labels)["ece"].rounded()
    assert figure.low == figure.value == 0.0
    assert figure.high is not None
    assert figure.high >= 0


def test_basic_interval_is_the_reflected_percentile_interval() -> None:
    """As scipy.stats.bootstrap has it."""
    from scipy.stats import bootstrap

    sample = np.random.default_rng(0).exponential(0.3, 40)
    done = bootstrap(
        (sample,), np.mean, method="basic", n_resamples=2000, rng=np.random.default_rng(1)
    )
    values = np.append(sample.mean(), done.bootstrap_distribution)
    assert basic_interval(values) == pytest.approx(tuple(done.confidence_interval))


@pytest.mark.parametrize("slope", [1.5, 2.5])
def test_intervals_of_calibration_errors_hold_the_truth_more_often_than_percentiles(
    slope: float,
) -> None:
    """An overconfident model, whose calibration error is known from many films."""

    def draw(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        chance = np.random.default_rng(seed)
        log_odds = chance.normal(-1, 1.5, count)
        return expit(slope * log_odds), (chance.random(count) < expit(log_odds)).astype(float)

    truth = float(metrics.expected_calibration_error(*draw(1000, 1_000_000)))
    basic = percentiles = 0
    sets = 40
    for seed in range(sets):
        probabilities, labels = draw(seed, 300)

        def measure(
            sample: Any, said: np.ndarray = probabilities, known: np.ndarray = labels
        ) -> dict[str, np.ndarray]:
            return {"ece": metrics.expected_calibration_error(said, known, sample)}

        values = bootstrap_patients(measure, np.arange(300).astype(str), resamples=200)["ece"]
        low, high = basic_interval(values)
        basic += low <= truth <= high
        low, high = percentile_interval(values)
        percentiles += low <= truth <= high
    assert basic >= 0.8 * sets
    assert percentiles < basic
