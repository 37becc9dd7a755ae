import pytest
import torch
from scipy import ndimage

from cxr_core.errors import RecipeError
from cxr_core.training.engine.augment import apply_augmentation, sample_augmentation
from cxr_core.training.engine.jpeg import compress_films
from cxr_core.training.recipe.augmentation import Augmentation

EVERYTHING = Augmentation(
    rotation_deg=10,
    shift=0.1,
    zoom=0.2,
    brightness=0.2,
    contrast=0.3,
    gamma=0.3,
    low_resolution=0.6,
    jpeg=0.5,
    flip=0.5,
    border=0.1,
    corner=0.5,
)


def films(count: int = 6, side: int = 48) -> torch.Tensor:
    return torch.rand(count, 1, side, side, generator=torch.Generator().manual_seed(1))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def augment(settings: Augmentation, films: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    return apply_augmentation(settings, films, sample_augmentation(settings, len(films), rng))


@pytest.mark.parametrize("shares", [[slice(0, 2), slice(2, 6)], [slice(0, 6, 2), slice(1, 6, 2)]])
def test_processes_that_share_a_batch_do_to_each_film_what_one_would(shares):
    sample = sample_augmentation(EVERYTHING, 6, seeded())
    together = apply_augmentation(EVERYTHING, films(), sample)
    for share in shares:
        own = apply_augmentation(EVERYTHING, films()[share], sample.take(share))
        assert torch.equal(own, together[share])
    rows = torch.tensor([5, 0])
    own = apply_augmentation(EVERYTHING, films()[rows], sample.take(rows))
    assert torch.equal(own, together[rows])


@pytest.mark.parametrize("seed", range(5))
def test_values_stay_in_their_range_and_shape(seed):
    changed = augment(EVERYTHING, films(), seeded(seed))
    assert changed.shape == films().shape
    assert 0 <= float(changed.min()) <= float(changed.max()) <= 1
    assert not torch.equal(changed, films())


def test_limits_of_zero_change_nothing():
    assert torch.equal(augment(Augmentation(), films(), seeded()), films())


def test_the_films_given_are_not_written_into():
    given = films()
    augment(EVERYTHING, given, seeded())
    assert torch.equal(given, films())


def test_flip_mirrors_left_to_right_that_share_of_the_films():
    sample = sample_augmentation(Augmentation(flip=0.3), 4000, seeded())
    assert float(sample.flip.float().mean()) == pytest.approx(0.3, abs=0.03)
    assert torch.equal(augment(Augmentation(flip=1.0), films(), seeded()), films().flip(-1))
    assert not sample_augmentation(Augmentation(), 4000, seeded()).flip.any()


def test_low_resolution_blurs_that_share_of_the_films():
    augmentation = Augmentation(low_resolution=0.4)
    sample = sample_augmentation(augmentation, 2000, seeded())
    chosen = sample.shrink > 1
    assert float(chosen.float().mean()) == pytest.approx(0.4, abs=0.04)
    assert float(sample.shrink.max()) <= 3
    changed = apply_augmentation(augmentation, films(2000, 8), sample)
    touched = (changed != films(2000, 8)).flatten(1).any(dim=1)
    assert torch.equal(touched, chosen)


def test_jpeg_compresses_that_share_of_the_films_and_comes_last():
    augmentation = Augmentation(jpeg=0.4, brightness=0.2)
    sample = sample_augmentation(augmentation, 1000, seeded())
    compressed = sample.quality > 0
    assert float(compressed.float().mean()) == pytest.approx(0.4, abs=0.05)
    assert 40 <= float(sample.quality[compressed].min()) < float(sample.quality.max()) <= 95
    given = films(1000, 16)
    changed = apply_augmentation(augmentation, given, sample)
    as_it_is = apply_augmentation(augmentation, given, sample.stored_as_it_is())
    touched = (changed != as_it_is).flatten(1).any(dim=1)
    assert torch.equal(touched, compressed)
    assert torch.equal(sample.is_stored_worse, compressed)
    expected = compress_films(as_it_is, sample.quality)
    assert torch.equal(changed, expected)


def test_a_rotation_is_the_one_of_scipy():
    """One bright spot, turned by a known angle: scipy's rotation puts its centre at the same place."""
    film = torch.zeros(1, 1, 64, 64)
    film[0, 0, 10:16, 40:46] = 1
    augmentation = Augmentation(rotation_deg=30)
    sample = sample_augmentation(augmentation, 1, seeded(3))
    turned = apply_augmentation(augmentation, film, sample)[0, 0].numpy()
    degrees = float(sample.rotation[0]) * 30
    expected = ndimage.rotate(film[0, 0].numpy(), degrees, reshape=False, order=1)
    assert abs(degrees) > 5
    assert ndimage.center_of_mass(turned) == pytest.approx(
        ndimage.center_of_mass(expected), abs=0.2
    )


def test_brightness_contrast_and_gamma_do_what_their_formulas_say():
    film = 0.3 + 0.2 * films(1)
    for name, changed in (
        ("brightness", lambda x, d: x + d.brightness * 0.1),
        ("contrast", lambda x, d: (x - x.mean()) * (1 + d.contrast * 0.1) + x.mean()),
        ("gamma", lambda x, d: x ** torch.exp(d.gamma * 0.1)),
    ):
        augmentation = Augmentation(**{name: 0.1})
        sample = sample_augmentation(augmentation, 1, seeded(2))
        assert torch.allclose(
            apply_augmentation(augmentation, film, sample), changed(film, sample), atol=1e-6
        ), name


@pytest.mark.parametrize(
    "wrong",
    [
        {"flip": 1.5},
        {"shift": -0.1},
        {"rotation_deg": 46},
        {"zoom": float("nan")},
        {"gamma": "much"},
    ],
)
def test_values_out_of_range_are_refused_by_name(wrong):
    with pytest.raises(RecipeError, match=f"augmentation {next(iter(wrong))}="):
        Augmentation(**wrong)
