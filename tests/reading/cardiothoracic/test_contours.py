"""Masks whose diameters are true give those diameters, wherever and however large the film is."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_core.film.phantom.phantom import PhantomSpec, compute_truth
from cxr_core.film.preprocess import InputSpec, Placement, to_grid
from cxr_core.findings import STRUCTURES
from cxr_core.reading.cardiothoracic.contours import SegmentationResult, find_contours
from cxr_core.reading.cardiothoracic.outline_checks import CUT_LUNG_ERROR

SPEC = InputSpec(side=192)
PIXEL = 1 / 96  # of the maps, as a share of the film's width


def maps_of(masks: dict[str, np.ndarray], spec: InputSpec = SPEC) -> np.ndarray:
    """(3, 96, 96) logits as a network sure of these masks (H, W) would give them."""
    grids = [to_grid(masks[name].astype(np.float32), spec) / np.float32(255) for name in STRUCTURES]
    return np.stack(
        [cv2.resize(grid, (96, 96), interpolation=cv2.INTER_AREA) * 20 - 10 for grid in grids]
    )


def segment(
    masks: dict[str, np.ndarray], spec: InputSpec = SPEC, copies: int = 1
) -> SegmentationResult:
    maps = np.stack([maps_of(masks, spec)] * copies)
    placement = Placement.fit(masks["heart"].shape, spec)
    return find_contours(maps, placement, model="m", version="1", offset=0.01, factor=2.0)


def draw_masks(**changes) -> tuple[dict[str, np.ndarray], float]:
    true = compute_truth(PhantomSpec(**changes))
    return {name: getattr(true, name) for name in STRUCTURES}, true.cardiothoracic_ratio


@pytest.mark.parametrize("heart_width", [0.2, 0.28, 0.35, 0.42, 0.5])
@pytest.mark.parametrize(("height", "width"), [(512, 512), (1024, 700), (300, 420)])
@pytest.mark.parametrize("aspect", ["stretch", "pad"])
def test_measured_ratio_of_a_drawing_is_its_true_ratio(heart_width, height, width, aspect):
    masks, ratio = draw_masks(heart_width=heart_width, height=height, width=width)
    assert segment(masks, InputSpec(side=192, aspect=aspect)).ratio == pytest.approx(
        ratio, abs=0.01
    )


def test_ends_of_the_diameters_lie_where_they_were_drawn():
    true = compute_truth(PhantomSpec(heart_width=0.4))
    result = segment({name: getattr(true, name) for name in STRUCTURES})
    for line, ends in ((result.heart, true.heart_ends), (result.thorax, true.thorax_ends)):
        for (x, y), (row, column) in zip(line, ends, strict=True):
            assert x == pytest.approx(column, abs=4)  # of 1024 pixels
            assert y == pytest.approx(row, abs=25)  # the border is nearly vertical there


@settings(max_examples=25, deadline=None)
@given(
    left=st.integers(0, 120),
    right=st.integers(0, 120),
    top=st.integers(0, 120),
    scale=st.floats(0.5, 2.0),
)
def test_padding_and_scaling_keep_the_ratio(left, right, top, scale):
    masks, ratio = draw_masks(height=512, width=512)
    size = (round(512 * scale), round(512 * scale))
    changed = {
        name: cv2.resize(np.pad(mask, ((top, 0), (left, right))).astype(np.uint8), size) > 0
        for name, mask in masks.items()
    }
    assert segment(changed).ratio == pytest.approx(ratio, abs=PIXEL / 0.6)


def test_mirroring_keeps_the_ratio():
    masks, ratio = draw_masks(heart_width=0.36)
    assert segment({name: mask[:, ::-1] for name, mask in masks.items()}).ratio == pytest.approx(
        ratio, abs=0.005
    )


def test_masks_lie_on_the_films_own_grid():
    masks, _ = draw_masks(height=700, width=500)
    again = segment(masks).masks()
    for name, mask in masks.items():
        assert again[name].shape == mask.shape
        assert 2 * (again[name] & mask).sum() / (again[name].sum() + mask.sum()) > 0.985


def test_specks_and_holes_are_removed():
    masks, ratio = draw_masks()
    dirty = {name: mask.copy() for name, mask in masks.items()}
    dirty["heart"][20:60, 20:60] = True  # far from the heart
    rows, columns = np.nonzero(masks["right_lung"])
    middle = int(rows.mean()), int(columns.mean())
    dirty["right_lung"][middle[0] - 15 : middle[0] + 15, middle[1] - 15 : middle[1] + 15] = False
    assert segment(dirty).ratio == pytest.approx(ratio, abs=0.005)


def without(masks, name):
    return {**masks, name: np.zeros_like(masks[name])}


def _to_the_edge(mask: np.ndarray) -> np.ndarray:
    rows = mask.any(axis=1)
    return mask | (rows[:, None] & (np.arange(mask.shape[1]) < mask.shape[1] // 2)[None])


def test_each_reason_against_measuring_is_named():
    masks, _ = draw_masks()
    wrong_masks = {
        "No heart was found": without(masks, "heart"),
        "The left lung was not found": without(masks, "left_lung"),
        "The right lung was not found": without(masks, "right_lung"),
        "reaches the edge of the film": {**masks, "heart": _to_the_edge(masks["heart"])},
        "does not lie between the lungs": {**masks, "left_lung": masks["right_lung"]},
    }
    for sentence, wrong in wrong_masks.items():
        result = segment(wrong)
        assert result.ratio is None
        assert result.heart is None
        assert len(result.errors) == 1
        assert sentence in result.errors[0]
        assert result.warnings == ()


def test_a_lung_cut_off_at_the_side_is_a_warning():
    masks, _ = draw_masks(thorax_width=0.8)
    result = segment({name: mask[:, 130:] for name, mask in masks.items()})
    assert result.ratio is not None
    assert result.warnings == (
        "The right lung reaches the side of the film: the thorax may be wider than measured.",
    )
    touching = masks["right_lung"][:, 130].mean()
    assert touching > 0.2
    added = 1.96 * CUT_LUNG_ERROR * touching
    assert result.half_width == pytest.approx(math.hypot(2 * 0.01, added), abs=0.006)


def test_unstable_contours_widen_the_interval_and_are_a_warning():
    masks, _ = draw_masks(heart_width=0.3)
    wider, _ = draw_masks(heart_width=0.42)
    maps = np.stack([maps_of(masks), maps_of(wider)])
    result = find_contours(
        maps, Placement.fit((1024, 1024), SPEC), model="m", version="1", offset=0.01, factor=2.0
    )
    assert result.spread == pytest.approx((0.42 - 0.30) / 0.7 / 2, abs=0.01)
    assert result.half_width == pytest.approx(2 * (0.01 + result.spread))
    assert result.warnings == (
        "The contour of the heart changes when the film is made slightly smaller and brighter.",
    )
    assert segment(masks, copies=3).warnings == ()
