"""How well heart and lungs are outlined, and the ratio measured, against masks drawn by people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from cxr_core.evaluation.bootstrap.bootstrap import bootstrapped, figures_of
from cxr_core.findings import STRUCTURES


@dataclass(frozen=True, kw_only=True)
class Outlined:
    """One film's outlines beside its masks.

    dice, distance_px: of each structure; the distance is the mean one between the two boundaries, both ways, in film
    pixels, NaN when one is empty.  ratio: None if it could not be measured.  spread, half_width: as in Anatomy.
    true_ratio: of the masks.  trusted: measured, and nothing on the film spoke against it.
    """

    patient: str
    dice: Mapping[str, float]
    distance_px: Mapping[str, float]
    ratio: float | None
    spread: float
    half_width: float
    true_ratio: float
    trusted: bool = True


def outline_figures(films: Sequence[Outlined]) -> dict[str, Any]:
    """Each figure with its patient-bootstrapped 95 % interval: {"value", "low", "high", "n"}.

    ratio_mae, ratio_bias, ratio_correlation, ratio_low and ratio_high (limits of agreement, Bland & Altman 1986) and
    coverage (of the stated intervals) are over the films that could be measured; measured is their share of all,
    trusted the share of those that nothing on the film speaks against, trusted_ratio_mae the error of these alone.
    """
    patients = np.array([film.patient for film in films])
    columns = {f"dice_{name}": np.array([film.dice[name] for film in films]) for name in STRUCTURES}
    columns |= {
        f"distance_px_{name}": np.array([film.distance_px[name] for film in films])
        for name in STRUCTURES
    }
    columns["measured"] = np.array([float(film.ratio is not None) for film in films])
    columns["trusted"] = np.array([float(film.trusted) for film in films])
    columns["trusted_ratio_mae"] = np.array([_error_if_trusted(film) for film in films])
    found = means_of(columns, patients)
    seen = [film for film in films if film.ratio is not None]
    if not seen:
        return found
    measured, true = (
        np.array([film.ratio for film in seen], float),
        np.array([film.true_ratio for film in seen]),
    )
    covered = np.abs(measured - true) <= np.array([film.half_width for film in seen])
    return (
        found
        | agreement(measured, true, np.array([film.patient for film in seen]))
        | means_of({"coverage": covered.astype(float)}, np.array([film.patient for film in seen]))
    )


def _error_if_trusted(film: Outlined) -> float:
    return (
        abs(film.ratio - film.true_ratio)
        if film.trusted and film.ratio is not None
        else float("nan")
    )


def agreement(measured: np.ndarray, true: np.ndarray, patients: np.ndarray) -> dict[str, Any]:
    """Error, bias, correlation and limits of agreement of two ways to measure (N,), with intervals."""
    error = measured - true

    def figures(weights: np.ndarray) -> dict[str, np.ndarray]:
        share = weights / weights.sum(axis=1, keepdims=True)
        bias = share @ error
        spread = np.sqrt(np.maximum(share @ error**2 - bias**2, 0))
        return {
            "ratio_mae": share @ np.abs(error),
            "ratio_bias": bias,
            "ratio_low": bias - 1.96 * spread,
            "ratio_high": bias + 1.96 * spread,
            "ratio_correlation": _correlation(share, measured, true),
        }

    return _as_json(bootstrapped(figures, patients), len(error))


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """Twice the common area over the sum of both; 1 when both are empty. Source: Dice 1945."""
    both = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / both if both else 1.0


def boundary_distance(one: np.ndarray, other: np.ndarray) -> float:
    """The mean distance between two boundaries, both ways, in pixels; NaN when one of them is empty."""
    if not (one.any() and other.any()):
        return float("nan")
    there = [
        _to_boundary(mask)[_boundary(against)] for mask, against in ((one, other), (other, one))
    ]
    return float(np.concatenate(there).mean())


def _boundary(mask: np.ndarray) -> np.ndarray:
    inner = cv2.erode(
        mask.astype(np.uint8),
        np.ones((3, 3), np.uint8),
        borderType=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
    return mask & (inner == 0)


def _to_boundary(mask: np.ndarray) -> np.ndarray:
    return cv2.distanceTransform(
        (~_boundary(mask)).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
    )


def _correlation(share: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pearson's, for each row of weights that sum to 1; NaN where one of them does not vary."""
    means = share @ one, share @ other
    together = share @ (one * other) - means[0] * means[1]
    spread = np.sqrt((share @ one**2 - means[0] ** 2) * (share @ other**2 - means[1] ** 2))
    return np.divide(together, spread, out=np.full(len(share), np.nan), where=spread > 1e-12)


def means_of(columns: Mapping[str, np.ndarray], patients: np.ndarray) -> dict[str, Any]:
    """The mean of each column over the films where it is known, of which n counts; NaN where it is nowhere."""
    known = {name: ~np.isnan(values) for name, values in columns.items()}

    def means(weights: np.ndarray) -> dict[str, np.ndarray]:
        counts = {name: weights @ known[name].astype(np.float64) for name in columns}
        return {
            name: np.divide(
                weights @ np.where(known[name], values, 0),
                counts[name],
                out=np.full(len(weights), np.nan),
                where=counts[name] > 0,
            )
            for name, values in columns.items()
        }

    found = _as_json(bootstrapped(means, patients), len(patients))
    return {name: {**figure, "n": int(known[name].sum())} for name, figure in found.items()}


def _as_json(values: Mapping[str, np.ndarray], n: int) -> dict[str, Any]:
    found = {name: figure.to_json() for name, figure in figures_of(values, np.zeros(n)).items()}
    return {
        name: {key: value for key, value in figure.items() if key != "positives"}
        for name, figure in found.items()
    }
