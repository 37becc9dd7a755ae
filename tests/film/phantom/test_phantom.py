"""The drawn chest is what its spec says, to the pixel, and always says that it is a drawing."""

import dataclasses
import itertools
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_core.errors import SettingsError
from cxr_core.film.phantom.phantom import (
    SAMPLES,
    Opacity,
    PhantomSpec,
    compute_truth,
    draw_phantom,
    encode_png,
    is_phantom_png,
)
from cxr_core.film.radiograph import Radiograph

SMALL = PhantomSpec(height=256, width=256)


def span(mask: np.ndarray) -> int:
    columns = np.flatnonzero(mask.any(axis=0))
    return int(columns[-1] - columns[0] + 1)


@settings(max_examples=40, deadline=None)
@given(
    thorax=st.floats(0.45, 0.85),
    ratio=st.floats(0.3, 0.8),
    height=st.integers(200, 420),
    width=st.integers(200, 420),
    mirrored=st.booleans(),
)
def test_masks_measure_what_the_spec_says(
    thorax: float, ratio: float, height: int, width: int, mirrored: bool
) -> None:
    spec = PhantomSpec(
        height=height,
        width=width,
        thorax_width=thorax,
        heart_width=thorax * ratio,
        mirrored=mirrored,
    )
    known = compute_truth(spec)
    assert abs(span(known.heart) - thorax * ratio * width) <= 1.5
    assert abs(span(known.right_lung | known.left_lung) - thorax * width) <= 1.5
    assert known.cardiothoracic_ratio == span(known.heart) / span(
        known.right_lung | known.left_lung
    )


@pytest.mark.parametrize("spec", SAMPLES.values(), ids=SAMPLES)
def test_samples_measure_exactly_at_full_size(spec: PhantomSpec) -> None:
    known = compute_truth(spec)
    assert span(known.heart) == spec.heart_px
    assert span(known.right_lung | known.left_lung) == spec.thorax_px
    assert known.cardiothoracic_ratio == pytest.approx(
        spec.heart_width / spec.thorax_width, abs=0.002
    )


def test_ends_lie_on_the_masks_and_the_right_comes_first() -> None:
    known = compute_truth(SMALL)
    for mask, ends in (
        (known.heart, known.heart_ends),
        (known.right_lung | known.left_lung, known.thorax_ends),
    ):
        (right_row, right), (left_row, left) = ends
        assert mask[int(right_row), int(right)]
        assert mask[int(left_row), int(left) - 1]
        assert right < left  # the patient's right is on the picture's left
    mirrored = compute_truth(dataclasses.replace(SMALL, mirrored=True))
    assert mirrored.heart_ends[0][1] == 256 - known.heart_ends[0][1]


def test_anatomy_lies_where_it_belongs() -> None:
    known = compute_truth(SMALL)
    rows, columns = np.nonzero(known.heart)
    assert columns.mean() > 128  # mostly on the patient's left
    assert not (known.heart & (known.right_lung | known.left_lung)).any()
    assert not (known.right_lung & known.left_lung).any()
    assert np.nonzero(known.right_lung)[1].mean() < 128 < np.nonzero(known.left_lung)[1].mean()
    assert rows.mean() > 128


def test_the_picture_shows_the_masks() -> None:
    film, known = draw_phantom(SMALL), compute_truth(SMALL)
    lungs = known.right_lung | known.left_lung
    assert film.pixels[lungs].mean() + 0.2 < film.pixels[known.heart].mean()
    assert 0.2 < film.pixels[lungs].mean() < 0.5  # grey, not black
    assert film.pixels[:12, :12].max() < 0.1  # air beside the neck


def test_a_drawing_is_a_radiograph_in_its_promised_form() -> None:
    film = draw_phantom(SMALL)
    assert film.container == "drawing"
    assert film.pixels.dtype == np.float32
    assert film.pixels.flags.c_contiguous
    assert film.pixels.min() >= 0
    assert film.pixels.max() <= 1
    assert np.array_equal(
        np.rint(film.pixels * 255).astype(np.float32) / np.float32(255), film.pixels
    )


def test_the_same_spec_gives_the_same_pixels_and_the_seed_changes_noise_alone() -> None:
    first, again = draw_phantom(SMALL), draw_phantom(SMALL)
    assert np.array_equal(first.pixels, again.pixels)
    other = draw_phantom(dataclasses.replace(SMALL, seed=7))
    difference = other.pixels - first.pixels
    assert difference.std() > 0.3 * SMALL.noise
    # What is left after averaging 16x16 blocks would be anatomy that moved.
    assert (
        np.abs(cv2.resize(difference, (16, 16), interpolation=cv2.INTER_AREA)).max()
        < 0.5 * SMALL.noise
    )
    noiseless = [
        draw_phantom(dataclasses.replace(SMALL, noise=0.0, seed=seed)).pixels for seed in (0, 7)
    ]
    assert np.array_equal(*noiseless)


@pytest.mark.parametrize(
    ("lung", "place"), list(itertools.product(("right", "left"), ("upper", "middle", "lower")))
)
def test_an_opacity_raises_brightness_where_it_is_drawn_and_nowhere_else(
    lung: str, place: str
) -> None:
    spec = dataclasses.replace(SMALL, opacity=Opacity(lung=lung, place=place, strength=0.3))
    plain, patched, known = draw_phantom(SMALL), draw_phantom(spec), compute_truth(spec)
    added = patched.pixels - plain.pixels
    assert (added >= 0).all()
    assert added[known.opacity].mean() > 0.05
    assert added.max() > 0.15
    assert not added[~known.opacity].any()
    assert (known.opacity & getattr(known, f"{lung}_lung")).sum() > 0.8 * known.opacity.sum()


def test_inverted_and_mirrored_turn_the_picture() -> None:
    plain = draw_phantom(SMALL).pixels
    assert np.allclose(
        draw_phantom(dataclasses.replace(SMALL, inverted=True)).pixels, 1 - plain, atol=1e-6
    )
    assert np.array_equal(
        draw_phantom(dataclasses.replace(SMALL, mirrored=True)).pixels, plain[:, ::-1]
    )


def test_every_size_and_shape_is_drawn() -> None:
    for height, width in ((64, 64), (97, 300), (640, 201)):
        assert draw_phantom(PhantomSpec(height=height, width=width)).shape == (height, width)


@pytest.mark.parametrize(
    "wrong",
    [
        {"height": 20},
        {"thorax_width": 0.95},
        {"heart_width": 0.68},
        {"heart_width": 0.05},
        {"opacity": Opacity(lung="left", strength=1.5)},
        {"noise": -1.0},
    ],
    ids=str,
)
def test_a_spec_checks_itself(wrong: dict) -> None:
    with pytest.raises(SettingsError):
        PhantomSpec(**wrong)


def test_the_png_is_the_drawing_and_says_so() -> None:
    film = draw_phantom(SMALL)
    data = encode_png(film)
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(decoded.astype(np.float32) / np.float32(255), film.pixels)
    assert is_phantom_png(data)
    for size in (0, 8, 20, 40, 60):
        assert not is_phantom_png(data[:size])


def test_only_the_chunk_marks_a_drawing() -> None:
    film = draw_phantom(SMALL)
    marked = encode_png(film)
    plain = cv2.imencode(".png", np.rint(film.pixels * 255).astype(np.uint8))[1].tobytes()
    mark = b"tEXtSilhouette\0drawing"
    assert mark in marked
    assert not is_phantom_png(plain)
    chunk = (len(mark) - 4).to_bytes(4, "big") + mark + zlib.crc32(mark).to_bytes(4, "big")
    assert is_phantom_png(plain[:33] + chunk + plain[33:])
    assert not is_phantom_png(plain[:-12] + chunk + plain[-12:])  # behind the pixels
    assert not is_phantom_png(plain + chunk)  # behind the picture's end
    assert not is_phantom_png(b"\xff\xd8\xff" + marked)
    assert not is_phantom_png(marked.replace(mark, b"tEXtSilhouette\0Drawing"))
    # The same bytes as the content of another chunk.
    content = b"\0" * 4 + mark + zlib.crc32(mark).to_bytes(4, "big")
    chunk = b"zzZz" + content
    hidden = (
        plain[:33]
        + len(content).to_bytes(4, "big")
        + chunk
        + zlib.crc32(chunk).to_bytes(4, "big")
        + plain[33:]
    )
    assert not is_phantom_png(hidden)


def test_a_film_of_a_patient_is_never_marked_as_a_drawing() -> None:
    with pytest.raises(ValueError, match="only a phantom"):
        encode_png(Radiograph(pixels=np.zeros((64, 64), np.float32), container="png"))
