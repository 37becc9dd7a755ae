"""Computes Dice, boundary distance and ratio error of contours against masks that readers drew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from cxr_core.evaluation.bootstrap.bootstrap import bootstrap_patients
from cxr_core.evaluation.bootstrap.means import bootstrap_means, to_mean_figures
from cxr_core.evaluation.bootstrap.resamples import Resamples
from cxr_core.evaluation.segmentation.results import RatioAgreement, SegmentationFigures
from cxr_core.findings import STRUCTURES

MIN_SPREAD = 1e-12  # below it a value does not vary, and a correlation is undefined


@dataclass(frozen=True, kw_only=True)
class ComparedFilm:
    """One film's contours against its masks.

    dice, distance_px: by structure; the distance is the mean one between both boundaries, in film pixels, NaN when a
    contour or mask is empty.  ratio: None if it could not be measured.  spread, half_width: as in SegmentationResult.
    true_ratio: of the masks.  trusted: measured without a warning.
    """

    patient: str
    dice: Mapping[str, float]
    distance_px: Mapping[str, float]
    ratio: float | None
    spread: float
    half_width: float
    true_ratio: float
    trusted: bool = True

    @property
    def ratio_error(self) -> float:
        """The absolute error of the ratio; NaN if it could not be measured."""
        return float("nan") if self.ratio is None else abs(self.ratio - self.true_ratio)


def compute_segmentation_figures(films: Sequence[ComparedFilm]) -> SegmentationFigures:
    """All figures of at least one film, with patient-bootstrapped 95 % intervals."""
    patients = np.array([film.patient for film in films])
    trusted = np.array([film.trusted for film in films])
    errors = np.array([film.ratio_error for film in films])
    columns = {
        "measured": np.array([float(film.ratio is not None) for film in films]),
        "trusted": trusted.astype(float),
        "trusted_ratio_mae": np.where(trusted, errors, np.nan),
    }
    for name in STRUCTURES:
        columns[f"dice_{name}"] = np.array([film.dice[name] for film in films])
        columns[f"distance_px_{name}"] = np.array([film.distance_px[name] for film in films])
    means = bootstrap_means(columns, patients)
    agreement = coverage = None
    measured = [film for film in films if film.ratio is not None]
    if measured:
        ratios = np.array([film.ratio for film in measured], float)
        true_ratios = np.array([film.true_ratio for film in measured])
        half_widths = np.array([film.half_width for film in measured])
        measured_patients = np.array([film.patient for film in measured])
        agreement = compute_agreement(ratios, true_ratios, measured_patients)
        covered = (np.abs(ratios - true_ratios) <= half_widths).astype(float)
        coverage = bootstrap_means({"coverage": covered}, measured_patients)["coverage"]
    return SegmentationFigures(
        dice={name: means[f"dice_{name}"] for name in STRUCTURES},
        distance_px={name: means[f"distance_px_{name}"] for name in STRUCTURES},
        measured=means["measured"],
        trusted=means["trusted"],
        trusted_ratio_mae=means["trusted_ratio_mae"],
        agreement=agreement,
        coverage=coverage,
    )


def compute_agreement(
    measured: np.ndarray, reference: np.ndarray, patients: np.ndarray
) -> RatioAgreement:
    """Agreement of two measurements of the same films, (N,) each, with patient-bootstrapped 95 % intervals."""
    error = measured - reference

    def measure(resamples: Resamples) -> dict[str, np.ndarray]:
        weights = resamples.to_weights()
        share = weights / weights.sum(axis=1, keepdims=True)
        bias = share @ error
        spread = np.sqrt(np.maximum(share @ error**2 - bias**2, 0))
        return {
            "mae": share @ np.abs(error),
            "bias": bias,
            "low": bias - 1.96 * spread,
            "high": bias + 1.96 * spread,
            "correlation": _correlation(share, measured, reference),
        }

    values = bootstrap_patients(measure, patients, by_film=True)
    values = bootstrap_patients(measure, patients, by_film=True)
    return RatioAgreement(**to_mean_figures(values, len(error)))


def dice_coefficient(mask: np.ndarray, reference: np.ndarray) -> float:
    """Twice the common area over the sum of both areas; 1 when both are empty. Source: Dice 1945, Ecology 26:297."""
    total = int(mask.sum()) + int(reference.sum())
    return 2 * int((mask & reference).sum()) / total if total else 1.0


def boundary_distance(mask: np.ndarray, reference: np.ndarray) -> float:
    """The mean distance between two boundaries, in both directions, in pixels; NaN when a mask is empty."""
    if not (mask.any() and reference.any()):
        return float("nan")
    to_mask = _distance_to_boundary(mask)[_boundary(reference)]
    to_reference = _distance_to_boundary(reference)[_boundary(mask)]
    return float(np.concatenate([to_mask, to_reference]).mean())


def _boundary(mask: np.ndarray) -> np.ndarray:
    """(H, W) bool: the pixels of a mask that touch the outside."""
    kernel = np.ones((3, 3), np.uint8)
    border = cv2.BORDER_CONSTANT
    interior = cv2.erode(mask.astype(np.uint8), kernel, borderType=border, borderValue=0)
    return mask & (interior == 0)


def _distance_to_boundary(mask: np.ndarray) -> np.ndarray:
    """(H, W) each pixel's distance to the nearest boundary pixel of a mask."""
    outside = (~_boundary(mask)).astype(np.uint8)
    return cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


def _correlation(share: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pearson's correlation for each row of weights that sum to 1; NaN where one of the values does not vary."""
    mean_one, mean_other = share @ one, share @ other
    covariance = share @ (one * other) - mean_one * mean_other
    spread = np.sqrt((share @ one**2 - mean_one**2) * (share @ other**2 - mean_other**2))
    undefined = np.full(len(share), np.nan)
    return np.divide(covariance, spread, out=undefined, where=spread > MIN_SPREAD)
