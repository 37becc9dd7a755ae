import tempfile
from pathlib import Path

import pytest
import torch

from cxr_core.errors import ModelError, RecipeError
from cxr_core.film.preprocess import InputSpec
from cxr_core.models.networks.architectures import build_network, timm
from cxr_core.models.networks.backbones import build_backbone, measure_feature_shape
from cxr_core.models.networks.initialise import _find_stem
from cxr_core.models.networks.torchvision_compat import declare_missing_operators
from cxr_core.models.store import load_network, save_model
from cxr_core.reading.heatmaps import forward_with_attribution
from tests.tiny import ARGUMENTS, tiny_card

pytestmark = pytest.mark.network_zoo

RECIPE_BACKBONES = [
    *("plain_cnn", "resnet50", "resnetv2_101", "resnetv2_152", "inception_v3", "mobilenetv1_100"),
    *("mobilenetv2_100", "densenet121", "efficientnet_b0", "efficientnet_b4", "vgg16"),
]


@pytest.mark.parametrize(
    "backbone",
    [
        "mobilenetv2_100",
        "mobilenetv3_small_050",
        "resnet18",
        "densenet121",
        "efficientnet_b0",
        "plain_cnn",
    ],
)
@pytest.mark.parametrize("head", ["averaged", "positional"])
def test_the_described_pass_gives_the_same_features_as_the_plain_one(backbone, head):
    torch.manual_seed(0)
    network = build_network("film_classifier", {**ARGUMENTS, "backbone": backbone, "head": head})
    films = torch.rand(2, 1, 64, 64)
    features, maps = network.forward_with_middle_maps(films)
    assert torch.allclose(features, network.forward_features(films), atol=1e-6)
    assert [64 // each.shape[-1] for each in maps] == [8, 16]
    assert network.forward_head(features).shape == (2, 2)


@pytest.mark.parametrize("backbone", RECIPE_BACKBONES)
def test_every_backbone_of_the_recipes_builds_reads_explains_and_survives_the_store(backbone):
    side = 96 if backbone == "inception_v3" else 64
    head = "dense" if backbone in ("plain_cnn", "vgg16") else "attention"
    arguments = {
        **ARGUMENTS,
        "backbone": backbone,
        "head": head,
        "neck": None,
        "hidden": 4,
        "side": side,
    }
    torch.manual_seed(0)
    network = build_network("film_classifier", arguments).half().float().requires_grad_(False)
    films = torch.rand(2, 1, side, side)

    features, maps = network.forward_with_middle_maps(films)
    logits, evidence = forward_with_attribution(network, features)

    scale = float(features.abs().max())
    assert torch.allclose(features, network.forward_features(films), atol=1e-5 * scale)
    assert len(maps) == 2
    assert logits.shape == (2, 2)
    assert evidence.shape == (2, 2, *features.shape[2:])
    assert torch.isfinite(evidence).all()
    if backbone != "plain_cnn":  # independent of how the first convolution is looked for
        assert (
            _find_stem(network.backbone)
            == f"{timm.models.get_pretrained_cfg(backbone).first_conv}.weight"
        )
    with tempfile.TemporaryDirectory() as folder:
        card = tiny_card(arguments=arguments, input_spec=InputSpec(side=side, channels=1, std=0.25))
        card = save_model(Path(folder) / "m", card, network, half=True)
        assert torch.equal(load_network(Path(folder) / "m", card)(films), network(films))


def test_vgg16_comes_without_its_4096_wide_layers():
    backbone = build_backbone("vgg16", 3, False, {})
    # 13 convolutions: 14,714,688 weights (Simonyan & Zisserman 2015, table 2, less the fully connected layers).
    assert sum(parameter.numel() for parameter in backbone.parameters()) == 14_714_688
    assert measure_feature_shape(backbone, "vgg16", 3, 64) == (512, 2, 2)


def test_a_plain_network_has_the_size_that_its_documentation_says():
    backbone = build_backbone("plain_cnn", 1, False, {})
    convolutions = 9 * (1 * 32 + 32 * 64 + 64 * 128 + 128 * 256)
    assert sum(parameter.numel() for parameter in backbone.parameters()) == convolutions + 2 * (
        32 + 64 + 128 + 256
    )
    assert measure_feature_shape(backbone, "plain_cnn", 1, 224) == (256, 14, 14)
    narrow = build_backbone("plain_cnn", 1, False, {"widths": [4, 8]})
    assert measure_feature_shape(narrow, "plain_cnn", 1, 64) == (8, 16, 16)


def test_building_leaves_no_trace_in_the_running_statistics():
    network = build_network("film_classifier", ARGUMENTS)
    counts = [
        tensor
        for name, tensor in network.state_dict().items()
        if name.endswith("num_batches_tracked")
    ]
    assert counts
    assert not any(int(count) for count in counts)


@pytest.mark.parametrize("head", ["averaged", "positional", "dense", "attention"])
def test_a_network_can_keep_its_first_findings_and_leaves_the_other_as_it_was(head):
    torch.manual_seed(0)
    whole = build_network(
        "film_classifier", {**ARGUMENTS, "findings": 3, "head": head, "two_class": True}
    )
    films = torch.rand(2, 1, 64, 64)
    before = whole(films)
    kept = whole.keep_findings(2)
    assert torch.allclose(kept(films), before[:, :2], atol=1e-6)
    same = build_network(
        "film_classifier", {**ARGUMENTS, "findings": 2, "head": head, "two_class": True}
    )
    same.load_state_dict(kept.state_dict())
    with torch.no_grad():
        for parameter in kept.parameters():
            parameter.zero_()
    assert torch.equal(whole(films), before)


def test_an_unknown_backbone_head_or_architecture_is_answered_with_known_ones():
    with pytest.raises(RecipeError, match="resnet"):
        build_network("film_classifier", {**ARGUMENTS, "backbone": "resnet_fifty"})
    with pytest.raises(RecipeError, match="averaged, positional, dense or attention"):
        build_network("film_classifier", {**ARGUMENTS, "head": "sideways"})
    with pytest.raises(ModelError, match="film_classifier"):
        build_network("oracle", {})
    with pytest.raises(ModelError, match="do not fit"):
        build_network("film_classifier", {**ARGUMENTS, "colour": "blue"})
    with pytest.raises(ModelError, match="do not fit"):
        build_network(
            "film_classifier",
            {**ARGUMENTS, "backbone": "plain_cnn", "backbone_arguments": {"depth": 3}},
        )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"backbone": "inception_v3"}, "larger input_side"),
        ({"backbone": "plain_cnn", "backbone_arguments": {"widths": [4] * 7}}, "larger input_side"),
        ({"backbone": "plain_cnn", "backbone_arguments": {"widths": []}}, "a width above 0"),
        ({"backbone": "vit_tiny_patch16_224", "side": 224}, "convolutional"),
        ({"backbone": "swin_tiny_patch4_window7_224", "side": 224}, "convolutional"),
    ],
)
def test_a_backbone_that_gives_no_map_of_cells_is_refused_with_a_sentence(changes, says):
    with pytest.raises(RecipeError, match=says):
        build_network("film_classifier", {**ARGUMENTS, **changes})


def test_torchvision_imports_and_declaring_twice_changes_nothing():
    first = declare_missing_operators()
    assert declare_missing_operators() == first
    from torchvision.transforms import v2

    assert v2.functional.resize(torch.zeros(1, 8, 8), [4, 4]).shape == (1, 4, 4)


def test_a_side_that_does_not_fit_into_memory_is_not_said_to_be_too_small():
    class TooLarge(torch.nn.Module):
        def forward(self, films):
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")

    with pytest.raises(RecipeError, match="give a smaller input_side"):
        measure_feature_shape(TooLarge(), "large", 1, 64)
