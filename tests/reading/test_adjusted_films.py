"""A film that lies wrong and is put right is read as the film that lay right from the start."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxr_core.film.adjustments import UNCHANGED, Adjustments
from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.reader import Reader
from cxr_core.reading.results import Examination

# How a file shows the film wrongly, and what puts it right.
WRONGS = {
    "inverted": (Adjustments(inverted=True), Adjustments(inverted=True)),
    "on its right side": (Adjustments(quarter_turns=1), Adjustments(quarter_turns=3)),
    "upside down": (Adjustments(quarter_turns=2), Adjustments(quarter_turns=2)),
    "on its left side": (Adjustments(quarter_turns=3), Adjustments(quarter_turns=1)),
    "mirrored": (Adjustments(mirrored=True), Adjustments(mirrored=True)),
    "turned, then mirrored": (
        Adjustments(quarter_turns=1, mirrored=True),
        UNCHANGED.then_mirror().then_rotate().then_rotate().then_rotate(),
    ),
}


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with Reader.installed() as opened:
        yield opened


def show_wrong(pixels: np.ndarray, wrong: Adjustments) -> bytes:
    """A PNG of 8-bit pixels (H, W), made wrong by Pillow."""
    picture = Image.fromarray(255 - pixels if wrong.inverted else pixels)
    picture = picture.rotate(-90 * wrong.quarter_turns, expand=True)
    if wrong.mirrored:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module", params=["drawing", "real film"])
def pixels(request: pytest.FixtureRequest) -> np.ndarray:
    """An 8-bit film that carries no flag."""
    if request.param == "drawing":
        film = draw_phantom(PhantomSpec(height=600, width=512, seed=4))
    else:
        folder: Path = request.getfixturevalue("real_data")
        path = sorted((folder / "nih_originals_1024" / "images").iterdir())[3]
        film = decode_film(path.read_bytes())
    return np.rint(film.pixels * 255).astype(np.uint8)


@pytest.fixture(scope="module")
def right(reader: Reader, pixels: np.ndarray) -> Examination:
    examination = reader.examine(show_wrong(pixels, UNCHANGED))
    assert not {"inverted", "turned", "mirrored"} & codes(examination)
    return examination


def codes(examination: Examination) -> set[str]:
    return {concern.code for concern in examination.concerns}


@pytest.mark.parametrize("wrong", WRONGS)
def test_a_film_put_right_is_read_as_the_right_one(
    reader: Reader, pixels: np.ndarray, right: Examination, wrong: str
) -> None:
    made_wrong, correction = WRONGS[wrong]
    data = show_wrong(pixels, made_wrong)
    assert {"inverted", "turned", "mirrored"} & codes(reader.examine(data))
    corrected = reader.examine(data, correction)
    assert corrected.adjustments == correction
    assert codes(corrected) == codes(right)
    # On the model's 8-bit grid, a mean between two grey values rounds the other way when inverted.
    tolerance = 0.05 if made_wrong.inverted else 1e-6
    for one, other in zip(corrected.outputs, right.outputs, strict=True):
        assert np.allclose(one.logits, other.logits, atol=tolerance)
    ratios = [
        interpret(each, Patient(age_years=50, view="PA")).measurements[0].value
        for each in (corrected, right)
    ]
    assert ratios[0] == pytest.approx(ratios[1], abs=tolerance / 10)


def test_a_folder_is_adjusted_film_by_film(reader: Reader, pixels: np.ndarray) -> None:
    data = show_wrong(pixels, Adjustments(quarter_turns=1))
    turned_back = Adjustments(quarter_turns=3)
    examinations = list(reader.examine_many([data, b"no film", data], turned_back))
    assert [examination.adjustments for examination in examinations] == [turned_back] * 3
    assert ["turned" in codes(examination) for examination in examinations] == [False] * 3
    assert examinations[1].film is None


def test_a_heart_on_the_right_is_flagged_until_somebody_mirrors_the_film(reader: Reader) -> None:
    """A film of dextrocardia looks like a mirrored one: no call is made, and a mirror image is only ever asked for."""
    film = draw_phantom(PhantomSpec(height=600, width=512, seed=4)).pixels
    data = show_wrong(np.rint(film * 255).astype(np.uint8), Adjustments(mirrored=True))
    patient = Patient(age_years=50, view="PA")
    as_filed = interpret(reader.examine(data), patient)
    assert {finding.call for finding in as_filed.findings} <= {"indeterminate", None}
    mirrored = interpret(reader.examine(data, UNCHANGED.then_mirror()), patient)
    assert {finding.call for finding in mirrored.findings} & {"present", "absent"}
    again = reader.examine(data, UNCHANGED.then_mirror().then_mirror())
    assert "mirrored" in codes(again)
    assert again.adjustments == UNCHANGED
