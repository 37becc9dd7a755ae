"""Networks by name. Each splits at its features: `forward_features` then `forward_head`.

    films (B, C, S, S) -> forward_features -> (B, F, h, w) after its last activation -> forward_head -> (B, L) logits

Both heads are linear in the features, so a logit is its bias plus a sum over cells, exactly:
averaged   every cell weighs the same (global average pooling, then a linear layer)
positional every cell has its own weights, so that the head knows where a cell lies and how wide the heart is
"""

from typing import Any, Literal

from cxr_core.models import torchvision_ops

torchvision_ops.declare_missing_operators()

import timm  # noqa: E402  (needs torchvision's operators declared)
import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from cxr_core.errors import ModelError, PretrainedUnavailable, RecipeError  # noqa: E402

Head = Literal["averaged", "positional"]


class AveragedHead(nn.Module):
    """Global average pooling and one linear layer. (B, F, h, w) -> (B, L)."""

    def __init__(self, features: int, findings: int, dropout: float):
        super().__init__()
        self.dropout = nn.Dropout2d(dropout)
        self.linear = nn.Linear(features, findings)

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(self.dropout(features).mean(dim=(2, 3)))

    def evidence(self, features: Tensor) -> Tensor:
        """What each cell adds to each logit: (B, F, h, w) -> (B, L, h, w)."""
        weight = self.linear.weight[:, :, None, None] / (features.shape[2] * features.shape[3])
        return functional.conv2d(features, weight)


class PositionalHead(nn.Module):
    """One weight per feature and cell. (B, F, h, w) -> (B, L); h and w are fixed."""

    def __init__(self, features: int, findings: int, dropout: float, cells: tuple[int, int]):
        super().__init__()
        self.dropout = nn.Dropout2d(dropout)
        self.linear = nn.Linear(features * cells[0] * cells[1], findings)

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(self.dropout(features).flatten(1))

    def evidence(self, features: Tensor) -> Tensor:
        """What each cell adds to each logit: (B, F, h, w) -> (B, L, h, w)."""
        weight = self.linear.weight.view(-1, *features.shape[1:])
        return (features[:, None] * weight).sum(dim=2)


class FilmClassifier(nn.Module):
    """A timm backbone, an optional narrowing convolution, and a head that is linear in the features."""

    def __init__(
        self,
        *,
        backbone: str,
        findings: int,
        channels: int,
        side: int,
        head: Head = "averaged",
        neck: int | None = None,
        dropout: float = 0.0,
        pretrained: bool = False,
        backbone_arguments: dict[str, Any] | None = None,
    ):
        super().__init__()
        # timm builds networks whose methods no type says: Any.
        self.backbone: Any = _timm_backbone(backbone, channels, pretrained, backbone_arguments or {})
        with torch.no_grad():
            _, width, rows, columns = self.backbone(torch.zeros(1, channels, side, side)).shape
        self._middle = _middle_stages(self.backbone)
        self.neck: nn.Module = nn.Identity()
        if neck is not None:
            self.neck = nn.Sequential(nn.Conv2d(width, neck, 1, bias=False), nn.BatchNorm2d(neck), nn.ReLU())
            width = neck
        self.head: AveragedHead | PositionalHead
        if head == "averaged":
            self.head = AveragedHead(width, findings, dropout)
        elif head == "positional":
            self.head = PositionalHead(width, findings, dropout, (rows, columns))
        else:
            raise RecipeError(f"unknown head {head!r}; choose averaged or positional")

    def forward_features(self, films: Tensor) -> Tensor:
        """(B, C, S, S) normalised films to the features (B, F, h, w), after their last activation."""
        return self.neck(self.backbone(films))

    def forward_described(self, films: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The features, and from the same pass the middle maps (B, T, h, w) at strides 8 and 16.

        A backbone that cannot hand out its middle gives its last map alone.
        """
        if not self._middle:
            trunk = self.backbone(films)
            return self.neck(trunk), [trunk]
        last, maps = self.backbone.forward_intermediates(films, indices=self._middle)
        # Some of timm's networks (MobileNetV3) keep a convolution in what they call their head.
        return self.neck(self.backbone.forward_head(last)), maps

    def forward_head(self, features: Tensor) -> Tensor:
        """(B, F, h, w) features to (B, L) logits."""
        return self.head(features)

    def forward(self, films: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(films))

    def head_parameters(self) -> list[nn.Parameter]:
        """What is new beside the backbone: the neck's and the head's."""
        return [*self.neck.parameters(), *self.head.parameters()]


def _middle_stages(backbone: Any) -> list[int]:
    """The indices of timm's stages at strides 8 and 16; empty when the backbone does not hand them out."""
    if not hasattr(backbone, "forward_intermediates"):
        return []
    strides = [stage["reduction"] for stage in backbone.feature_info]
    return [strides.index(stride) for stride in (8, 16) if stride in strides]


ARCHITECTURES: dict[str, type[FilmClassifier]] = {"film_classifier": FilmClassifier}


def build(architecture: str, arguments: dict[str, Any]) -> FilmClassifier:
    """The network of a card or recipe, randomly initialised (or pretrained when its arguments say so), in eval mode.

    Raises ModelError for a name or argument that nothing here knows.
    """
    if architecture not in ARCHITECTURES:
        raise ModelError(f"unknown architecture {architecture!r}; choose from {', '.join(sorted(ARCHITECTURES))}")
    try:
        return ARCHITECTURES[architecture](**arguments).eval()
    except TypeError as error:
        raise ModelError(f"the arguments of {architecture} do not fit it: {error}") from error


def _timm_backbone(name: str, channels: int, pretrained: bool, arguments: dict[str, Any]) -> nn.Module:
    """timm's network without pooling and classifier: (B, C, S, S) -> (B, F, h, w)."""
    if not timm.is_model(name):
        near = timm.list_models(f"*{name.split('_')[0]}*")[:8]
        raise RecipeError(f"timm has no backbone {name!r}" + (f"; near it are {', '.join(near)}" if near else ""))
    try:
        return timm.create_model(
            name, pretrained=pretrained, in_chans=channels, num_classes=0, global_pool="", **arguments
        )
    except (OSError, RuntimeError) as error:
        if not pretrained:
            raise
        raise PretrainedUnavailable(
            f"the ImageNet weights of {name} could not be fetched from timm's hub. Connect to it, give a local "
            "safetensors file with --init FILE, or start from random weights with --init scratch."
        ) from error
