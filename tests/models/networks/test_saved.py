"""A card may name any network: what its weights file does not hold is refused before any memory is taken for it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from cxr_core.errors import ModelError
from cxr_core.models.card import WEIGHTS
from cxr_core.models.networks.architectures import build_network
from cxr_core.models.networks.initialise import initialise_network
from cxr_core.models.networks.saved import load_saved_network
from cxr_core.models.weights_file import MAX_PARAMETERS, read_shapes
from cxr_core.workspace.paths import ROOT
from tests.tiny import ARGUMENTS, tiny_model

# Each with what the sentence must say.
TOO_LARGE: list[tuple[str, dict[str, Any], str]] = [
    ("film_classifier", {"backbone": "vit_giant_patch14_224", "side": 224}, "no map of features"),
    ("film_classifier", {"backbone": "resnetv2_152x4_bit"}, "does not fit its network"),
    (
        "film_classifier",
        {"backbone": "plain_cnn", "backbone_arguments": {"widths": [1] * 100_000}},
        "far more layers",
    ),
    (
        "film_classifier",
        {"backbone": "resnet18", "backbone_arguments": {"layers": [10**6, 1, 1, 1]}},
        "far more layers",
    ),
    ("averaged_classifier", {"members": 10**9}, "far more layers"),
    ("film_classifier", {"neck": 10**12}, "does not fit its network"),
    ("film_classifier", {"head": "dense", "hidden": 10**12}, "does not fit its network"),
    ("film_classifier", {"findings": 10**12}, "does not fit its network"),
    ("film_classifier", {"channels": 10**12}, "does not fit its network"),
    ("film_classifier", {"side": 10**9}, "cannot be built"),
]
NONSENSE: list[dict[str, Any]] = [
    {"backbone": ["x"]},
    {"backbone": None},
    {"backbone": "hf-hub:somebody/something"},
    {"backbone_arguments": [1]},
    {"backbone_arguments": {"act_layer": "x"}},
    {"backbone_arguments": {"norm_layer": {"a": 1}}},
    {"backbone_arguments": {"features_only": True}},
    {"backbone_arguments": {"drop_path_rate": "x"}},
    {"head": []},
    {"neck": "8"},
    {"neck": 10**30},
    {"dropout": -1},
    {"channels": -1},
    {"side": 0},
    {"findings": -1},
]


def load_too_large(weights: str) -> None:
    """Try every network that is too large, in a process of its own. Prints the sentences and what they cost."""
    import resource
    import time

    from cxr_core.workspace.child_process import limit_memory

    limit_memory(1 << 30)
    sentences = []
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    for architecture, changes, _ in TOO_LARGE:
        try:
            load_saved_network(architecture, {**ARGUMENTS, **changes}, Path(weights))  # type: ignore[typeddict-item]
        except ModelError as error:
            sentences.append(str(error))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps([sentences, grown >> 10, time.process_time() - started]))


@pytest.mark.process
def test_a_network_that_the_weights_file_does_not_hold_is_refused_without_memory(tmp_path):
    weights = tiny_model(tmp_path) / WEIGHTS
    code = f"from tests.models.networks.test_saved import load_too_large; load_too_large({str(weights)!r})"
    command = [sys.executable, "-W", "ignore", "-c", code]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=300).stdout
    sentences, grown_mb, seconds = json.loads(output)
    assert len(sentences) == len(TOO_LARGE)
    for sentence, (_, changes, says) in zip(sentences, TOO_LARGE, strict=True):
        assert says in sentence, changes
    assert grown_mb < 100
    assert seconds < 60


@pytest.mark.parametrize("changes", NONSENSE, ids=str)
def test_arguments_that_no_network_takes_end_in_a_sentence(changes, tmp_path):
    with pytest.raises(ModelError):
        load_saved_network(
            "film_classifier", {**ARGUMENTS, **changes}, tiny_model(tmp_path) / WEIGHTS
        )


def test_a_network_with_constants_outside_its_weights_is_loaded_as_it_was_saved(tmp_path):
    """The blurring kernels of this backbone are in no state dict, so they are not left on the meta device."""
    from safetensors.torch import save_file

    arguments = {**ARGUMENTS, "backbone": "resnetblur18", "neck": None}
    torch.manual_seed(0)
    network = build_network("film_classifier", arguments)
    save_file(network.state_dict(), tmp_path / WEIGHTS)
    loaded = load_saved_network("film_classifier", arguments, tmp_path / WEIGHTS)
    film = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded(film), network(film))
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_a_network_does_not_change_with_its_file(tmp_path):
    weights = tiny_model(tmp_path) / WEIGHTS
    network = load_saved_network("film_classifier", ARGUMENTS, weights)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with weights.open("r+b") as file:
        file.seek(-1000, 2)
        file.write(b"\x55" * 1000)
    assert all(torch.equal(before[name], t) for name, t in network.state_dict().items())


def weights_file(path: Path, header: bytes, size: int) -> Path:
    """A file with this header, then `size` zero bytes that take no room on the disk."""
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + size)
    return path


def test_the_header_of_a_weights_file_is_not_believed(tmp_path):
    many = MAX_PARAMETERS + 8
    shape = json.dumps(
        {"a": {"dtype": "F16", "shape": [many], "data_offsets": [0, 2 * many]}}
    ).encode()
    with pytest.raises(ModelError, match=r"holds 500,000,008 numbers; networks here"):
        read_shapes(weights_file(tmp_path / "many", shape, 2 * many))
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        read_shapes(weights_file(tmp_path / "fewer", shape, 1000))
    long = tmp_path / "long"
    long.write_bytes((1 << 60).to_bytes(8, "little") + b"{}")
    with pytest.raises(ModelError, match="its header would have"):
        read_shapes(long)
    with pytest.raises(ModelError, match="its header would have"):
        initialise_network(ARGUMENTS, str(long), seed=0)
    odd = {tmp_path: "it is a folder", tmp_path / "none": "there is no such file"}
    for place, says in odd.items():
        with pytest.raises(ModelError, match=says):
            read_shapes(place)


@pytest.mark.parametrize(
    ("backbone", "head"),
    [
        ("resnet18", "averaged"),
        ("densenet121", "dense"),
        ("vgg11_bn", "attention"),
        ("mobilenetv2_100", "positional"),
        ("efficientnet_lite0", "positional"),
    ],
)
def test_networks_that_are_built_without_memory_have_the_right_shapes(tmp_path, backbone, head):
    arguments = {**ARGUMENTS, "backbone": backbone, "head": head, "side": 96}
    network = build_network("film_classifier", arguments)
    path = tmp_path / WEIGHTS
    save_file(network.state_dict(), path)
    loaded = load_saved_network("film_classifier", arguments, path)
    films = torch.rand(1, 1, 96, 96)
    with torch.no_grad():
        assert torch.equal(loaded(films), network(films))


LOAD_SHIPPED_MODELS = """
import sys
from cxr_core.reading.reader import Reader
Reader.installed().close()
print("torch._dynamo" in sys.modules)
import torch
torch.manual_seed(0)
x = torch.rand(4)
print(torch.equal(torch.compile(lambda x: x + 1, backend="eager")(x), x + 1))
print(hasattr(sys.modules["torch._dynamo"], "optimize"))
"""


@pytest.mark.process
def test_the_shipped_models_load_without_torchs_compiler_which_works_afterwards():
    """Its import takes longer than that of torch itself; the first film would wait for it."""
    command = [sys.executable, "-W", "ignore", "-c", LOAD_SHIPPED_MODELS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=300)
    assert done.stdout.split() == [b"False", b"True", b"True"]
