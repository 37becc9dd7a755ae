"""Text in a film's border is found, in every style and size; markers and words of projection and posture are not."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from cxr_core.film.artefacts.burned_in_text import find_text_lines, number_groups
from cxr_core.film.phantom.phantom import SAMPLES, PhantomSpec, draw_phantom
from tests.film.artefacts.drawn_text import draw_side_marker, draw_text
from tests.film.artefacts.rates import finds_drawn_text, has_text, list_films, load_film

pytestmark = pytest.mark.corpus

PIXELS = draw_phantom(PhantomSpec(height=512, width=448)).pixels
# A Hershey face has letters of 22 px at scale 1.
HERSHEY_PX = 22


def write(
    text: str, size_px: float = 10, row: int = 20, column: int = 8, level: float = 1.0
) -> np.ndarray:
    """The phantom with a text of letters of this height, its base line at a row."""
    grey = np.rint(PIXELS * 255).astype(np.uint8)
    face, scale = cv2.FONT_HERSHEY_SIMPLEX, size_px / HERSHEY_PX
    cv2.putText(grey, text, (column, row), face, scale, round(level * 255), 1, cv2.LINE_AA)
    return (grey / 255).astype(np.float32)


@pytest.mark.parametrize("spec", SAMPLES.values(), ids=SAMPLES)
def test_phantoms_hold_no_text(spec: PhantomSpec) -> None:
    assert find_text_lines(draw_phantom(spec).pixels) == ()


@pytest.mark.parametrize("text", ["SMITH^JOHN", "1234567", "12.03.1956", "Garcia, Ana F 61Y"])
@pytest.mark.parametrize("size_px", [7, 10, 18])
def test_a_written_line_is_found_where_it_stands(text: str, size_px: int) -> None:
    lines = find_text_lines(write(text, size_px))
    assert lines
    for line in lines:
        assert not line.vertical
        assert -4 <= line.row - (20 - size_px) <= 4 + size_px // 2
        assert 6 <= line.column <= line.column + line.width <= 10 + len(text) * size_px
        assert size_px // 2 <= line.height <= 1.6 * size_px


def test_drawn_text_of_all_styles_is_found() -> None:
    rng = np.random.default_rng(11)
    assert np.mean([finds_drawn_text(PIXELS, rng) for _ in range(20)]) >= 0.95


def test_dark_text_on_a_white_box_and_upright_text_are_found() -> None:
    boxed = PIXELS.copy()
    boxed[:40, :200] = 1
    picture = np.ascontiguousarray(boxed)
    picture[:40, :200] -= write("SMITH^JOHN 1956", 12, row=28)[:40, :200] - PIXELS[:40, :200]
    assert find_text_lines(np.clip(picture, 0, 1))
    upright = np.ascontiguousarray(np.rot90(write("SMITH^JOHN 1956", 12)))
    assert any(line.vertical for line in find_text_lines(upright))


@pytest.mark.parametrize("side", [1024, 2500])
def test_text_on_a_large_film_is_found_in_its_own_pixels(side: int) -> None:
    large = cv2.resize(PIXELS, (side, side), interpolation=cv2.INTER_CUBIC)
    drawn = draw_text(np.clip(large, 0, 1), np.random.default_rng(3))
    lines = find_text_lines(drawn.pixels)
    assert any(
        drawn.row - 9 <= line.row and line.row + line.height <= drawn.row + drawn.height + 9
        for line in lines
    )


def test_text_over_the_chest_is_not_looked_for() -> None:
    assert not find_text_lines(write("SMITH^JOHN", 14, row=256, column=170))


@pytest.mark.parametrize("word", ["R", "L", "PA", "AP", "R 12", "LEFT"])
def test_a_written_marker_is_no_text(word: str) -> None:
    assert not find_text_lines(write(word, 14))


def test_drawn_side_markers_are_no_text() -> None:
    rng = np.random.default_rng(5)
    assert not any(has_text(draw_side_marker(PIXELS, rng)) for _ in range(60))


@pytest.mark.parametrize("word", ["PORTABLE", "SUPINE", "SEMI-ERECT", "STANDING"])
@pytest.mark.parametrize("size_px", [8, 14])
def test_words_of_projection_and_posture_are_left_out(word: str, size_px: int) -> None:
    assert not find_text_lines(write(word, size_px))
    name = "".join(sorted(word, reverse=True))  # as many letters, the same ones, another word
    assert find_text_lines(write(name + name, size_px))


def test_a_name_beside_such_a_word_is_found() -> None:
    both = np.maximum(write("PORTABLE", 10), write("MUELLER ANNA", 10, row=60))
    assert [line.row > 40 for line in find_text_lines(both)] == [True]


def test_noise_takes_no_time_without_end() -> None:
    noise = np.random.default_rng(0).random((1024, 1024), np.float32)
    assert len(find_text_lines(noise)) < 100


@pytest.mark.parametrize(
    ("folder", "part"), [("nih_boxes_256", 7), ("heart_ctr/images", 1), ("nih_originals_1024", 0)]
)
def test_real_films(real_data: Path, folder: str, part: int) -> None:
    """Of the whole folders 0 to 0.5 % are flagged, and 98 % of drawn texts are found (burned_in_text.py)."""
    parts = 1 if "originals" in folder else 20
    films = [load_film(path) for path in list_films(real_data / folder, parts, part % parts)]
    rng = np.random.default_rng(part)
    assert sum(has_text(film) for film in films) <= 1
    assert np.mean([finds_drawn_text(film, rng) for film in films]) >= 0.9


def test_a_phantom_with_text_is_replaced_not_changed() -> None:
    film = draw_phantom(PhantomSpec(height=512, width=448))
    before = film.pixels.copy()
    find_text_lines(replace(film).pixels)
    np.testing.assert_array_equal(film.pixels, before)


@pytest.mark.parametrize("count", [1, 2, 40, 300])
@pytest.mark.parametrize("links_per_part", [0.3, 1, 3])
def test_groups_are_the_connected_components(count: int, links_per_part: float) -> None:
    linked = np.random.default_rng(count).random((count, count)) < links_per_part / count
    linked |= linked.T
    _, expected = connected_components(linked, directed=False)
    _, found = np.unique(number_groups(linked), return_inverse=True)
    assert np.array_equal(found, expected)


def test_a_long_line_of_parts_is_one_group() -> None:
    chain = np.eye(300, k=1, dtype=bool) | np.eye(300, k=-1, dtype=bool)
    shuffled = np.random.default_rng(0).permutation(300)
    assert not number_groups(chain[np.ix_(shuffled, shuffled)]).any()
