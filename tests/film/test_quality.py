"""What is refused and what is warned of, on drawings, on real films and on what is no film."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.orientation import edge_histograms, measure_heart_side
from cxr_core.film.phantom.phantom import SAMPLES, PhantomSpec, draw_phantom
from cxr_core.film.quality import find_quality_flags
from cxr_core.film.radiograph import Radiograph

RNG = np.random.default_rng(9)
FILM = replace(draw_phantom(PhantomSpec(height=512, width=448)), container="png")


def codes(film: Radiograph) -> list[str]:
    return [concern.code for concern in find_quality_flags(film)]


def refusals(film: Radiograph) -> set[str]:
    return {concern.code for concern in find_quality_flags(film) if concern.withholds_reading}


def of(pixels: np.ndarray, **facts: Any) -> Radiograph:
    return replace(FILM, pixels=np.ascontiguousarray(pixels, dtype=np.float32), **facts)


def resized(height: int, width: int) -> Radiograph:
    return of(cv2.resize(FILM.pixels, (width, height), interpolation=cv2.INTER_AREA))


def test_a_sound_film_raises_nothing() -> None:
    assert find_quality_flags(FILM) == ()


@pytest.mark.parametrize("spec", SAMPLES.values(), ids=SAMPLES)
def test_drawings_are_named_and_never_refused(spec: PhantomSpec) -> None:
    assert codes(draw_phantom(spec)) == ["drawing"]


@pytest.mark.parametrize(
    ("side", "found"),
    [(63, ["too_small"]), (64, ["low_resolution"]), (199, ["low_resolution"]), (200, [])],
)
def test_size(side: int, found: list[str]) -> None:
    assert codes(resized(side, side + 20)) == found
    assert codes(resized(side + 20, side)) == found


@pytest.mark.parametrize(("height", "width"), [(200, 501), (501, 200)])
def test_an_implausible_shape_is_refused(height: int, width: int) -> None:
    assert refusals(resized(height, width)) == {"implausible_shape"}
    assert not refusals(resized(200, 500))


@pytest.mark.parametrize("level", [0.0, 0.4, 1.0])
def test_one_even_grey_is_refused(level: float) -> None:
    assert refusals(of(np.full((300, 300), level))) == {"constant"}
    assert refusals(of(np.clip(level + RNG.normal(0, 0.01, (300, 300)), 0, 1))) == {"constant"}


@pytest.mark.parametrize("shape", [(64, 64), (100, 130), (512, 512), (1500, 1300)])
def test_noise_is_refused(shape: tuple[int, int]) -> None:
    assert refusals(of(RNG.random(shape))) & {"noise", "constant"}
    assert refusals(
        of(cv2.resize(RNG.random((80, 80)), (640, 640), interpolation=cv2.INTER_NEAREST))
    ) & {"noise"}


def test_colour_is_refused() -> None:
    assert refusals(replace(FILM, colour=0.1)) == {"colour"}
    assert not refusals(replace(FILM, colour=0.01))


@pytest.mark.parametrize(
    ("facts", "refusal"),
    [
        ({"colour": 0.1}, "colour"),
        ({"body_part": "HAND"}, "wrong_body_part"),
        ({"modality": "CT"}, "wrong_modality"),
        ({"view": "LATERAL"}, "lateral_view"),
    ],
)
def test_what_is_no_frontal_film_is_not_said_to_be_inverted_or_turned(
    facts: dict[str, Any], refusal: str
) -> None:
    upside_down = of(1 - FILM.pixels[::-1])
    assert {"inverted", "turned"} & set(codes(upside_down))
    assert codes(replace(upside_down, **facts)) == [refusal]


def test_a_test_pattern_is_refused() -> None:
    pattern = np.kron(RNG.random((12, 12)), np.ones((40, 40)))
    assert "drawn" in refusals(of(pattern)) or "noise" in refusals(of(pattern))
    steps = np.repeat(np.linspace(0, 1, 12), 40)[None].repeat(300, axis=0)
    assert refusals(of(steps)) == {"drawn"}


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        *(
            ({"modality": modality}, "wrong_modality")
            for modality in ("CT", "MR", "US", "NM", "PT", "SEG", "RTDOSE", "MG")
        ),
        ({"modality": None}, "wrong_modality"),
        *(
            ({"body_part": part}, "wrong_body_part")
            for part in ("HAND", "ABDOMEN", "OTHER", "BREAST")
        ),
        ({"view": "LATERAL"}, "lateral_view"),
    ],
)
def test_tags_that_say_something_else_are_refused(facts: dict[str, Any], code: str) -> None:
    sound = {"container": "dicom", "modality": "DX", "body_part": "CHEST", "view": "PA"}
    if facts.get("modality", "") is None:
        sound["body_part"] = None
    assert refusals(replace(FILM, **{**sound, **facts})) == {code}


@pytest.mark.parametrize(
    "facts",
    [
        *({"modality": modality} for modality in ("CR", "DX", "DR", "RG")),
        *({"modality": "CR", "body_part": part} for part in ("CHEST", "THORAX", "LUNG", "HEART")),
        {"modality": None, "body_part": "CHEST"},
        {"modality": "OT", "body_part": "CHEST"},
    ],
)
def test_tags_that_fit_raise_nothing(facts: dict[str, Any]) -> None:
    assert codes(replace(FILM, container="dicom", **facts)) == []


def test_a_secondary_capture_that_says_nothing_is_read_with_a_warning() -> None:
    (concern,) = find_quality_flags(replace(FILM, container="dicom", modality="OT"))
    assert (concern.code, concern.withholds_reading, concern.withholds_call) == (
        "unknown_modality",
        False,
        False,
    )


def test_clipping_is_warned_of() -> None:
    assert codes(of(np.clip(FILM.pixels * 1.6, 0, 1))) == ["clipped"]
    assert codes(of(np.clip(FILM.pixels * 1.6 - 0.6, 0, 1))) == ["clipped"]


@pytest.mark.parametrize(
    ("turn", "code"),
    [
        (lambda pixels: 1 - pixels, "inverted"),
        (lambda pixels: np.rot90(pixels), "turned"),
        (lambda pixels: np.rot90(pixels, 2), "turned"),
        (lambda pixels: np.rot90(pixels, 3), "turned"),
        (lambda pixels: pixels[:, ::-1], "mirrored"),
    ],
)
def test_how_a_film_lies(turn: Any, code: str) -> None:
    (concern,) = find_quality_flags(of(turn(FILM.pixels)))
    assert (concern.code, concern.withholds_reading, concern.withholds_call) == (code, False, True)


def test_an_inverted_film_that_is_turned_says_both() -> None:
    assert codes(of(1 - np.rot90(FILM.pixels))) == ["inverted", "turned"]


def test_an_inverted_film_that_is_mirrored_says_both() -> None:
    assert codes(of(1 - FILM.pixels[:, ::-1])) == ["inverted", "mirrored"]


def test_the_side_of_the_heart_changes_its_sign_in_the_mirror() -> None:
    film = cv2.resize(FILM.pixels, (64, 64), interpolation=cv2.INTER_AREA)
    mirrored = np.ascontiguousarray(film[:, ::-1])
    assert measure_heart_side(mirrored) == pytest.approx(-measure_heart_side(film), abs=1e-4)
    assert measure_heart_side((film + mirrored) / 2) == pytest.approx(0, abs=1e-4)
    histograms = edge_histograms(film)
    assert histograms.shape == (8, 8, 8)
    # An edge that grows brighter to the right is of direction 0, one to the left of direction 4.
    ramp = np.repeat(np.linspace(0, 1, 64, dtype=np.float32)[None], 64, axis=0)
    assert edge_histograms(ramp).sum(axis=(1, 2)).argmax() == 0
    assert edge_histograms(np.ascontiguousarray(ramp[:, ::-1])).sum(axis=(1, 2)).argmax() == 4


def test_refusals_come_first() -> None:
    found = find_quality_flags(
        of(1 - FILM.pixels[::3, ::3], view="LATERAL", container="dicom", modality="DX")
    )
    assert [concern.withholds_reading for concern in found] == sorted(
        (concern.withholds_reading for concern in found), reverse=True
    )
    # A lateral film is not said to be inverted as well.
    assert {concern.code for concern in found} == {"lateral_view", "low_resolution"}
    assert codes(replace(resized(100, 100), colour=0.1)) == ["colour", "low_resolution"]


# Folder: files to look at, the most unsettled of them allowed, and how many mirrored ones must be found at least.
FOLDERS = {
    "nih_cxr8/images_001/images": (150, 0.04, 0.6),
    "nih_boxes_256": (150, 0.03, 0.6),
    "heart_ctr/images": (80, 0.01, 0.7),
    "kermany_pneumonia/test": (80, 0.02, 0.7),
    "nih_originals_1024/images": (13, 0.0, 0.6),
}


@pytest.mark.release
@pytest.mark.parametrize(("folder", "limits"), FOLDERS.items(), ids=FOLDERS)
def test_real_films_are_not_refused_and_seldom_doubted(
    real_data: Path, folder: str, limits: tuple[int, float, float]
) -> None:
    count, doubted, found = limits
    files = sorted(
        path for path in (real_data / folder).rglob("*") if path.suffix in (".png", ".jpeg", ".jpg")
    )
    films = [decode_film(path.read_bytes()) for path in files[:: max(1, len(files) // count)]]
    assert not [code for film in films for code in refusals(film)]
    unsettled = [
        any(concern.withholds_call for concern in find_quality_flags(film)) for film in films
    ]
    assert np.mean(unsettled) <= doubted
    mirrored = [
        "mirrored" in codes(replace(film, pixels=np.ascontiguousarray(film.pixels[:, ::-1])))
        for film in films
    ]
    assert np.mean(mirrored) >= found
    inverted = ["inverted" in codes(replace(film, pixels=1 - film.pixels)) for film in films]
    assert np.mean(inverted) >= 0.95
    if "images_001" in folder:
        assert all("low_resolution" in codes(film) for film in films)


def test_colour_photographs_are_refused(real_data: Path) -> None:
    names = (
        "astronaut.png",
        "chelsea.png",
        "coffee.png",
        "color.png",
        "retina.jpg",
        "hubble_deep_field.jpg",
    )
    for name in names:
        assert "colour" in refusals(
            decode_film((real_data / "not_chest" / "natural" / name).read_bytes())
        ), name
