"""Defines a plain convolutional network, as courses and first projects use it; its backbone name is `plain_cnn`.

Each block is a 3x3 convolution, batch normalisation, ReLU and 2x2 max pooling. With the default of four blocks, films
of 224 x 224 become 256 features on 14 x 14 cells; with one channel it has 0.39 million weights. The fully connected
layers are those of the `dense` head.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from cxr_core.errors import RecipeError

PLAIN_CNN = "plain_cnn"


class PlainCnn(nn.Module):
    """(B, C, S, S) -> (B, widths[-1], S / 2**n, S / 2**n) for n blocks. It can return its middle maps."""

    def __init__(self, channels: int, widths: Sequence[int] = (32, 64, 128, 256)):
        super().__init__()
        if not widths or min(widths) < 1:
            raise RecipeError(
                f"plain_cnn needs a width above 0 for each block, not widths={list(widths)}"
            )
        self.blocks = nn.ModuleList()
        self.feature_info: list[dict[str, int]] = []
        for width in widths:
            convolution = nn.Conv2d(channels, width, 3, padding=1, bias=False)
            self.blocks.append(
                nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2))
            )
            self.feature_info.append({"num_chs": width, "reduction": 2 ** len(self.blocks)})
            channels = width
        self.num_features = channels

    def forward(self, films: Tensor) -> Tensor:
        """The last map (B, F, h, w)."""
        return self.forward_intermediates(films, [])[0]

    def forward_intermediates(
        self, films: Tensor, indices: Sequence[int]
    ) -> tuple[Tensor, list[Tensor]]:
        """The last map, and the maps of the blocks with these indices."""
        maps = []
        for index, block in enumerate(self.blocks):
            films = block(films)
            if index in indices:
                maps.append(films)
        return films, maps

    def forward_head(self, features: Tensor) -> Tensor:
        """The features as they are: a plain network has no convolution after its last map."""
        return features
