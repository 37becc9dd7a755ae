"""The fields of a recipe that decide how the weights are optimised."""

from dataclasses import dataclass
from typing import Literal

from cxr_core.training.recipe.settings import setting

Optimizer = Literal["adamw", "adam", "sgd"]
Schedule = Literal["constant", "cosine", "one_cycle", "plateau"]
Monitor = Literal["auroc", "dice", "loss"]
Precision = Literal["auto", "float32", "bfloat16"]

OPTIMISATION = "Optimisation"


@dataclass(frozen=True, kw_only=True)
class OptimisationFields:
    """Optimizer, schedule, what selects the best epoch, and how the arithmetic is done."""

    optimizer: Optimizer = setting(
        "Optimizer",
        "Weight decay is decoupled with adamw, and an L2 penalty with adam and sgd.",
        OPTIMISATION,
        default="adamw",
    )
    head_learning_rate: float | None = setting(
        "Head learning rate",
        "Peak learning rate of the head; empty = the learning rate above.",
        OPTIMISATION,
        default=None,
        low=1e-8,
        high=10,
    )
    weight_decay: float = setting(
        "Weight decay",
        "Strength of the pull of weights towards zero.",
        OPTIMISATION,
        default=0.01,
        low=0,
        high=1,
    )
    schedule: Schedule = setting(
        "Learning rate schedule",
        "How the learning rate changes over the run.",
        OPTIMISATION,
        default="one_cycle",
    )
    plateau_patience: int = setting(
        "Plateau patience (epochs)",
        "With plateau: epochs without a lower validation loss before the learning rate falls.",
        OPTIMISATION,
        default=2,
        low=0,
        high=1000,
    )
    plateau_factor: float = setting(
        "Plateau factor",
        "With plateau: the learning rate is multiplied by this.",
        OPTIMISATION,
        default=0.1,
        low=0.001,
        high=0.999,
    )
    monitor: Monitor = setting(
        "Checkpoint metric",
        "Validation metric that selects the best epoch and decides early stopping.",
        OPTIMISATION,
        default="auroc",
    )
    oversample_factor: float | None = setting(
        "Oversampling factor",
        "How many times likelier a positive film is sampled; empty = until both classes are as likely.",
        OPTIMISATION,
        default=4.0,
        low=1,
        high=1000,
    )
    gradient_clip_norm: float | None = setting(
        "Gradient clipping (norm)",
        "Scales the gradient of a step down to this norm where it is larger; empty = no clipping.",
        OPTIMISATION,
        default=None,
        low=1e-6,
        high=1e6,
    )
    ema_decay: float | None = setting(
        "EMA decay",
        "Decay of an exponential moving average of the weights, which is then evaluated; empty = none.",
        OPTIMISATION,
        default=None,
        low=0,
        high=0.99999,
    )
    precision: Precision = setting(
        "Numeric precision",
        "auto uses bfloat16 on a CUDA device and float32 elsewhere.",
        OPTIMISATION,
        default="auto",
    )
    compile: bool = setting(
        "Compile the network",
        "Compiles the network with torch.compile: slower to start, often faster after.",
        OPTIMISATION,
        default=False,
    )
    checkpoint_every_steps: int = setting(
        "Checkpoint interval (steps)",
        "Steps between checkpoints, in addition to one after each epoch.",
        OPTIMISATION,
        default=200,
        low=1,
        high=10**6,
    )
