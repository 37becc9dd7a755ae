import numpy as np
import pytest
import torch

from cxr_core.errors import ModelError
from cxr_core.reading.ood import Familiarity, describe


@pytest.fixture
def known() -> torch.Tensor:
    """Descriptors that vary along three directions of twenty, with a little noise in all."""
    chance = torch.Generator().manual_seed(0)
    directions = torch.randn(3, 20, generator=chance)
    return (
        torch.randn(2000, 3, generator=chance) @ directions
        + 0.1 * torch.randn(2000, 20, generator=chance)
        + 5
    )


def test_with_every_axis_it_is_the_mahalanobis_distance(known):
    fitted = Familiarity.fit(known, axes=19)
    films = known[:50]
    centred = (films - known.mean(0)).double()
    precision = torch.linalg.inv(torch.cov(known.T.double()))
    exact = ((centred @ precision) * centred).sum(1).div(20).sqrt()
    assert torch.allclose(fitted.distance(films).double(), exact, rtol=0.02)


def test_training_films_lie_near_one_and_strange_ones_far(known):
    fitted = Familiarity.fit(known, axes=3)
    inside = fitted.distance(known)
    sideways = known.clone()
    sideways[:, 0] += 3 * known[:, 0].std()
    assert float(inside.mean()) == pytest.approx(1, abs=0.1)
    assert float(fitted.distance(sideways).min()) > float(inside.max())


def test_a_description_does_not_depend_on_where_things_lie():
    maps = [torch.rand(2, 4, 6, 6), torch.rand(2, 3, 3, 3)]
    turned = [each.flip(3) for each in maps]
    assert describe(maps).shape == (2, 14)
    assert torch.allclose(describe(maps), describe(turned), atol=1e-6)
    assert torch.allclose(describe(maps)[:, :4], maps[0].mean((2, 3)))


def test_the_statistics_survive_being_stored(known, tmp_path):
    from safetensors.torch import load_file, save_file

    fitted = Familiarity.fit(known, axes=3)
    save_file(fitted.tensors, tmp_path / "familiarity.safetensors")
    again = Familiarity(load_file(tmp_path / "familiarity.safetensors"))
    assert np.array_equal(again.distance(known[:9]), fitted.distance(known[:9]))


def test_incomplete_statistics_are_refused_by_name():
    with pytest.raises(ModelError, match="axes, mean"):
        Familiarity({"scale": torch.ones(1), "spread": torch.ones(1), "rest": torch.ones(())})
