"""Pooled figures of a cross-validation, against scikit-learn over the same predictions."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from sklearn import metrics as sk

from cxr_core.data.manifest import AppliedLayer
from cxr_core.errors import DataError
from cxr_core.evaluation.add_coverage import add_coverage
from cxr_core.evaluation.metrics.results import EvaluatedData
from cxr_core.evaluation.pooling.pool import FoldPredictions, pool_predictions
from cxr_core.evaluation.store.catalogue import load_record
from cxr_core.evaluation.store.coverage_view import compute_coverage_view
from cxr_core.evaluation.store.loaded import load_evaluation
from cxr_core.evaluation.store.predictions import PREDICTIONS, read_predictions
from cxr_core.models.card import DecisionThresholds, OperatingPoint
from cxr_core.presentation.wording import OUT_OF_FOLD
from tests.tiny import tiny_card

THRESHOLDS = {"youden": (0.3, 0.6), "sensitivity_95": (0.1, 0.5), "specificity_95": (0.7, 0.8)}
DECISION = {"present_from": (0.5, 0.7), "absent_below": (0.2, 0.4)}


def fold(number: int, films: int = 90) -> FoldPredictions:
    """Films of thirty patients, predicted by a model with thresholds of its own."""
    chance = np.random.default_rng(number)
    label = (chance.random(films) < 0.4).astype(float)
    log_odds = chance.normal(2 * label - 1 + number, 1.5)
    names = [f"{number}-{film}" for film in range(films)]
    table = pd.DataFrame(
        {
            "image": names,
            "patient": [f"{number}-{film // 3}" for film in range(films)],
            "finding": "pneumonia",
            "label": label,
            "logit": log_odds,
            "probability": 1 / (1 + np.exp(-log_odds)),
            "unfamiliarity": 0.0,
            "view": np.where(chance.random(films) < 0.5, "PA", "AP"),
            "age": 40.0,
            "sex": np.where(chance.random(films) < 0.5, "F", "M"),
            "source": "here",
            "sha256": names,
        }
    )
    points = tuple(
        OperatingPoint(name=name, threshold=values[number], source="of this fold")
        for name, values in THRESHOLDS.items()
    )
    own = {key: values[number] for key, values in DECISION.items()}
    decision = DecisionThresholds(name="standard", error=0.1, source="of this fold", **own)
    card = replace(
        tiny_card(findings=("pneumonia",)),
        operating_points={"pneumonia": points},
        decisions={"pneumonia": (decision,)},
        weights_sha256=str(number),
    )
    data = EvaluatedData(
        films=films, patients=30, data_sha256="", split_sha256=str(number), terms="Free use."
    )
    return FoldPredictions(card=card, table=table, data=data)


@pytest.fixture(scope="module")
def pooled():
    return pool_predictions([fold(0), fold(1)])


def test_pooled_figures_are_those_of_scikit_learn(pooled):
    table, figures = pooled.table, pooled.figures["pneumonia"]
    label, probability = table["label"], table["probability"]
    assert figures.auroc.value == pytest.approx(sk.roc_auc_score(label, probability), abs=1e-6)
    expected = sk.average_precision_score(label, probability)
    assert figures.average_precision.value == pytest.approx(expected, abs=1e-6)
    assert figures.brier.value == pytest.approx(sk.brier_score_loss(label, probability), abs=1e-6)
    assert (figures.auroc.n, figures.auroc.positives) == (180, int(label.sum()))


@pytest.mark.parametrize("point", THRESHOLDS)
def test_a_film_is_called_by_the_thresholds_of_its_own_fold(pooled, point):
    table, figures = pooled.table, pooled.figures["pneumonia"]
    threshold = table["fold"].map(dict(enumerate(THRESHOLDS[point], 1)))
    calls = table["probability"] >= threshold
    negative = table["label"] == 0
    of_point = figures.points[point]
    assert of_point.sensitivity.value == pytest.approx(
        sk.recall_score(table["label"], calls), abs=1e-6
    )
    assert of_point.f1.value == pytest.approx(sk.f1_score(table["label"], calls), abs=1e-6)
    assert of_point.specificity.value == pytest.approx((~calls)[negative].mean(), abs=1e-6)
    confusion = pooled.curves["pneumonia"].confusion[point]
    expected = sk.confusion_matrix(table["label"], calls).ravel().tolist()
    found = [confusion.true_negative, confusion.false_positive]
    assert [*found, confusion.false_negative, confusion.true_positive] == expected
    if point == "youden":
        assert figures.f1 == of_point.f1
        assert pooled.reports["pneumonia"].present.f1.value == of_point.f1.value


def test_decisions_views_and_subgroups_are_by_fold_as_well(pooled):
    table, figures = pooled.table, pooled.figures["pneumonia"]
    ill = table["label"] == 1
    suspected = table["probability"] >= table["fold"].map({1: 0.5, 2: 0.7})
    absent = table["probability"] < table["fold"].map({1: 0.2, 2: 0.4})
    decision = figures.decisions["standard"]
    assert decision.present_suspected.value == pytest.approx(suspected[ill].mean(), abs=1e-6)
    assert decision.present_not_suspected.value == pytest.approx(absent[ill].mean(), abs=1e-6)
    calls = table["probability"] >= table["fold"].map({1: 0.3, 2: 0.6})
    frontal = table["view"] == "PA"
    own = sk.recall_score(table["label"][frontal], calls[frontal])
    assert figures.views["PA"].recall.value == pytest.approx(own, abs=1e-6)
    women = table["sex"] == "F"
    (group,) = [each for each in figures.subgroups.groups if each.name == "female"]
    own = sk.recall_score(table["label"][women], calls[women])
    assert group.figures["sensitivity"].value == pytest.approx(own, abs=1e-6)
    own = sk.roc_auc_score(table["label"][women], table["probability"][women])
    assert group.figures["auroc"].value == pytest.approx(own, abs=1e-6)


def test_coverage_ranks_and_calls_films_by_the_thresholds_of_their_own_fold(tmp_path):
    folds = [fold(0), fold(1)]
    evaluation = add_coverage(pool_predictions(folds), {}, [each.card for each in folds])
    table = evaluation.table
    middles = [np.mean(logit(list(pair))) for pair in zip(*DECISION.values(), strict=True)]
    distance = logit(table["probability"]) - table["fold"].map(dict(enumerate(middles, 1)))
    surest = table.assign(wrong=(distance >= 0) != (table["label"] == 1), sureness=distance.abs())
    recorded = evaluation.figures["pneumonia"].coverage
    for at in recorded["distance"].at:
        wrong = surest.nlargest(round(at.decided * len(table)), "sureness")["wrong"]
        assert at.error.value == pytest.approx(wrong.mean(), abs=1e-6)
    evaluation.write(tmp_path)
    view = compute_coverage_view(load_evaluation(load_record(tmp_path)), "pneumonia", None)
    assert view.measured["distance"].figures == recorded["distance"]
    undecided = table["probability"].between(
        table["fold"].map({1: 0.2, 2: 0.4}), table["fold"].map({1: 0.5, 2: 0.7}), inclusive="left"
    )
    assert view.reasons["between_thresholds"] == undecided.sum()
    read_predictions(tmp_path, ("fold",)).assign(fold=3).to_csv(tmp_path / PREDICTIONS, index=False)
    with pytest.raises(DataError, match="films lie in none of them"):
        load_evaluation(load_record(tmp_path))


def test_a_film_or_patient_in_two_folds_is_refused():
    one, other = fold(0), fold(1)
    copied = other.table.assign(patient=one.table["patient"])
    with pytest.raises(DataError, match="30 patients lie in more than one fold"):
        pool_predictions([one, replace(other, table=copied)])
    copied = other.table.assign(sha256=one.table["sha256"])
    with pytest.raises(DataError, match="90 images"):
        pool_predictions([one, replace(other, table=copied)])


def test_the_labels_that_films_are_judged_by_are_recorded():
    layers = (AppliedLayer(name="reviewed", sha256="a" * 64, films=9),)
    folds = [fold(0), fold(1)]
    judged = [replace(each, data=replace(each.data, label_layers=layers)) for each in folds]
    assert pool_predictions(judged).data.label_layers == layers


def test_the_evaluation_is_written_and_read_like_any_other(pooled, tmp_path):
    pooled.write(tmp_path)
    loaded = load_evaluation(load_record(tmp_path))
    assert loaded.record.head.split == OUT_OF_FOLD
    assert len(loaded.predictions) == 180
    assert loaded.thresholds["pneumonia"]["youden"] == pytest.approx(0.45)
