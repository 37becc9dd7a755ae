"""Backbones by name: timm's convolutional networks, and a plain one. (B, C, S, S) -> (B, F, h, w)."""

from typing import Any

from cxr_core.models.networks import torchvision_compat

torchvision_compat.declare_missing_operators()

import timm  # noqa: E402  (needs torchvision's operators declared)
import torch  # noqa: E402
from timm.models.vgg import VGG  # noqa: E402
from torch import nn  # noqa: E402

from cxr_core.errors import PretrainedUnavailable, RecipeError  # noqa: E402
from cxr_core.models.networks.imagenet import HUB_ERRORS, WAYS_ON, require_weights  # noqa: E402
from cxr_core.models.networks.plain_cnn import PLAIN_CNN, PlainCnn  # noqa: E402


def build_backbone(name: str, channels: int, pretrained: bool, arguments: dict[str, Any]) -> Any:
    """A network without pooling and classifier. timm builds networks whose methods no type says: Any.

    Raises RecipeError for an unknown name, PretrainedUnavailable when its ImageNet weights are nowhere to be had.
    """
    if name == PLAIN_CNN:
        if pretrained:
            raise PretrainedUnavailable(
                f"plain_cnn is this project's own; nobody has ImageNet weights of it. {WAYS_ON}"
            )
        return PlainCnn(channels, **arguments)
    require_backbone(name)
    if pretrained:
        require_weights(name)
    try:
        network = timm.create_model(
            name,
            pretrained=pretrained,
            in_chans=channels,
            num_classes=0,
            global_pool="",
            **_without_vgg_layers(name, pretrained),
            **arguments,
        )
    except (*HUB_ERRORS, RuntimeError) as error:
        if not pretrained:
            raise
        raise PretrainedUnavailable(
            f"the ImageNet weights of {name} could not be fetched from timm's hub. {WAYS_ON}"
        ) from error
    if isinstance(network, VGG):
        network.pre_logits = nn.Identity()  # type: ignore[assignment]
    return network


def require_backbone(name: str) -> None:
    """Nothing when there is a backbone of that name. Raises RecipeError, which tells those near it."""
    if name != PLAIN_CNN and not timm.is_model(name):
        near = timm.list_models(f"*{name.split('_')[0]}*")[:8]
        raise RecipeError(
            f"timm has no backbone {name!r}" + (f"; near it are {', '.join(near)}" if near else "")
        )


def feature_shape(backbone: Any, name: str, channels: int, side: int) -> tuple[int, int, int]:
    """(F, h, w) of a backbone's features from films of that side.

    Raises RecipeError when the side is too small for it, or when it is no convolutional network.
    """
    was_training = backbone.training
    try:
        # In eval mode: an empty film must not enter the running statistics of pretrained weights.
        with torch.no_grad():
            found = tuple(backbone.eval()(torch.zeros(1, channels, side, side)).shape)
    except (RuntimeError, AssertionError) as error:
        raise RecipeError(
            f"{name} cannot take films of {side} x {side}; give a larger input_side: {error}"
        ) from error
    finally:
        backbone.train(was_training)
    widths = {getattr(backbone, "num_features", None), getattr(backbone, "head_hidden_size", None)}
    if len(found) != 4 or found[1] not in widths:
        raise RecipeError(
            f"{name} gives no map of features (B, F, h, w); choose a convolutional network of timm"
        )
    if min(found[2:]) < 1:
        raise RecipeError(
            f"{name} leaves no cell of films of {side} x {side}; give a larger input_side"
        )
    return found[1], found[2], found[3]


def middle_stages(backbone: Any) -> list[int]:
    """The indices of timm's stages at strides 8 and 16; empty when the backbone does not hand them out."""
    if not hasattr(backbone, "forward_intermediates"):
        return []
    strides = [stage["reduction"] for stage in backbone.feature_info]
    return [strides.index(stride) for stride in (8, 16) if stride in strides]


def _without_vgg_layers(name: str, pretrained: bool) -> dict[str, Any]:
    """VGG's 4,096-wide layers are dropped once it is built; they are built narrow unless weights go into them."""
    return {"mlp_ratio": 1 / 4096} if name.startswith("vgg") and not pretrained else {}
