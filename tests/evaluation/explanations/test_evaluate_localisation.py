"""From a dataset's boxes to the report: drawn hearts with their boxes, and maps that are or are not in them."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxr_core.data.prepare import open_data
from cxr_core.evaluation.evaluate import evaluate_classifier
from cxr_core.inference import classify_films
from cxr_core.evaluation.explanations.evaluate_localisation import find_boxed_films, evaluate_localisation
from cxr_core.evaluation.explanations.localisation import BEATS, DOES_NOT, FEW
from cxr_core.evaluation.explanations.randomisation import STAGES
from cxr_core.evaluation.report.localisation_table import localisation_table, verdict_sentence
from cxr_core.film.phantom.phantom import truth
from cxr_core.film.preprocess import to_grid
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.results import EXACT_METHOD, HEATMAP_METHODS
from tests.evaluation.synthetic_films import RATIOS, SPECS, write_films
from tests.tiny import tiny_card, tiny_model

KEY = "cardiomegaly"
ENLARGED = {name for name, ratio in RATIOS.items() if ratio > 0.5}


def heart_box(name: str) -> tuple[float, float, float, float]:
    """left, top, width, height of a drawn heart, in fractions of the film."""
    heart = truth(SPECS[name]).heart
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
def _two_networks_without_weights_suffice(monkeypatch):
    monkeypatch.setattr("cxr_core.evaluation.explanations.evaluate_randomisation.DRAWS", 2)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory) -> Classifier:
    return Classifier.load(tiny_model(tmp_path_factory.mktemp("model"), tiny_card(findings=(KEY,))))


def with_maps(outputs, maps):
    """The same answers with other cells as their evidence."""
    return [
        replace(output, attributions={KEY: replace(output.attributions[KEY], cells=cells)})
        for output, cells in zip(outputs, maps, strict=True)
    ]


def test_only_films_that_are_labelled_present_are_measured(manifest):
    films = manifest.select_split("test")
    boxed = find_boxed_films(films, KEY)
    enlarged = [name in ENLARGED for name in films.names]
    assert boxed.rows.tolist() == np.flatnonzero(enlarged).tolist()
    assert boxed.unlabelled == len(enlarged) - sum(enlarged)
    assert 2 < len(boxed.rows) < len(enlarged)
    assert boxed.boxes[0][0, 2:] - boxed.boxes[0][0, :2] == pytest.approx(
        heart_box(films.names[boxed.rows[0]])[2:]
    )
    assert not len(find_boxed_films(films, "pneumonia").rows)
    left_out = boxed.others(0)
    assert len(left_out) == len(boxed.rows) - 1
    assert not (left_out == boxed.boxes[0]).all(axis=1).any()


def test_maps_of_the_heart_are_found_in_its_box_and_their_negatives_are_not(manifest, classifier):
    films, spec = manifest.select_split("test"), classifier.card.input_spec
    outputs = classify_films(classifier, films)
    hearts = [
        to_grid(truth(SPECS[name]).heart.astype(np.float32), spec) / np.float32(255)
        for name in films.names
    ]
    right = evaluate_localisation(classifier, films, with_maps(outputs, hearts))[KEY]
    wrong = evaluate_localisation(classifier, films, with_maps(outputs, [1 - heart for heart in hearts]))[KEY]
    assert right["pointing"][0]["hit"]["value"] == 1 > 0.2 > wrong["pointing"][0]["hit"]["value"]
    assert right["inside"]["share"]["value"] > 0.97 > wrong["inside"]["share"]["value"]
    assert right["inside"]["lift"]["value"] > 2 > 1 > wrong["inside"]["lift"]["value"]
    assert right["overlap"][-1]["iou"]["value"] > 0.7 > wrong["overlap"][-1]["iou"]["value"]
    assert set(right["verdict"].values()) == {FEW}
    # The other methods are made from the features of the reading, which are the same in both.
    assert set(right["methods"]) == set(HEATMAP_METHODS) - {EXACT_METHOD}
    for method in right["methods"]:
        assert right["methods"][method]["hit"] == wrong["methods"][method]["hit"]
        minus = [found["methods"][method]["minus_exact"]["value"] for found in (right, wrong)]
        assert minus[0] < minus[1]


def test_the_average_box_is_that_of_training_films_where_they_have_enough(
    manifest, classifier, monkeypatch
):
    films = manifest.select_split("test")
    outputs = classify_films(classifier, films)
    training = set(manifest.select_split("train").names)
    monkeypatch.setattr(
        "cxr_core.evaluation.explanations.evaluate_localisation.ENOUGH_BOXES", len(training)
    )
    found = evaluate_localisation(classifier, films, outputs, manifest)[KEY]
    assert found["average_box_from_training"] == len(training)
    assert "the training films (4)" in "".join(localisation_table(found))
    # A box on a film of a patient who is measured must not count.
    shared = manifest.table.assign(
        patient=manifest.table["patient"].where(manifest.table.index > 0, "p1")
    )
    found = evaluate_localisation(classifier, films, outputs, manifest.with_table(shared))[KEY]
    assert found["average_box_from_training"] == 0
    assert evaluate_localisation(classifier, films, outputs)[KEY]["average_box_from_training"] == 0


def test_an_evaluation_tells_it_where_films_have_boxes(manifest, classifier):
    films = manifest.select_split("test")
    found = evaluate_classifier(classifier, films, "test", learnt=manifest)
    metrics = json.loads(json.dumps(found.metrics_json(), allow_nan=False))["findings"][KEY]
    where, count = metrics.pop("localisation"), len(find_boxed_films(films, KEY).rows)
    assert (where["films"], where["boxes"], where["patients"]) == (count, count, count)
    assert where["pointing"][0]["hit"]["n"] == where["randomisation"]["films"] == count
    assert set(STAGES) < set(where["randomisation"])
    page = found.report_html()
    for words in (
        "Where the heatmap points",
        "Not enough cases to compare",
        "Rank correlation",
        *HEATMAP_METHODS.values(),
    ):
        assert words in page
    alone = evaluate_classifier(classifier, replace(films, boxes=films.boxes[:0]), "test")
    assert alone.metrics_json()["findings"][KEY] == metrics
    assert "Where the heatmap points" not in alone.report_html()


@pytest.mark.parametrize(
    ("said", "words"), [(BEATS, "The heatmap beats"), (DOES_NOT, "does not beat")]
)
def test_a_verdict_is_a_sentence_with_its_figures(said, words):
    figure = {"value": 0.25, "low": 0.125, "high": 0.5, "n": 40}
    pointing = dict.fromkeys(("hit", "centre", "minus_centre"), figure)
    found = {"films": 40, "patients": 30, "verdict": {"centre": said}, "pointing": [pointing]}
    sentence = verdict_sentence(found, "centre")
    assert words in sentence
    assert "the image's centre" in sentence
    assert sentence.count("0.250 (0.125 to 0.500)") == 3
    assert "40 films of 30 patients" in sentence
