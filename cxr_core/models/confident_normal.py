"""Defines the threshold below which a film is called likely normal, with what it was worth on validation films."""

from dataclasses import dataclass

from cxr_core.models.figures import MeanFigure
from cxr_core.workspace.json_record import Fraction, JsonRecord


@dataclass(frozen=True, kw_only=True)
class ConfidentNormal(JsonRecord):
    """A threshold on the calibrated probability of a finding, usually of an abnormal film.

    negative_predictive_value: share of films without the finding among those below the threshold.  share: of all films
    that lie below it.  prevalence: of the finding among the films.  source: which films these are.
    """

    threshold: Fraction
    negative_predictive_value: MeanFigure
    share: MeanFigure
    prevalence: Fraction
    source: str
