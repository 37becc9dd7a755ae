"""From a dataset's boxes to the report: phantoms with boxes of their hearts, and maps inside and outside them."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxr_core.data.prepare import open_data
from cxr_core.errors import RecordError
from cxr_core.evaluation.evaluate import evaluate_classifier
from cxr_core.evaluation.explanations.evaluate_localisation import (
    evaluate_localisation,
    find_boxed_films,
)
from cxr_core.evaluation.explanations.localisation import BEATS, DOES_NOT_BEAT, TOO_FEW, UNDECIDED
from cxr_core.evaluation.explanations.randomisation import STAGES
from cxr_core.evaluation.report.explanations import build_localisation_blocks, describe_verdict
from cxr_core.film.phantom.phantom import compute_truth
from cxr_core.film.preprocess import to_grid
from cxr_core.inference import classify_films
from cxr_core.models.figures import Localisation, MeanFigure, PointingGame
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.results import EXACT_METHOD, HEATMAP_METHODS
from tests.evaluation.report_pages import render_blocks
from tests.evaluation.synthetic_films import RATIOS, SPECS, write_films
from tests.tiny import tiny_card, tiny_model

pytestmark = pytest.mark.training

KEY = "cardiomegaly"
ENLARGED = {name for name, ratio in RATIOS.items() if ratio > 0.5}


def heart_box(name: str) -> tuple[float, float, float, float]:
    """left, top, width, height of a drawn heart, in fractions of the film."""
    heart = compute_truth(SPECS[name]).heart
    rows, columns = np.flatnonzero(heart.any(axis=1)), np.flatnonzero(heart.any(axis=0))
    height, width = heart.shape
    left, top = columns[0] / width, rows[0] / height
    return left, top, (columns[-1] + 1) / width - left, (rows[-1] + 1) / height - top


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """All drawn films, every one with a box of its heart: those that are not enlarged too."""
    films = open_data([write_films(tmp_path_factory.mktemp("drawn"), masks=False)])
    rows = [
        (image, KEY, *heart_box(name))
        for image, name in zip(films.table["image"], films.names, strict=True)
    ]
    boxes = pd.DataFrame(rows, columns=["image", "finding", "left", "top", "width", "height"])
    return replace(films, boxes=boxes)


@pytest.fixture(autouse=True)
def _few_random_networks(monkeypatch):
    monkeypatch.setattr("cxr_core.evaluation.explanations.evaluate_randomisation.NETWORKS", 2)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory) -> Classifier:
    return Classifier.load(tiny_model(tmp_path_factory.mktemp("model"), tiny_card(findings=(KEY,))))


def replace_maps(outputs, maps):
    """The same outputs with other cells as their attribution."""
    return [
        replace(output, attributions={KEY: replace(output.attributions[KEY], cells=cells)})
        for output, cells in zip(outputs, maps, strict=True)
    ]


def test_only_films_labelled_present_are_evaluated(manifest):
    films = manifest.select_split("test")
    boxed = find_boxed_films(films, KEY)
    enlarged = [name in ENLARGED for name in films.names]
    assert boxed.rows.tolist() == np.flatnonzero(enlarged).tolist()
    assert boxed.not_labelled == len(enlarged) - sum(enlarged)
    assert 2 < len(boxed.rows) < len(enlarged)
    left, top, right, bottom = boxed.boxes[0][0]
    size = heart_box(films.names[boxed.rows[0]])[2:]
    assert (right - left, bottom - top) == pytest.approx(size)
    assert not len(find_boxed_films(films, "pneumonia").rows)
    others = boxed.boxes_of_others(0)
    assert len(others) == len(boxed.rows) - 1
    assert not (others == boxed.boxes[0]).all(axis=1).any()


@pytest.mark.training
def test_maps_of_the_heart_lie_in_its_box_and_their_negatives_do_not(manifest, classifier):
    films, spec = manifest.select_split("test"), classifier.card.input_spec
    outputs = classify_films(classifier, films)
    hearts = [
        to_grid(compute_truth(SPECS[name]).heart.astype(np.float32), spec) / np.float32(255)
        for name in films.names
    ]
    negatives = [1 - heart for heart in hearts]
    right = evaluate_localisation(classifier, films, replace_maps(outputs, hearts))[KEY]
    wrong = evaluate_localisation(classifier, films, replace_maps(outputs, negatives))[KEY]
    assert right.pointing[0].hit.value == 1 > 0.2 > wrong.pointing[0].hit.value
    assert right.inside.share.value > 0.97 > wrong.inside.share.value
    assert right.inside.lift.value > 2 > 1 > wrong.inside.lift.value
    assert right.overlap[-1].iou.value > 0.7 > wrong.overlap[-1].iou.value
    assert set(right.verdict.values()) == {TOO_FEW}
    # The other methods use the features of the reading, which are the same in both.
    assert set(right.methods) == set(HEATMAP_METHODS) - {EXACT_METHOD}
    for method, figures in right.methods.items():
        others = wrong.methods[method]
        assert figures.hit == others.hit
        assert figures.minus_exact.value < others.minus_exact.value


@pytest.mark.training
def test_the_average_box_is_that_of_training_films_where_they_have_enough(
    manifest, classifier, monkeypatch
):
    films = manifest.select_split("test")
    outputs = classify_films(classifier, films)
    training = set(manifest.select_split("train").names)
    module = "cxr_core.evaluation.explanations.evaluate_localisation"
    monkeypatch.setattr(f"{module}.MIN_TRAINING_BOXES", len(training))
    localisation = evaluate_localisation(classifier, films, outputs, manifest)[KEY]
    assert localisation.training_boxes == len(training)
    assert "the training films (4)" in render_blocks(build_localisation_blocks(localisation))
    # A box on a film of an evaluated patient must not count.
    patients = manifest.table["patient"].where(manifest.table.index > 0, "p1")
    shared = manifest.with_table(manifest.table.assign(patient=patients))
    assert evaluate_localisation(classifier, films, outputs, shared)[KEY].training_boxes == 0
    assert evaluate_localisation(classifier, films, outputs)[KEY].training_boxes == 0


@pytest.mark.training
def test_evaluation_includes_it_where_films_have_boxes(manifest, classifier):
    films = manifest.select_split("test")
    evaluation = evaluate_classifier(classifier, films, "test", dataset=manifest)
    content = json.dumps(evaluation.to_metrics().to_json(), allow_nan=False)
    metrics = json.loads(content)["findings"][KEY]
    record = metrics.pop("localisation")
    count = len(find_boxed_films(films, KEY).rows)
    assert (record["films"], record["boxes"], record["patients"]) == (count, count, count)
    assert record["pointing"][0]["hit"]["n"] == record["randomisation"]["films"] == count
    assert set(STAGES) < set(record["randomisation"])
    assert Localisation.from_json(record) == evaluation.figures[KEY].localisation
    page = evaluation.report_html()
    for words in (
        "Localisation: boxes",
        "Not enough cases to compare",
        "Rank correlation",
        *HEATMAP_METHODS.values(),
    ):
        assert words in page
    alone = evaluate_classifier(classifier, replace(films, boxes=films.boxes[:0]), "test")
    assert alone.to_metrics().to_json()["findings"][KEY] == metrics
    assert "Localisation: boxes" not in alone.report_html()


def test_renamed_key_is_an_error_and_not_a_missing_figure(manifest, classifier):
    films = manifest.select_split("test")
    outputs = classify_films(classifier, films)
    record = evaluate_localisation(classifier, films, outputs)[KEY].to_json()
    record["pointing"][0]["hits"] = record["pointing"][0].pop("hit")
    with pytest.raises(RecordError, match=r"pointing.0.hit is missing"):
        Localisation.from_json(record)


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (BEATS, "The heatmap beats"),
        (DOES_NOT_BEAT, "does not beat"),
        (UNDECIDED, "is undecided"),
    ],
)
def test_verdict_is_a_sentence_with_its_figures(manifest, classifier, verdict, words):
    figure, other = MeanFigure(0.25, 0.125, 0.5, 40), MeanFigure(0.75, 0.625, 0.875, 40)
    pointing = PointingGame(
        tolerance_px=0,
        hit=figure,
        random=other,
        centre=figure,
        average_box=other,
        minus_random=other,
        minus_centre=figure,
        minus_average_box=other,
    )
    films = manifest.select_split("test")
    outputs = classify_films(classifier, films)
    localisation = replace(
        evaluate_localisation(classifier, films, outputs)[KEY],
        films=40,
        patients=30,
        verdict={"centre": verdict},
        pointing=(pointing,),
    )
    sentence = describe_verdict(localisation, "centre")
    assert words in sentence
    assert "the image's centre" in sentence
    assert sentence.count("0.250 (0.125 to 0.500)") == 3
    assert "40 films of 30 patients" in sentence
