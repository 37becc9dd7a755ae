"""A recipe: everything that decides how a model is trained, as one frozen value that checks itself."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from cxr_core.data.splits.ratios import parse_ratios
from cxr_core.errors import DataError, ModelError, RecipeError, RecordError, SettingsError
from cxr_core.film.preprocess import InputSpec
from cxr_core.findings import FINDINGS, STRUCTURES
from cxr_core.known_findings import MAX_DEFINITION, is_finding_key
from cxr_core.models.card import ArchitectureArguments
from cxr_core.models.label_noise import LabelNoise
from cxr_core.models.networks.user_code import is_code_reference, parse_reference
from cxr_core.training.recipe.augmentation import AUGMENTATION, Augmentation
from cxr_core.training.recipe.common_fields import COMMON, NAMING, CommonFields, NamingFields
from cxr_core.training.recipe.loss_fields import LOSS, LossFields
from cxr_core.training.recipe.network_fields import INPUT, NETWORK, InputFields, NetworkFields
from cxr_core.training.recipe.optimisation_fields import OPTIMISATION, OptimisationFields
from cxr_core.training.recipe.settings import require_valid
from cxr_core.training.recipe.target_fields import TARGETS, TargetFields
from cxr_core.workspace.json_record import parse_record

GROUPS = (COMMON, TARGETS, NETWORK, INPUT, LOSS, OPTIMISATION, AUGMENTATION, NAMING)
SAVED_SPLIT = "saved:"  # what a split begins with that was saved with the dataset


# The bases stand in reverse: a dataclass has the fields of its last base first.
@dataclass(frozen=True, kw_only=True)
class Recipe(
    OptimisationFields,
    LossFields,
    InputFields,
    NetworkFields,
    TargetFields,
    NamingFields,
    CommonFields,
):
    """How to train one model. Field names are the keys of TOML files and of `--set key=value`."""

    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        require_valid(self)
        for name in self.code_names:
            parse_reference(name)
        self._require_one_task()
        self._require_usable_definitions()
        self._require_usable_noise()
        self._require_consistent_training()
        self._require_valid_split()
        try:
            self.input_spec()
        except SettingsError as error:
            raise RecipeError(str(error)) from error

    @property
    def fold(self) -> tuple[int, int] | None:
        """(number from 1, count) of a cross-validation fold; None for another split. Raises RecipeError."""
        if not self.split.startswith("fold:"):
            return None
        number, _, count = self.split.removeprefix("fold:").partition("/")
        if not (number.isdecimal() and count.isdecimal()):
            raise self._invalid_fold()
        if not (2 <= int(count) <= 100 and 1 <= int(number) <= int(count)):
            raise self._invalid_fold()
        return int(number), int(count)

    @property
    def saved_split(self) -> tuple[str, int | None] | None:
        """(name, fold that is tested on, or None) of a split saved with the dataset; None for another split."""
        if not self.split.startswith(SAVED_SPLIT):
            return None
        name, _, fold = self.split.removeprefix(SAVED_SPLIT).partition("/")
        if not name or (fold and not fold.isdecimal()) or self.split.endswith("/"):
            raise RecipeError(
                f"split={self.split!r} is no saved split; write saved:NAME, or saved:NAME/2 for its second fold"
            )
        return name, int(fold) if fold else None

    @property
    def effective_split_seed(self) -> int:
        """The seed of the split by patient. Runs that differ only in `seed` share it when `split_seed` is set."""
        return self.seed if self.split_seed is None else self.split_seed

    @property
    def labelled_findings(self) -> tuple[str, ...]:
        """The findings whose labels are trained on: one logit each while training, `findings` first."""
        return self.findings + self.auxiliary_findings

    def find_label_noise(self, finding: str) -> LabelNoise | None:
        """How the labels of a finding differ from a reader's verdict; None where the recipe does not say."""
        if finding not in self.label_noise:
            return None
        try:
            return parse_record(LabelNoise, self.label_noise[finding])
        except (RecordError, ModelError) as error:
            raise RecipeError(f"label_noise of {finding}: {error}") from error

    @property
    def can_cache_features(self) -> bool:
        """Whether the backbone's features are the same in every epoch, so that each film passes it only once."""
        return self.freeze == "backbone" and self.augmentation == Augmentation()

    @property
    def architecture(self) -> str:
        """The key of models.networks.architectures.ARCHITECTURES."""
        return "segmenter" if self.structures else "film_classifier"

    def input_spec(self) -> InputSpec:
        """The preprocessing that the model will carry in its card."""
        return InputSpec(
            side=self.input_side,
            channels=self.channels,
            mean=self.mean,
            std=self.std,
            equalisation=self.equalisation,
            reduce_to=self.reduce_to,
            blur=self.blur,
        )

    @property
    def code_names(self) -> tuple[str, ...]:
        """Those of backbone and head that are functions of a user's own file."""
        return tuple(filter(is_code_reference, (self.backbone, self.head)))

    def architecture_arguments(
        self, findings: int, code: Mapping[str, str] | None = None
    ) -> ArchitectureArguments:
        """The arguments of the architecture.

        findings: logits of a classifier; a segmenter ignores it.  code: the sha256 of each file of the user's own.
        """
        if self.structures:
            return {
                "backbone": self.backbone,
                "channels": self.channels,
                "dropout": self.dropout,
                "backbone_arguments": dict(self.backbone_arguments),
            }
        arguments: ArchitectureArguments = {
            "backbone": self.backbone,
            "findings": findings,
            "channels": self.channels,
            "side": self.input_side,
            "head": self.head,
            "neck": self.neck,
            "hidden": self.hidden,
            "two_class": self.two_class,
            "dropout": self.dropout,
            "backbone_arguments": dict(self.backbone_arguments),
        }
        if code:
            arguments["code"] = dict(code)
        return arguments

    def _require_one_task(self) -> None:
        """A recipe predicts findings or segments structures, never both."""
        if not self.findings and not self.structures:
            raise RecipeError(f"findings is empty; choose some of {', '.join(FINDINGS)}")
        if self.structures and (
            self.findings or self.structures != STRUCTURES or self.freeze != "none"
        ):
            raise RecipeError(
                f"a segmentation recipe has structures = {list(STRUCTURES)}, no findings and no frozen layers; found "
                f"structures = {list(self.structures)}, findings = {list(self.findings)}, freeze = {self.freeze!r}"
            )
        if self.synthetic_films and not self.structures:
            raise RecipeError(
                f"drawings={self.synthetic_films} is for segmentation recipes; this recipe predicts findings"
            )
        if self.region_weight and self.structures:
            raise RecipeError(
                f"region_weight={self.region_weight} is for recipes that predict findings; this recipe segments"
            )
        if self.consistency_weight and self.structures:
            raise RecipeError(
                f"consistency_weight={self.consistency_weight} is for recipes that predict findings; this recipe "
                "segments"
            )
        if self.monitor not in ("loss", "dice" if self.structures else "auroc"):
            raise RecipeError(
                f"monitor={self.monitor!r} does not fit; findings have auroc or loss, structures dice or loss"
            )

    def _require_usable_definitions(self) -> None:
        for key, text in self.definitions.items():
            usable = isinstance(text, str) and text.isprintable()
            usable = usable and 0 < len(text.strip()) <= MAX_DEFINITION
            if key not in FINDINGS or not usable:
                raise RecipeError(
                    f"definitions has {key} = {text!r:.60}; expected findings that come with the program, each with "
                    f"1 to {MAX_DEFINITION} characters on one line"
                )

    def _require_usable_noise(self) -> None:
        for key in self.label_noise:
            if not is_finding_key(key):
                raise RecipeError(f"label_noise has {key!r:.60}; expected the key of a finding")
            self.find_label_noise(key)

    def _require_consistent_training(self) -> None:
        if self.region_weight and self.freeze != "none":
            raise RecipeError(
                f"region_weight={self.region_weight} needs a backbone that is trained; set freeze = 'none'"
            )
        oldest = math.inf if self.population_age_max is None else self.population_age_max
        if (self.population_age_min or 0) > oldest:
            raise RecipeError(
                f"population_age_min={self.population_age_min} is above population_age_max={self.population_age_max}; "
                "raise the second, or empty one of them"
            )
        if self.head_epochs >= self.epochs:
            raise RecipeError(
                f"head_epochs={self.head_epochs} must be below epochs={self.epochs}, since the backbone is trained in "
                "the epochs after them; set head_epochs=0, or more epochs"
            )

    def _require_valid_split(self) -> None:
        if self.split == "given" or self.fold is not None or self.saved_split is not None:
            return
        try:
            parse_ratios(self.split)
        except DataError as error:
            raise RecipeError(
                f"split={self.split!r} is neither 'given', saved:NAME, a fold nor ratios: {error}"
            ) from error

    def _invalid_fold(self) -> RecipeError:
        return RecipeError(
            f"split={self.split!r} is not a fold; write fold:1/5 to fold:5/5 for five folds"
        )
