"""Each classifier that ships carries the scores of its own validation films, and the films that it learnt from."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cxr_core.models.figures import recorded_figure
from cxr_core.models.registry.registry import list_classifiers
from cxr_core.models.store import load_card
from cxr_core.site.learnt_films import read_learnt_films
from cxr_core.site.validation_scores import read_validation_scores
from cxr_core.workspace.paths import SHIPPED_MODELS

SHIPPED = list_classifiers((SHIPPED_MODELS,))


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.parent.name)
def test_the_scores_are_those_of_the_validation_films_in_the_card(folder):
    card = load_card(folder)
    scores = read_validation_scores(folder, card)
    for finding in card.findings:
        own = scores.of_finding(finding)
        recorded = recorded_figure(card.metrics, "validation", finding, "auroc")
        assert own.present.films == recorded.positives
        assert own.absent.films + own.present.films == recorded.n
        absent, present = (
            each.log_odds(card.calibration[finding]) for each in (own.absent, own.present)
        )
        weights = np.repeat(
            [own.absent.films / len(absent), own.present.films / len(present)],
            [len(absent), len(present)],
        )
        labels = np.repeat([0, 1], [len(absent), len(present)])
        area = roc_auc_score(labels, np.concatenate([absent, present]), sample_weight=weights)
        assert area == pytest.approx(recorded.value, abs=0.002)


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.parent.name)
def test_the_films_learnt_from_are_as_many_as_in_the_card(folder):
    learnt = read_learnt_films(folder)
    parts = load_card(folder).training["data"]["parts"]
    films = parts["train"]["films"] + parts["val"]["films"]
    assert learnt.is_known
    # Some films of these datasets are the same picture twice.
    assert 0.98 * films <= len(learnt.prefixes) <= films


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.parent.name)
def test_they_are_a_few_kilobytes(folder):
    assert (folder / "validation_scores.json").stat().st_size < 16_000
