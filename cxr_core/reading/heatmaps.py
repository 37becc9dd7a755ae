"""The exact heatmap, from features already computed; the shared network is never hooked and never differentiated.

Evidence is the gradient of a logit with respect to the features, times the features, summed over channels: HiResCAM
before its ReLU. Each head knows its gradient in closed form, so no differentiation is needed, and the cells sum to
logit - bias. With a head that is linear in the features the bias is one number for every film; with a hidden layer it
is that of the film's own active units; with attention, attention is held where it is (see models/heads.py).
Source: Draelos & Carin 2020, arXiv:2011.08891.

A head adds something in every cell of every film, and what it adds on any chest says nothing of this one. So a map is
shown against what the cell usually adds: the median over validation films without the finding, which the card holds.
That takes one constant from the sum. With a head that is linear in the features the cells are then the exact Shapley
values of that reference (linear SHAP; Lundberg & Lee 2017, arXiv:1705.07874).
"""

import numpy as np
from torch import Tensor

from cxr_core.models.networks.architectures import FilmClassifier


def logits_and_evidence(network: FilmClassifier, features: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (B, L) and the evidence of every finding (B, L, h, w), from features (B, F, h, w)."""
    return network.forward_head(features), network.head.evidence(features)


def usual_evidence(evidence: np.ndarray) -> np.ndarray:
    """What each cell adds on a usual film: the median. evidence: (N, h, w) of films without the finding, N above 0."""
    return np.median(evidence, axis=0)
