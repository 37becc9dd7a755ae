"""The fields of a recipe that are changed most often, and its name and source."""

from dataclasses import dataclass, field
from typing import Literal

from cxr_core.training.recipe.settings import setting

Balance = Literal["none", "oversample"]

COMMON = "Common"
NAMING = "Name and source"
MAX_SEED = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class CommonFields:
    """Length, batches, input size, balance, early stopping and seed."""

    epochs: int = field(
        default=5,
        metadata=setting(
            "Epochs", "How often each training film is seen.", COMMON, low=1, high=1000
        ),
    )
    batch_size: int = field(
        default=32,
        metadata=setting(
            "Batch size (films)", "Films per step, over all processes.", COMMON, low=1, high=4096
        ),
    )
    learning_rate: float = field(
        default=3e-4,
        metadata=setting(
            "Learning rate",
            "Peak learning rate of the network, or of its backbone where the head has its own.",
            COMMON,
            low=1e-8,
            high=10,
        ),
    )
    input_side: int = field(
        default=224,
        metadata=setting(
            "Input size (pixels)",
            "Side of the square that each film is resampled to.",
            COMMON,
            low=16,
            high=2048,
        ),
    )
    balance: Balance = field(
        default="none",
        metadata=setting(
            "Class balancing",
            "none samples films as they come; oversample samples positive films more often.",
            COMMON,
        ),
    )
    early_stopping_patience: int | None = field(
        default=None,
        metadata=setting(
            "Early stopping patience (epochs)",
            "Epochs without improvement on validation films before training ends; empty = never.",
            COMMON,
            low=1,
            high=1000,
        ),
    )
    seed: int = field(
        default=0,
        metadata=setting(
            "Seed",
            "Seeds all randomness. On a CPU the same seed gives the same weights, bit for bit.",
            COMMON,
            low=0,
            high=MAX_SEED,
        ),
    )


@dataclass(frozen=True, kw_only=True)
class NamingFields:
    """What the recipe and its model are called."""

    name: str = field(
        metadata=setting("Recipe name", "Name of the recipe; runs are named after it.", NAMING)
    )
    model: str = field(
        metadata=setting(
            "Model name",
            "Name of the model that the recipe makes. Publishing replaces an installed model of this name.",
            NAMING,
        )
    )
    summary: str = field(metadata=setting("Summary", "What the model does, in a sentence.", NAMING))
    source: str = field(
        default="",
        metadata=setting(
            "Source", "Where the recipe comes from and how it differs from its source.", NAMING
        ),
    )
