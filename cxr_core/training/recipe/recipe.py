"""A recipe: everything that decides how a model is trained, as one frozen value that checks itself."""

import math
from dataclasses import dataclass, field
from typing import Literal

from cxr_core.data.splits.splits import parse_ratios
from cxr_core.errors import DataError, RecipeError, SettingsError
from cxr_core.film.preprocess import Equalisation, InputSpec
from cxr_core.findings import FINDINGS, STRUCTURES
from cxr_core.models.card import ArchitectureArguments
from cxr_core.training.recipe.augmentation import AUGMENTATION, Augmentation
from cxr_core.training.recipe.settings import require_valid, setting
from cxr_core.workspace.json_files import Json as Json
from cxr_core.workspace.json_files import JsonObject

Optimizer = Literal["adamw", "adam", "sgd"]
Schedule = Literal["constant", "cosine", "one_cycle", "plateau"]
Balance = Literal["none", "oversample"]
Freeze = Literal["none", "backbone"]
Monitor = Literal["auroc", "dice", "loss"]
Precision = Literal["auto", "float32", "bfloat16"]
# The same as models.networks.film_classifier.Head, whose module loads torch; a test compares them.
Head = Literal["averaged", "positional", "dense", "attention"]

COMMON = "Common"
NAMING = "Name and source"
TARGETS = "Labels and patients"
NETWORK = "Network"
INPUT = "Model input"
OPTIMISATION = "Optimisation"
GROUPS = (COMMON, NAMING, TARGETS, NETWORK, INPUT, OPTIMISATION, AUGMENTATION)

MAX_SEED = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train one model. Field names are the keys of TOML files and of `--set key=value`."""

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

    findings: tuple[str, ...] = field(
        default=(),
        metadata=setting(
            "Findings", "Findings that the model predicts.", TARGETS, options=tuple(FINDINGS)
        ),
    )
    auxiliary_findings: tuple[str, ...] = field(
        default=(),
        metadata=setting(
            "Auxiliary findings",
            "Findings trained alongside and dropped from the finished model.",
            TARGETS,
            options=tuple(FINDINGS),
        ),
    )
    finding_weight: float = field(
        default=1.0,
        metadata=setting(
            "Finding loss weight",
            "Weight of the findings in the loss; auxiliary findings have weight 1.",
            TARGETS,
            low=0.01,
            high=100,
        ),
    )
    region_weight: float = field(
        default=0.0,
        metadata=setting(
            "Attribution penalty weight",
            "Loss weight of attribution outside the heart (cardiomegaly) or outside heart and lungs (other findings), "
            "as the installed segmenter segments them on the training films; 0 = no penalty.",
            TARGETS,
            low=0,
            high=1000,
        ),
    )
    structures: tuple[str, ...] = field(
        default=(),
        metadata=setting(
            "Structures to segment",
            "Structures that the model segments instead of predicting findings: heart, left_lung and right_lung.",
            TARGETS,
            options=STRUCTURES,
        ),
    )
    synthetic_films: int = field(
        default=0,
        metadata=setting(
            "Synthetic training films",
            "Synthetic chest films added to the training films of a segmentation recipe.",
            TARGETS,
            low=0,
            high=10_000,
            key="drawings",
        ),
    )
    population: str = field(
        default="unstated",
        metadata=setting("Intended population", "Patients the model is for, in words.", TARGETS),
    )
    population_age_min: int | None = field(
        default=None,
        metadata=setting(
            "Minimum age (years)",
            "Age of the youngest patient trained on and read; empty = no limit.",
            TARGETS,
            low=0,
            high=150,
        ),
    )
    population_age_max: int | None = field(
        default=None,
        metadata=setting(
            "Maximum age (years)",
            "Age of the oldest patient trained on and read; empty = no limit.",
            TARGETS,
            low=0,
            high=150,
        ),
    )
    split: str = field(
        default="given",
        metadata=setting(
            "Data split",
            "given uses the split of the data; 80:08:12 splits by patient into train, validation and test; fold:2/5 "
            "uses the second of five folds as test.",
            TARGETS,
        ),
    )
    split_seed: int | None = field(
        default=None,
        metadata=setting(
            "Split seed",
            "Seeds the split by patient, so that runs with different seeds can share it; empty = the seed above.",
            TARGETS,
            low=0,
            high=MAX_SEED,
        ),
    )
    validation_share: float = field(
        default=0.15,
        metadata=setting(
            "Validation share",
            "Share of the training patients used for validation, where the split does not say.",
            TARGETS,
            low=0.02,
            high=0.5,
        ),
    )
    gate_share: float = field(
        default=0.0,
        metadata=setting(
            "Promotion holdout share",
            "Share of the training patients held out in every run, so that this model can be compared with another on "
            "films that neither was trained on; 0 = none.",
            TARGETS,
            low=0,
            high=0.5,
        ),
    )

    backbone: str = field(
        default="mobilenetv2_100",
        metadata=setting(
            "Backbone", "plain_cnn, or the name of any convolutional network of timm.", NETWORK
        ),
    )
    backbone_arguments: JsonObject = field(
        default_factory=dict,
        metadata=setting(
            "Backbone arguments",
            'Keyword arguments of the backbone, as TOML, such as pad_type = "same".',
            NETWORK,
        ),
    )
    init: str = field(
        default="imagenet",
        metadata=setting(
            "Initial weights",
            "scratch, imagenet, a safetensors file in timm's naming, or an installed model; backbone: before the "
            "model's name takes its backbone only.",
            NETWORK,
        ),
    )
    head: Head = field(
        default="averaged",
        metadata=setting("Head", "How the backbone's feature map becomes logits.", NETWORK),
    )
    neck: int | None = field(
        default=None,
        metadata=setting(
            "Neck (channels)",
            "Channels of a 1 x 1 convolution between backbone and head; empty = none.",
            NETWORK,
            low=1,
            high=4096,
        ),
    )
    hidden: int = field(
        default=128,
        metadata=setting(
            "Hidden units",
            "Units of the fully connected layer of the heads that have one (dense, attention).",
            NETWORK,
            low=1,
            high=8192,
        ),
    )
    two_class: bool = field(
        default=False,
        metadata=setting(
            "Two outputs per finding",
            "The head has two outputs for each finding; their difference is the logit.",
            NETWORK,
        ),
    )
    dropout: float = field(
        default=0.0,
        metadata=setting(
            "Dropout rate", "Share of the features dropped in each step.", NETWORK, low=0, high=0.95
        ),
    )
    freeze: Freeze = field(
        default="none",
        metadata=setting("Frozen layers", "backbone trains the head only, in all epochs.", NETWORK),
    )
    head_epochs: int = field(
        default=0,
        metadata=setting(
            "Frozen-backbone epochs",
            "Initial epochs in which only the head is trained.",
            NETWORK,
            low=0,
            high=999,
        ),
    )

    channels: int = field(
        default=3,
        metadata=setting(
            "Input channels",
            "1, or 3 for a backbone made for colour images; the grey values are then repeated.",
            INPUT,
            low=1,
            high=3,
        ),
    )
    mean: float = field(
        default=0.5,
        metadata=setting("Mean", "Subtracted from grey values in [0, 1].", INPUT, low=0, high=1),
    )
    std: float = field(
        default=0.5,
        metadata=setting(
            "Standard deviation",
            "Grey values are divided by this after the mean is subtracted.",
            INPUT,
            low=0.001,
            high=10,
        ),
    )
    equalisation: Equalisation = field(
        default="none",
        metadata=setting(
            "Histogram equalisation",
            "none, histogram (global) or clahe (contrast-limited, in tiles), after resampling.",
            INPUT,
        ),
    )

    optimizer: Optimizer = field(
        default="adamw",
        metadata=setting(
            "Optimizer",
            "Weight decay is decoupled with adamw, and an L2 penalty with adam and sgd.",
            OPTIMISATION,
        ),
    )
    head_learning_rate: float | None = field(
        default=None,
        metadata=setting(
            "Head learning rate",
            "Peak learning rate of the head; empty = the learning rate above.",
            OPTIMISATION,
            low=1e-8,
            high=10,
        ),
    )
    weight_decay: float = field(
        default=0.01,
        metadata=setting(
            "Weight decay",
            "Strength of the pull of weights towards zero.",
            OPTIMISATION,
            low=0,
            high=1,
        ),
    )
    schedule: Schedule = field(
        default="one_cycle",
        metadata=setting(
            "Learning rate schedule", "How the learning rate changes over the run.", OPTIMISATION
        ),
    )
    plateau_patience: int = field(
        default=2,
        metadata=setting(
            "Plateau patience (epochs)",
            "With plateau: epochs without a lower validation loss before the learning rate falls.",
            OPTIMISATION,
            low=0,
            high=1000,
        ),
    )
    plateau_factor: float = field(
        default=0.1,
        metadata=setting(
            "Plateau factor",
            "With plateau: the learning rate is multiplied by this.",
            OPTIMISATION,
            low=0.001,
            high=0.999,
        ),
    )
    monitor: Monitor = field(
        default="auroc",
        metadata=setting(
            "Checkpoint metric",
            "Validation metric that selects the best epoch and decides early stopping.",
            OPTIMISATION,
        ),
    )
    oversample_factor: float | None = field(
        default=4.0,
        metadata=setting(
            "Oversampling factor",
            "How many times likelier a positive film is sampled; empty = until both classes are as likely.",
            OPTIMISATION,
            low=1,
            high=1000,
        ),
    )
    label_smoothing: float = field(
        default=0.0,
        metadata=setting(
            "Label smoothing",
            "How far labels are moved from 0 and 1 towards 0.5.",
            OPTIMISATION,
            low=0,
            high=0.4,
        ),
    )
    ema_decay: float | None = field(
        default=None,
        metadata=setting(
            "EMA decay",
            "Decay of an exponential moving average of the weights, which is then evaluated; empty = none.",
            OPTIMISATION,
            low=0,
            high=0.99999,
        ),
    )
    precision: Precision = field(
        default="auto",
        metadata=setting(
            "Numeric precision",
            "auto uses bfloat16 on a CUDA device and float32 elsewhere.",
            OPTIMISATION,
        ),
    )
    compile: bool = field(
        default=False,
        metadata=setting(
            "Compile the network",
            "Compiles the network with torch.compile: slower to start, often faster after.",
            OPTIMISATION,
        ),
    )
    checkpoint_every_steps: int = field(
        default=200,
        metadata=setting(
            "Checkpoint interval (steps)",
            "Steps between checkpoints, in addition to one after each epoch.",
            OPTIMISATION,
            low=1,
            high=10**6,
        ),
    )

    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        require_valid(self)
        self._require_one_task()
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
        if not (number.isdigit() and count.isdigit()):
            raise self._invalid_fold()
        if not (2 <= int(count) <= 100 and 1 <= int(number) <= int(count)):
            raise self._invalid_fold()
        return int(number), int(count)

    @property
    def effective_split_seed(self) -> int:
        """The seed of the split by patient. Runs that differ only in `seed` share it when `split_seed` is set."""
        return self.seed if self.split_seed is None else self.split_seed

    @property
    def labelled_findings(self) -> tuple[str, ...]:
        """The findings whose labels are trained on: one logit each while training, `findings` first."""
        return self.findings + self.auxiliary_findings

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
        )

    def architecture_arguments(self, findings: int) -> ArchitectureArguments:
        """The arguments of the architecture. findings: logits of a classifier; a segmenter ignores it."""
        if self.structures:
            return {
                "backbone": self.backbone,
                "channels": self.channels,
                "dropout": self.dropout,
                "backbone_arguments": dict(self.backbone_arguments),
            }
        return {
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
        if self.monitor not in ("loss", "dice" if self.structures else "auroc"):
            raise RecipeError(
                f"monitor={self.monitor!r} does not fit; findings have auroc or loss, structures dice or loss"
            )

    def _require_consistent_training(self) -> None:
        if self.region_weight and self.freeze != "none":
            raise RecipeError(
                f"region_weight={self.region_weight} needs a backbone that is trained; set freeze = 'none'"
            )
        oldest = math.inf if self.population_age_max is None else self.population_age_max
        if (self.population_age_min or 0) > oldest:
            raise RecipeError(
                f"population_age_min={self.population_age_min} is above population_age_max={self.population_age_max}"
            )
        if self.head_epochs >= self.epochs:
            raise RecipeError(f"head_epochs={self.head_epochs} must be below epochs={self.epochs}")

    def _require_valid_split(self) -> None:
        if self.split == "given" or self.fold is not None:
            return
        try:
            parse_ratios(self.split)
        except DataError as error:
            raise RecipeError(
                f"split={self.split!r} is neither 'given', a fold nor ratios: {error}"
            ) from error

    def _invalid_fold(self) -> RecipeError:
        return RecipeError(
            f"split={self.split!r} is not a fold; write fold:1/5 to fold:5/5 for five folds"
        )
