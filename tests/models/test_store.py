import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from cxr_core.errors import ModelError
from cxr_core.models.card import Calibration, ModelCard, OperatingPoint
from cxr_core.models.registry.registry import list_classifiers
from cxr_core.models.store import load_card, load_network, save_model
from cxr_core.workspace.hashing import sha256_of_file
from tests.tiny import tiny_card, tiny_model, tiny_network


def test_a_folder_gives_back_the_same_card_and_the_same_logits(tmp_path):
    card = tiny_card()
    network = tiny_network(card, seed=3)
    written = save_model(tmp_path / "m", card, network)
    films = torch.rand(2, 1, 64, 64)

    again = load_card(tmp_path / "m")
    read = load_network(tmp_path / "m", again)

    assert again == written == replace(card, weights_sha256=written.weights_sha256)
    assert torch.equal(read(films), network(films))
    assert not any(parameter.requires_grad for parameter in read.parameters())


def test_half_precision_halves_the_file_and_loads_as_float32(tmp_path):
    card = tiny_card()
    save_model(tmp_path / "whole", card, tiny_network(card))
    save_model(tmp_path / "half", card, tiny_network(card), half=True)
    size = {
        name: (tmp_path / name / "weights.safetensors").stat().st_size for name in ("whole", "half")
    }
    read = load_network(tmp_path / "half", load_card(tmp_path / "half"))
    assert size["half"] < 0.6 * size["whole"]
    assert {parameter.dtype for parameter in read.parameters()} == {torch.float32}


def test_a_changed_byte_of_the_weights_is_noticed(tmp_path):
    folder = tiny_model(tmp_path)
    weights = folder / "weights.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1
    weights.write_bytes(damaged)
    with pytest.raises(ModelError, match="changed or damaged"):
        load_network(folder, load_card(folder))


def test_weights_of_another_network_are_refused_by_name(tmp_path):
    folder = tiny_model(tmp_path)
    card = load_card(folder)
    tensors = load_file(folder / "weights.safetensors")
    tensors.pop("head.linear.bias")
    save_file(tensors, folder / "weights.safetensors")
    card = replace(card, weights_sha256=sha256_of_file(folder / "weights.safetensors"))
    with pytest.raises(ModelError, match=r"head\.linear\.bias"):
        load_network(folder, card)


def test_weights_that_are_not_finite_are_refused_by_name(tmp_path):
    card = tiny_card()
    network = tiny_network(card)
    network.head.linear.bias.data[1] = float("nan")
    save_model(tmp_path / "m", card, network)
    with pytest.raises(ModelError, match=r"1 of 2 values .* NaN .* tensor head\.linear\.bias"):
        load_network(tmp_path / "m", load_card(tmp_path / "m"))


def test_a_failed_write_leaves_nothing_visible(tmp_path):
    class Unwritable(torch.nn.Module):
        def state_dict(self, *args, **kwargs):
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        save_model(tmp_path / "models" / "1.0.0", tiny_card(), Unwritable())  # type: ignore[arg-type]
    assert list((tmp_path / "models").iterdir()) == []


def test_an_existing_folder_is_never_overwritten(tmp_path):
    folder = tiny_model(tmp_path)
    with pytest.raises(ModelError, match="another version"):
        save_model(folder, tiny_card(), tiny_network(tiny_card()))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": 99}, "schema 99"),
        ({"findings": None}, "cannot be read"),
        ({"surprise": 1}, "surprise"),
        ({"calibration": {}}, "no calibration for cardiomegaly"),
    ],
)
def test_a_card_that_is_not_whole_is_refused_with_what_is_wrong(tmp_path, change, says):
    folder = tiny_model(tmp_path)
    table = json.loads((folder / "card.json").read_text()) | change
    (folder / "card.json").write_text(json.dumps(table))
    with pytest.raises(ModelError, match=says):
        load_card(folder)


def test_a_card_survives_its_json():
    card = tiny_card(
        calibration={
            key: Calibration(slope=1.7, intercept=-0.3) for key in ("cardiomegaly", "pneumonia")
        }
    )
    assert ModelCard.from_json(card.to_json()) == card


def test_an_unknown_operating_point_is_answered_with_the_right_ones():
    with pytest.raises(ModelError, match="youden, sensitivity_95"):
        tiny_card().operating_point("pneumonia", "best")
    assert isinstance(tiny_card().operating_point("pneumonia", "youden"), OperatingPoint)


def test_the_newest_version_of_each_model_is_installed_and_drafts_are_not(tmp_path):
    for version in ("1.9.0", "1.10.0"):
        tiny_model(tmp_path, tiny_card("heart", version=version))
    tiny_model(tmp_path, tiny_card("lung", version="1.0.0"))
    tiny_model(tmp_path, tiny_card("lung", version=".draft"))
    assert [
        folder.relative_to(tmp_path).as_posix() for folder in list_classifiers((tmp_path,))
    ] == [
        "heart/1.10.0",
        "lung/1.0.0",
    ]


def test_a_model_of_the_workspace_takes_the_place_of_the_shipped_one(tmp_path):
    tiny_model(tmp_path / "shipped", tiny_card("heart", version="2.0.0"))
    mine = tiny_model(tmp_path / "workspace", tiny_card("heart", version="1.0.0"))
    assert list_classifiers((tmp_path / "shipped", tmp_path / "workspace")) == [mine]
