import pytest
import torch
from safetensors.torch import save_file

from cxr_core.errors import ModelError, PretrainedUnavailable, RecipeError
from cxr_core.models.architectures import build, timm
from cxr_core.models.initial import initialise
from cxr_core.models.torchvision_ops import declare_missing_operators
from tests.tiny import ARGUMENTS


@pytest.mark.parametrize(
    "backbone", ["mobilenetv2_100", "mobilenetv3_small_050", "resnet18", "densenet121", "efficientnet_b0"]
)
@pytest.mark.parametrize("head", ["averaged", "positional"])
def test_the_described_pass_gives_the_same_features_as_the_plain_one(backbone, head):
    torch.manual_seed(0)
    network = build("film_classifier", {**ARGUMENTS, "backbone": backbone, "head": head})
    films = torch.rand(2, 1, 64, 64)
    features, maps = network.forward_described(films)
    assert torch.allclose(features, network.forward_features(films), atol=1e-6)
    assert [64 // each.shape[-1] for each in maps] == [8, 16]
    assert network.forward_head(features).shape == (2, 2)


def test_an_unknown_backbone_head_or_architecture_is_answered_with_known_ones():
    with pytest.raises(RecipeError, match="resnet"):
        build("film_classifier", {**ARGUMENTS, "backbone": "resnet_fifty"})
    with pytest.raises(RecipeError, match="averaged or positional"):
        build("film_classifier", {**ARGUMENTS, "head": "sideways"})
    with pytest.raises(ModelError, match="film_classifier"):
        build("oracle", {})
    with pytest.raises(ModelError, match="do not fit"):
        build("film_classifier", {**ARGUMENTS, "colour": "blue"})


def test_an_unreachable_hub_is_a_sentence_with_a_way_on(monkeypatch):
    def unreachable(*_, **__):
        raise OSError("no route")

    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(PretrainedUnavailable, match="--init FILE"):
        initialise(ARGUMENTS, "imagenet", seed=0)


def test_a_local_file_fills_the_backbone_and_a_colour_stem_is_summed_to_grey(tmp_path):
    colour = build("film_classifier", {**ARGUMENTS, "channels": 3})
    tensors = {name: tensor.contiguous() for name, tensor in colour.backbone.state_dict().items()}
    save_file({**tensors, "classifier.weight": torch.zeros(1)}, tmp_path / "w.safetensors")

    start = initialise(ARGUMENTS, str(tmp_path / "w.safetensors"), seed=0)

    grey = torch.rand(1, 1, 64, 64)
    assert start.unmatched == ("classifier.weight",)
    assert start.missing == ()
    assert torch.allclose(start.network.backbone(grey), colour.backbone(grey.expand(-1, 3, -1, -1)), atol=1e-5)


def test_weights_that_fit_nowhere_are_refused(tmp_path):
    save_file({"something.else": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match="no tensor of this backbone"):
        initialise(ARGUMENTS, str(tmp_path / "w.safetensors"), seed=0)
    (tmp_path / "w.safetensors").write_bytes(b"not tensors")
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        initialise(ARGUMENTS, str(tmp_path / "w.safetensors"), seed=0)


def test_torchvision_imports_and_declaring_twice_changes_nothing():
    first = declare_missing_operators()
    assert declare_missing_operators() == first
    from torchvision.transforms import v2

    assert v2.functional.resize(torch.zeros(1, 8, 8), [4, 4]).shape == (1, 4, 4)


def test_the_weights_on_disk_are_the_imagenet_backbone_that_timm_builds(real_data):
    path = real_data / "weights" / "mobilenetv2_100_imagenet.safetensors"
    arguments = {**ARGUMENTS, "backbone": "mobilenetv2_100", "channels": 3, "backbone_arguments": {"pad_type": "same"}}
    start = initialise(arguments, str(path), seed=0)
    assert start.missing == ()
    assert start.unmatched == ("classifier.bias", "classifier.weight")
