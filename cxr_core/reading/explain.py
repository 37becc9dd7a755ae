"""The exact heatmap, from features already computed; the shared network is never hooked and never differentiated.

Evidence is the gradient of a logit with respect to the features, times the features, summed over channels. For a head
that is linear in the features its cells sum to logit - bias, exactly. It is HiResCAM before its ReLU.
Source: Draelos & Carin 2020, arXiv:2011.08891.
"""

import torch
from torch import Tensor

from cxr_core.models.architectures import FilmClassifier


def logits_and_evidence(network: FilmClassifier, features: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and the evidence of every finding from features, in one pass through the head.

    features: (B, F, h, w).  Returns logits (B, L) and evidence (B, L, h, w), both detached.
    """
    features = features.detach().requires_grad_()
    with torch.enable_grad():
        logits = network.forward_head(features)
        maps = []
        for finding in range(logits.shape[1]):
            # Films of a batch do not interact in eval mode, so the gradient of the sum is each film's own.
            last = finding == logits.shape[1] - 1
            (gradient,) = torch.autograd.grad(logits[:, finding].sum(), features, retain_graph=not last)
            maps.append((gradient * features).sum(dim=1))
    return logits.detach(), torch.stack(maps, dim=1).detach()
