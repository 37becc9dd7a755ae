"""A film that is put right: its pixels, its spacing, its words, and clicks one after another."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cxr_core.errors import SettingsError
from cxr_core.film.adjustments import UNCHANGED, Adjustments, adjust_film
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom
from cxr_core.film.quality import find_quality_flags
from cxr_core.film.radiograph import Radiograph

PIXELS = np.random.default_rng(3).random((5, 7), np.float32)
FILM = Radiograph(pixels=PIXELS, spacing_mm=(0.2, 0.3), spacing_source="detector", view="PA")
CHEST = replace(draw_phantom(PhantomSpec(height=512, width=448, seed=4)), container="png")

# What a click does, by Pillow.
CLICKS = {
    "then_invert": lambda pixels: 1 - pixels,
    "then_rotate": lambda pixels: transpose(pixels, Image.Transpose.ROTATE_270),
    "then_mirror": lambda pixels: transpose(pixels, Image.Transpose.FLIP_LEFT_RIGHT),
}


def transpose(pixels: np.ndarray, method: Image.Transpose) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).transpose(method))


@given(clicks=st.lists(st.sampled_from(sorted(CLICKS)), max_size=9))
def test_clicks_act_on_the_film_as_it_is_shown(clicks: list[str]) -> None:
    adjustments, expected = UNCHANGED, PIXELS
    for click in clicks:
        adjustments = getattr(adjustments, click)()
        expected = CLICKS[click](expected)
    adjusted = adjust_film(FILM, adjustments)
    assert np.allclose(adjusted.pixels, expected, atol=1e-6)
    assert adjusted.pixels.flags.c_contiguous
    turned = clicks.count("then_rotate") % 2
    assert adjusted.spacing_mm == ((0.3, 0.2) if turned else (0.2, 0.3))
    assert adjusted.view == "PA"


def test_an_unchanged_film_is_the_same_film() -> None:
    assert adjust_film(FILM, UNCHANGED) is FILM
    assert not UNCHANGED
    assert UNCHANGED.then_mirror()


def test_changes_are_described_in_the_order_in_which_they_apply() -> None:
    everything = Adjustments(inverted=True, quarter_turns=1, mirrored=True)
    assert everything.describe() == (
        "Greyscale inverted",
        "Turned by 90° clockwise",
        "Mirrored left to right",
    )
    assert UNCHANGED.describe() == ()
    assert Adjustments(**json.loads(json.dumps(everything.to_json()))) == everything


@pytest.mark.parametrize("turns", [-1, 4])
def test_more_than_three_quarter_turns_are_refused(turns: int) -> None:
    with pytest.raises(SettingsError, match="0 to 3"):
        Adjustments(quarter_turns=turns)


@pytest.mark.parametrize(
    ("adjustments", "code", "advice"),
    [
        (Adjustments(inverted=True), "inverted", "Invert the film"),
        (Adjustments(quarter_turns=1), "turned", "by 270° clockwise"),
        (Adjustments(quarter_turns=2), "turned", "by 180° clockwise"),
        (Adjustments(quarter_turns=3), "turned", "by 90° clockwise"),
        (Adjustments(mirrored=True), "mirrored", "mirror it"),
    ],
)
def test_a_flag_says_what_puts_the_film_right(
    adjustments: Adjustments, code: str, advice: str
) -> None:
    wrong = adjust_film(CHEST, adjustments)
    (flag,) = find_quality_flags(wrong)
    assert flag.code == code
    assert advice in flag.message
    turns_back = Adjustments(
        inverted=adjustments.inverted,
        quarter_turns=-adjustments.quarter_turns % 4,
        mirrored=adjustments.mirrored,
    )
    assert find_quality_flags(adjust_film(wrong, turns_back)) == ()


def test_what_the_file_says_of_itself_stays_true() -> None:
    tagged = replace(CHEST, irregularities=("lut_depth",), age_years=3.0, conflicting_age_years=9.0)
    adjusted = adjust_film(tagged, Adjustments(quarter_turns=2))
    codes = {flag.code for flag in find_quality_flags(adjusted)}
    assert codes == {"lut_depth", "age_conflict", "turned"}
