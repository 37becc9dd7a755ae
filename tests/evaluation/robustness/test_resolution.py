"""Copies of a film in several sizes and formats: what they are, and how far answers to them lie apart."""

from types import SimpleNamespace

import cv2
import numpy as np
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
from cxr_core.promotion.gate.resolution import check_resolution
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
    figures = compute_resolution(films, "three films")
    assert figures.films == 3
    assert figures.outside == pytest.approx(1 / 3)
    assert figures.worst == pytest.approx(0.7)
    assert figures.worst_copies == ("a", "b")
    assert figures.p95 == pytest.approx(np.quantile([0.3, 0.7, 0.0], 0.95))
    assert figures.refused == 1
    assert not figures.is_stable
    assert compute_resolution([{"a": 0.0, "b": MAX_MOVEMENT}] * 20, "films").is_stable


def test_the_gate_closes_for_a_model_that_reads_copies_differently():
    steady = compute_resolution([{"a": 0.0, "b": 0.1}] * 20, "20 films")
    moving = compute_resolution(
        [{"a": 0.0, "b": 0.1}] * 18 + [{"a": 0.0, "b": 0.6}] * 2, "20 films"
    )
    figures = {"pneumonia": steady, "cardiomegaly": moving}
    assert not check_resolution("pneumonia", figures).refuses
    refused = check_resolution("cardiomegaly", figures)
    assert refused.refuses
    assert "10 % of 20 films move by more than 0.5" in refused.sentence
    # No film to read decides nothing, as a model without films is refused by other checks.
    assert not check_resolution("effusion", figures).refuses


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
