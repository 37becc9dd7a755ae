"""Maps of known truth against boxes: the box itself, the centre, an even map, and maps without evidence."""

import cv2
import numpy as np
import pytest

from cxr_core.evaluation.explanations.localisation import (
    BEATS,
    DOES_NOT_BEAT,
    LEVELS,
    TOO_FEW,
    UNDECIDED,
    BoxComparison,
    compare_method,
    compare_with_boxes,
    count_covering_boxes,
    judge_difference,
    level_name,
    map_shape,
    score_controls,
    score_map,
    score_pointing,
    widen_boxes,
)
from cxr_core.models.figures import MeanFigure

SHAPE = (256, 256)
NO_BOXES = np.zeros((0, 4))
SCALE = 0.4


def make_box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([[left, top, right, bottom]])


def draw_boxes(count: int, seed: int = 0) -> list[np.ndarray]:
    """Boxes on whole pixels of the grid, of a quarter to a half of the film's side."""
    rng = np.random.default_rng(seed)
    corners, sides = rng.integers(0, 128, (count, 2)), rng.integers(64, 128, (count, 2))
    return [
        np.concatenate([corner, corner + side])[None] / 256
        for corner, side in zip(corners, sides, strict=True)
    ]


def compare_maps(maps, boxes, patients=None) -> BoxComparison:
    patients = np.arange(len(boxes)).astype(str) if patients is None else patients
    controls = []
    for index, own in enumerate(boxes):
        others = np.concatenate([NO_BOXES, *boxes[:index], *boxes[index + 1 :]])
        controls.append(score_controls(own, others, SHAPE))
    scores = [score_map(cells, own, SCALE) for cells, own in zip(maps, boxes, strict=True)]
    return compare_with_boxes(scores, controls, patients)


def test_map_of_the_box_itself_is_right_everywhere():
    boxes = draw_boxes(20)
    maps = [SCALE * (count_covering_boxes(own, SHAPE) - 0.01) for own in boxes]
    comparison = compare_maps(maps, boxes)
    area = np.mean([(b[0, 2] - b[0, 0]) * (b[0, 3] - b[0, 1]) for b in boxes])
    assert comparison.pointing[0].hit == MeanFigure(1, 1, 1, 20)
    assert comparison.verdict["random"] == BEATS
    for overlap in comparison.overlap:
        assert overlap.iou.value == overlap.iobb.value == pytest.approx(1)
    inside = comparison.inside
    assert inside.share.value == 1
    assert inside.area.value == pytest.approx(area, abs=1e-6)
    assert inside.lift.value == pytest.approx(1 / area, abs=1e-4)
    assert inside.lift.low < 1 / area < inside.lift.high


def test_map_of_the_centre_equals_the_centre_control():
    centre = np.zeros(SHAPE, np.float32)
    centre[127:129, 127:129] = 1
    boxes = draw_boxes(40, seed=1)
    comparison = compare_maps([centre] * 40, boxes)
    pointing = comparison.pointing[0]
    assert 0 < pointing.centre.value < 1
    assert pointing.hit == pointing.centre
    difference = pointing.minus_centre
    assert {difference.value, difference.low, difference.high} == {0}
    assert comparison.verdict["centre"] == DOES_NOT_BEAT


@pytest.mark.parametrize("level", [0.3, 1.0])
def test_even_map_equals_a_random_point(level):
    boxes = draw_boxes(20, seed=2)
    comparison = compare_maps([np.full(SHAPE, level, np.float32)] * 20, boxes)
    pointing = comparison.pointing[0]
    assert pointing.minus_random.value == pytest.approx(0, abs=1e-6)
    assert comparison.inside.lift.value == pytest.approx(1)
    assert comparison.overlap[-1].iou.value == pytest.approx(pointing.random.value)


def test_map_that_is_positive_nowhere_points_nowhere_and_is_counted():
    boxes = draw_boxes(3)
    maps = [-np.ones(SHAPE), np.zeros(SHAPE), count_covering_boxes(boxes[2], SHAPE)]
    comparison = compare_maps(maps, boxes)
    assert comparison.without_evidence == 2
    assert comparison.pointing[0].hit.value == pytest.approx(1 / 3)
    inside, overlap = comparison.inside, comparison.overlap[0]
    assert inside.share.n == inside.lift.n == overlap.iobb.n == 1
    assert overlap.iou.value == pytest.approx(1 / 3)
    assert set(comparison.verdict.values()) == {TOO_FEW}
    without_evidence = compare_maps(maps[:2], boxes[:2]).inside
    assert without_evidence.share.value is None
    assert without_evidence.lift.value is None


def test_overlap_agrees_with_counting_pixels():
    rng = np.random.default_rng(3)
    for boxes in draw_boxes(10, seed=3):
        coarse = rng.normal(size=(5, 7)).astype(np.float32)
        cells = cv2.resize(coarse, SHAPE[::-1], interpolation=cv2.INTER_CUBIC)
        mask = np.zeros(SHAPE, bool)
        left, top, right, bottom = np.rint(boxes[0] * 256).astype(int)
        mask[top:bottom, left:right] = True
        scores = score_map(cells, boxes, SCALE)
        for level in LEVELS:
            region = cells >= level.fraction * (SCALE if level.of == "scale" else cells.max())
            common, union = (region & mask).sum(), (region | mask).sum()
            assert scores[f"iou_{level_name(level)}"] == pytest.approx(common / union)
            assert scores[f"iobb_{level_name(level)}"] == pytest.approx(common / region.sum())


def test_map_without_unit_is_cut_at_its_own_maximum_only():
    cells = np.random.default_rng(0).random(SHAPE)
    scores = score_map(cells, make_box(0, 0, 0.5, 0.5), None)
    overlaps = {name for name in scores if name.startswith("iou")}
    assert overlaps == {"iou_0.25_of_maximum", "iou_0.5_of_maximum"}


def test_random_point_hits_by_the_area_of_the_box():
    edges = (0.1234, 0.2, 0.5678, 0.93)
    scores = score_controls(make_box(*edges), NO_BOXES, (256, 199))
    area = (0.5678 - 0.1234) * (0.93 - 0.2)
    assert scores["random_0"] == scores["area"] == pytest.approx(area, abs=1e-12)
    wider = (0.5678 - 0.1234 + 30 / 1024) * (0.93 - 0.2 + 30 / 1024)
    assert scores["random_15"] == pytest.approx(wider, abs=1e-12)
    assert np.isnan(scores["average_box_0"])
    overlapping = np.concatenate([make_box(0.25, 0.25, 0.75, 0.5), make_box(0.5, 0.25, 1, 0.5)])
    union = score_controls(overlapping, NO_BOXES, SHAPE)["area"]
    assert union == pytest.approx(0.75 * 0.25)


def test_tolerance_is_a_margin_in_pixels_of_1024_and_ends_at_the_edge():
    cells = np.zeros((1024, 1024))
    cells[500, 410] = 1
    for gap, hit in ((0, 1), (14, 1), (16, 0)):
        boxes = make_box((411 + gap) / 1024, 0.2, 0.9, 0.9)
        assert score_pointing(cells, widen_boxes(boxes, 15)) == hit
    assert score_pointing(cells, make_box(411 / 1024, 0.2, 0.9, 0.9)) == 0
    widened = widen_boxes(make_box(0, 0.5, 1, 1), 15)[0]
    assert widened.tolist() == [0, 0.5 - 15 / 1024, 1, 1]


def test_average_box_points_to_where_most_boxes_overlap():
    others = np.concatenate(
        [
            make_box(0.5, 0.5, 0.8, 0.9),
            make_box(0.5, 0.6, 0.9, 0.9),
            make_box(0.1, 0.1, 0.2, 0.2),
        ]
    )
    near = score_controls(make_box(0.4, 0.5, 0.85, 0.95), others, SHAPE)
    far = score_controls(make_box(0.1, 0.1, 0.2, 0.2), others, SHAPE)
    assert (near["average_box_0"], far["average_box_0"]) == (1, 0)
    assert near["average_box_iou"] > 0.5 > far["average_box_iou"]
    assert near["average_box_share"] > far["average_box_share"] > 0


def test_pixels_that_the_model_did_not_see_carry_no_evidence():
    cells = np.full(SHAPE, np.nan)
    cells[:, 64:192] = 0.5
    scores = score_map(cells, make_box(0, 0, 0.5, 1), SCALE)
    assert (scores["hit_0"], scores["share"]) == (pytest.approx(0.5), pytest.approx(0.5))
    assert scores["iou_0.5_of_maximum"] == pytest.approx(0.25 / 0.75)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.01, 0.2, BEATS),
        (-0.1, 0.2, UNDECIDED),
        (0.0, 0.2, UNDECIDED),
        (-0.2, 0.0, DOES_NOT_BEAT),
        (-0.3, -0.1, DOES_NOT_BEAT),
    ],
)
def test_verdict_follows_from_the_interval(low, high, verdict):
    difference = MeanFigure((low + high) / 2, low, high, 30)
    assert judge_difference(difference, np.arange(30)) == verdict
    assert judge_difference(difference, np.arange(30) % 9) == TOO_FEW
    assert judge_difference(MeanFigure(None, None, None, 0), np.arange(30)) == TOO_FEW


def test_films_of_one_patient_are_not_independent_cases():
    boxes = draw_boxes(36, seed=4)
    maps = []
    for index, own in enumerate(boxes):
        cover = count_covering_boxes(own, SHAPE)
        maps.append(cover if index % 6 < 4 else 1 - cover)
    patients = np.array([str(index // 12) + str(index % 6 < 4) for index in range(36)])
    independent = compare_maps(maps, boxes).pointing[0].hit
    clustered = compare_maps(maps, boxes, patients)
    hit = clustered.pointing[0].hit
    assert hit.value == independent.value == pytest.approx(2 / 3)
    assert hit.high - hit.low > 1.5 * (independent.high - independent.low)
    assert set(clustered.verdict.values()) == {TOO_FEW}


def test_another_method_is_compared_on_the_same_films():
    boxes = draw_boxes(20, seed=5)
    covers = [count_covering_boxes(own, SHAPE) for own in boxes]
    right, wrong = [], []
    for own, cover in zip(boxes, covers, strict=True):
        right.append(score_map(cover, own, None))
        wrong.append(score_map(1 - np.minimum(cover, 1), own, SCALE))
    controls = [score_controls(own, boxes[0], SHAPE) for own in boxes]
    figures = compare_method("CAM", right, wrong, controls, np.arange(20).astype(str))
    assert figures.minus_exact.value == figures.share.value == figures.iou.value == 1
    assert figures.lift.value > 1
    assert next(iter(figures.to_json())) == "name"


@pytest.mark.parametrize("size", [(1024, 1024), (64, 64), (2000, 1500), (700, 3000)])
def test_maps_have_one_longer_side(size):
    shape = map_shape(*size)
    assert max(shape) == 256
    assert shape[0] / shape[1] == pytest.approx(size[0] / size[1], rel=0.01)
