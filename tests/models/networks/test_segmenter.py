"""A segmenter gives a map for each structure, travels with its card, and is not taken for a classifier."""

from dataclasses import replace

import pytest
import torch

from cxr_core.errors import ModelError, RecipeError
from cxr_core.film.preprocess import InputSpec
from cxr_core.models.card import Population
from cxr_core.models.networks.architectures import build_network
from cxr_core.models.registry.registry import find_segmenter, list_classifiers
from cxr_core.models.segmenter_card import RatioInterval, SegmenterCard
from cxr_core.models.store import load_segmenter, load_segmenter_card, save_model

ARGUMENTS = {"backbone": "mobilenetv3_small_050", "channels": 1}
CARD = SegmenterCard(
    model="anatomy",
    version="1.0.0",
    arguments=ARGUMENTS,
    input_spec=InputSpec(side=64, channels=1),
    population=Population(text="anybody"),
    ratio_interval=RatioInterval(offset=0.01, factor=2.0, source="a test"),
)


@pytest.mark.parametrize(
    "backbone", ["mobilenetv2_100", "mobilenetv3_small_050", "resnet18", "efficientnet_b0"]
)
def test_each_structure_has_a_map_at_half_the_films_size(backbone):
    network = build_network("segmenter", {**ARGUMENTS, "backbone": backbone})
    assert network(torch.zeros(2, 1, 64, 96)).shape == (2, 3, 32, 48)


def test_every_part_of_the_way_up_learns():
    network = build_network("segmenter", ARGUMENTS).train()
    network(torch.rand(2, 1, 64, 64)).square().mean().backward()
    assert all(parameter.grad is not None for parameter in network.head_parameters())


def test_a_backbone_without_those_maps_is_refused():
    with pytest.raises(RecipeError, match="choose"):
        build_network("segmenter", {**ARGUMENTS, "backbone": "vit_tiny_patch16_224"})


def test_a_model_folder_gives_the_same_maps_again(tmp_path):
    network = build_network("segmenter", ARGUMENTS)
    written = save_model(tmp_path / "anatomy" / "1.0.0", CARD, network)
    card = load_segmenter_card(tmp_path / "anatomy" / "1.0.0")
    assert card == written
    films = torch.rand(1, 1, 64, 64)
    assert torch.equal(load_segmenter(tmp_path / "anatomy" / "1.0.0", card)(films), network(films))
    assert list_classifiers((tmp_path,)) == []
    assert find_segmenter((tmp_path,)) == tmp_path / "anatomy" / "1.0.0"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"schema": 9}, "schema 9"),
        ({"kind": "oracle"}, "is of a"),
        ({"structures": ("heart",)}, "is of a"),
    ],
)
def test_a_card_of_something_else_is_refused(changed, says):
    import json

    table = {**json.loads(CARD.to_json()), **changed}
    with pytest.raises(ModelError, match=says):
        SegmenterCard.from_json(json.dumps(table))


def test_an_interval_that_says_nothing_is_refused():
    interval = RatioInterval(offset=0.01, factor=float("nan"), source="x")
    with pytest.raises(ModelError, match=r"ratio_interval.factor: found NaN"):
        replace(CARD, ratio_interval=interval).to_json()
