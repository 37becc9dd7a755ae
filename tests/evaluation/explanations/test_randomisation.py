"""Maps of networks with random weights: the network itself stays as it is; a check that changes nothing fails."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from cxr_core.evaluation.explanations.evaluate_randomisation import (
    NETWORKS,
    compute_attributions,
    evaluate_randomisation,
    randomise_network,
    select_layers,
)
from cxr_core.evaluation.explanations.randomisation import (
    FAILED,
    PASSED,
    STAGES,
    UNDECIDED,
    compute_randomisation,
    rank_correlation,
)
from cxr_core.evaluation.report.explanations import describe_randomisation
from cxr_core.film.preprocess import InputSpec
from cxr_core.reading.classifier import Classifier
from tests.tiny import ARGUMENTS, tiny_card, tiny_network

pytestmark = pytest.mark.training

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


def name_patients(count: int = FILMS) -> np.ndarray:
    return np.arange(count).astype(str)


def test_rank_correlation_is_spearmans():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 6, (30, 16)), rng.normal(size=(30, 16))
    expected = [spearmanr(a, b).statistic for a, b in zip(one, other, strict=True)]
    assert rank_correlation(one, other) == pytest.approx(np.array(expected), abs=1e-12)
    assert rank_correlation(one, 3 * one + 1) == pytest.approx(1)
    assert np.isnan(rank_correlation(np.ones((1, 4)), np.arange(4.0)[None])).all()


@pytest.mark.parametrize("stage", STAGES)
def test_only_the_layers_of_a_stage_are_random_and_the_network_is_not_changed(classifier, stage):
    before = {name: tensor.clone() for name, tensor in classifier.network.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    other = randomise_network(CARD, classifier.network, stage, 0)
    assert torch.equal(torch.rand(3), expected)  # the global random state is not touched
    selected = select_layers(classifier.network, stage)
    changed = set()
    for name, tensor in classifier.network.state_dict().items():
        assert torch.equal(tensor, before[name])
        layer = name.rpartition(".")[0]
        if layer not in selected:
            assert torch.equal(other.state_dict()[name], tensor), name
        elif name.endswith("weight") and tensor.ndim > 1:
            assert not torch.equal(other.state_dict()[name], tensor), name
            changed.add(layer)
    assert "head.linear" in changed
    weight = other.head.linear.weight
    same_seed = randomise_network(CARD, classifier.network, stage, 0)
    other_seed = randomise_network(CARD, classifier.network, stage, 1)
    assert torch.equal(same_seed.head.linear.weight, weight)
    assert not torch.equal(other_seed.head.linear.weight, weight)


def test_each_stage_includes_the_one_before_it(classifier):
    head, late, everything = (select_layers(classifier.network, stage) for stage in STAGES)
    assert head == {"head.linear"}
    assert head < late < everything
    assert any(name.startswith("backbone") for name in late)
    assert {name.rpartition(".")[0] for name in classifier.network.state_dict()} == everything


def test_random_network_gives_another_map(classifier, grids):
    results = evaluate_randomisation(classifier, grids, name_patients(), CARD.findings)
    assert set(results) == set(CARD.findings)
    for result in results.values():
        assert (result.films, result.networks, result.verdict) == (FILMS, NETWORKS, PASSED)
        for stage in STAGES:
            similarity = result.stages[stage]
            assert similarity.high < 0.5
            assert similarity.lowest <= similarity.value <= similarity.highest


def test_randomisation_that_changes_nothing_fails(classifier, grids):
    results = evaluate_randomisation(
        classifier,
        grids,
        name_patients(),
        CARD.findings[1:],
        lambda card, network, stage, seed: network,
    )
    (result,) = results.values()
    assert {result.stages[stage].value for stage in STAGES} == {1}
    assert result.verdict == FAILED
    assert "must not be taken for an explanation" in describe_randomisation(result)


@pytest.mark.parametrize(("factor", "verdict"), [(2.0, FAILED), (float("inf"), UNDECIDED)])
def test_scaled_maps_are_the_same_and_infinite_ones_are_undefined(
    classifier, grids, factor, verdict
):
    other = tiny_network(CARD)
    weight = {"head.linear.weight": factor * classifier.network.head.linear.weight}
    other.load_state_dict({**classifier.network.state_dict(), **weight})
    results = evaluate_randomisation(
        classifier, grids, name_patients(), CARD.findings, lambda *_: other
    )
    result = results["pneumonia"]
    assert result.verdict == verdict
    if verdict == UNDECIDED:
        assert (result.stages["all"].value, result.stages["all"].lowest) == (None, None)
        assert "is undecided" in describe_randomisation(result)


def test_compared_maps_are_those_of_a_reading(classifier, grids):
    outputs = classifier.read_grids(grids, [(SIDE, SIDE)] * FILMS)
    expected = np.stack([output.attributions["pneumonia"].cells for output in outputs])
    maps = compute_attributions(classifier.network, grids, CARD)[:, 1]
    assert maps == pytest.approx(expected, abs=1e-5)


def test_the_verdict_needs_half_of_the_films_and_the_whole_interval():
    count = 40
    low = np.random.default_rng(0).normal(0.1, 0.2, (3, count))

    def judge_with(of_all: np.ndarray):
        return compute_randomisation(
            {**dict.fromkeys(STAGES, low), "all": of_all}, name_patients(count)
        )

    assert judge_with(low).verdict == PASSED
    assert judge_with(low + 0.8).verdict == FAILED
    assert judge_with(low + 0.4).verdict == UNDECIDED
    half_flat = judge_with(np.where(np.arange(count) < 21, np.nan, low))
    assert (half_flat.stages["all"].n, half_flat.verdict) == (19, UNDECIDED)


def test_backbone_of_few_layers_has_a_last_one():
    arguments = {**CARD.arguments, "backbone": "plain_cnn", "neck": None}
    network = tiny_network(replace(CARD, arguments=arguments))
    head, late, everything = (select_layers(network, stage) for stage in STAGES)
    assert head < late < everything
