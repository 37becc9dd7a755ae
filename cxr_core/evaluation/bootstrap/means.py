"""Computes means over films, and their intervals over patients, where some films have no value."""

from collections.abc import Mapping

import numpy as np

from cxr_core.evaluation.bootstrap.bootstrap import bootstrap_patients, to_figures
from cxr_core.evaluation.bootstrap.resamples import Resamples
from cxr_core.models.figures import MeanFigure


def bootstrap_means(
    columns: Mapping[str, np.ndarray], patients: np.ndarray
) -> dict[str, MeanFigure]:
    """The mean of each column over the films where it is known; undefined where it is known for none.

    columns: (N,) by name, NaN = unknown.  patients: (N,). The figures are rounded as they are recorded.
    """
    known = {name: ~np.isnan(values) for name, values in columns.items()}

    def measure(resamples: Resamples) -> dict[str, np.ndarray]:
        weights, means = resamples.to_weights(), {}
        for name, values in columns.items():
            count = weights @ known[name].astype(np.float64)
            total = weights @ np.where(known[name], values, 0)
            undefined = np.full(len(weights), np.nan)
            means[name] = np.divide(total, count, out=undefined, where=count > 0)
        return means

    resampled = bootstrap_patients(measure, patients, by_film=True)
    return {
        name: to_mean_figures({name: values}, int(known[name].sum()))[name]
        for name, values in resampled.items()
    }


def to_mean_figures(values: Mapping[str, np.ndarray], n: int) -> dict[str, MeanFigure]:
    """Bootstrapped values, (1 + resamples,) each, as rounded figures over n films."""
    return {
        name: MeanFigure(value=figure.value, low=figure.low, high=figure.high, n=n).rounded()
        for name, figure in to_figures(values, np.zeros(n)).items()
    }
