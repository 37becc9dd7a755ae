"""Maps of networks without learnt weights: the network itself stays as it is; a check that changes nothing fails."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from cxr_core.evaluation.explanations.evaluate_randomisation import (
    DRAWS,
    evidence_of,
    layers_of,
    randomisation,
    randomised,
)
from cxr_core.evaluation.explanations.randomisation import (
    FAILED,
    OPEN,
    PASSED,
    STAGES,
    randomisation_figures,
    rank_correlation,
)
from cxr_core.evaluation.report.localisation_table import randomisation_sentence
from cxr_core.film.preprocess import InputSpec
from cxr_core.reading.classifier import Classifier
from tests.tiny import ARGUMENTS, tiny_card, tiny_network

SIDE, FILMS = 160, 6
CARD = tiny_card(
    input_spec=InputSpec(side=SIDE, channels=1, std=0.25),
    arguments={**ARGUMENTS, "side": SIDE, "head": "positional"},
)


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(card=CARD, network=tiny_network(CARD, seed=7).requires_grad_(False))


@pytest.fixture(scope="module")
def grids() -> np.ndarray:
    """Smooth films, no two alike."""
    coarse = torch.rand((FILMS, 1, 9, 9), generator=torch.Generator().manual_seed(0))
    fine = torch.nn.functional.interpolate(coarse, size=SIDE, mode="bicubic").clamp(0, 1)
    return (fine[:, 0] * 255).byte().numpy()


def patients(count: int = FILMS) -> np.ndarray:
    return np.arange(count).astype(str)


def test_rank_correlation_is_spearmans():
    chance = np.random.default_rng(0)
    one, other = chance.integers(0, 6, (30, 16)), chance.normal(size=(30, 16))
    expected = [spearmanr(a, b).statistic for a, b in zip(one, other, strict=True)]
    assert rank_correlation(one, other) == pytest.approx(np.array(expected), abs=1e-12)
    assert rank_correlation(one, 3 * one + 1) == pytest.approx(1)
    assert np.isnan(rank_correlation(np.ones((1, 4)), np.arange(4.0)[None])).all()


@pytest.mark.parametrize("stage", STAGES)
def test_only_the_layers_of_a_stage_are_new_and_the_network_itself_is_left_alone(classifier, stage):
    before = {name: tensor.clone() for name, tensor in classifier.network.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    other = randomised(CARD, classifier.network, stage, 0)
    assert torch.equal(torch.rand(3), expected)  # nobody else's chance is touched
    new = layers_of(classifier.network, stage)
    changed = set()
    for name, tensor in classifier.network.state_dict().items():
        assert torch.equal(tensor, before[name])
        layer = name.rpartition(".")[0]
        if layer not in new:
            assert torch.equal(other.state_dict()[name], tensor), name
        elif name.endswith("weight") and tensor.ndim > 1:
            assert not torch.equal(other.state_dict()[name], tensor), name
            changed.add(layer)
    assert "head.linear" in changed
    assert torch.equal(
        randomised(CARD, classifier.network, stage, 0).head.linear.weight, other.head.linear.weight
    )
    assert not torch.equal(
        randomised(CARD, classifier.network, stage, 1).head.linear.weight, other.head.linear.weight
    )


def test_each_stage_holds_the_one_before_it(classifier):
    head, late, everything = (layers_of(classifier.network, stage) for stage in STAGES)
    assert head == {"head.linear"}
    assert head < late < everything
    assert any(name.startswith("backbone") for name in late)
    assert {name.rpartition(".")[0] for name in classifier.network.state_dict()} == everything


def test_a_network_without_its_weights_gives_another_map(classifier, grids):
    found = randomisation(classifier, grids, patients(), CARD.findings)
    assert set(found) == set(CARD.findings)
    for figures in found.values():
        assert (figures["films"], figures["draws"], figures["verdict"]) == (FILMS, DRAWS, PASSED)
        for stage in STAGES:
            assert figures[stage]["high"] < 0.5
            assert figures[stage]["least"] <= figures[stage]["value"] <= figures[stage]["most"]


def test_a_randomisation_that_changes_nothing_is_reported_as_failed(classifier, grids):
    found = randomisation(
        classifier, grids, patients(), CARD.findings[1:], lambda card, network, stage, seed: network
    )
    (figures,) = found.values()
    assert {figures[stage]["value"] for stage in STAGES} == {1}
    assert figures["verdict"] == FAILED
    assert "must not be taken for an explanation" in randomisation_sentence(figures)


@pytest.mark.parametrize(("by", "said"), [(2.0, FAILED), (float("inf"), OPEN)])
def test_maps_that_are_only_scaled_are_the_same_and_those_that_blow_up_are_none(
    classifier, grids, by, said
):
    other = tiny_network(CARD)
    weight = {"head.linear.weight": by * classifier.network.head.linear.weight}
    other.load_state_dict({**classifier.network.state_dict(), **weight})
    found = randomisation(classifier, grids, patients(), CARD.findings, lambda *_: other)[
        "pneumonia"
    ]
    assert found["verdict"] == said
    if said == OPEN:
        assert (found["all"]["value"], found["all"]["least"]) == (None, None)
        assert "cannot be told" in randomisation_sentence(found)


def test_the_maps_compared_are_those_of_a_reading(classifier, grids):
    shapes = [(SIDE, SIDE)] * FILMS
    read = [output.evidence["pneumonia"].cells for output in classifier.read_grids(grids, shapes)]
    assert evidence_of(classifier.network, grids, CARD)[:, 1] == pytest.approx(
        np.stack(read), abs=1e-5
    )


def test_the_verdict_needs_half_of_the_films_and_a_whole_interval():
    count = 40
    low = np.random.default_rng(0).normal(0.1, 0.2, (3, count))
    same = dict.fromkeys(STAGES, low)
    assert randomisation_figures(same, patients(count))["verdict"] == PASSED
    assert randomisation_figures({**same, "all": low + 0.8}, patients(count))["verdict"] == FAILED
    assert randomisation_figures({**same, "all": low + 0.4}, patients(count))["verdict"] == OPEN
    flat = np.where(np.arange(count) < 21, np.nan, low)
    figures = randomisation_figures({**same, "all": flat}, patients(count))
    assert (figures["all"]["n"], figures["verdict"]) == (19, OPEN)


def test_a_backbone_of_few_layers_has_a_last_one():
    network = tiny_network(
        replace(CARD, arguments={**CARD.arguments, "backbone": "plain_cnn", "neck": None})
    )
    assert layers_of(network, "head") < layers_of(network, "late") < layers_of(network, "all")
