"""The out-of-distribution distance is a Mahalanobis distance that grows for films unlike the training films."""

import numpy as np
import pytest
import torch

from cxr_core.errors import ModelError
from cxr_core.reading.ood import OodDetector, embed_maps


@pytest.fixture
def known() -> torch.Tensor:
    """Descriptors that vary along three directions of twenty, with a little noise in all."""
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(3, 20, generator=generator)
    return (
        torch.randn(2000, 3, generator=generator) @ directions
        + 0.1 * torch.randn(2000, 20, generator=generator)
        + 5
    )


def test_with_all_axes_the_distance_is_mahalanobis(known):
    fitted = OodDetector.fit(known, axes=19)
    films = known[:50]
    centred = (films - known.mean(0)).double()
    precision = torch.linalg.inv(torch.cov(known.T.double()))
    exact = ((centred @ precision) * centred).sum(1).div(20).sqrt()
    assert torch.allclose(fitted.measure_distance(films).double(), exact, rtol=0.02)


def test_training_films_have_distance_one_and_others_more(known):
    fitted = OodDetector.fit(known, axes=3)
    inside = fitted.measure_distance(known)
    sideways = known.clone()
    sideways[:, 0] += 3 * known[:, 0].std()
    assert float(inside.mean()) == pytest.approx(1, abs=0.1)
    assert float(fitted.measure_distance(sideways).min()) > float(inside.max())


def test_descriptors_do_not_depend_on_position():
    maps = [torch.rand(2, 4, 6, 6), torch.rand(2, 3, 3, 3)]
    flipped = [channels.flip(3) for channels in maps]
    assert embed_maps(maps).shape == (2, 14)
    assert torch.allclose(embed_maps(maps), embed_maps(flipped), atol=1e-6)
    assert torch.allclose(embed_maps(maps)[:, :4], maps[0].mean((2, 3)))


def test_the_statistics_survive_being_stored(known, tmp_path):
    from safetensors.torch import load_file, save_file

    fitted = OodDetector.fit(known, axes=3)
    save_file(fitted.tensors, tmp_path / "familiarity.safetensors")
    again = OodDetector(load_file(tmp_path / "familiarity.safetensors"))
    assert np.array_equal(again.measure_distance(known[:9]), fitted.measure_distance(known[:9]))


@pytest.mark.parametrize("films", [2, 3, 10, 20, 64])
def test_few_training_films_leave_a_rest_that_float16_keeps(films):
    descriptors = torch.randn(films, 96, generator=torch.Generator().manual_seed(films))
    fitted = OodDetector.fit(descriptors)
    stored = OodDetector({name: tensor.half().float() for name, tensor in fitted.tensors.items()})
    assert not stored.is_degenerate
    assert torch.isfinite(stored.measure_distance(descriptors + 1)).all()


def test_axes_that_rounding_has_made_longer_leave_a_finite_distance(known):
    fitted = OodDetector.fit(known, axes=19)
    tensors = {"axes": fitted.tensors["axes"] * 1.01, "rest": torch.tensor(1e-6)}
    rounded = OodDetector({**fitted.tensors, **tensors})
    assert torch.isfinite(rounded.measure_distance(known)).all()


def test_statistics_of_an_earlier_version_on_too_few_films_measure_nothing(known):
    fitted = OodDetector.fit(known, axes=3)
    assert not fitted.is_degenerate
    assert OodDetector({**fitted.tensors, "rest": torch.tensor(0.0)}).is_degenerate


def test_incomplete_statistics_are_refused_by_name():
    with pytest.raises(ModelError, match="axes, mean"):
        OodDetector({"scale": torch.ones(1), "spread": torch.ones(1), "rest": torch.ones(())})
