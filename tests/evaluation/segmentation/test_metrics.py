"""Dice, boundary distance and agreement against their definitions, computed another way."""

import numpy as np
import pytest
from scipy import ndimage, stats

from cxr_core.evaluation.segmentation.metrics import (
    Outlined,
    agreement,
    boundary_distance,
    dice,
    outline_figures,
)
from cxr_core.findings import STRUCTURES


def discs() -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[:120, :120]
    return np.hypot(rows - 60, columns - 60) < 30, np.hypot(rows - 60, columns - 64) < 33


def test_dice_is_twice_the_common_share():
    one, other = discs()
    pairs = zip(one.ravel(), other.ravel(), strict=True)
    both = sum(a and b for a, b in pairs)
    assert dice(one, other) == pytest.approx(2 * both / (one.sum() + other.sum()))
    assert dice(one, one) == 1
    assert dice(one, ~one) == 0
    assert dice(np.zeros_like(one), np.zeros_like(one)) == 1


def test_the_distance_of_boundaries_is_scipys():
    one, other = discs()
    edges = [mask & ~ndimage.binary_erosion(mask, np.ones((3, 3))) for mask in (one, other)]
    far = [ndimage.distance_transform_edt(~edge) for edge in edges]
    expected = np.concatenate([far[1][edges[0]], far[0][edges[1]]]).mean()
    assert boundary_distance(one, other) == pytest.approx(expected, abs=0.02)
    assert boundary_distance(one, one) == 0
    assert np.isnan(boundary_distance(one, np.zeros_like(one)))


def test_agreement_is_bland_and_altmans():
    chance = np.random.default_rng(0)
    true = chance.normal(0.5, 0.07, 80)
    measured = true + chance.normal(0.01, 0.02, 80)
    found = agreement(measured, true, np.arange(80))
    error = measured - true
    assert found["ratio_mae"]["value"] == pytest.approx(np.abs(error).mean(), abs=1e-6)
    assert found["ratio_bias"]["value"] == pytest.approx(error.mean(), abs=1e-6)
    assert found["ratio_low"]["value"] == pytest.approx(error.mean() - 1.96 * error.std(), abs=1e-6)
    assert found["ratio_high"]["value"] == pytest.approx(
        error.mean() + 1.96 * error.std(), abs=1e-6
    )
    assert found["ratio_correlation"]["value"] == pytest.approx(
        stats.pearsonr(measured, true)[0], abs=1e-6
    )
    for figure in found.values():
        assert figure["low"] < figure["value"] < figure["high"]
        assert figure["n"] == 80


def a_film(
    patient: str, ratio: float | None, trusted: bool = True, distance: float = 2.0
) -> Outlined:
    return Outlined(
        patient=patient,
        dice=dict.fromkeys(STRUCTURES, 0.9),
        distance_px=dict.fromkeys(STRUCTURES, distance),
        ratio=ratio,
        spread=0.0,
        half_width=0.03,
        true_ratio=0.5,
        trusted=trusted,
    )


def test_films_that_are_doubted_or_not_measured_count_where_they_should():
    found = outline_figures(
        [a_film("a", 0.52), a_film("b", 0.58, False), a_film("c", None, False, np.nan)]
    )
    value = {name: (figure["value"], figure["n"]) for name, figure in found.items()}
    assert value["measured"] == (pytest.approx(2 / 3, abs=1e-6), 3)
    assert value["trusted"] == (pytest.approx(1 / 3, abs=1e-6), 3)
    assert value["ratio_mae"] == (pytest.approx(0.05), 2)
    assert value["trusted_ratio_mae"] == (pytest.approx(0.02), 1)
    assert value["coverage"] == (0.5, 2)
    assert value["distance_px_heart"] == (2, 2)


def test_what_no_film_has_is_undefined():
    found = outline_figures([a_film("a", None, False, np.nan)])
    assert found["distance_px_heart"] == {"value": None, "low": None, "high": None, "n": 0}
    assert found["trusted_ratio_mae"]["value"] is None
    assert "ratio_mae" not in found
