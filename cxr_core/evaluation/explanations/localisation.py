"""Compares where a heatmap points with boxes that readers drew, beside three controls that never saw the film.

A box is (left, top, right, bottom) in fractions of the film's width and height; several boxes of one film count as one
region. A map lies on the film's own grid, resized to LONGER_SIDE pixels; NaN is where the model did not look.

random        a random point on the film: its hit rate is the area of the region
centre        the centre of the film
average_box   how many boxes of other patients cover each place, used as a map
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from cxr_core.evaluation.bootstrap.bootstrap import bootstrap_patients
from cxr_core.evaluation.bootstrap.means import bootstrap_means, to_mean_figures
from cxr_core.evaluation.bootstrap.resamples import Resamples
from cxr_core.evaluation.explanations.attribution_inside import share_inside_region
from cxr_core.models.figures import (
    BoxOverlap,
    EvidenceInBoxes,
    MeanFigure,
    MethodFigures,
    PointingGame,
)

LONGER_SIDE = 256
FRAME_PX = 1024  # the frame that NIH's boxes were drawn in, and the unit of tolerances
TOLERANCES_PX = (0, 15)
MIN_PATIENTS = 10  # a verdict on fewer would rest on too few to resample
CONTROLS = ("random", "centre", "average_box")
# The verdicts, as metrics.json has them.
BEATS, DOES_NOT_BEAT = "beats", "does not beat"
UNDECIDED, TOO_FEW = "cannot be told from", "not enough cases"

Scores = Mapping[str, float]  # of one film, by name
Columns = Mapping[str, np.ndarray]  # (N,) by name


class Level(NamedTuple):
    """Where a map is cut: at a fraction of the model's evidence scale, or of the map's own maximum."""

    fraction: float
    of: str  # "scale" or "maximum"


LEVELS = (
    Level(0.1, "scale"),
    Level(0.25, "scale"),
    Level(0.5, "scale"),
    Level(0.25, "maximum"),
    Level(0.5, "maximum"),
)
HALF_OF_MAXIMUM = LEVELS[-1]  # where the average box is cut


@dataclass(frozen=True, kw_only=True)
class BoxComparison:
    """Heatmaps of one finding against boxes: means over the films, and paired differences to the controls.

    without_evidence: films on which the map is positive nowhere.  pointing: by tolerance.  overlap: by level.
    verdict: of the pointing game without tolerance, against each control.
    """

    without_evidence: int
    pointing: tuple[PointingGame, ...]
    inside: EvidenceInBoxes
    overlap: tuple[BoxOverlap, ...]
    verdict: Mapping[str, str]


def map_shape(height: int, width: int) -> tuple[int, int]:
    """A film's shape resized to LONGER_SIDE."""
    scale = LONGER_SIDE / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def count_covering_boxes(boxes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(h, w) how many of the boxes (K, 4) cover each pixel; a box that covers a part of it counts by that part."""
    rows = _interval_coverage(boxes[:, 1], boxes[:, 3], shape[0])
    columns = _interval_coverage(boxes[:, 0], boxes[:, 2], shape[1])
    return rows.T @ columns


def widen_boxes(boxes: np.ndarray, tolerance_px: int) -> np.ndarray:
    """The boxes wider by a tolerance on each side, up to the film's edge. tolerance_px: in a frame of FRAME_PX."""
    margin = tolerance_px / FRAME_PX
    return np.clip(boxes + np.array([-margin, -margin, margin, margin]), 0, 1)


def score_pointing(cells: np.ndarray, boxes: np.ndarray) -> float:
    """1 when a map's maximum lies in a box, 0 when not, or the share of equal maxima that do.

    A map that is positive nowhere points nowhere: 0. Source: Zhang et al. 2016, arXiv:1608.00507 (pointing game).
    """
    maximum = np.nanmax(cells, initial=0.0)
    if maximum <= 0:
        return 0.0
    rows, columns = np.nonzero(np.isclose(cells, maximum, rtol=1e-6, atol=0))
    points = np.stack([(columns + 0.5) / cells.shape[1], (rows + 0.5) / cells.shape[0]], axis=1)
    return float(lie_in_boxes(points, boxes).mean())


def lie_in_boxes(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(P,) bool: which of the points (P, 2), as (x, y) in fractions of the film, lie in any of the boxes."""
    x, y = points[:, :1], points[:, 1:]
    left, top, right, bottom = boxes.T
    return np.any((x >= left) & (x <= right) & (y >= top) & (y <= bottom), axis=1)


def compute_overlap(region: np.ndarray, inside: np.ndarray) -> tuple[float, float]:
    """Intersection over union, and over the region itself (IoBB); the second is NaN for an empty region.

    region: (h, w) bool.  inside: (h, w) in [0, 1], how much of each pixel the boxes cover.
    Source: Wang et al. 2017, arXiv:1705.02315, section 4.2, where the region is the detected one.
    """
    common, area = float(inside[region].sum()), float(region.sum())
    iou = common / (area + float(inside.sum()) - common)
    return iou, common / area if area else float("nan")


def score_map(cells: np.ndarray, boxes: np.ndarray, scale: float | None) -> dict[str, float]:
    """One map against its film's boxes: hit_PX, share, and iou_LEVEL and iobb_LEVEL with names of `level_name`.

    scale: the evidence drawn in full colour; None for a map without a unit, which is cut at its own maximum only.
    """
    inside = np.minimum(count_covering_boxes(boxes, cells.shape), 1)
    known = np.nan_to_num(cells, nan=0.0)
    scores = {f"hit_{px}": score_pointing(cells, widen_boxes(boxes, px)) for px in TOLERANCES_PX}
    scores["share"] = share_inside_region(known, inside)
    for level in usable_levels(scale):
        unit = scale if level.of == "scale" and scale else float(known.max())
        region = (known > 0) & (known >= level.fraction * unit)
        name = level_name(level)
        scores[f"iou_{name}"], scores[f"iobb_{name}"] = compute_overlap(region, inside)
    return scores


def score_controls(
    boxes: np.ndarray, others: np.ndarray, shape: tuple[int, int]
) -> dict[str, float]:
    """The controls of one film: area, random_PX, centre_PX, average_box_PX, average_box_share and average_box_iou.

    others: (K, 4) boxes of other patients; without any the average box is undefined (NaN).
    """
    scores = {"area": float(np.minimum(count_covering_boxes(boxes, shape), 1).mean())}
    average_box: dict[str, float] = {}
    if len(others):
        average_box = score_map(count_covering_boxes(others, shape), boxes, None)
    centre = np.array([[0.5, 0.5]])
    for px in TOLERANCES_PX:
        wider = widen_boxes(boxes, px)
        covered = np.minimum(count_covering_boxes(wider, shape), 1)
        scores[f"random_{px}"] = float(covered.mean())
        scores[f"centre_{px}"] = float(lie_in_boxes(centre, wider)[0])
        scores[f"average_box_{px}"] = average_box.get(f"hit_{px}", np.nan)
    scores["average_box_share"] = average_box.get("share", np.nan)
    scores["average_box_iou"] = average_box.get(f"iou_{level_name(HALF_OF_MAXIMUM)}", np.nan)
    return scores


def compare_with_boxes(
    maps: Sequence[Scores], controls: Sequence[Scores], patients: np.ndarray
) -> BoxComparison:
    """Means over the films and paired differences to the controls, with patient-bootstrapped 95 % intervals.

    maps, controls: of each film, by `score_map` and `score_controls`. Shares are over the films with positive evidence;
    the average box is cut at half its maximum throughout.
    """
    scores, control = _to_columns(maps), _to_columns(controls)
    pointing = tuple(_compute_pointing(px, scores, control, patients) for px in TOLERANCES_PX)
    levels = [level for level in LEVELS if f"iou_{level_name(level)}" in scores]
    exact = pointing[0]
    return BoxComparison(
        without_evidence=int(np.isnan(scores["share"]).sum()),
        pointing=pointing,
        inside=_compute_inside(scores["share"], control, patients),
        overlap=tuple(_compute_box_overlap(one, scores, control, patients) for one in levels),
        verdict={
            "random": judge_difference(exact.minus_random, patients),
            "centre": judge_difference(exact.minus_centre, patients),
            "average_box": judge_difference(exact.minus_average_box, patients),
        },
    )


def compare_method(
    name: str,
    maps: Sequence[Scores],
    exact: Sequence[Scores],
    controls: Sequence[Scores],
    patients: np.ndarray,
) -> MethodFigures:
    """Another kind of map of the same films, beside the exact one. name: the method's display name."""
    scores, control, reference = _to_columns(maps), _to_columns(controls), _to_columns(exact)
    hit = scores["hit_0"]
    columns = {
        "hit": hit,
        "minus_centre": hit - control["centre_0"],
        "minus_average_box": hit - control["average_box_0"],
        "minus_exact": hit - reference["hit_0"],
        "share": scores["share"],
        "iou": scores[f"iou_{level_name(HALF_OF_MAXIMUM)}"],
    }
    lift = _compute_lift(scores["share"], control["area"], patients)
    return MethodFigures(name=name, **bootstrap_means(columns, patients), lift=lift)


def judge_difference(difference: MeanFigure, patients: np.ndarray) -> str:
    """The verdict of a paired difference to a control: BEATS when its interval lies above 0, and so on."""
    if difference.low is None or difference.high is None:
        return TOO_FEW
    if len(np.unique(patients)) < MIN_PATIENTS:
        return TOO_FEW
    if difference.low > 0:
        return BEATS
    return DOES_NOT_BEAT if difference.high <= 0 else UNDECIDED


def usable_levels(scale: float | None) -> tuple[Level, ...]:
    """The levels that a map can be cut at. scale: as for `score_map`."""
    return tuple(level for level in LEVELS if scale or level.of == "maximum")


def level_name(level: Level) -> str:
    """The name of a level in scores: `0.5_of_scale`."""
    return f"{level.fraction:g}_of_{level.of}"


def _interval_coverage(low: np.ndarray, high: np.ndarray, count: int) -> np.ndarray:
    """(K, count) how much of each of `count` equal parts of [0, 1] each interval covers."""
    edges = np.arange(count + 1) / count
    common = np.minimum(high[:, None], edges[1:]) - np.maximum(low[:, None], edges[:-1])
    return np.maximum(common, 0) * count


def _to_columns(rows: Sequence[Scores]) -> dict[str, np.ndarray]:
    return {name: np.array([row[name] for row in rows], np.float64) for name in rows[0]}


def _compute_pointing(
    tolerance_px: int, scores: Columns, control: Columns, patients: np.ndarray
) -> PointingGame:
    hit = scores[f"hit_{tolerance_px}"]
    columns = {"hit": hit}
    for name in CONTROLS:
        control_hit = control[f"{name}_{tolerance_px}"]
        columns |= {name: control_hit, f"minus_{name}": hit - control_hit}
    return PointingGame(tolerance_px=tolerance_px, **bootstrap_means(columns, patients))


def _compute_inside(share: np.ndarray, control: Columns, patients: np.ndarray) -> EvidenceInBoxes:
    without_evidence = np.isnan(share)
    area = np.where(without_evidence, np.nan, control["area"])
    average_box = np.where(without_evidence, np.nan, control["average_box_share"])
    columns = {
        "share": share,
        "area": area,
        "average_box": average_box,
        "minus_area": share - area,
        "minus_average_box": share - average_box,
    }
    lift = _compute_lift(share, area, patients)
    return EvidenceInBoxes(**bootstrap_means(columns, patients), lift=lift)


def _compute_lift(share: np.ndarray, area: np.ndarray, patients: np.ndarray) -> MeanFigure:
    """Mean share over mean area, on the films with positive evidence."""
    known = ~np.isnan(share)

    def measure(resamples: Resamples) -> dict[str, np.ndarray]:
        weights = resamples.to_weights()
        inside, total = weights @ share[known], weights @ area[known]
        undefined = np.full(len(weights), np.nan)
        return {"lift": np.divide(inside, total, out=undefined, where=total > 0)}

    values = bootstrap_patients(measure, np.asarray(patients)[known], by_film=True)
    return to_mean_figures(values, int(known.sum()))["lift"]


def _compute_box_overlap(
    level: Level, scores: Columns, control: Columns, patients: np.ndarray
) -> BoxOverlap:
    iou, average_box_iou = scores[f"iou_{level_name(level)}"], control["average_box_iou"]
    columns = {
        "iou": iou,
        "iobb": scores[f"iobb_{level_name(level)}"],
        "average_box_iou": average_box_iou,
        "minus_average_box_iou": iou - average_box_iou,
    }
    return BoxOverlap(above=level.fraction, of=level.of, **bootstrap_means(columns, patients))
