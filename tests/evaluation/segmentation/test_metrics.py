"""Dice, boundary distance and agreement against their definitions, computed another way."""

import numpy as np
import pytest
from scipy import ndimage, stats

from cxr_core.errors import RecordError
from cxr_core.evaluation.segmentation.metrics import (
    ComparedFilm,
    boundary_distance,
    compute_agreement,
    compute_segmentation_figures,
    dice_coefficient,
)
from cxr_core.evaluation.segmentation.results import SegmentationFigures
from cxr_core.findings import STRUCTURES


def draw_discs() -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[:120, :120]
    return np.hypot(rows - 60, columns - 60) < 30, np.hypot(rows - 60, columns - 64) < 33


def test_dice_is_twice_the_common_share():
    one, other = draw_discs()
    pairs = zip(one.ravel(), other.ravel(), strict=True)
    both = sum(a and b for a, b in pairs)
    assert dice_coefficient(one, other) == pytest.approx(2 * both / (one.sum() + other.sum()))
    assert dice_coefficient(one, one) == 1
    assert dice_coefficient(one, ~one) == 0
    assert dice_coefficient(np.zeros_like(one), np.zeros_like(one)) == 1


def test_the_distance_of_boundaries_is_scipys():
    one, other = draw_discs()
    edges = [mask & ~ndimage.binary_erosion(mask, np.ones((3, 3))) for mask in (one, other)]
    distances = [ndimage.distance_transform_edt(~edge) for edge in edges]
    expected = np.concatenate([distances[1][edges[0]], distances[0][edges[1]]]).mean()
    assert boundary_distance(one, other) == pytest.approx(expected, abs=0.02)
    assert boundary_distance(one, one) == 0
    assert np.isnan(boundary_distance(one, np.zeros_like(one)))


def test_agreement_is_bland_and_altmans():
    rng = np.random.default_rng(0)
    true = rng.normal(0.5, 0.07, 80)
    measured = true + rng.normal(0.01, 0.02, 80)
    agreement = compute_agreement(measured, true, np.arange(80))
    error = measured - true
    assert agreement.mae.value == pytest.approx(np.abs(error).mean(), abs=1e-6)
    assert agreement.bias.value == pytest.approx(error.mean(), abs=1e-6)
    assert agreement.low.value == pytest.approx(error.mean() - 1.96 * error.std(), abs=1e-6)
    assert agreement.high.value == pytest.approx(error.mean() + 1.96 * error.std(), abs=1e-6)
    correlation = stats.pearsonr(measured, true)[0]
    assert agreement.correlation.value == pytest.approx(correlation, abs=1e-6)
    for figure in (
        agreement.mae,
        agreement.bias,
        agreement.low,
        agreement.high,
        agreement.correlation,
    ):
        assert figure.low < figure.value < figure.high
        assert figure.n == 80


def make_film(
    patient: str, ratio: float | None, trusted: bool = True, distance: float = 2.0
) -> ComparedFilm:
    return ComparedFilm(
        patient=patient,
        dice=dict.fromkeys(STRUCTURES, 0.9),
        distance_px=dict.fromkeys(STRUCTURES, distance),
        ratio=ratio,
        spread=0.0,
        half_width=0.03,
        true_ratio=0.5,
        trusted=trusted,
    )


def test_films_with_warnings_and_unmeasured_films_count_where_they_should():
    figures = compute_segmentation_figures(
        [make_film("a", 0.52), make_film("b", 0.58, False), make_film("c", None, False, np.nan)]
    )
    assert (figures.measured.value, figures.measured.n) == (pytest.approx(2 / 3, abs=1e-6), 3)
    assert (figures.trusted.value, figures.trusted.n) == (pytest.approx(1 / 3, abs=1e-6), 3)
    assert (figures.agreement.mae.value, figures.agreement.mae.n) == (pytest.approx(0.05), 2)
    trusted_error = figures.trusted_ratio_mae
    assert (trusted_error.value, trusted_error.n) == (pytest.approx(0.02), 1)
    assert (figures.coverage.value, figures.coverage.n) == (0.5, 2)
    heart_distance = figures.distance_px["heart"]
    assert (heart_distance.value, heart_distance.n) == (2, 2)


def test_figures_without_any_value_are_undefined():
    figures = compute_segmentation_figures([make_film("a", None, False, np.nan)])
    assert figures.to_json()["distance_px_heart"] == {
        "value": None,
        "low": None,
        "high": None,
        "n": 0,
    }
    assert figures.trusted_ratio_mae.value is None
    assert figures.agreement is None
    assert "ratio_mae" not in figures.to_json()


def test_segmentation_figures_have_the_keys_of_model_cards_and_read_back():
    figures = compute_segmentation_figures([make_film("a", 0.52), make_film("b", 0.58, False)])
    content = figures.to_json()
    assert list(content) == [
        *(f"dice_{name}" for name in STRUCTURES),
        *(f"distance_px_{name}" for name in STRUCTURES),
        "measured",
        "trusted",
        "trusted_ratio_mae",
        "ratio_mae",
        "ratio_bias",
        "ratio_low",
        "ratio_high",
        "ratio_correlation",
        "coverage",
    ]
    assert SegmentationFigures.from_json(content) == figures
    with pytest.raises(RecordError, match="trusted is missing"):
        SegmentationFigures.from_json(
            {key: value for key, value in content.items() if key != "trusted"}
        )
