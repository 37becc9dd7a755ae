"""Networks with their batch normalisation folded into the convolutions give the same numbers."""

import numpy as np
import pytest
import torch
from torch import nn

from cxr_core.models.networks.architectures import build_network
from cxr_core.models.networks.batch_norm_folding import fold_batch_norm


def count_norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def learn_statistics(network: nn.Module) -> None:
    """Give every batch normalisation statistics and weights as training leaves them, far from 0 and 1."""
    chance = torch.Generator().manual_seed(0)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for tensor in (norm.running_mean, norm.running_var, norm.weight.data, norm.bias.data):
                tensor.copy_(torch.rand(tensor.shape, generator=chance) + 0.5)


@pytest.mark.parametrize("backbone", ["plain_cnn", "mobilenetv3_small_050", "resnet18"])
def test_a_folded_network_gives_the_same_logits(backbone):
    arguments = {"backbone": backbone, "findings": 2, "channels": 1, "side": 64}
    network = build_network("film_classifier", arguments).requires_grad_(False)
    learn_statistics(network)
    films = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    before = network(films)
    assert fold_batch_norm(network, lambda: network(films[:1]).numpy())
    assert count_norms(network) == 0
    np.testing.assert_allclose(network(films), before, rtol=1e-5, atol=1e-5)


class NormFirst(nn.Module):
    """Normalises before the convolution, although the convolution is named first."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 3, 3)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, films: torch.Tensor) -> torch.Tensor:
        return self.convolution(self.norm(films))


class LooksAtNorm(NormFirst):
    """Uses a value of the normalisation itself."""

    def forward(self, films: torch.Tensor) -> torch.Tensor:
        return self.norm(self.convolution(films)) * self.norm.eps


@pytest.mark.parametrize("build", [NormFirst, LooksAtNorm])
def test_a_network_that_needs_its_layers_as_they_are_keeps_them(build):
    network = build().eval().requires_grad_(False)
    learn_statistics(network)
    films = torch.rand(1, 3, 8, 8)
    before = network(films)
    names = list(network.state_dict())
    assert not fold_batch_norm(network, lambda: network(films).numpy())
    assert list(network.state_dict()) == names
    assert torch.equal(network(films), before)
