"""A recipe: everything that decides how a model is trained, as one frozen value that checks itself."""

import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from cxr_core.errors import RecipeError
from cxr_core.film.preprocess import Aspect, Equalisation, InputSpec
from cxr_core.findings import FINDINGS
from cxr_core.models.architectures import Head
from cxr_core.training.augment import Augmentation

Optimizer = Literal["adamw", "adam", "sgd"]
Schedule = Literal["constant", "cosine", "one_cycle"]
Balance = Literal["none", "oversample"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One way to train one model. The names are those of the field and of `--set key=value`."""

    name: str
    summary: str
    model: str  # the name of the model that it makes
    findings: tuple[str, ...]  # what the model answers
    auxiliary_findings: tuple[str, ...] = ()  # learnt beside them, then dropped
    population: str = "unstated"
    population_age_min: int | None = None
    population_age_max: int | None = None
    backbone: str = "mobilenetv2_100"
    backbone_arguments: dict[str, Any] = field(default_factory=dict)
    init: str = "imagenet"  # scratch, imagenet, or a safetensors file in timm's naming
    head: Head = "averaged"
    neck: int | None = None  # channels of a 1x1 convolution before the head; None = none
    dropout: float = 0.0
    input_side: int = 224
    channels: int = 3
    mean: float = 0.5
    std: float = 0.5
    equalisation: Equalisation = "none"
    aspect: Aspect = "stretch"
    epochs: int = 5
    batch_size: int = 32
    optimizer: Optimizer = "adamw"
    learning_rate: float = 3e-4
    head_learning_rate: float | None = None  # None = the same as the backbone's
    weight_decay: float = 0.01
    schedule: Schedule = "one_cycle"
    early_stopping_patience: int | None = None  # epochs without a better validation AUROC
    balance: Balance = "none"
    oversample_factor: float = 4.0  # how much likelier a film with any of the findings is drawn
    label_smoothing: float = 0.0
    finding_weight: float = 1.0  # weight of `findings` in the loss; auxiliary ones weigh 1
    ema_decay: float | None = None  # exponential moving average of the weights; None = none
    validation_share: float = 0.15  # of the training patients
    seed: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        unknown = [key for key in self.findings + self.auxiliary_findings if key not in FINDINGS]
        if not self.findings or unknown:
            raise RecipeError(f"findings must be some of {', '.join(FINDINGS)}; found {unknown or 'none'}")
        for name, choices in _choices().items():
            if getattr(self, name) not in choices:
                raise RecipeError(f"{name}={getattr(self, name)!r} is unknown; choose from {', '.join(choices)}")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if value is not None and not (number and low <= value <= high):
                raise RecipeError(f"{name}={value!r} must be a number between {low} and {high}")
        self.input_spec()

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

    def architecture_arguments(self, findings: int) -> dict[str, Any]:
        """The arguments of `film_classifier` for that many logits."""
        return {
            "backbone": self.backbone,
            "findings": findings,
            "channels": self.channels,
            "side": self.input_side,
            "head": self.head,
            "neck": self.neck,
            "dropout": self.dropout,
            "backbone_arguments": dict(self.backbone_arguments),
        }

    def as_toml(self) -> str:
        """The resolved recipe, whole, as TOML that `load_recipe` reads back to an equal one."""
        table = {key: value for key, value in asdict(self).items() if value is not None}
        nested = {key: table.pop(key) for key in list(table) if isinstance(table[key], dict)}
        lines = [f"{key} = {_toml(value)}" for key, value in table.items()]
        for name, entries in nested.items():
            lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in entries.items())]
        return "\n".join(lines) + "\n"


_RANGES: dict[str, tuple[float, float]] = {
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
    "ema_decay": (0, 0.99999),
    "validation_share": (0.02, 0.5),
    "seed": (0, 2**31 - 1),
}


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
        raise RecipeError(f"unknown recipe key {unknown[0]!r}; the keys are {', '.join(sorted(known))}")
    ready: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    try:
        if isinstance(ready.get("augmentation"), dict):
            ready["augmentation"] = Augmentation(**ready["augmentation"])
        return Recipe(**ready)
    except TypeError as error:
        raise RecipeError(f"the recipe does not fit: {error}") from error


def _choices() -> dict[str, tuple[str, ...]]:
    hints = get_type_hints(Recipe)
    return {name: get_args(hint) for name, hint in hints.items() if get_args(hint) and _is_literal(hint)}


def _is_literal(hint: Any) -> bool:
    return getattr(hint, "__origin__", None) is Literal


def _value(text: str) -> Any:
    """A value as TOML reads it; a bare word is itself, `none` is None."""
    if text.lower() == "none":
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return repr(value)
