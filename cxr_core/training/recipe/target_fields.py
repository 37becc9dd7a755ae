"""The fields of a recipe that decide what is predicted or segmented, and for which patients."""

from dataclasses import dataclass
from typing import Any

from cxr_core.errors import RecipeError, SettingsError
from cxr_core.findings import STRUCTURES
from cxr_core.known_findings import known_findings
from cxr_core.training.recipe.common_fields import MAX_SEED
from cxr_core.training.recipe.settings import setting

TARGETS = "Labels and patients"


def _list_finding_keys() -> tuple[str, ...]:
    """Every finding that ships or that the workspace defines."""
    try:
        return tuple(known_findings())
    except SettingsError as error:
        raise RecipeError(str(error)) from error


@dataclass(frozen=True, kw_only=True)
class TargetFields:
    """Findings or structures, the intended population, and how the data are split."""

    findings: tuple[str, ...] = setting(
        "Findings",
        "Findings that the model predicts.",
        TARGETS,
        default=(),
        options=_list_finding_keys,
    )
    auxiliary_findings: tuple[str, ...] = setting(
        "Auxiliary findings",
        "Findings trained alongside and dropped from the finished model.",
        TARGETS,
        default=(),
        options=_list_finding_keys,
    )
    definitions: dict[str, str] = setting(
        "Definitions",
        "What the labels of a finding mean, as TOML, where they mean something narrower than its name: "
        'pneumonia = "Lung opacity as radiologists label it." The card and every reading say it.',
        TARGETS,
        default_factory=dict,
    )
    label_noise: dict[str, Any] = setting(
        "Label noise",
        "How the labels of a finding differ from a reader's verdict, as TOML: a table for each finding with "
        "sensitivity and false_positive_rate, each with value, low and high, and with population and source. The "
        "probability is then that of a reader's verdict.",
        TARGETS,
        default_factory=dict,
    )
    finding_weight: float = setting(
        "Finding loss weight",
        "Weight of the findings in the loss; auxiliary findings have weight 1.",
        TARGETS,
        default=1.0,
        low=0.01,
        high=100,
    )
    region_weight: float = setting(
        "Attribution penalty weight",
        "Loss weight of attribution outside the heart (cardiomegaly) or outside heart and lungs (other findings), "
        "as the installed segmenter segments them on the training films; 0 = no penalty.",
        TARGETS,
        default=0.0,
        low=0,
        high=1000,
    )
    structures: tuple[str, ...] = setting(
        "Structures to segment",
        "Structures that the model segments instead of predicting findings: heart, left_lung and right_lung.",
        TARGETS,
        default=(),
        options=STRUCTURES,
    )
    synthetic_films: int = setting(
        "Synthetic training films",
        "Synthetic chest films added to the training films of a segmentation recipe.",
        TARGETS,
        default=0,
        low=0,
        high=10_000,
        key="drawings",
    )
    population: str = setting(
        "Intended population", "Patients the model is for, in words.", TARGETS, default="unstated"
    )
    population_age_min: int | None = setting(
        "Minimum age (years)",
        "Age of the youngest patient trained on and read; empty = no limit.",
        TARGETS,
        default=None,
        low=0,
        high=150,
    )
    population_age_max: int | None = setting(
        "Maximum age (years)",
        "Age of the oldest patient trained on and read; empty = no limit.",
        TARGETS,
        default=None,
        low=0,
        high=150,
    )
    split: str = setting(
        "Data split",
        "given uses the split of the data; 80:08:12 splits by patient into train, validation and test; fold:2/5 "
        "uses the second of five folds as test; saved:NAME uses a split saved with the dataset, saved:NAME/2 its "
        "second fold as test.",
        TARGETS,
        default="given",
    )
    split_seed: int | None = setting(
        "Split seed",
        "Seeds the split by patient, so that runs with different seeds can share it; empty = the seed above.",
        TARGETS,
        default=None,
        low=0,
        high=MAX_SEED,
    )
    validation_share: float = setting(
        "Validation share",
        "Share of the training patients used for validation, where the split does not say.",
        TARGETS,
        default=0.15,
        low=0.02,
        high=0.5,
    )
    gate_share: float = setting(
        "Promotion holdout share",
        "Share of the training patients held out in every run, so that this model can be compared with another on "
        "films that neither was trained on; 0 = none.",
        TARGETS,
        default=0.0,
        low=0,
        high=0.5,
    )
