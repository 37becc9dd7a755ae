"""Where a map points, against boxes that people drew, beside three controls that have not looked at the film.

A box is (left, top, right, bottom) in fractions of the film's width and height; several boxes of one film count as one
region. A map lies on the film's own grid, brought to LONGER_SIDE pixels; NaN is where the model did not look.

random        a point anywhere on the film with equal chance: what it hits on average is the area of the region
centre        the middle of the film
average_box   how many boxes of other patients cover each place, taken as a map like any other
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cxr_core.evaluation.bootstrap.bootstrap import bootstrapped, figures_of
from cxr_core.evaluation.explanations.attribution_inside import share_inside
from cxr_core.evaluation.segmentation.metrics import means_of

LONGER_SIDE = 256
FRAME_PX = 1024  # the frame that NIH's boxes were drawn in, and that a tolerance is told in
TOLERANCES_PX = (0, 15)
FEWEST_PATIENTS = 10  # below it a verdict would rest on too few to resample
CONTROLS = ("random", "centre", "average_box")
BEATS, DOES_NOT, OPEN, FEW = "beats", "does not beat", "cannot be told from", "not enough cases"


class Level(NamedTuple):
    """Where a map is cut: at a fraction of the model's evidence scale, or of the film's own maximum."""

    fraction: float
    of: str  # "scale" or "maximum"


LEVELS = (
    Level(0.1, "scale"),
    Level(0.25, "scale"),
    Level(0.5, "scale"),
    Level(0.25, "maximum"),
    Level(0.5, "maximum"),
)
HALF = Level(0.5, "maximum")  # where the control of the average box is cut


def shown_shape(height: int, width: int) -> tuple[int, int]:
    """A film's shape brought to LONGER_SIDE."""
    shrink = LONGER_SIDE / max(height, width)
    return max(1, round(height * shrink)), max(1, round(width * shrink))


def covered(boxes: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """How many of the boxes (K, 4) cover each pixel of a grid: (h, w), partly covered ones by their part."""
    rows, columns = (
        _along(boxes[:, 1], boxes[:, 3], shape[0]),
        _along(boxes[:, 0], boxes[:, 2], shape[1]),
    )
    return rows.T @ columns


def grown(boxes: np.ndarray, tolerance_px: int) -> np.ndarray:
    """The boxes wider by a tolerance on each side, up to the film's edge. tolerance_px: in the frame of FRAME_PX."""
    by = tolerance_px / FRAME_PX
    return np.clip(boxes + np.array([-by, -by, by, by]), 0, 1)


def pointed(shown: np.ndarray, boxes: np.ndarray) -> float:
    """1 when a map's maximum lies in a box, 0 when not, or the share of equal maxima that do.

    A map that is positive nowhere points nowhere: 0. Source: Zhang et al. 2016, arXiv:1608.00507 (pointing game).
    """
    top = np.nanmax(shown, initial=0.0)
    if top <= 0:
        return 0.0
    rows, columns = np.nonzero(np.isclose(shown, top, rtol=1e-6, atol=0))
    points = np.stack([(columns + 0.5) / shown.shape[1], (rows + 0.5) / shown.shape[0]], axis=1)
    return float(hits(points, boxes).mean())


def hits(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(P,) bool: which of the points (P, 2), as (x, y) in fractions of the film, lie in any of the boxes."""
    x, y = points[:, :1], points[:, 1:]
    left, top, right, bottom = boxes.T
    return np.any((x >= left) & (x <= right) & (y >= top) & (y <= bottom), axis=1)


def overlap(region: np.ndarray, inside: np.ndarray) -> tuple[float, float]:
    """Intersection over union, and over the region itself (IoBB); the second is NaN for an empty region.

    region: (h, w) bool.  inside: (h, w) in [0, 1], how much of each pixel the boxes cover.
    Source: Wang et al. 2017, arXiv:1705.02315, section 4.2, where the region is the detected one.
    """
    both, found = float(inside[region].sum()), float(region.sum())
    return both / (found + float(inside.sum()) - both), both / found if found else float("nan")


def map_scores(shown: np.ndarray, boxes: np.ndarray, scale: float | None) -> dict[str, float]:
    """One map against its film's boxes: hit_PX, share, and iou_, iobb_ of each level as `name_of` has it.

    scale: the evidence drawn in full colour; None for a map without a unit, which is cut at its own maximum only.
    """
    inside = np.minimum(covered(boxes, shown.shape), 1)
    seen = np.nan_to_num(shown, nan=0.0)
    found = {f"hit_{px}": pointed(shown, grown(boxes, px)) for px in TOLERANCES_PX}
    found["share"] = share_inside(seen, inside)
    for level in levels_of(scale):
        unit = scale if level.of == "scale" and scale else float(seen.max())
        region = (seen > 0) & (seen >= level.fraction * unit)
        found[f"iou_{name_of(level)}"], found[f"iobb_{name_of(level)}"] = overlap(region, inside)
    return found


def control_scores(
    boxes: np.ndarray, others: np.ndarray, shape: tuple[int, int]
) -> dict[str, float]:
    """The controls of one film: area, random_PX, centre_PX, average_box_PX, average_box_share and average_box_iou.

    others: (K, 4) boxes of other patients; without any the average box is undefined.
    """
    found = {"area": float(np.minimum(covered(boxes, shape), 1).mean())}
    average = map_scores(covered(others, shape), boxes, None) if len(others) else {}
    for px in TOLERANCES_PX:
        wider = grown(boxes, px)
        found[f"random_{px}"] = float(np.minimum(covered(wider, shape), 1).mean())
        found[f"centre_{px}"] = float(hits(np.array([[0.5, 0.5]]), wider)[0])
        found[f"average_box_{px}"] = average.get(f"hit_{px}", np.nan)
    found["average_box_share"] = average.get("share", np.nan)
    found["average_box_iou"] = average.get(f"iou_{name_of(HALF)}", np.nan)
    return found


def localisation_figures(
    maps: Sequence[Mapping[str, float]],
    controls: Sequence[Mapping[str, float]],
    patients: np.ndarray,
) -> dict[str, Any]:
    """Means over the films, the controls beside them and the paired differences, with patient-bootstrapped intervals.

    maps, controls: of each film, as `map_scores` and `control_scores`.
    pointing: by tolerance.  inside: share of positive evidence, area of the boxes, lift (mean share over mean area), on
    films with any positive evidence.  overlap: by level; the average box is cut at half its maximum throughout.
    verdict: of the pointing game without tolerance, against each control.
    """
    of, control = _columns(maps), _columns(controls)
    pointing = [_pointing(px, of, control, patients) for px in TOLERANCES_PX]
    return {
        "without_evidence": int(np.isnan(of["share"]).sum()),
        "pointing": pointing,
        "inside": _inside(of["share"], control, patients),
        "overlap": [
            _overlap(level, of, control, patients)
            for level in LEVELS
            if f"iou_{name_of(level)}" in of
        ],
        "verdict": {name: verdict(pointing[0][f"minus_{name}"], patients) for name in CONTROLS},
    }


def method_figures(
    maps: Sequence[Mapping[str, float]],
    exact: Sequence[Mapping[str, float]],
    controls: Sequence[Mapping[str, float]],
    patients: np.ndarray,
) -> dict[str, Any]:
    """Another kind of map of the same films in few figures, beside the exact one: hit, share, lift and IoU at half.

    minus_centre, minus_average_box, minus_exact: of hit, paired. No tolerance.
    """
    of, control, reference = _columns(maps), _columns(controls), _columns(exact)
    hit = of["hit_0"]
    columns = {
        "hit": hit,
        "minus_centre": hit - control["centre_0"],
        "minus_average_box": hit - control["average_box_0"],
        "minus_exact": hit - reference["hit_0"],
        "share": of["share"],
        "iou": of[f"iou_{name_of(HALF)}"],
    }
    return {**means_of(columns, patients), "lift": _lift(of["share"], control["area"], patients)}


def verdict(difference: Mapping[str, Any], patients: np.ndarray) -> str:
    """What a paired difference to a control says: BEATS when its interval lies above 0, DOES_NOT when not above it."""
    if difference["low"] is None or len(np.unique(patients)) < FEWEST_PATIENTS:
        return FEW
    if difference["low"] > 0:
        return BEATS
    return DOES_NOT if difference["high"] <= 0 else OPEN


def levels_of(scale: float | None) -> tuple[Level, ...]:
    """The levels that a map can be cut at."""
    return tuple(level for level in LEVELS if scale or level.of == "maximum")


def name_of(level: Level) -> str:
    """0.5_of_scale."""
    return f"{level.fraction:g}_of_{level.of}"


def _along(low: np.ndarray, high: np.ndarray, count: int) -> np.ndarray:
    """How much of each of `count` equal parts of [0, 1] each interval covers: (K, count)."""
    edges = np.arange(count + 1) / count
    common = np.minimum(high[:, None], edges[1:]) - np.maximum(low[:, None], edges[:-1])
    return np.maximum(common, 0) * count


def _columns(rows: Sequence[Mapping[str, float]]) -> dict[str, np.ndarray]:
    return {name: np.array([row[name] for row in rows], np.float64) for name in rows[0]}


def _pointing(
    px: int, of: Mapping[str, np.ndarray], control: Mapping[str, np.ndarray], patients: np.ndarray
) -> dict[str, Any]:
    hit, beside = of[f"hit_{px}"], {name: control[f"{name}_{px}"] for name in CONTROLS}
    differences = {f"minus_{name}": hit - values for name, values in beside.items()}
    return {"tolerance_px": px, **means_of({"hit": hit, **beside, **differences}, patients)}


def _inside(
    share: np.ndarray, control: Mapping[str, np.ndarray], patients: np.ndarray
) -> dict[str, Any]:
    blind = np.isnan(share)
    area, average = (
        np.where(blind, np.nan, control[name]) for name in ("area", "average_box_share")
    )
    columns = {"share": share, "area": area, "average_box": average}
    columns |= {"minus_area": share - area, "minus_average_box": share - average}
    return {**means_of(columns, patients), "lift": _lift(share, area, patients)}


def _lift(share: np.ndarray, area: np.ndarray, patients: np.ndarray) -> dict[str, Any]:
    known = ~np.isnan(share)

    def ratio(weights: np.ndarray) -> dict[str, np.ndarray]:
        inside, wide = weights @ share[known], weights @ area[known]
        return {"lift": np.divide(inside, wide, out=np.full(len(weights), np.nan), where=wide > 0)}

    values = bootstrapped(ratio, np.asarray(patients)[known])
    figure = figures_of(values, np.zeros(int(known.sum())))["lift"].to_json()
    return {key: value for key, value in figure.items() if key != "positives"}


def _overlap(
    level: Level,
    of: Mapping[str, np.ndarray],
    control: Mapping[str, np.ndarray],
    patients: np.ndarray,
) -> dict[str, Any]:
    iou, average = of[f"iou_{name_of(level)}"], control["average_box_iou"]
    columns = {"iou": iou, "iobb": of[f"iobb_{name_of(level)}"]}
    columns |= {"average_box_iou": average, "minus_average_box_iou": iou - average}
    return {"above": level.fraction, "of": level.of, **means_of(columns, patients)}
