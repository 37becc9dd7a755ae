"""A recipe: everything that decides how a model is trained, as one frozen value that checks itself."""

import math
import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from cxr_core.data.splits.splits import parse_ratios
from cxr_core.errors import DataError, RecipeError, SettingsError
from cxr_core.film.preprocess import Aspect, Equalisation, InputSpec
from cxr_core.findings import FINDINGS, STRUCTURES
from cxr_core.models.networks.architectures import Head
from cxr_core.reading.cardiothoracic.ratio import RATIO
from cxr_core.training.recipe.augmentation import Augmentation

Optimizer = Literal["adamw", "adam", "sgd"]
Schedule = Literal["constant", "cosine", "one_cycle", "plateau"]
Balance = Literal["none", "oversample"]
Freeze = Literal["none", "backbone"]
Monitor = Literal["auroc", "dice", "loss"]
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One way to train one model. The names are those of the field and of `--set key=value`."""

    name: str
    summary: str
    source: str = ""  # where it comes from, and in what it differs from its source
    model: str  # the name of the model that it makes
    findings: tuple[str, ...] = ()  # what the model answers
    auxiliary_findings: tuple[str, ...] = ()  # learnt beside them, then dropped
    ratio_weight: float = 0.0  # of the measured cardiothoracic ratio, learnt beside them, then dropped; 0 = not learnt
    # in the loss, of evidence outside the heart (cardiomegaly) or outside heart and lungs (the others); 0 = anywhere
    region_weight: float = 0.0
    structures: tuple[
        str, ...
    ] = ()  # what it outlines instead of findings: heart, left_lung, right_lung
    drawings: int = 0  # drawn chests that join the training films of structures
    population: str = "unstated"
    population_age_min: int | None = None
    population_age_max: int | None = None
    # the data's own parts, validation carved from train; train:val:test, such as 80:08:12; or fold:2/5, the second of
    # five as test and validation carved from the rest
    split: str = "given"
    validation_share: float = 0.15  # of the training patients, when validation is carved
    gate_share: float = (
        0.0  # of the training patients, kept aside to compare this model with another; 0 = none
    )

    backbone: str = "mobilenetv2_100"  # plain_cnn, or any convolutional network of timm
    backbone_arguments: dict[str, Any] = field(default_factory=dict)
    init: str = "imagenet"  # scratch, imagenet, an installed model (or backbone: and its name), or a file in timm's naming
    head: Head = "averaged"
    neck: int | None = None  # channels of a 1x1 convolution before the head; None = none
    hidden: int = (
        128  # units of the fully connected layer of the heads that have one (dense, attention)
    )
    two_class: bool = (
        False  # the head answers z0 and z1 for each finding; their difference is the logit
    )
    dropout: float = 0.0
    freeze: Freeze = "none"  # what is never trained
    head_epochs: int = 0  # epochs at the beginning in which only the head is trained

    input_side: int = 224
    channels: int = 3
    mean: float = 0.5
    std: float = 0.5
    equalisation: Equalisation = "none"
    aspect: Aspect = "stretch"

    epochs: int = 5
    batch_size: int = 32  # films a step, over all processes
    optimizer: Optimizer = "adamw"  # weight decay is L2 with adam and sgd, decoupled with adamw
    learning_rate: float = 3e-4
    head_learning_rate: float | None = None  # None = the same as the backbone's
    weight_decay: float = 0.01
    schedule: Schedule = "one_cycle"
    plateau_patience: int = (
        2  # epochs without a better validation loss before the learning rate falls
    )
    plateau_factor: float = 0.1  # what it is then multiplied with
    monitor: Monitor = "auroc"  # which validation figure chooses the epoch and stops early
    early_stopping_patience: int | None = None  # epochs without a better one; None = never
    balance: Balance = "none"
    oversample_factor: float | None = (
        4.0  # how much likelier a positive film is drawn; None = until both are as likely
    )
    label_smoothing: float = 0.0
    finding_weight: float = 1.0  # weight of `findings` in the loss; auxiliary ones weigh 1
    ema_decay: float | None = None  # exponential moving average of the weights; None = none
    precision: Precision = "auto"  # bfloat16 where a CUDA device is used, else float32
    compile: bool = False  # torch.compile
    checkpoint_every_steps: int = 200
    seed: int = 0
    split_seed: int | None = (
        None  # which patients fall into which part; None = the seed decides that too
    )
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        unknown = [key for key in self.labelled if key not in FINDINGS]
        if unknown or (not self.findings and not self.structures):
            raise RecipeError(
                f"findings must be some of {', '.join(FINDINGS)}; found {unknown or 'none'}"
            )
        if self.structures and (
            self.findings or self.structures != STRUCTURES or self.freeze != "none"
        ):
            raise RecipeError(
                f"a recipe that outlines has structures = {list(STRUCTURES)}, no findings and nothing frozen; found "
                f"structures = {list(self.structures)}, findings = {list(self.findings)}, freeze = {self.freeze!r}"
            )
        if self.drawings and not self.structures:
            raise RecipeError(
                f"drawings={self.drawings} join films of structures; this recipe answers findings"
            )
        for name in ("ratio_weight", "region_weight"):
            if getattr(self, name) and self.structures:
                raise RecipeError(
                    f"{name}={getattr(self, name)} is learnt beside findings; this recipe outlines"
                )
        if self.region_weight and self.freeze != "none":
            raise RecipeError(
                f"region_weight={self.region_weight} is for a network that is trained whole"
            )
        for name, choices in _choices().items():
            if getattr(self, name) not in choices:
                raise RecipeError(
                    f"{name}={getattr(self, name)!r} is unknown; choose from {', '.join(choices)}"
                )
        if self.monitor not in ("loss", "dice" if self.structures else "auroc"):
            raise RecipeError(
                f"monitor={self.monitor!r} does not fit; findings have auroc or loss, structures dice or loss"
            )
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if value is not None and not (number and low <= value <= high):
                raise RecipeError(f"{name}={value!r} must be a number between {low} and {high}")
        oldest = math.inf if self.population_age_max is None else self.population_age_max
        if (self.population_age_min or 0) > oldest:
            raise RecipeError(
                f"population_age_min={self.population_age_min} is above population_age_max={self.population_age_max}"
            )
        if self.head_epochs >= self.epochs:
            raise RecipeError(f"head_epochs={self.head_epochs} must be below epochs={self.epochs}")
        if self.split != "given" and self.fold is None:
            _ratios(self.split)
        try:
            self.input_spec()
        except SettingsError as error:
            raise RecipeError(str(error)) from error

    @property
    def fold(self) -> tuple[int, int] | None:
        """(which, of how many) when the split is one of cross-validation. Raises RecipeError for one there is not."""
        if not self.split.startswith("fold:"):
            return None
        which, _, count = self.split.removeprefix("fold:").partition("/")
        if not (
            which.isdigit()
            and count.isdigit()
            and 2 <= int(count) <= 100
            and 1 <= int(which) <= int(count)
        ):
            raise RecipeError(
                f"split={self.split!r} is no fold; write fold:1/5 to fold:5/5 for five of them"
            )
        return int(which), int(count)

    @property
    def division(self) -> int:
        """The seed of the division by patient: runs that differ only in `seed` share it when `split_seed` is given."""
        return self.seed if self.split_seed is None else self.split_seed

    def input_spec(self) -> InputSpec:
        """The preprocessing that the model will carry in its card."""
        return InputSpec(
            side=self.input_side,
            channels=self.channels,
            mean=self.mean,
            std=self.std,
            equalisation=self.equalisation,
            aspect=self.aspect,
        )

    @property
    def labelled(self) -> tuple[str, ...]:
        """The findings whose labels are learnt from."""
        return self.findings + self.auxiliary_findings

    @property
    def learnt(self) -> tuple[str, ...]:
        """What the network's logits stand for while it is trained, in order: of these, `findings` are kept."""
        return self.labelled + ((RATIO,) if self.ratio_weight else ())

    @property
    def keeps_features(self) -> bool:
        """Whether the backbone gives the same features in every epoch, so that it need see each film only once."""
        return self.freeze == "backbone" and self.augmentation == Augmentation()

    @property
    def architecture(self) -> str:
        """The key of models.architectures.ARCHITECTURES."""
        return "segmenter" if self.structures else "film_classifier"

    def architecture_arguments(self, findings: int) -> dict[str, Any]:
        """The arguments of the architecture; a classifier has that many logits."""
        if self.structures:
            names = ("backbone", "channels", "dropout")
            return {
                **{name: getattr(self, name) for name in names},
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

    def as_toml(self) -> str:
        """The resolved recipe, whole, as TOML that `load_recipe` reads back to an equal one."""
        usual = {f.name: f.default for f in fields(self)}
        # TOML has no None; it is written out only where leaving the key away would mean something else.
        given = {
            key: value
            for key, value in asdict(self).items()
            if value is not None or usual[key] is not None
        }
        table: dict[str, Any] = {
            key: "none" if value is None else value for key, value in given.items()
        }
        nested = {key: table.pop(key) for key in list(table) if isinstance(table[key], dict)}
        lines = [f"{key} = {toml_value(value)}" for key, value in table.items()]
        for name, entries in nested.items():
            lines += [
                "",
                f"[{name}]",
                *(f"{key} = {toml_value(value)}" for key, value in entries.items()),
            ]
        return "\n".join(lines) + "\n"


RANGES: dict[str, tuple[float, float]] = {
    "epochs": (1, 1000),
    "batch_size": (1, 4096),
    "learning_rate": (1e-8, 10),
    "head_learning_rate": (1e-8, 10),
    "weight_decay": (0, 1),
    "dropout": (0, 0.95),
    "neck": (1, 4096),
    "early_stopping_patience": (1, 1000),
    "oversample_factor": (1, 1000),
    "label_smoothing": (0, 0.4),
    "finding_weight": (0.01, 100),
    "ratio_weight": (0, 100),
    "region_weight": (0, 1000),
    "ema_decay": (0, 0.99999),
    "validation_share": (0.02, 0.5),
    "gate_share": (0, 0.5),
    "hidden": (1, 8192),
    "head_epochs": (0, 999),
    "drawings": (0, 10_000),
    "plateau_patience": (0, 1000),
    "plateau_factor": (0.001, 0.999),
    "checkpoint_every_steps": (1, 10**6),
    "seed": (0, 2**31 - 1),
    "split_seed": (0, 2**31 - 1),
    "population_age_min": (0, 150),
    "population_age_max": (0, 150),
    "input_side": (16, 2048),
    "channels": (1, 3),
    "mean": (0, 1),
    "std": (0.001, 10),
}


def _ratios(text: str) -> tuple[float, float, float]:
    try:
        return parse_ratios(text)
    except DataError as error:
        raise RecipeError(f"split={text!r} is neither 'given' nor ratios: {error}") from error


def load_recipe(path: Path, overrides: dict[str, str] | None = None) -> Recipe:
    """A recipe from its TOML file, with `--set` overrides (text, converted to the field's own type).

    Raises RecipeError that names an unknown key and the right ones, or a value that does not fit.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path} cannot be read as a recipe: {error}") from error
    return override(_from_table(table), overrides or {})


def override(recipe: Recipe, overrides: dict[str, str]) -> Recipe:
    """The recipe with some of its values given anew as text; `augmentation.shift=0.1` reaches inside."""
    table = asdict(recipe)
    for key, text in overrides.items():
        outer, _, inner = key.partition(".")
        if inner and isinstance(table.get(outer), dict):
            table[outer] = {**table[outer], inner: _value(text)}
        else:
            table[outer] = _value(text)
    return replace(_from_table(table))


def _from_table(table: dict[str, Any]) -> Recipe:
    known = {f.name for f in fields(Recipe)}
    unknown = sorted(set(table) - known)
    if unknown:
        raise RecipeError(
            f"unknown recipe key {unknown[0]!r}; the keys are {', '.join(sorted(known))}"
        )
    optional = {
        name for name, hint in get_type_hints(Recipe).items() if type(None) in get_args(hint)
    }
    ready: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in table.items()
    }
    ready |= {key: None for key in optional & set(ready) if ready[key] == "none"}
    try:
        if isinstance(ready.get("augmentation"), dict):
            ready["augmentation"] = Augmentation(**ready["augmentation"])
        return Recipe(**ready)
    except TypeError as error:
        raise RecipeError(f"the recipe does not fit: {error}") from error


@cache
def _choices() -> dict[str, tuple[str, ...]]:
    hints = get_type_hints(Recipe)
    return {
        name: get_args(hint) for name, hint in hints.items() if get_args(hint) and _is_literal(hint)
    }


def _is_literal(hint: Any) -> bool:
    return getattr(hint, "__origin__", None) is Literal


def _value(text: str) -> Any:
    """A value as TOML reads it; a bare word is itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def toml_value(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return repr(value)
