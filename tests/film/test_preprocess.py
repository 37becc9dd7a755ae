import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_core.errors import SettingsError
from cxr_core.film.preprocess import InputSpec, Placement, normalise_grids, to_grid, to_model_input

SIDES = st.integers(40, 400)


def gradient(height: int, width: int) -> np.ndarray:
    rows, columns = np.mgrid[0:height, 0:width]
    return ((rows / height + columns / width) / 2).astype(np.float32)


@given(
    height=SIDES,
    width=SIDES,
    side=st.integers(16, 256),
    aspect=st.sampled_from(["stretch", "pad", "crop"]),
)
@settings(max_examples=60, deadline=None)
def test_a_point_goes_to_the_input_and_back(height, width, side, aspect):
    placement = Placement.fit((height, width), InputSpec(side=side, aspect=aspect))
    points = np.array([[0.5, 0.5], [height - 0.5, width - 0.5], [height / 3, width / 2]])
    assert np.allclose(placement.to_film(placement.to_input(points)), points)


@given(height=SIDES, width=SIDES, aspect=st.sampled_from(["stretch", "pad", "crop"]))
@settings(max_examples=40, deadline=None)
def test_the_middle_of_the_film_is_the_middle_of_the_input_within_a_pixel(height, width, aspect):
    placement = Placement.fit((height, width), InputSpec(side=128, aspect=aspect))
    step = max(1.0, placement.scale[0])
    assert np.allclose(placement.to_input([[height / 2, width / 2]]), [[64, 64]], atol=step)


@pytest.mark.parametrize("aspect", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("shape", [(300, 300), (300, 200), (150, 310)])
def test_a_mark_on_the_film_comes_back_where_it_was(aspect, shape):
    """The same mark through to_grid and back through map_to_film: an independent check of Placement."""
    film = np.zeros(shape, np.float32)
    row, column = shape[0] * 0.55, shape[1] * 0.45
    cv2.circle(film, (round(column), round(row)), 12, 1.0, -1)
    spec = InputSpec(side=160, aspect=aspect)
    grid = to_grid(film, spec).astype(np.float32)

    placement = Placement.fit(shape, spec)
    back = np.nan_to_num(placement.map_to_film(grid))

    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    found = np.array([(rows * back).sum(), (columns * back).sum()]) / back.sum()
    assert np.allclose(found, (round(row), round(column)), atol=1.0)


@pytest.mark.parametrize("aspect", ["stretch", "pad", "crop"])
def test_a_sloping_map_has_its_slope_on_the_film(aspect):
    """Within the outermost cells a plane stays a plane: each pixel's value is known from Placement alone."""
    placement = Placement.fit((120, 90), InputSpec(side=64, aspect=aspect))
    # Each cell holds the column of its own middle on the input.
    slope = np.tile((np.arange(8, dtype=np.float32) + 0.5) * 8, (8, 1))
    found = placement.map_to_film(slope)
    expected = placement.to_input(np.stack([np.full(90, 60.5), np.arange(90) + 0.5], 1))[:, 1]
    inside = (expected > 12) & (expected < 52)
    assert np.allclose(found[60][inside], expected[inside], atol=0.3)


def test_what_was_cropped_away_is_unknown_not_zero():
    placement = Placement.fit((100, 200), InputSpec(side=64, aspect="crop"))
    back = placement.map_to_film(np.ones((8, 8), np.float32))
    assert np.isnan(back[:, :45]).all()
    assert np.isnan(back[:, 155:]).all()
    assert np.allclose(back[:, 55:145], 1)


def test_padding_is_black_and_keeps_the_aspect():
    grid = to_grid(np.ones((100, 50), np.float32), InputSpec(side=64, aspect="pad"))
    assert (grid[:, 16:48] == 255).all()
    assert (grid[:, :16] == 0).all()
    assert (grid[:, 48:] == 0).all()


@pytest.mark.parametrize("aspect", ["stretch", "pad", "crop"])
def test_a_reduced_film_is_what_a_smaller_input_shows(aspect):
    """Enlarged from exactly the grid that a model with that input side would see."""
    film = np.random.default_rng(0).random((256, 192)).astype(np.float32)
    reduced = to_grid(film, InputSpec(side=128, aspect=aspect, reduce_to=64)).astype(np.float32)
    small = to_grid(film, InputSpec(side=64, aspect=aspect)).astype(np.float32)
    shown = np.s_[:, 18:110] if aspect == "pad" else np.s_[:, :]  # beside it the black begins
    enlarged = cv2.resize(small, (128, 128), interpolation=cv2.INTER_LINEAR)
    assert np.abs(reduced - enlarged)[shown].max() <= 2


def test_a_reduced_and_blurred_film_is_the_same_from_copies_of_every_size_and_format():
    rng = np.random.default_rng(1)
    film = cv2.resize(
        rng.random((24, 24)).astype(np.float32), (1024, 1024), interpolation=cv2.INTER_CUBIC
    )
    film = (film + 0.15 * rng.standard_normal(film.shape)).clip(0, 1).astype(np.float32)
    copies = [
        cv2.resize(film, (side, side), interpolation=cv2.INTER_AREA) for side in (64, 128, 512)
    ]
    _, data = cv2.imencode(".jpg", np.rint(copies[0] * 255), [cv2.IMWRITE_JPEG_QUALITY, 75])
    copies.append(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE).astype(np.float32) / 255)

    def spread(spec: InputSpec) -> float:
        grids = [to_grid(copy, spec).astype(np.float32) for copy in (film, *copies)]
        return max(float(np.abs(grid - grids[0]).mean()) for grid in grids)

    assert spread(InputSpec(side=128, reduce_to=64, blur=1.0)) < 0.5 * spread(InputSpec(side=128))


def test_the_blur_is_a_gaussian_of_reduced_pixels():
    film = np.zeros((64, 64), np.float32)
    film[32, 32] = 1.0
    grid = to_grid(film, InputSpec(side=64, reduce_to=64, blur=1.5)) / 255
    rows, columns = np.mgrid[:64, :64] - 32
    gaussian = np.exp(-(rows**2 + columns**2) / (2 * 1.5**2))
    assert np.abs(grid - gaussian / gaussian.sum()).max() < 0.004  # a grey level of 256


def test_a_mark_on_a_reduced_film_comes_back_where_it_was():
    film = np.zeros((300, 200), np.float32)
    cv2.circle(film, (90, 165), 12, 1.0, -1)
    spec = InputSpec(side=160, reduce_to=40, blur=1.0)
    back = Placement.fit(film.shape, spec).map_to_film(to_grid(film, spec).astype(np.float32))
    rows, columns = np.mgrid[0:300, 0:200]
    found = np.array([(rows * back).sum(), (columns * back).sum()]) / back.sum()
    assert np.allclose(found, (165, 90), atol=1.0)


def test_a_spec_that_reduces_nothing_is_written_as_before():
    assert "reduce_to" not in InputSpec(side=64).to_json()
    spec = InputSpec(side=64, reduce_to=32, blur=0.7)
    assert InputSpec(**spec.to_json()) == spec


def test_equalisation_follows_opencv():
    film = gradient(64, 64) ** 2
    plain = to_grid(film, InputSpec(side=64))
    assert np.array_equal(
        to_grid(film, InputSpec(side=64, equalisation="histogram")), cv2.equalizeHist(plain)
    )
    clahe = cv2.createCLAHE(2.0, (8, 8)).apply(plain)
    assert np.array_equal(to_grid(film, InputSpec(side=64, equalisation="clahe")), clahe)


def test_the_input_is_the_normalised_grid_in_each_channel():
    spec = InputSpec(side=32, channels=3, mean=0.4, std=0.2)
    film = gradient(90, 90)
    batch = to_model_input(film, spec)
    assert batch.shape == (1, 3, 32, 32)
    assert batch.dtype == np.float32
    assert np.allclose(batch[0, 1], (to_grid(film, spec) / 255 - 0.4) / 0.2, atol=1e-5)
    assert np.array_equal(batch[0, 0], batch[0, 2])


def test_one_film_alone_and_in_a_batch_gives_the_same_input():
    spec = InputSpec(side=32, channels=1)
    grids = np.stack([to_grid(gradient(50, 70), spec), to_grid(gradient(99, 40), spec)])
    assert np.array_equal(normalise_grids(grids, spec)[1:], to_model_input(gradient(99, 40), spec))


@pytest.mark.parametrize(
    "wrong",
    [
        {"side": 4},
        {"channels": 2},
        {"std": 0},
        {"equalisation": "magic"},
        {"aspect": "skew"},
        {"version": 99},
        {"reduce_to": 8},
        {"reduce_to": 65},
        {"reduce_to": 32, "blur": -1.0},
        {"reduce_to": 32, "blur": 11.0},
        {"blur": 0.7},
    ],
)
def test_a_spec_that_contradicts_itself_is_refused(wrong):
    with pytest.raises(SettingsError):
        InputSpec(**{"side": 64, **wrong})
