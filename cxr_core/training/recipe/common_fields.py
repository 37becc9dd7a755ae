"""The fields of a recipe that are changed most often, and its name and source."""

from dataclasses import dataclass
from typing import Literal

from cxr_core.training.recipe.settings import setting

Balance = Literal["none", "oversample"]

COMMON = "Common"
NAMING = "Name and source"
MAX_SEED = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class CommonFields:
    """Length, batches, input size, balance, early stopping and seed."""

    epochs: int = setting(
        "Epochs", "How often each training film is seen.", COMMON, default=5, low=1, high=1000
    )
    batch_size: int = setting(
        "Batch size (films)",
        "Films per step, over all processes.",
        COMMON,
        default=32,
        low=1,
        high=4096,
    )
    learning_rate: float = setting(
        "Learning rate",
        "Peak learning rate of the network, or of its backbone where the head has its own.",
        COMMON,
        default=3e-4,
        low=1e-8,
        high=10,
    )
    input_side: int = setting(
        "Input size (pixels)",
        "Side of the square that each film is resampled to.",
        COMMON,
        default=224,
        low=16,
        high=2048,
    )
    balance: Balance = setting(
        "Class balancing",
        "none samples films as they come; oversample samples positive films more often.",
        COMMON,
        default="none",
    )
    early_stopping_patience: int | None = setting(
        "Early stopping patience (epochs)",
        "Epochs without improvement on validation films before training ends; empty = never.",
        COMMON,
        default=None,
        low=1,
        high=1000,
    )
    seed: int = setting(
        "Seed",
        "Seeds all randomness. On a CPU the same seed gives the same weights, bit for bit.",
        COMMON,
        default=0,
        low=0,
        high=MAX_SEED,
    )


@dataclass(frozen=True, kw_only=True)
class NamingFields:
    """What the recipe and its model are called."""

    name: str = setting("Recipe name", "Name of the recipe; runs are named after it.", NAMING)
    model: str = setting(
        "Model name",
        "Name of the model that the recipe makes. Publishing replaces an installed model of this name.",
        NAMING,
    )
    summary: str = setting("Summary", "What the model does, in a sentence.", NAMING)
    source: str = setting(
        "Source",
        "Where the recipe comes from and how it differs from its source.",
        NAMING,
        default="",
    )
