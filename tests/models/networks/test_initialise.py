import time
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from cxr_core.errors import FileRefused, ModelError, PretrainedUnavailable, RecipeError
from cxr_core.models.networks import imagenet
from cxr_core.models.networks.architectures import build_network, timm
from cxr_core.models.networks.backbones import build_backbone
from cxr_core.models.networks.initialise import (
    describe_initial_weights,
    initialise_network,
    require_initial_weights,
)
from tests.tiny import ARGUMENTS, tiny_card, tiny_model, tiny_network


@pytest.fixture
def no_hub(monkeypatch, tmp_path):
    """A hub that refuses every connection, and nothing of it on the disk."""
    monkeypatch.setattr(imagenet, "hf_hub_url", lambda *_: "http://127.0.0.1:9/weights")
    monkeypatch.setattr(imagenet, "try_to_load_from_cache", lambda *_: None)


@pytest.mark.parametrize("backbone", ["resnet50", "vgg16", "inception_v3"])
def test_an_unreachable_hub_is_a_sentence_at_once_with_the_ways_on(backbone, no_hub):
    began = time.monotonic()
    with pytest.raises(PretrainedUnavailable) as said:
        initialise_network({**ARGUMENTS, "backbone": backbone}, "imagenet", seed=0)
    assert time.monotonic() - began < 5
    for part in (backbone, "init=scratch", "init=FILE", "backbone="):
        assert part in str(said.value)


def test_weights_that_break_off_on_the_way_are_a_sentence_too(monkeypatch):
    def broken(*_, **__):
        raise OSError("connection reset")

    monkeypatch.setattr(imagenet, "try_to_load_from_cache", lambda *_: "somewhere")
    monkeypatch.setattr(timm, "create_model", broken)
    with pytest.raises(PretrainedUnavailable, match="init=FILE"):
        initialise_network(ARGUMENTS, "imagenet", seed=0)


def test_a_backbone_without_imagenet_weights_is_told_apart_from_a_missing_hub(monkeypatch):
    monkeypatch.setattr(imagenet, "get_session", lambda: pytest.fail("the hub need not be asked"))
    with pytest.raises(
        PretrainedUnavailable, match=r"no ImageNet weights of resnetv2_152.* resnetv2_101"
    ):
        initialise_network({**ARGUMENTS, "backbone": "resnetv2_152"}, "imagenet", seed=0)
    with pytest.raises(PretrainedUnavailable, match="plain_cnn is this project's own"):
        initialise_network({**ARGUMENTS, "backbone": "plain_cnn"}, "imagenet", seed=0)


def test_every_backbone_of_the_recipes_but_one_has_imagenet_weights_somewhere():
    names = "resnet50 inception_v3 mobilenetv1_100 mobilenetv2_100 densenet121 efficientnet_b0 efficientnet_b4 vgg16"
    weights = {name.partition(".")[0] for name in timm.list_pretrained()}
    assert {*names.split(), "resnetv2_101"} <= weights
    assert "resnetv2_152" not in weights


@pytest.mark.parametrize(
    "backbone",
    [
        "mobilenetv3_small_050",
        "plain_cnn",
        *(
            pytest.param(name, marks=pytest.mark.network_zoo)
            for name in ("mobilenetv1_100", "densenet121", "vgg16")
        ),
    ],
)
def test_a_local_file_fills_the_backbone_and_a_colour_stem_is_summed_to_grey(backbone, tmp_path):
    torch.manual_seed(7)
    colour = build_backbone(backbone, 3, False, {}).eval()
    tensors = {name: tensor.contiguous() for name, tensor in colour.state_dict().items()}
    save_file({**tensors, "classifier.weight": torch.zeros(1)}, tmp_path / "w.safetensors")

    start = initialise_network(
        {**ARGUMENTS, "backbone": backbone}, str(tmp_path / "w.safetensors"), seed=0
    )

    grey = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        expected = colour(grey.expand(-1, 3, -1, -1))
        assert torch.allclose(
            start.network.backbone(grey), expected, atol=1e-4 * float(expected.abs().max())
        )
    assert start.unmatched == ("classifier.weight",)
    assert start.missing == ()


def test_what_a_file_lacks_or_has_in_another_shape_is_reported_by_name(tmp_path):
    tensors = build_network("film_classifier", ARGUMENTS).backbone.state_dict()
    name = "conv_stem.weight"
    save_file(
        {key: tensor for key, tensor in tensors.items() if key != name},
        tmp_path / "less.safetensors",
    )
    start = initialise_network(ARGUMENTS, str(tmp_path / "less.safetensors"), seed=0)
    assert (start.missing, start.unmatched) == ((name,), ())
    save_file({**tensors, name: torch.zeros(16, 1, 5, 5)}, tmp_path / "other.safetensors")
    start = initialise_network(ARGUMENTS, str(tmp_path / "other.safetensors"), seed=0)
    assert (start.missing, start.unmatched) == ((name,), (name,))


def test_weights_that_fit_nowhere_are_refused(tmp_path):
    save_file({"something.else": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match=r"holds 0 of the .* tensors of this backbone"):
        initialise_network(ARGUMENTS, str(tmp_path / "w.safetensors"), seed=0)
    (tmp_path / "w.safetensors").write_bytes(b"not tensors")
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        initialise_network(ARGUMENTS, str(tmp_path / "w.safetensors"), seed=0)
    (tmp_path / "w.pth").write_bytes(b"PK\x03\x04")
    with pytest.raises(ModelError, match=r"w\.pth .* PyTorch pickle"):
        initialise_network(ARGUMENTS, str(tmp_path / "w.pth"), seed=0)
    with pytest.raises(ModelError, match="give its folder"):
        initialise_network(ARGUMENTS, str(tiny_model(tmp_path) / "weights.safetensors"), seed=0)
    with pytest.raises(FileRefused, match="File name too long"):
        initialise_network(ARGUMENTS, "w" * 300, seed=0)
    with pytest.raises(ModelError, match="no file and no model folder"):
        initialise_network(ARGUMENTS, str(tmp_path / "none.safetensors"), seed=0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_initial_weights_that_are_not_finite_are_refused_by_file_and_tensor(tmp_path, value):
    tensors = build_network("film_classifier", ARGUMENTS).backbone.state_dict()
    tensors["conv_stem.weight"][0, 0, 0, 0] = value
    save_file(tensors, tmp_path / "w.safetensors")
    with pytest.raises(
        ModelError, match=r"w\.safetensors has 1 of .* NaN or infinite .* conv_stem\.weight"
    ):
        initialise_network(ARGUMENTS, str(tmp_path / "w.safetensors"), seed=0)


@pytest.mark.parametrize("by_name", [True, False])
def test_a_model_is_trained_further_from_its_own_weights(by_name, workspace):
    card = tiny_card("heart")
    folder = tiny_model(workspace / "models", card, seed=5)
    init = "heart" if by_name else str(folder)
    start = initialise_network(
        ARGUMENTS, init, seed=0, input_spec=card.input_spec, findings=card.findings
    )
    films = torch.rand(2, 1, 64, 64)
    assert torch.equal(start.network(films), tiny_network(card, seed=5)(films))
    assert (start.missing, start.unmatched) == ((), ())
    assert all(parameter.requires_grad for parameter in start.network.parameters())


@pytest.mark.parametrize("two_class", [False, True])
def test_a_model_gives_the_rows_of_the_findings_that_both_have(tmp_path, two_class):
    card = tiny_card(arguments={**ARGUMENTS, "two_class": two_class})  # cardiomegaly, pneumonia
    folder = tiny_model(tmp_path, card, seed=5)
    findings = ("pneumonia", "edema", "hernia")
    arguments = {**card.arguments, "findings": 3}
    start = initialise_network(
        arguments, str(folder), seed=0, input_spec=card.input_spec, findings=findings
    )
    films = torch.rand(2, 1, 64, 64)
    assert torch.allclose(
        start.network(films)[:, 0], tiny_network(card, seed=5)(films)[:, 1], atol=1e-6
    )
    assert start.missing == ("head.linear: edema", "head.linear: hernia")
    assert start.unmatched == ("head.linear: cardiomegaly",)


@pytest.mark.parametrize(
    ("arguments", "spec", "says"),
    [
        ({}, {"mean": 0.4}, "mean is 0.5 there and 0.4 here"),
        ({}, {"equalisation": "clahe"}, "equalisation is 'none' there"),
        ({"side": 96}, {"side": 96}, "side is 64 there and 96 here"),
        ({"neck": 4}, {}, "neck is 8 there and 4 here"),
        ({"head": "attention"}, {}, "head is 'averaged' there"),
        ({"backbone_arguments": {"pad_type": "same"}}, {}, "backbone_arguments"),
    ],
)
def test_a_model_of_another_form_or_preprocessing_is_refused_by_what_differs(
    tmp_path, arguments, spec, says
):
    card = tiny_card()
    folder = tiny_model(tmp_path, card)
    with pytest.raises(ModelError, match=says):
        initialise_network(
            {**ARGUMENTS, **arguments},
            str(folder),
            seed=0,
            input_spec=replace(card.input_spec, **spec),
        )
    with pytest.raises(ModelError, match=says):
        require_initial_weights(
            {**ARGUMENTS, **arguments}, str(folder), replace(card.input_spec, **spec)
        )
    with pytest.raises(ModelError, match="preprocessing"):
        initialise_network(ARGUMENTS, str(folder), seed=0)


def test_the_backbone_alone_serves_another_head_on_other_films(tmp_path):
    folder = tiny_model(tmp_path, tiny_card(), seed=5)
    arguments = {**ARGUMENTS, "side": 96, "neck": None, "head": "positional", "findings": 3}
    require_initial_weights(
        arguments, f"backbone:{folder}", replace(tiny_card().input_spec, side=96)
    )
    start = initialise_network(arguments, f"backbone:{folder}", seed=0)
    theirs = tiny_network(tiny_card(), seed=5).backbone.state_dict()
    assert all(
        torch.equal(tensor, theirs[name])
        for name, tensor in start.network.backbone.state_dict().items()
    )
    untouched = initialise_network(arguments, "scratch", seed=0).network
    assert torch.equal(start.network.head.linear.weight, untouched.head.linear.weight)
    assert describe_initial_weights(f"backbone:{folder}").startswith("the backbone of ")


def test_another_backbone_is_not_taken_over(tmp_path):
    folder = tiny_model(tmp_path, tiny_card())
    for change in ({"backbone": "resnet18"}, {"channels": 3}):
        for start in (initialise_network, require_initial_weights):
            with pytest.raises(ModelError, match="Only the same one can be taken over"):
                start(
                    {**ARGUMENTS, **change},
                    f"backbone:{folder}",
                    *([0] if start is initialise_network else [None]),
                )


def test_whether_a_network_can_start_is_told_without_building_it(tmp_path, no_hub, monkeypatch):
    spec = tiny_card().input_spec
    monkeypatch.setattr("cxr_core.models.networks.initialise.build_network", None)
    for init in ("scratch", str(tiny_model(tmp_path))):
        require_initial_weights(ARGUMENTS, init, spec)
    for init, wrong in (("imagenet", PretrainedUnavailable), ("no-such-model", ModelError)):
        with pytest.raises(wrong):
            require_initial_weights({**ARGUMENTS, "backbone": "resnet50"}, init, spec)
    with pytest.raises(RecipeError, match=r"near it are .*resnet"):
        require_initial_weights({**ARGUMENTS, "backbone": "resnet_of_mine"}, "scratch", spec)


def test_the_weights_on_disk_are_the_imagenet_backbone_that_timm_builds(real_data):
    path = real_data / "weights" / "mobilenetv2_100_imagenet.safetensors"
    arguments = {
        **ARGUMENTS,
        "backbone": "mobilenetv2_100",
        "channels": 3,
        "backbone_arguments": {"pad_type": "same"},
    }
    start = initialise_network(arguments, str(path), seed=0)
    assert start.missing == ()
    assert start.unmatched == ("classifier.bias", "classifier.weight")

    grey = initialise_network({**arguments, "channels": 1}, str(path), seed=0)
    assert (grey.missing, grey.unmatched) == ((), start.unmatched)
    stem = load_file(path)["conv_stem.weight"].float()
    assert torch.allclose(
        grey.network.backbone.conv_stem.weight, timm.models.adapt_input_conv(1, stem)
    )
