"""The colour ramp: absolute, silent without evidence, and the same on every film."""

import numpy as np
import pytest

from cxr_core.reading.report.colormap import OPACITY, OPAQUE_AT, RAMP, map_colours, overlay_heatmap

GREY = np.full((4, 6), 0.5, np.float32)


def test_nothing_is_drawn_without_evidence_against_it_or_where_the_model_did_not_look() -> None:
    film = np.linspace(0, 1, 24, dtype=np.float32).reshape(4, 6)
    for nothing in (0.0, -3.0, np.nan):
        drawn = overlay_heatmap(film, np.full((4, 6), nothing, np.float32), scale=2.0)
        assert np.array_equal(
            drawn, np.repeat(np.rint(film * 255).astype(np.uint8)[..., None], 3, axis=2)
        )


def test_the_same_evidence_has_the_same_colour_beside_any_other() -> None:
    weak = np.zeros((4, 6), np.float32)
    weak[1, 1] = 0.3
    beside_strong = weak.copy()
    beside_strong[3, 3] = 40.0
    alone, together = (
        overlay_heatmap(GREY, weak, scale=2.0),
        overlay_heatmap(GREY, beside_strong, scale=2.0),
    )
    assert np.array_equal(alone[1, 1], together[1, 1])
    assert not np.array_equal(alone[1, 1], alone[0, 0])


def test_full_scale_has_the_last_colour_and_more_changes_nothing() -> None:
    full, beyond = (
        overlay_heatmap(GREY, np.full((4, 6), heat, np.float32), scale=2.0) for heat in (2.0, 20.0)
    )
    expected = 127.5 + (np.array(RAMP[-1]) - 127.5) * OPACITY
    assert np.allclose(full[0, 0], expected, atol=1)
    assert np.array_equal(full, beyond)


def test_the_ramp_passes_through_its_stops_and_grows_brighter() -> None:
    assert np.allclose(map_colours(np.arange(len(RAMP)) / (len(RAMP) - 1)), RAMP, atol=1)
    luminance = map_colours(np.linspace(0, 1, 256)) @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(luminance) > -1).all()  # but for the rounding to whole levels


def test_opacity_grows_up_to_its_share_of_the_scale() -> None:
    heat = np.linspace(0, 1, 6, dtype=np.float32)[None].repeat(4, axis=0)
    black = overlay_heatmap(np.zeros((4, 6), np.float32), heat, scale=1.0, opacity=1.0).astype(int)
    bright = overlay_heatmap(np.ones((4, 6), np.float32), heat, scale=1.0, opacity=1.0).astype(int)
    shown_through = (bright - black)[0, :, 0] / 255
    assert np.allclose(shown_through, 1 - np.clip(heat[0] / OPAQUE_AT, 0, 1), atol=0.01)


def test_a_scale_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="above 0"):
        overlay_heatmap(GREY, GREY, scale=0.0)
