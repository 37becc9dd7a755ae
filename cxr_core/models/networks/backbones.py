"""Builds backbones by name: timm's convolutional networks, and a plain one. (B, C, S, S) -> (B, F, h, w)."""

from collections.abc import Mapping
from typing import Any, TypedDict, cast

from cxr_core.models.networks import torchvision_compat

torchvision_compat.declare_missing_operators()

with torchvision_compat.without_compiler():
    import timm  # needs torchvision's operators declared
import torch  # noqa: E402
from timm.models.vgg import VGG  # noqa: E402
from torch import nn  # noqa: E402

from cxr_core.errors import CodeRefused, PretrainedUnavailable, RecipeError  # noqa: E402
from cxr_core.models.networks.imagenet import (  # noqa: E402
    ALTERNATIVES,
    HUB_ERRORS,
    require_imagenet_weights,
)
from cxr_core.models.networks.plain_cnn import PLAIN_CNN, PlainCnn  # noqa: E402
from cxr_core.models.networks.user_code import (  # noqa: E402
    call_function,
    explain_error,
    hash_code,
    is_code_reference,
    parse_reference,
    require_allowed,
)
from cxr_core.workspace.json_files import JsonObject  # noqa: E402

__all__ = [
    "Stage",
    "build_backbone",
    "find_middle_stages",
    "measure_feature_shape",
    "require_backbone",
    "timm",
]


class Stage(TypedDict):
    """One entry of timm's `feature_info`: the stage's channels, and its stride."""

    num_chs: int
    reduction: int


def build_backbone(
    name: str,
    channels: int,
    pretrained: bool,
    arguments: JsonObject,
    code: Mapping[str, str] | None = None,
) -> Any:
    """A network without pooling and classifier. Any, since timm's networks have methods that no type declares.

    code: the sha256 that a user's own file must have. Raises RecipeError for an unknown name, PretrainedUnavailable
    when its ImageNet weights cannot be had, and CodeRefused for a user's own file that is not run or fails.
    """
    if is_code_reference(name):
        if pretrained:
            raise PretrainedUnavailable(
                f"{name} is a file of your own, so there are no ImageNet weights of it. {ALTERNATIVES}"
            )
        return _build_own_backbone(name, channels, arguments, code or {})
    if name == PLAIN_CNN:
        if pretrained:
            raise PretrainedUnavailable(
                f"plain_cnn is this project's own, so there are no ImageNet weights of it. {ALTERNATIVES}"
            )
        return PlainCnn(channels, **cast(dict[str, Any], arguments))
    return _build_timm_backbone(name, channels, pretrained, arguments)


def _build_timm_backbone(
    name: str, channels: int, pretrained: bool, arguments: JsonObject
) -> nn.Module:
    require_backbone(name)
    if pretrained:
        require_imagenet_weights(name)
    options: dict[str, Any] = {**_without_vgg_layers(name, pretrained), **arguments}
    try:
        network = timm.create_model(
            name,
            pretrained=pretrained,
            in_chans=channels,
            num_classes=0,
            global_pool="",
            **options,
        )
    except HUB_ERRORS as error:
        if not pretrained:
            raise
        raise PretrainedUnavailable(
            f"the ImageNet weights of {name} could not be downloaded from timm's hub or kept here ({error}). "
            f"{ALTERNATIVES}"
        ) from error
    except RuntimeError as error:
        if not pretrained:
            raise
        raise PretrainedUnavailable(
            f"the ImageNet weights of {name} do not fit the network of this recipe ({_first_line(error)}); leave out "
            f"backbone_arguments. {ALTERNATIVES}"
        ) from error
    if isinstance(network, VGG):
        network.pre_logits = nn.Identity()  # type: ignore[assignment]
    return network


def _build_own_backbone(
    name: str, channels: int, arguments: JsonObject, code: Mapping[str, str]
) -> nn.Module:
    reference = parse_reference(name)
    sha256 = code.get(reference.file)
    network = call_function(reference, sha256, {"channels": channels, **arguments})
    require_network(network, name)
    return network  # type: ignore[no-any-return]


def require_network(network: object, name: str) -> None:
    """Check what a user's own function has returned. Raises CodeRefused for what cannot be trained or saved."""
    if not isinstance(network, nn.Module):
        raise CodeRefused(
            f"{name} returned {type(network).__name__}, which is no network; return a torch.nn.Module"
        )
    tensors = [tensor for tensor in network.state_dict().values() if tensor.numel()]
    if len({tensor.untyped_storage().data_ptr() for tensor in tensors}) < len(tensors):
        raise CodeRefused(
            f"{name} returned a network with two tensors in one memory, which its weights file cannot hold; copy them"
        )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def require_backbone(name: str) -> None:
    """Check that there is a backbone of that name. Raises RecipeError, which lists similar names."""
    if is_code_reference(name):
        require_allowed(hash_code([name]))
        return
    if name == PLAIN_CNN or timm.is_model(name):
        return
    message = f"timm has no backbone {name!r}"
    similar = timm.list_models(f"*{name.split('_')[0]}*")[:8]
    if similar:
        message += f"; near it are {', '.join(similar)}"
    raise RecipeError(message)


def measure_feature_shape(
    backbone: Any, name: str, channels: int, side: int
) -> tuple[int, int, int]:
    """(F, h, w) of a backbone's features from films of that side.

    Raises RecipeError when the side is too small for it, or when it is no convolutional network.
    """
    was_training = backbone.training
    try:
        # In eval mode: an empty film must not enter the running statistics of pretrained weights.
        with torch.no_grad():
            features = backbone.eval()(torch.zeros(1, channels, side, side))
            shape = tuple(getattr(features, "shape", ()))
    except Exception as error:
        if is_code_reference(name):
            raise explain_error(parse_reference(name).file, error, "as it took a film") from error
        if not isinstance(error, (RuntimeError, AssertionError)):
            raise
        size = "smaller" if "memory" in str(error).lower() else "larger"
        raise RecipeError(
            f"{name} cannot take films of {side} x {side}; give a {size} input_side: {_first_line(error)}"
        ) from error
    finally:
        backbone.train(was_training)
    widths = {getattr(backbone, "num_features", None), getattr(backbone, "head_hidden_size", None)}
    if is_code_reference(name):
        if len(shape) != 4:
            raise CodeRefused(
                f"{name} gives {list(shape) or type(features).__name__} for a film; its forward must return a map of "
                "features (B, F, h, w)"
            )
    elif len(shape) != 4 or shape[1] not in widths:
        raise RecipeError(
            f"{name} gives no map of features (B, F, h, w); choose a convolutional network of timm"
        )
    if min(shape[2:]) < 1:
        raise RecipeError(
            f"{name} leaves no cell of films of {side} x {side}; give a larger input_side"
        )
    return shape[1], shape[2], shape[3]


def find_middle_stages(backbone: Any) -> list[int]:
    """The indices of timm's stages at strides 8 and 16; empty when the backbone does not return them."""
    if not hasattr(backbone, "forward_intermediates") or not hasattr(backbone, "feature_info"):
        return []
    strides = [stage["reduction"] for stage in backbone.feature_info]
    return [strides.index(stride) for stride in (8, 16) if stride in strides]


def _without_vgg_layers(name: str, pretrained: bool) -> dict[str, float]:
    """VGG's 4,096-wide layers are removed after it is built; they are built narrow unless weights go into them."""
    if name.startswith("vgg") and not pretrained:
        return {"mlp_ratio": 1 / 4096}
    return {}
