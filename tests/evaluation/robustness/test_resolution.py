"""Copies of a film in several sizes and formats: what they are, and how far answers to them lie apart."""

from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest

from cxr_core.data.prepare import open_data
from cxr_core.evaluation.robustness.film_changes import copy_film
from cxr_core.evaluation.robustness.resolution import (
    COPIES,
    choose_sample,
    compute_resolution,
    describe_sample,
    measure_resolution,
)
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom
from cxr_core.models.resolution import MAX_MOVEMENT
from cxr_core.promotion.gate.resolution import check_resolution, compare_movement
from cxr_core.reading.calibration import expit
from cxr_core.reading.results import ModelOutput
from tests.tiny import tiny_card

FILM = draw_phantom(PhantomSpec(height=300, width=260, noise=0.0))


@pytest.mark.parametrize("side", [64, 1024])
def test_a_copy_is_the_same_film_in_another_size_and_a_jpeg_loses_more(side):
    png, jpeg = (copy_film(FILM, side, file_format) for file_format in ("PNG", "JPEG"))
    assert max(png.shape) == max(jpeg.shape) == side
    same_size = cv2.resize(FILM.pixels, png.shape[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(png.pixels - same_size).mean() < 0.01
    assert np.abs(jpeg.pixels - png.pixels).mean() > 1e-4


def test_figures_are_of_the_range_of_each_film():
    films = [{"a": 0.0, "b": 0.1, "c": -0.2}, {"a": 1.0, "b": 1.7, "c": 1.2}, {"a": 2.0, "b": 2.0}]
    figures = compute_resolution(pd.DataFrame(films), "three films")
    assert figures.films == 3
    assert figures.outside == pytest.approx(1 / 3)
    assert figures.worst == pytest.approx(0.7)
    assert figures.worst_copies == ("a", "b")
    assert figures.p95 == pytest.approx(np.quantile([0.3, 0.7, 0.0], 0.95))
    assert figures.refused == 1
    assert not figures.is_stable
    assert compute_resolution(answers_that_move(0, MAX_MOVEMENT), "films").is_stable


def answers_that_move(moving, steady_by=0.1):
    """Log-odds of two copies of 20 films, of which some move by 0.6."""
    far, near = [{"a": 0.0, "b": 0.6}] * moving, [{"a": 0.0, "b": steady_by}] * (20 - moving)
    return pd.DataFrame(far + near)


def test_without_a_model_in_use_a_twentieth_of_the_films_may_move():
    figures = {
        "pneumonia": compute_resolution(answers_that_move(1), "20 films"),
        "cardiomegaly": compute_resolution(answers_that_move(2), "20 films"),
    }
    assert not check_resolution("pneumonia", figures, {}).refuses
    refused = check_resolution("cardiomegaly", figures, {})
    assert refused.refuses
    assert "10 % of 20 films move by more than 0.5" in refused.sentence
    # No film to read decides nothing, as a model without films is refused by other checks.
    assert not check_resolution("effusion", figures, {}).refuses


def check_beside(moving, *moving_with_incumbents):
    """The check of a candidate with which some of 20 films move, beside one or more models in use."""
    answers = {"cardiomegaly": answers_that_move(moving)}
    incumbents = {}
    for number, others in enumerate(moving_with_incumbents):
        theirs = {"cardiomegaly": answers_that_move(others)}
        pair = compare_movement(answers, theirs, ["cardiomegaly"], "20 films")["cardiomegaly"]
        incumbents[f"heart {number}"] = pair
    figures = {"cardiomegaly": compute_resolution(answers["cardiomegaly"], "20 films")}
    return check_resolution("cardiomegaly", figures, incumbents)


@pytest.mark.parametrize(
    ("moving", "with_incumbents", "refuses"),
    [(8, (9,), False), (8, (8,), False), (8, (7,), True), (8, (9, 7), True), (1, (0,), False)],
)
def test_beyond_a_twentieth_no_more_films_may_move_than_with_each_model_in_use(
    moving, with_incumbents, refuses
):
    assert check_beside(moving, *with_incumbents).refuses == refuses


def test_the_gate_says_how_many_films_move_with_the_model_in_use_and_that_the_aim_is_missed():
    check = check_beside(8, 11)
    assert "40 % move, and 55 % with heart 0" in check.sentence
    assert "The limit of 5 % is missed" in check.sentence
    compared = check.figures["incumbents"]["heart 0"]
    assert (compared["candidate"]["outside"], compared["incumbent"]["outside"]) == (0.4, 0.55)


def test_without_films_to_compare_on_the_limit_alone_decides():
    figures = {"cardiomegaly": compute_resolution(answers_that_move(2), "20 films")}
    check = check_resolution("cardiomegaly", figures, {"heart 1.0.0": None})
    assert check.refuses
    assert "no films to compare it with heart 1.0.0 on" in check.sentence


def test_two_models_are_compared_on_copies_for_which_both_give_a_number():
    # The candidate gives no number for the copy that moves the film, nor for any copy of the last film.
    own = pd.DataFrame({"a": [0.0, 0.0, np.nan], "b": [0.1, np.nan, np.nan]}, index=["x", "y", "z"])
    other = pd.DataFrame({"b": [0.9, 2.0, 2.0], "a": [0.0, 0.0, 0.0]}, index=["x", "y", "z"])
    pairs = compare_movement({"f": own}, {"f": other, "g": other}, ["f", "g"], "films")
    assert list(pairs) == ["f"]
    assert (pairs["f"].candidate.films, pairs["f"].incumbent.films) == (2, 2)
    assert (pairs["f"].candidate.outside, pairs["f"].incumbent.outside) == (0, 0.5)
    nowhere = own.where(own.isna())
    assert compare_movement({"f": nowhere}, {"f": other}, ["f"], "films") == {}


def test_the_largest_films_are_the_sample(tmp_path, workspace):
    lines = ["image,patient,split,cardiomegaly"]
    for index, side in enumerate((64, 256, 128, 96)):
        pixels = draw_phantom(PhantomSpec(height=side, width=side, seed=index)).pixels
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.rint(pixels * 255).astype(np.uint8))
        lines.append(f"{index}.png,{index},test,{index % 2}")
    (tmp_path / "films.csv").write_text("\n".join(lines) + "\n")
    sample = choose_sample(open_data([tmp_path]), 2)
    assert [path.name for path in sample.paths] == ["1.png", "2.png"]
    assert describe_sample(sample).startswith("2 films of 128 to 256 px (data ")

    read_sides = []

    def read(film):
        # A model that looks at nothing but the size of the file.
        read_sides.append(max(film.shape))
        return ModelOutput(
            card=tiny_card("size", ("cardiomegaly",)),
            logits=np.array([0.0]),
            probabilities=np.array([expit(max(film.shape) / 1024)]),
            attributions={},
            features=np.zeros((1, 1, 1), np.float32),
            ood_score=0.5,
        )

    reader = SimpleNamespace(classifiers=(SimpleNamespace(read=read),), segmenter=None)
    figures = measure_resolution(reader, sample)[("size 1.0.0", "cardiomegaly")]
    assert set(read_sides) == {64, 128, 256, 512, 1024}
    assert len(read_sides) == 2 * (len(COPIES) + 1)
    assert figures.worst == pytest.approx(1 - 64 / 1024, abs=1e-3)
    assert figures.outside == 1
    assert {copy.split(" px")[0] for copy in figures.worst_copies} == {"64", "1,024"}
