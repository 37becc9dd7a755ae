import pytest
import torch
from scipy import ndimage

from cxr_core.errors import RecipeError
from cxr_core.training.recipe.augmentation import Augmentation

EVERYTHING = Augmentation(
    rotation_deg=10,
    shift=0.1,
    zoom=0.2,
    brightness=0.2,
    contrast=0.3,
    gamma=0.3,
    low_resolution=0.6,
    flip=0.5,
    veil=0.6,
)


def films(count: int = 6, side: int = 48) -> torch.Tensor:
    return torch.rand(count, 1, side, side, generator=torch.Generator().manual_seed(1))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_call_is_a_draw_and_its_application():
    drawn = EVERYTHING.draw(6, seeded())
    assert torch.equal(EVERYTHING(films(), seeded()), EVERYTHING.apply(films(), drawn))


@pytest.mark.parametrize("shares", [[slice(0, 2), slice(2, 6)], [slice(0, 6, 2), slice(1, 6, 2)]])
def test_processes_that_share_a_batch_do_to_each_film_what_one_would(shares):
    drawn = EVERYTHING.draw(6, seeded())
    whole = EVERYTHING.apply(films(), drawn)
    for share in shares:
        assert torch.equal(EVERYTHING.apply(films()[share], drawn.take(share)), whole[share])
    rows = torch.tensor([5, 0])
    assert torch.equal(EVERYTHING.apply(films()[rows], drawn.take(rows)), whole[rows])


@pytest.mark.parametrize("seed", range(5))
def test_values_stay_in_their_range_and_shape(seed):
    changed = EVERYTHING(films(), seeded(seed))
    assert changed.shape == films().shape
    assert 0 <= float(changed.min()) <= float(changed.max()) <= 1
    assert not torch.equal(changed, films())


def test_nothing_asked_is_nothing_changed():
    assert torch.equal(Augmentation()(films(), seeded()), films())


def test_the_films_given_are_not_written_into():
    given = films()
    EVERYTHING(given, seeded())
    assert torch.equal(given, films())


def test_flip_mirrors_left_to_right_that_share_of_the_films():
    drawn = Augmentation(flip=0.3).draw(4000, seeded())
    assert float(drawn.flip.float().mean()) == pytest.approx(0.3, abs=0.03)
    assert torch.equal(Augmentation(flip=1.0)(films(), seeded()), films().flip(-1))
    assert not Augmentation().draw(4000, seeded()).flip.any()


def test_low_resolution_blurs_that_share_of_the_films():
    augmentation = Augmentation(low_resolution=0.4)
    drawn = augmentation.draw(2000, seeded())
    chosen = drawn.shrink > 1
    assert float(chosen.float().mean()) == pytest.approx(0.4, abs=0.04)
    assert float(drawn.shrink.max()) <= 3
    changed = augmentation.apply(films(2000, 8), drawn)
    touched = (changed != films(2000, 8)).flatten(1).any(dim=1)
    assert torch.equal(touched, chosen)


def test_a_rotation_is_the_one_of_scipy():
    """One bright spot, turned by a known angle: scipy's rotation puts its centre at the same place."""
    film = torch.zeros(1, 1, 64, 64)
    film[0, 0, 10:16, 40:46] = 1
    augmentation = Augmentation(rotation_deg=30)
    drawn = augmentation.draw(1, seeded(3))
    turned = augmentation.apply(film, drawn)[0, 0].numpy()
    degrees = float(drawn.rotation[0]) * 30
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
        drawn = augmentation.draw(1, seeded(2))
        assert torch.allclose(augmentation.apply(film, drawn), changed(film, drawn), atol=1e-6), (
            name
        )


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


def test_a_veil_whitens_half_of_the_films_and_leaves_at_least_the_contrast_it_may_not_take():
    given = films(400, side=24)
    veiled = Augmentation(veil=0.7)(given, seeded())
    left = (1 - veiled) / (1 - given).clamp_min(1e-6)
    assert float(left.max()) <= 1 + 1e-4
    assert 0.3 - 1e-4 <= float(left.min()) < 0.4
    assert float((left < 0.999).any(dim=-1).any(dim=-1).float().mean()) == pytest.approx(
        0.5, abs=0.06
    )


def test_a_veil_is_uneven_and_smooth():
    flat = torch.zeros(64, 1, 48, 48)
    veiled = Augmentation(veil=0.9)(flat, seeded())[:, 0]
    some = veiled[veiled.amax(dim=(1, 2)) > 0.3]
    assert float((some.amax(dim=(1, 2)) - some.amin(dim=(1, 2))).median()) > 0.15
    assert float((some[:, 1:] - some[:, :-1]).abs().max()) < 0.9 / (48 / 3)
