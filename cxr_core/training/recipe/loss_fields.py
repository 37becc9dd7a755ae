"""The fields of a recipe that decide the loss of findings."""

from dataclasses import dataclass
from typing import Literal

from cxr_core.training.recipe.common_fields import COMMON
from cxr_core.training.recipe.settings import setting

Loss = Literal["cross_entropy", "focal", "asymmetric"]

LOSS = "Loss"


@dataclass(frozen=True, kw_only=True)
class LossFields:
    """The loss of findings and its parameters; a segmentation recipe has a loss of its own."""

    loss: Loss = setting(
        "Loss",
        "Binary cross-entropy; focal loss (Lin et al. 2017), which gives well classified films less weight; or "
        "asymmetric loss (Ridnik et al. 2021), which does so for negative films above all.",
        COMMON,
        default="cross_entropy",
    )
    focal_gamma: float = setting(
        "Focal loss gamma",
        "With focal: how strongly well classified films lose weight; 0 = not at all.",
        LOSS,
        default=2.0,
        low=0,
        high=10,
    )
    focal_alpha: float | None = setting(
        "Focal loss alpha",
        "With focal: weight of positive films, that of negative ones is 1 minus this; empty = both 1.",
        LOSS,
        default=0.25,
        low=0.01,
        high=0.99,
    )
    asymmetric_gamma_negative: float = setting(
        "ASL gamma, negative films",
        "With asymmetric: how strongly well classified negative films lose weight.",
        LOSS,
        default=4.0,
        low=0,
        high=10,
    )
    asymmetric_gamma_positive: float = setting(
        "ASL gamma, positive films",
        "With asymmetric: how strongly well classified positive films lose weight.",
        LOSS,
        default=1.0,
        low=0,
        high=10,
    )
    asymmetric_margin: float = setting(
        "ASL probability margin",
        "With asymmetric: negative films below this probability do not count.",
        LOSS,
        default=0.05,
        low=0,
        high=0.5,
    )
    logit_adjustment: float = setting(
        "Logit adjustment",
        "Adds this times the log-odds of a finding among the training films to its logit, in the loss alone, so "
        "that a rare finding is not learnt as absent (Menon et al. 2021); 0 = none, 1 = as published.",
        LOSS,
        default=0.0,
        low=0,
        high=5,
    )
    label_smoothing: float = setting(
        "Label smoothing",
        "How far labels are moved from 0 and 1 towards 0.5.",
        LOSS,
        default=0.0,
        low=0,
        high=0.4,
    )
    consistency_weight: float = setting(
        "Storage consistency weight",
        "Loss weight of the difference that downsampling and JPEG of the augmentation make to the findings' "
        "logits, squared, as a share of the logits' variance; 0 = none.",
        LOSS,
        default=0.0,
        low=0,
        high=100,
    )
