"""The fields of a recipe that decide the network and its input."""

from dataclasses import dataclass
from typing import Literal, get_args

from cxr_core.film.preprocess import Equalisation
from cxr_core.training.recipe.common_fields import COMMON
from cxr_core.training.recipe.settings import setting
from cxr_core.workspace.json_files import Json as Json  # the name that JsonObject refers to
from cxr_core.workspace.json_files import JsonObject

Freeze = Literal["none", "backbone"]
# The same as models.networks.film_classifier.Head, whose module loads torch; a test compares them.
Head = Literal["averaged", "positional", "dense", "attention"]

NETWORK = "Network"
INPUT = "Model input"


@dataclass(frozen=True, kw_only=True)
class NetworkFields:
    """Backbone, initial weights, head and what is frozen."""

    backbone: str = setting(
        "Backbone",
        "plain_cnn, the name of any convolutional network of timm, or a function of a file of your own "
        "(file:my_net.py:build).",
        COMMON,
        default="mobilenetv2_100",
        takes_code=True,
    )
    backbone_arguments: JsonObject = setting(
        "Backbone arguments",
        'Keyword arguments of the backbone, as TOML, such as pad_type = "same".',
        NETWORK,
        default_factory=dict,
    )
    init: str = setting(
        "Initial weights",
        "scratch, imagenet, a safetensors file in timm's naming, or an installed model; backbone: before the "
        "model's name takes its backbone only.",
        NETWORK,
        default="imagenet",
    )
    head: str = setting(
        "Head",
        "How the backbone's feature map becomes logits; or a function of a file of your own.",
        NETWORK,
        default="averaged",
        options=get_args(Head),
        takes_code=True,
    )
    neck: int | None = setting(
        "Neck (channels)",
        "Channels of a 1 x 1 convolution between backbone and head; empty = none.",
        NETWORK,
        default=None,
        low=1,
        high=4096,
    )
    hidden: int = setting(
        "Hidden units",
        "Units of the fully connected layer of the heads that have one (dense, attention).",
        NETWORK,
        default=128,
        low=1,
        high=8192,
    )
    two_class: bool = setting(
        "Two outputs per finding",
        "The head has two outputs for each finding; their difference is the logit.",
        NETWORK,
        default=False,
    )
    dropout: float = setting(
        "Dropout rate",
        "Share of the features dropped in each step.",
        NETWORK,
        default=0.0,
        low=0,
        high=0.95,
    )
    freeze: Freeze = setting(
        "Frozen layers", "backbone trains the head only, in all epochs.", NETWORK, default="none"
    )
    head_epochs: int = setting(
        "Frozen-backbone epochs",
        "Initial epochs in which only the head is trained.",
        NETWORK,
        default=0,
        low=0,
        high=999,
    )


@dataclass(frozen=True, kw_only=True)
class InputFields:
    """How a film becomes the network's input."""

    channels: int = setting(
        "Input channels",
        "1, or 3 for a backbone made for colour images; the grey values are then repeated.",
        INPUT,
        default=3,
        low=1,
        high=3,
    )
    mean: float = setting(
        "Mean", "Subtracted from grey values in [0, 1].", INPUT, default=0.5, low=0, high=1
    )
    std: float = setting(
        "Standard deviation",
        "Grey values are divided by this after the mean is subtracted.",
        INPUT,
        default=0.5,
        low=0.001,
        high=10,
    )
    equalisation: Equalisation = setting(
        "Histogram equalisation",
        "none, histogram (global) or clahe (contrast-limited, in tiles), after resampling.",
        INPUT,
        default="none",
    )
    reduce_to: int | None = setting(
        "Reduced size (pixels)",
        "Side of the square that each film is reduced to before it is enlarged to the input size, so that large "
        "and small copies of a film show the same detail; at most the input size; empty = not reduced.",
        INPUT,
        default=None,
        low=16,
        high=2048,
    )
    blur: float = setting(
        "Blur (pixels)",
        "Standard deviation of the Gaussian that smooths the reduced film, in its pixels, against the noise of "
        "small JPEGs; 0 = none. Needs a reduced size.",
        INPUT,
        default=0.0,
        low=0,
        high=10,
    )
