"""Heatmaps are shown against the card's baseline attribution; nothing else about a reading changes."""

import numpy as np
import pytest

from cxr_core.errors import ModelError
from cxr_core.film.radiograph import Radiograph
from cxr_core.models.store import load_card
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.heatmaps import compute_baseline_attribution
from tests.tiny import tiny_card, tiny_model

FILMS = [
    Radiograph(pixels=np.random.default_rng(seed).random((80, 64), np.float32)) for seed in range(3)
]
BASELINE = [[0.5, -1.0], [0.0, 2.0]]


@pytest.fixture
def plain(tmp_path) -> Classifier:
    return Classifier.load(tiny_model(tmp_path / "plain", tiny_card()))


def with_baseline(tmp_path, baseline: list[list[float]]) -> Classifier:
    return Classifier.load(
        tiny_model(
            tmp_path / "baseline", tiny_card(baseline_attribution={"cardiomegaly": baseline})
        )
    )


def test_baseline_is_subtracted_from_the_map_of_its_finding_only(plain, tmp_path):
    shifted = with_baseline(tmp_path, BASELINE)
    for film in FILMS:
        without, against = plain.read(film), shifted.read(film)
        assert without.attributions["cardiomegaly"].cells.shape == (2, 2)
        difference = (
            without.attributions["cardiomegaly"].cells - against.attributions["cardiomegaly"].cells
        )
        assert difference == pytest.approx(np.array(BASELINE), abs=1e-5)
        assert np.array_equal(
            without.attributions["pneumonia"].cells, against.attributions["pneumonia"].cells
        )
        assert np.array_equal(without.logits, against.logits)
        assert np.array_equal(without.probabilities, against.probabilities)
        assert [
            against.attributions[key].against_baseline for key in ("cardiomegaly", "pneumonia")
        ] == [
            True,
            False,
        ]
        relative = shifted.explain(against, "cardiomegaly", "hirescam")
        assert not relative.against_baseline


def test_a_card_keeps_its_baseline_and_refuses_one_that_is_no_table(tmp_path):
    folder = tiny_model(tmp_path, tiny_card(baseline_attribution={"cardiomegaly": BASELINE}))
    assert load_card(folder).baseline_attribution == {"cardiomegaly": BASELINE}
    for wrong in ([[1.0], [1.0, 2.0]], [[float("nan")]], []):
        with pytest.raises(
            ModelError, match=r"baseline attribution of cardiomegaly|usual_evidence"
        ):
            tiny_card(baseline_attribution={"cardiomegaly": wrong}).to_json()


def test_a_baseline_of_another_networks_shape_is_refused_with_both_shapes(tmp_path):
    with pytest.raises(ModelError, match=r"\(1, 2\) cells for cardiomegaly, the network \(2, 2\)"):
        with_baseline(tmp_path, [[1.0, 2.0]])


def test_baseline_is_a_median_that_no_single_film_moves():
    evidence = np.random.default_rng(0).normal(size=(101, 4, 4))
    outlier = np.concatenate([evidence, np.full((1, 4, 4), 1e6)])
    assert np.abs(compute_baseline_attribution(evidence)).max() < 0.5
    assert (
        np.abs(compute_baseline_attribution(outlier) - compute_baseline_attribution(evidence)).max()
        < 0.1
    )
