"""A mean of networks answers the mean of their logits, with evidence as exact as theirs."""

import copy

import pytest
import torch

from cxr_core.errors import ModelError
from cxr_core.evaluation.explanations.evaluate_randomisation import select_layers
from cxr_core.models.networks.architectures import build_network
from cxr_core.models.networks.ensemble import EnsembleClassifier
from cxr_core.models.networks.initialise import initialise_network
from cxr_core.models.store import load_card, load_network, save_model
from tests.tiny import ARGUMENTS, tiny_card

POSITIONAL = {**ARGUMENTS, "head": "positional", "two_class": True}


def networks(arguments, count=3):
    built = []
    for seed in range(count):
        torch.manual_seed(seed)
        built.append(build_network("film_classifier", arguments))
    return built


@pytest.mark.parametrize("arguments", [ARGUMENTS, POSITIONAL])
def test_its_logits_are_the_mean_of_theirs_and_its_evidence_sums_to_them(arguments):
    members, films = networks(arguments), torch.rand(4, 1, 64, 64)
    before = copy.deepcopy(members[0].state_dict())
    whole = EnsembleClassifier.from_networks(members, arguments)
    with torch.no_grad():
        expected = torch.stack([member(films) for member in members]).mean(dim=0)
        features, maps = whole.forward_with_middle_maps(films)
        sums = whole.head.attribute_to_cells(features).sum(dim=(2, 3))
    assert torch.allclose(whole(films), expected, atol=1e-5)
    assert torch.allclose(whole.forward_head(features), expected, atol=1e-5)
    bias = expected - sums
    assert torch.allclose(bias, bias[:1].expand_as(bias), atol=1e-5)
    assert [each.shape for each in maps] == [
        each.shape for each in members[0].forward_with_middle_maps(films)[1]
    ]
    assert all(
        torch.equal(tensor, before[name]) for name, tensor in members[0].state_dict().items()
    )


def test_it_keeps_the_first_findings():
    whole = EnsembleClassifier.from_networks(networks(POSITIONAL, 2), POSITIONAL)
    films = torch.rand(2, 1, 64, 64)
    assert torch.allclose(whole.keep_findings(1)(films), whole(films)[:, :1], atol=1e-6)


def test_it_is_read_back_from_its_folder(tmp_path):
    whole = EnsembleClassifier.from_networks(networks(ARGUMENTS, 2), ARGUMENTS)
    card = tiny_card(architecture="averaged_classifier", arguments={**ARGUMENTS, "members": 2})
    save_model(tmp_path / "m", card, whole)
    films = torch.rand(2, 1, 64, 64)
    assert torch.equal(load_network(tmp_path / "m", load_card(tmp_path / "m"))(films), whole(films))


def test_heads_that_are_not_linear_and_single_networks_have_no_mean():
    for arguments, count in (({**ARGUMENTS, "head": "attention"}, 2), (ARGUMENTS, 1)):
        with pytest.raises(ModelError, match="an ensemble needs two or more"):
            EnsembleClassifier.from_networks(networks(arguments, count), arguments)


def test_each_member_is_made_anew_when_the_layers_of_a_stage_are():
    one, whole = (
        networks(ARGUMENTS, 1)[0],
        EnsembleClassifier.from_networks(networks(ARGUMENTS, 2), ARGUMENTS),
    )
    for stage in ("head", "late", "all"):
        expected = {
            f"members.{k}.{name}" if not name.startswith("head") else name
            for k in range(2)
            for name in select_layers(one, stage)
        }
        assert select_layers(whole, stage) == expected


def test_a_recipe_may_begin_with_its_first_backbone_and_not_with_all_of_it(tmp_path):
    members = networks(ARGUMENTS, 2)
    card = tiny_card(architecture="averaged_classifier", arguments={**ARGUMENTS, "members": 2})
    save_model(tmp_path / "m", card, EnsembleClassifier.from_networks(members, ARGUMENTS))
    start = initialise_network(ARGUMENTS, f"backbone:{tmp_path / 'm'}", seed=9)
    theirs = members[0].backbone.state_dict()
    assert all(
        torch.equal(tensor, theirs[name])
        for name, tensor in start.network.backbone.state_dict().items()
    )
    with pytest.raises(ModelError, match="an ensemble of several networks"):
        initialise_network(
            ARGUMENTS,
            str(tmp_path / "m"),
            seed=0,
            input_spec=card.input_spec,
            findings=card.findings,
        )
