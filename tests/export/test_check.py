"""What the comparison counts: verdicts that a reader would see change, apart from films that lie on a threshold."""

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from cxr_core.data.manifest import Manifest
from cxr_core.models.confident_normal import ConfidentNormal
from cxr_core.models.figures import MeanFigure
from cxr_core.reading.classifier import Classifier
from cxr_core.scale.export import check as checks
from cxr_core.scale.export.check import check_exported_classifier
from tests.export.conftest import show_nothing
from tests.tiny import tiny_card

FINDING = "cardiomegaly"
CARD = tiny_card(findings=(FINDING,))  # every threshold is 0.5
PROBABILITIES = [0.1, 0.2, 0.4999999, 0.6, 0.7, 0.9]
LABELS = [0, 0, 1, 0, 1, 1]


def predictions(probabilities, distances=None):
    values = np.array(probabilities)
    return pd.DataFrame(
        {
            "image": [f"{row}.png" for row in range(len(values))],
            "finding": FINDING,
            "label": LABELS[: len(values)],
            "logit": np.log(values / (1 - values)),
            "probability": values,
            "unfamiliarity": [0.5] * len(values) if distances is None else distances,
        }
    )


@pytest.fixture
def compare(monkeypatch):
    """Compares two tables of predictions as if a model and its export had given them."""

    def run(before, after, card=CARD):
        models = [SimpleNamespace(card=card, table=table) for table in (before, after)]
        monkeypatch.setattr(checks, "predict_films", lambda model, films, progress: model.table)
        films = SimpleNamespace(table=pd.DataFrame({"patient": ["a", "a", "b", "c", "d", "e"]}))
        model, exported = (cast(Classifier, one) for one in models)
        return check_exported_classifier(
            model, exported, cast(Manifest, films), "films of a test", None, show_nothing
        )

    return run


def test_the_same_numbers_change_nothing(compare):
    found = compare(predictions(PROBABILITIES), predictions(PROBABILITIES))
    assert (found.films, found.patients) == (6, 5)
    assert (found.largest_difference, found.verdicts_changed, found.on_threshold) == (0, 0, 0)


def test_the_largest_difference_is_one_of_logits_and_aurocs_are_those_of_scikit_learn(compare):
    moved = [0.1, 0.2, 0.4999999, 0.6, 0.55, 0.9]
    found = compare(predictions(PROBABILITIES), predictions(moved))
    logits = np.log(np.array([0.7, 0.55]) / (1 - np.array([0.7, 0.55])))
    assert found.largest_difference == pytest.approx(logits[0] - logits[1])
    assert found.verdicts_changed == 0
    change = found.auroc[FINDING]
    assert change.torch == pytest.approx(roc_auc_score(LABELS, PROBABILITIES))
    assert change.exported == pytest.approx(roc_auc_score(LABELS, moved))


def test_a_call_that_changes_is_counted_by_film(compare):
    moved = [0.1, 0.2, 0.4999999, 0.4, 0.3, 0.9]
    found = compare(predictions(PROBABILITIES), predictions(moved))
    assert (found.verdicts_changed, found.most_changed, found.on_threshold) == (2, 2, 0)


def test_what_changes_by_one_decision_is_told_from_all_changes(compare):
    """One film becomes unlike the training films, another crosses the threshold of every decision."""
    before = predictions(PROBABILITIES, [0.5] * 5 + [0.99])
    after = predictions([0.1, 0.2, 0.4999999, 0.4, 0.7, 0.9], [0.5] * 5 + [1.01])
    found = compare(before, after)
    assert (found.verdicts_changed, found.most_changed) == (2, 1)


def test_a_film_that_lies_on_a_threshold_is_counted_apart(compare):
    moved = [0.1, 0.2, 0.5000001, 0.6, 0.7, 0.9]
    found = compare(predictions(PROBABILITIES), predictions(moved))
    assert (found.verdicts_changed, found.on_threshold) == (0, 1)
    near = [0.1, 0.2, 0.4999, 0.6, 0.7, 0.9]  # 4e-4 in log-odds: no matter of rounding
    found = compare(predictions(near), predictions(moved))
    assert (found.verdicts_changed, found.on_threshold) == (1, 0)


def test_a_film_that_becomes_unlike_the_training_films_has_another_verdict(compare):
    before = predictions(PROBABILITIES, [0.5] * 5 + [0.99])
    after = predictions(PROBABILITIES, [0.5] * 5 + [1.01])
    assert compare(before, after).verdicts_changed == 1


def test_a_film_that_is_no_longer_likely_normal_has_another_verdict(compare):
    figure = MeanFigure(value=0.99, low=0.98, high=1.0, n=9)
    confident = ConfidentNormal(
        threshold=0.15,
        negative_predictive_value=figure,
        share=figure,
        prevalence=0.5,
        source="chosen by a test",
    )
    card = replace(CARD, confident_normal={FINDING: confident})
    moved = [0.16, *PROBABILITIES[1:]]
    before, after = predictions(PROBABILITIES), predictions(moved)
    assert compare(before, after).verdicts_changed == 0
    assert compare(before, after, card).verdicts_changed == 1
