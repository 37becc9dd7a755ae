"""Logistic regression of few inputs, in their own units."""

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler


def fit_logistic(inputs: np.ndarray, labels: np.ndarray) -> tuple[float, Sequence[float]]:
    """Intercept and weights (K,) of inputs (N, K) for labels 0 or 1, (N,).

    The inputs are brought to unit spread and held by scikit-learn's default ridge (C = 1), so that few or separable
    films give finite weights.
    """
    scaler = StandardScaler().fit(inputs)
    fitted = LogisticRegression(C=1.0).fit(scaler.transform(inputs), labels)
    weights = fitted.coef_[0] / scaler.scale_
    return float(fitted.intercept_[0] - weights @ scaler.mean_), [
        float(weight) for weight in weights
    ]
