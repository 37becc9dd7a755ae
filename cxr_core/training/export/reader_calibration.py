"""Calibrates a classifier anew to what readers say, with thresholds that are chosen without contradicted labels."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logit

from cxr_core.evaluation.metrics.figures import compute_finding_figures
from cxr_core.models.card import DecisionThresholds, Fusion, ModelCard
from cxr_core.models.label_noise import LabelNoise, LabelRepair
from cxr_core.reading.calibration import CLIP_DISTANCE
from cxr_core.reading.cardiothoracic.fusion_fit import FusionFilms
from cxr_core.reading.fitting.finding import CalibratedFinding, calibrate_finding
from cxr_core.reading.fitting.label_conflicts import RULE, find_label_conflicts


@dataclass(frozen=True, kw_only=True, eq=False)
class ReaderCalibration:
    """The calibration of one finding to readers.

    films: with the new log-odds, and with the labels in doubt marked.  repair: what the marked labels change.
    """

    calibrated: CalibratedFinding
    films: FusionFilms
    repair: LabelRepair

    def add_fused_thresholds(self, fusion: Fusion) -> "ReaderCalibration":
        """The same with the thresholds that a fusion fitted to all labels would have."""
        thresholds = _tabulate_thresholds(fusion.decisions)
        return replace(self, repair=replace(self.repair, with_ratio=thresholds))

    def write_into(self, card: ModelCard, finding: str) -> ModelCard:
        """The card with this calibration of a finding, and its validation figures by all labels."""
        fitted, films = self.calibrated, self.films
        assert fitted.label_noise is not None
        figures = compute_finding_figures(
            fitted.probabilities,
            films.labels,
            films.patients,
            fitted.operating_points,
            fitted.decisions,
            calibrated=fitted.reported,
        )
        validation = {**card.metrics.get("validation", {})}
        validation[finding] = replace(figures, calibration_of=fitted.calibration_of).to_json()
        return replace(
            card,
            calibration={**card.calibration, finding: fitted.calibration},
            prevalence={**card.prevalence, finding: fitted.prevalence},
            label_noise={**card.label_noise, finding: fitted.label_noise},
            label_repair={**card.label_repair, finding: self.repair},
            operating_points={**card.operating_points, finding: fitted.operating_points},
            decisions={**card.decisions, finding: fitted.decisions},
            metrics={**card.metrics, "validation": validation},
        )


def calibrate_to_readers(
    logits: np.ndarray, films: FusionFilms, noise: LabelNoise
) -> ReaderCalibration:
    """Fit the calibration to all films, and choose thresholds without the labels that the ratio contradicts.

    logits: (N,) of the network.  films: whose log-odds are replaced.  noise: of their labels. Raises DataError for
    films of one class.
    """
    in_doubt = find_label_conflicts(films.ratios, films.standard_errors, films.views, films.labels)
    source = f"{len(films.labels)} validation films carved from train by patient"
    fitted = calibrate_finding(logits, films.labels, source, noise, in_doubt)
    with_all_labels = calibrate_finding(logits, films.labels, source, noise)
    present = films.labels == 1
    return ReaderCalibration(
        calibrated=fitted,
        films=replace(
            films,
            log_odds=logit(fitted.probabilities.clip(CLIP_DISTANCE, 1 - CLIP_DISTANCE)),
            in_doubt=in_doubt,
            noise=fitted.label_noise,
        ),
        repair=LabelRepair(
            present=int((in_doubt & present).sum()),
            absent=int((in_doubt & ~present).sum()),
            rule=RULE,
            with_all_labels=_tabulate_thresholds(with_all_labels.decisions),
        ),
    )


def _tabulate_thresholds(
    decisions: Iterable[DecisionThresholds],
) -> dict[str, tuple[float, float]]:
    return {each.name: (each.present_from, each.absent_below) for each in decisions}
