"""Maps of known truth against boxes: one that is the box, one of the centre, an even one, one that says nothing."""

import cv2
import numpy as np
import pytest

from cxr_core.evaluation.explanations.localisation import (
    BEATS,
    DOES_NOT,
    FEW,
    LEVELS,
    OPEN,
    control_scores,
    covered,
    grown,
    localisation_figures,
    map_scores,
    method_figures,
    name_of,
    pointed,
    shown_shape,
    verdict,
)

SHAPE = (256, 256)
NOBODY = np.zeros((0, 4))
SCALE = 0.4


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([[left, top, right, bottom]])


def drawn_boxes(count: int, seed: int = 0) -> list[np.ndarray]:
    """Boxes on whole pixels of the grid, of a quarter to a half of the film's side."""
    chance = np.random.default_rng(seed)
    corners, sides = chance.integers(0, 128, (count, 2)), chance.integers(64, 128, (count, 2))
    return [
        np.concatenate([corner, corner + side])[None] / 256
        for corner, side in zip(corners, sides, strict=True)
    ]


def figures_of(maps, boxes, patients=None):
    patients = np.arange(len(boxes)).astype(str) if patients is None else patients
    controls = [
        control_scores(each, np.concatenate([NOBODY, *boxes[:i], *boxes[i + 1 :]]), SHAPE)
        for i, each in enumerate(boxes)
    ]
    scores = [map_scores(shown, each, SCALE) for shown, each in zip(maps, boxes, strict=True)]
    return localisation_figures(scores, controls, patients)


def test_a_map_that_is_the_box_does_everything_right():
    boxes = drawn_boxes(20)
    found = figures_of([SCALE * (covered(each, SHAPE) - 0.01) for each in boxes], boxes)
    area = np.mean([(b[0, 2] - b[0, 0]) * (b[0, 3] - b[0, 1]) for b in boxes])
    assert found["pointing"][0]["hit"] == {"value": 1, "low": 1, "high": 1, "n": 20}
    assert found["verdict"]["random"] == BEATS
    for each in found["overlap"]:
        assert each["iou"]["value"] == each["iobb"]["value"] == pytest.approx(1)
    assert found["inside"]["share"]["value"] == 1
    assert found["inside"]["area"]["value"] == pytest.approx(area, abs=1e-6)
    assert found["inside"]["lift"]["value"] == pytest.approx(1 / area, abs=1e-4)
    assert found["inside"]["lift"]["low"] < 1 / area < found["inside"]["lift"]["high"]


def test_a_map_of_the_centre_equals_the_control_of_the_centre():
    centre = np.zeros(SHAPE, np.float32)
    centre[127:129, 127:129] = 1
    boxes = drawn_boxes(40, seed=1)
    found = figures_of([centre] * 40, boxes)
    plain = found["pointing"][0]
    assert 0 < plain["centre"]["value"] < 1
    assert plain["hit"] == plain["centre"]
    assert {plain["minus_centre"][end] for end in ("value", "low", "high")} == {0}
    assert found["verdict"]["centre"] == DOES_NOT


@pytest.mark.parametrize("level", [0.3, 1.0])
def test_an_even_map_is_worth_a_random_point(level):
    boxes = drawn_boxes(20, seed=2)
    found = figures_of([np.full(SHAPE, level, np.float32)] * 20, boxes)
    plain = found["pointing"][0]
    assert plain["minus_random"]["value"] == pytest.approx(0, abs=1e-6)
    assert found["inside"]["lift"]["value"] == pytest.approx(1)
    assert found["overlap"][-1]["iou"]["value"] == pytest.approx(plain["random"]["value"])


def test_a_map_that_is_positive_nowhere_points_nowhere_and_is_counted():
    boxes = drawn_boxes(3)
    maps = [-np.ones(SHAPE), np.zeros(SHAPE), covered(boxes[2], SHAPE)]
    found = figures_of(maps, boxes)
    assert found["without_evidence"] == 2
    assert found["pointing"][0]["hit"]["value"] == pytest.approx(1 / 3)
    assert (
        found["inside"]["share"]["n"]
        == found["inside"]["lift"]["n"]
        == found["overlap"][0]["iobb"]["n"]
        == 1
    )
    assert found["overlap"][0]["iou"]["value"] == pytest.approx(1 / 3)
    assert set(found["verdict"].values()) == {FEW}
    blind = figures_of(maps[:2], boxes[:2])
    assert blind["inside"]["share"]["value"] is None
    assert blind["inside"]["lift"]["value"] is None


def test_overlap_agrees_with_counting_pixels():
    chance = np.random.default_rng(3)
    for boxes in drawn_boxes(10, seed=3):
        shown = cv2.resize(
            chance.normal(size=(5, 7)).astype(np.float32),
            SHAPE[::-1],
            interpolation=cv2.INTER_CUBIC,
        )
        mask = np.zeros(SHAPE, bool)
        left, top, right, bottom = np.rint(boxes[0] * 256).astype(int)
        mask[top:bottom, left:right] = True
        found = map_scores(shown, boxes, SCALE)
        for level in LEVELS:
            region = shown >= level.fraction * (SCALE if level.of == "scale" else shown.max())
            assert found[f"iou_{name_of(level)}"] == pytest.approx(
                (region & mask).sum() / (region | mask).sum()
            )
            assert found[f"iobb_{name_of(level)}"] == pytest.approx(
                (region & mask).sum() / region.sum()
            )


def test_a_map_without_unit_is_cut_at_its_own_maximum_alone():
    shown = np.random.default_rng(0).random(SHAPE)
    named = {
        name for name in map_scores(shown, box(0, 0, 0.5, 0.5), None) if name.startswith("iou")
    }
    assert named == {"iou_0.25_of_maximum", "iou_0.5_of_maximum"}


def test_a_random_point_hits_as_often_as_the_box_is_wide_and_high():
    edges = (0.1234, 0.2, 0.5678, 0.93)
    found = control_scores(box(*edges), NOBODY, (256, 199))
    assert (
        found["random_0"]
        == found["area"]
        == pytest.approx((0.5678 - 0.1234) * (0.93 - 0.2), abs=1e-12)
    )
    wide = (0.5678 - 0.1234 + 30 / 1024) * (0.93 - 0.2 + 30 / 1024)
    assert found["random_15"] == pytest.approx(wide, abs=1e-12)
    assert np.isnan(found["average_box_0"])
    twice = np.concatenate([box(0.25, 0.25, 0.75, 0.5), box(0.5, 0.25, 1, 0.5)])
    assert control_scores(twice, NOBODY, SHAPE)["area"] == pytest.approx(0.75 * 0.25)


def test_a_tolerance_is_a_margin_in_pixels_of_1024_and_ends_at_the_edge():
    shown = np.zeros((1024, 1024))
    shown[500, 410] = 1
    for gap, hit in ((0, 1), (14, 1), (16, 0)):
        boxes = box((411 + gap) / 1024, 0.2, 0.9, 0.9)
        assert pointed(shown, grown(boxes, 15)) == hit
    assert pointed(shown, box(411 / 1024, 0.2, 0.9, 0.9)) == 0
    assert grown(box(0, 0.5, 1, 1), 15)[0].tolist() == [0, 0.5 - 15 / 1024, 1, 1]


def test_the_average_box_points_to_where_most_boxes_overlap():
    others = np.concatenate(
        [box(0.5, 0.5, 0.8, 0.9), box(0.5, 0.6, 0.9, 0.9), box(0.1, 0.1, 0.2, 0.2)]
    )
    there = control_scores(box(0.4, 0.5, 0.85, 0.95), others, SHAPE)
    away = control_scores(box(0.1, 0.1, 0.2, 0.2), others, SHAPE)
    assert (there["average_box_0"], away["average_box_0"]) == (1, 0)
    assert there["average_box_iou"] > 0.5 > away["average_box_iou"]
    assert there["average_box_share"] > away["average_box_share"] > 0


def test_what_the_model_did_not_see_is_no_evidence():
    shown = np.full(SHAPE, np.nan)
    shown[:, 64:192] = 0.5
    found = map_scores(shown, box(0, 0, 0.5, 1), SCALE)
    assert (found["hit_0"], found["share"]) == (pytest.approx(0.5), pytest.approx(0.5))
    assert found["iou_0.5_of_maximum"] == pytest.approx(0.25 / 0.75)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.01, 0.2, BEATS),
        (-0.1, 0.2, OPEN),
        (0.0, 0.2, OPEN),
        (-0.2, 0.0, DOES_NOT),
        (-0.3, -0.1, DOES_NOT),
    ],
)
def test_a_verdict_follows_from_its_interval(low, high, said):
    difference = {"value": (low + high) / 2, "low": low, "high": high, "n": 30}
    assert verdict(difference, np.arange(30)) == said
    assert verdict(difference, np.arange(30) % 9) == FEW
    assert verdict({"value": None, "low": None, "high": None, "n": 0}, np.arange(30)) == FEW


def test_films_of_one_patient_are_no_independent_cases():
    boxes = drawn_boxes(36, seed=4)
    maps = [
        covered(each, SHAPE) if i % 6 < 4 else 1 - covered(each, SHAPE)
        for i, each in enumerate(boxes)
    ]
    alone = figures_of(maps, boxes)["pointing"][0]["hit"]
    clustered = figures_of(
        maps, boxes, np.array([str(i // 12) + str(i % 6 < 4) for i in range(36)])
    )
    hit = clustered["pointing"][0]["hit"]
    assert hit["value"] == alone["value"] == pytest.approx(2 / 3)
    assert hit["high"] - hit["low"] > 1.5 * (alone["high"] - alone["low"])
    assert set(clustered["verdict"].values()) == {FEW}


def test_another_method_is_compared_on_the_same_films():
    boxes = drawn_boxes(20, seed=5)
    right = [map_scores(covered(each, SHAPE), each, None) for each in boxes]
    wrong = [map_scores(1 - np.minimum(covered(each, SHAPE), 1), each, SCALE) for each in boxes]
    controls = [control_scores(each, boxes[0], SHAPE) for each in boxes]
    found = method_figures(right, wrong, controls, np.arange(20).astype(str))
    assert found["minus_exact"]["value"] == found["share"]["value"] == found["iou"]["value"] == 1
    assert found["lift"]["value"] > 1


@pytest.mark.parametrize("size", [(1024, 1024), (64, 64), (2000, 1500), (700, 3000)])
def test_a_film_is_brought_to_one_longer_side(size):
    shape = shown_shape(*size)
    assert max(shape) == 256
    assert shape[0] / shape[1] == pytest.approx(size[0] / size[1], rel=0.01)
