"""Masks whose diameters are known give those diameters, wherever and however large the film is."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_core.film.phantom.phantom import PhantomSpec, truth
from cxr_core.film.preprocess import InputSpec, Placement, to_grid
from cxr_core.findings import STRUCTURES
from cxr_core.reading.cardiothoracic.contours import Anatomy, anatomy_of

SPEC = InputSpec(side=192)
PIXEL = 1 / 96  # of the maps, as a share of the film's width


def maps_of(masks: dict[str, np.ndarray], spec: InputSpec = SPEC) -> np.ndarray:
    """(3, 96, 96) logits as a network sure of these masks (H, W) would give them."""
    grids = [to_grid(masks[name].astype(np.float32), spec) / np.float32(255) for name in STRUCTURES]
    return np.stack(
        [cv2.resize(grid, (96, 96), interpolation=cv2.INTER_AREA) * 20 - 10 for grid in grids]
    )


def seen(masks: dict[str, np.ndarray], spec: InputSpec = SPEC, looks: int = 1) -> Anatomy:
    maps = np.stack([maps_of(masks, spec)] * looks)
    placement = Placement.fit(masks["heart"].shape, spec)
    return anatomy_of(maps, placement, model="m", version="1", offset=0.01, factor=2.0)


def drawn(**changes) -> tuple[dict[str, np.ndarray], float]:
    known = truth(PhantomSpec(**changes))
    return {name: getattr(known, name) for name in STRUCTURES}, known.cardiothoracic_ratio


@pytest.mark.parametrize("heart_width", [0.2, 0.28, 0.35, 0.42, 0.5])
@pytest.mark.parametrize(("height", "width"), [(512, 512), (1024, 700), (300, 420)])
@pytest.mark.parametrize("aspect", ["stretch", "pad"])
def test_the_ratio_of_a_drawing_is_the_one_drawn(heart_width, height, width, aspect):
    masks, ratio = drawn(heart_width=heart_width, height=height, width=width)
    assert seen(masks, InputSpec(side=192, aspect=aspect)).ratio == pytest.approx(ratio, abs=0.01)


def test_the_ends_lie_where_they_were_drawn():
    known = truth(PhantomSpec(heart_width=0.4))
    anatomy = seen({name: getattr(known, name) for name in STRUCTURES})
    for line, ends in ((anatomy.heart, known.heart_ends), (anatomy.thorax, known.thorax_ends)):
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
def test_padding_and_scaling_leave_the_ratio_alone(left, right, top, scale):
    masks, ratio = drawn(height=512, width=512)
    size = (round(512 * scale), round(512 * scale))
    changed = {
        name: cv2.resize(np.pad(mask, ((top, 0), (left, right))).astype(np.uint8), size) > 0
        for name, mask in masks.items()
    }
    assert seen(changed).ratio == pytest.approx(ratio, abs=PIXEL / 0.6)


def test_mirroring_leaves_the_ratio_alone():
    masks, ratio = drawn(heart_width=0.36)
    assert seen({name: mask[:, ::-1] for name, mask in masks.items()}).ratio == pytest.approx(
        ratio, abs=0.005
    )


def test_the_masks_come_back_on_the_films_own_grid():
    masks, _ = drawn(height=700, width=500)
    again = seen(masks).masks()
    for name, mask in masks.items():
        assert again[name].shape == mask.shape
        assert 2 * (again[name] & mask).sum() / (again[name].sum() + mask.sum()) > 0.985


def test_specks_and_holes_are_cleaned_away():
    masks, ratio = drawn()
    dirty = {name: mask.copy() for name, mask in masks.items()}
    dirty["heart"][20:60, 20:60] = True  # far from the heart
    rows, columns = np.nonzero(masks["right_lung"])
    middle = int(rows.mean()), int(columns.mean())
    dirty["right_lung"][middle[0] - 15 : middle[0] + 15, middle[1] - 15 : middle[1] + 15] = False
    assert seen(dirty).ratio == pytest.approx(ratio, abs=0.005)


def nothing(masks, name):
    return {**masks, name: np.zeros_like(masks[name])}


def _to_the_edge(mask: np.ndarray) -> np.ndarray:
    rows = mask.any(axis=1)
    return mask | (rows[:, None] & (np.arange(mask.shape[1]) < mask.shape[1] // 2)[None])


def test_what_cannot_be_measured_is_said():
    masks, _ = drawn()
    said = {
        "No heart was found": nothing(masks, "heart"),
        "The left lung was not found": nothing(masks, "left_lung"),
        "The right lung was not found": nothing(masks, "right_lung"),
        "reaches the edge of the film": {**masks, "heart": _to_the_edge(masks["heart"])},
        "does not lie between the lungs": {**masks, "left_lung": masks["right_lung"]},
    }
    for sentence, wrong in said.items():
        anatomy = seen(wrong)
        assert anatomy.ratio is None
        assert anatomy.heart is None
        assert len(anatomy.failures) == 1
        assert sentence in anatomy.failures[0]
        assert anatomy.doubts == ()


def test_a_lung_cut_off_at_the_side_is_doubted():
    masks, _ = drawn(thorax_width=0.8)
    anatomy = seen({name: mask[:, 130:] for name, mask in masks.items()})
    assert anatomy.ratio is not None
    assert anatomy.doubts == (
        "The right lung reaches the side of the film: the thorax may be wider than measured.",
    )


def test_looks_that_disagree_widen_the_interval_and_are_doubted():
    masks, _ = drawn(heart_width=0.3)
    wider, _ = drawn(heart_width=0.42)
    maps = np.stack([maps_of(masks), maps_of(wider)])
    anatomy = anatomy_of(
        maps, Placement.fit((1024, 1024), SPEC), model="m", version="1", offset=0.01, factor=2.0
    )
    assert anatomy.spread == pytest.approx((0.42 - 0.30) / 0.7 / 2, abs=0.01)
    assert anatomy.half_width == pytest.approx(2 * (0.01 + anatomy.spread))
    assert anatomy.doubts == ("Two looks at the same film outline the heart differently.",)
    assert seen(masks, looks=3).doubts == ()
