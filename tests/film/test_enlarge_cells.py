import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

from cxr_core.film.enlarge_cells import enlarge_cells
from cxr_core.film.preprocess import InputSpec, Placement


def cells_of(seed: int, shape: tuple[int, int] = (8, 8)) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def interpolate_with_scipy(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Down each column; one more cell at both ends, so that nothing changes beyond the outermost centres."""
    padded = np.pad(values.astype(np.float64), ((1, 1), (0, 0)), mode="edge")
    return np.asarray(PchipInterpolator(np.arange(len(padded)) - 1, padded, axis=0)(at))


@pytest.mark.parametrize("shape", [(8, 8), (7, 12), (1, 5)])
def test_an_enlarged_map_is_scipys_monotone_cubic(shape):
    cells = cells_of(1, shape)
    enlarged = enlarge_cells(cells)
    factor = enlarged.shape[0] // shape[0]
    rows, columns = (np.clip((np.arange(n * factor) + 0.5) / factor - 0.5, 0, n - 1) for n in shape)
    expected = interpolate_with_scipy(interpolate_with_scipy(cells, rows).T, columns).T
    assert np.allclose(enlarged, expected, atol=1e-5)


@given(seed=st.integers(0, 1000), aspect=st.sampled_from(["stretch", "pad", "crop"]))
def test_a_map_on_the_film_has_its_maximum_at_the_strongest_cells_centre(seed, aspect):
    cells = cells_of(seed)
    # Cells of 40 input pixels and 80 film pixels at least: the centre of each lies on the film.
    placement = Placement.fit((640, 640), InputSpec(side=320, aspect=aspect))
    on_film = placement.map_to_film(cells)
    assert on_film.max() <= cells.max() + 1e-6
    assert on_film.min() >= cells.min() - 1e-6
    strongest = np.array(np.unravel_index(cells.argmax(), cells.shape))
    centre = placement.to_film((strongest + 0.5) * 40)
    drawn = np.array(np.unravel_index(on_film.argmax(), on_film.shape)) + 0.5
    outermost = (strongest == 0) | (strongest == 7)  # there the map goes on level to the border
    assert (np.abs(drawn - centre) <= np.where(outermost, 41, 2)).all()


def test_one_cell_with_evidence_is_drawn_round():
    cells = np.zeros((9, 9), np.float32)
    cells[4, 4] = 1
    on_film = Placement.fit((900, 900), InputSpec(side=300)).map_to_film(cells)
    along, across = (on_film[450, 450:550] > 0.5).sum(), (np.diag(on_film)[450:550] > 0.5).sum()
    # A circle has the same radius in every direction; the diamond of bilinear interpolation 0.83 of it.
    assert across * np.sqrt(2) / along == pytest.approx(1, abs=0.06)


def test_a_map_finer_than_the_screen_stays_as_it_is():
    cells = cells_of(2, (224, 224))
    assert np.array_equal(enlarge_cells(cells), cells)
