"""A heatmap against what is usual: one constant less in every film, from the card, and nothing else about a reading."""

import numpy as np
import pytest

from cxr_core.errors import ModelError, ReadingError
from cxr_core.film.radiograph import Radiograph
from cxr_core.models.store import load_card
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.heatmaps import usual_evidence
from tests.tiny import tiny_card, tiny_model

FILMS = [
    Radiograph(pixels=np.random.default_rng(seed).random((80, 64), np.float32)) for seed in range(3)
]
USUAL = [[0.5, -1.0], [0.0, 2.0]]


@pytest.fixture
def plain(tmp_path) -> Classifier:
    return Classifier.load(tiny_model(tmp_path / "plain", tiny_card()))


def beyond(tmp_path, usual: list[list[float]]) -> Classifier:
    return Classifier.load(
        tiny_model(tmp_path / "beyond", tiny_card(usual_evidence={"cardiomegaly": usual}))
    )


def test_what_is_usual_is_taken_off_the_map_of_its_finding_alone(plain, tmp_path):
    against = beyond(tmp_path, USUAL)
    for film in FILMS:
        was, now = plain.read(film), against.read(film)
        assert was.evidence["cardiomegaly"].cells.shape == (2, 2)
        taken = was.evidence["cardiomegaly"].cells - now.evidence["cardiomegaly"].cells
        assert taken == pytest.approx(np.array(USUAL), abs=1e-5)
        assert np.array_equal(was.evidence["pneumonia"].cells, now.evidence["pneumonia"].cells)
        assert np.array_equal(was.logits, now.logits)
        assert np.array_equal(was.probabilities, now.probabilities)
        assert [now.evidence[key].against_usual for key in ("cardiomegaly", "pneumonia")] == [
            True,
            False,
        ]
        assert not now_relative(against, now).against_usual


def now_relative(classifier: Classifier, output):
    return classifier.explain(output, "cardiomegaly", "hirescam")


def test_the_card_keeps_it_and_refuses_what_is_no_table(tmp_path):
    folder = tiny_model(tmp_path, tiny_card(usual_evidence={"cardiomegaly": USUAL}))
    assert load_card(folder).usual_evidence == {"cardiomegaly": USUAL}
    for wrong in ([[1.0], [1.0, 2.0]], [[float("nan")]], []):
        with pytest.raises(ModelError, match="usual evidence of cardiomegaly"):
            tiny_card(usual_evidence={"cardiomegaly": wrong})


def test_a_card_of_another_networks_cells_is_refused_with_both_shapes(tmp_path):
    with pytest.raises(
        ReadingError, match=r"\(1, 2\) cells for cardiomegaly, the network \(2, 2\)"
    ):
        beyond(tmp_path, [[1.0, 2.0]]).read(FILMS[0])


def test_usual_is_the_middle_film_and_no_single_one_moves_it():
    evidence = np.random.default_rng(0).normal(size=(101, 4, 4))
    outlier = np.concatenate([evidence, np.full((1, 4, 4), 1e6)])
    assert np.abs(usual_evidence(evidence)).max() < 0.5
    assert np.abs(usual_evidence(outlier) - usual_evidence(evidence)).max() < 0.1
