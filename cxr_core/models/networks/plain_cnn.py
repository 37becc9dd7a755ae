"""A plain convolutional network, as courses and first projects draw it; the name of its backbone is `plain_cnn`.

Each block is a 3x3 convolution, batch normalisation, ReLU and 2x2 max pooling. With the four blocks it has by default,
films of 224 x 224 become 256 features on 14 x 14 cells; one channel makes 0.39 million weights. The fully connected
layers are those of the `dense` head.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from cxr_core.errors import RecipeError

PLAIN_CNN = "plain_cnn"


class PlainCnn(nn.Module):
    """(B, C, S, S) -> (B, widths[-1], S / 2**n, S / 2**n) for n blocks. Its middle maps are at hand."""

    def __init__(self, channels: int, widths: Sequence[int] = (32, 64, 128, 256)):
        super().__init__()
        if not widths or min(widths) < 1:
            raise RecipeError(
                f"plain_cnn needs a width above 0 for each block, not widths={list(widths)}"
            )
        self.blocks = nn.ModuleList()
        for width in widths:
            convolution = nn.Conv2d(channels, width, 3, padding=1, bias=False)
            self.blocks.append(
                nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2))
            )
            channels = width
        self.num_features = channels
        self.feature_info = [
            {"num_chs": w, "reduction": 2 ** (i + 1)} for i, w in enumerate(widths)
        ]

    def forward(self, films: Tensor) -> Tensor:
        return self.forward_intermediates(films, [])[0]

    def forward_intermediates(
        self, films: Tensor, indices: Sequence[int]
    ) -> tuple[Tensor, list[Tensor]]:
        """The last map, and the maps of the blocks asked for."""
        maps = []
        for index, block in enumerate(self.blocks):
            films = block(films)
            if index in indices:
                maps.append(films)
        return films, maps

    def forward_head(self, features: Tensor) -> Tensor:
        """Nothing: a plain network keeps no convolution behind its last map."""
        return features
