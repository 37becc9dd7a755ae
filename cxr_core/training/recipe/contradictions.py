"""Finds fields of a recipe that contradict each other, before any film is decoded, and fields that have no effect.

A recipe checks only what it must be able to rely on: the recipe of an earlier run opens with any of these.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from cxr_core.errors import RecipeError
from cxr_core.training.recipe.recipe import Recipe


@dataclass(frozen=True)
class Contradiction:
    """Fields, by their keys, that do not go together, and a sentence that says why and what to do."""

    keys: tuple[str, ...]
    sentence: str


def find_contradictions(recipe: Recipe) -> list[Contradiction]:
    """What speaks against starting a run of this recipe; empty when nothing does."""
    checks = (_check_frozen_layers, _check_findings, _check_losses)
    return [Contradiction(keys, sentence) for check in checks for keys, sentence in check(recipe)]


def require_no_contradiction(recipe: Recipe) -> None:
    """Raises RecipeError with the first contradiction."""
    for contradiction in find_contradictions(recipe):
        raise RecipeError(contradiction.sentence)


def find_idle_fields(recipe: Recipe) -> dict[str, str]:
    """For each field that changes nothing in this recipe, a sentence that says why."""
    conditions = {
        "schedule is not plateau": (
            recipe.schedule != "plateau",
            ("plateau_patience", "plateau_factor"),
        ),
        "balance is not oversample": (recipe.balance != "oversample", ("oversample_factor",)),
        "loss is not focal": (recipe.loss != "focal", ("focal_gamma", "focal_alpha")),
        "loss is not asymmetric": (
            recipe.loss != "asymmetric",
            ("asymmetric_gamma_negative", "asymmetric_gamma_positive", "asymmetric_margin"),
        ),
        "this head has no hidden layer": (recipe.head in ("averaged", "positional"), ("hidden",)),
        "the backbone is frozen in all epochs": (recipe.freeze == "backbone", ("head_epochs",)),
        "the ratios of the split say which films validate": (
            recipe.split != "given" and recipe.fold is None and recipe.saved_split is None,
            ("validation_share",),
        ),
        "the augmentation neither downsamples films nor stores them as JPEGs": (
            not (recipe.augmentation.low_resolution or recipe.augmentation.jpeg),
            ("consistency_weight",),
        ),
        "a model for segmentation has a head and a loss of its own": (
            bool(recipe.structures),
            ("head", "neck", "hidden", "two_class", "finding_weight", "label_smoothing", "balance"),
        ),
    }
    idle: dict[str, str] = {}
    for reason, (applies, keys) in conditions.items():
        if applies:
            idle |= {key: f"No effect: {reason}." for key in keys if key not in idle}
    return idle


Problems = Iterator[tuple[tuple[str, ...], str]]


def _check_frozen_layers(recipe: Recipe) -> Problems:
    if recipe.freeze == "backbone" and recipe.init == "scratch":
        yield (
            ("freeze", "init"),
            "freeze='backbone' with init='scratch' would keep random weights in the backbone for ever; start from "
            "ImageNet, a file or a model, or set freeze='none'",
        )
    if recipe.freeze == "backbone" and recipe.head_epochs:
        yield (
            ("freeze", "head_epochs"),
            f"freeze='backbone' trains the head alone in all epochs, and head_epochs={recipe.head_epochs} in the first "
            "ones only; set head_epochs=0, or freeze='none'",
        )


def _check_findings(recipe: Recipe) -> Problems:
    if recipe.structures and recipe.auxiliary_findings:
        yield (
            ("structures", "auxiliary_findings"),
            "structures makes this a recipe for segmentation, which trains no auxiliary_findings; empty one of them",
        )
    if recipe.structures and recipe.code_names:
        yield (
            ("structures", "backbone"),
            f"backbone={recipe.backbone!r} is a file of your own, and the network for segmentation needs the maps of a "
            "timm backbone; choose one of timm",
        )
    counts = Counter(recipe.labelled_findings)
    repeated = [finding for finding, count in counts.items() if count > 1]
    if repeated:
        yield (
            ("findings", "auxiliary_findings"),
            f"{', '.join(repeated)} stands twice among findings and auxiliary_findings; name each finding once",
        )


def _check_losses(recipe: Recipe) -> Problems:
    if recipe.structures and (recipe.loss != "cross_entropy" or recipe.logit_adjustment):
        key = "loss" if recipe.loss != "cross_entropy" else "logit_adjustment"
        yield (
            (key, "structures"),
            f"{key}={getattr(recipe, key)!r} is for recipes that predict findings; this recipe segments structures, "
            "whose loss is fixed",
        )
    if recipe.logit_adjustment and recipe.balance == "oversample":
        yield (
            ("logit_adjustment", "balance"),
            f"logit_adjustment={recipe.logit_adjustment:g} and balance='oversample' both make up for few positive "
            "films, and together would do so twice; set logit_adjustment=0, or balance='none'",
        )
