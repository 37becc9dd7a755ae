"""Networks of a user's own file: run only when allowed, recorded by hash, and every fault is a sentence."""

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
import torch

from cxr_core.errors import CodeRefused, ModelError, RecipeError, RunError
from cxr_core.known_findings import LocalFinding
from cxr_core.models.networks.architectures import build_network
from cxr_core.models.networks.user_code import (
    allow_code,
    code_folder,
    forbid_code,
    hash_code,
    list_references,
)
from cxr_core.models.store import load_card, load_network
from cxr_core.promotion.imports import import_model
from cxr_core.training.fit import FitOptions, fit, resume
from cxr_core.training.recipe.recipe_file import apply_overrides, format_recipe, load_recipe
from cxr_core.training.runs.events import Event, RunBegun
from cxr_core.training.runs.manifest import RunManifest
from cxr_core.training.runs.run_files import RUN_RECIPE
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.workspace.json_files import JsonObject
from tests.lit_films import lit_films
from tests.tiny import ARGUMENTS, TINY_RECIPE
from train.fit import main as fit_command

BACKBONE = """
from torch import nn

def build(channels, width=8):
    return nn.Sequential(nn.Conv2d(channels, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU())
"""
HEAD = """
from cxr_core.models.networks.heads import AveragedHead

class Wider(AveragedHead):
    pass

def build(features, findings, cells, hidden, dropout, two_class):
    return Wider(features, findings, dropout=dropout, two_class=two_class)
"""
NAME = "file:net.py:build"


@pytest.fixture(autouse=True)
def _own_workspace(workspace: Path) -> None:
    """Every test has a workspace of its own."""


def write(source: str, file: str = "net.py", allow: bool = True) -> Path:
    code_folder().mkdir(parents=True, exist_ok=True)
    path = code_folder() / file
    path.write_text(source, encoding="utf-8")
    if allow:
        allow_code(hash_code([f"file:{file}:build"]))
    return path


def build(**changes: object) -> torch.nn.Module:
    return build_network("film_classifier", {**ARGUMENTS, "backbone": NAME, **changes})  # type: ignore[arg-type]


def test_a_file_is_run_only_once_it_was_allowed_as_it_is() -> None:
    marker = code_folder() / "ran"
    path = write(f"open({str(marker)!r}, 'w').close()\n{BACKBONE}", allow=False)
    with pytest.raises(CodeRefused, match="has not been allowed to run"):
        build()
    assert list_references() == [NAME]
    assert not marker.exists(), "neither asking nor listing runs a file"
    allow_code(hash_code([NAME]))
    assert build(backbone_arguments={"width": 4})(torch.zeros(1, 1, 64, 64)).shape == (1, 2)
    assert marker.exists()
    forbid_code(hash_code([NAME]))
    with pytest.raises(CodeRefused, match="has not been allowed"):
        build()
    allow_code(hash_code([NAME]))
    path.write_text(path.read_text() + "# changed\n")
    with pytest.raises(CodeRefused, match="has not been allowed"):
        build()


def test_a_head_of_ones_own_answers_and_attributes() -> None:
    write(HEAD, "head.py")
    network = build_network("film_classifier", {**ARGUMENTS, "head": "file:head.py:build"})
    assert type(network.head).__name__ == "Wider"
    films = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        features = network.forward_features(films)
        cells = network.head.attribute_to_cells(features).sum(dim=(2, 3))
        logits = network.forward_head(features)
    assert torch.allclose(cells + network.head.linear.bias, logits, atol=1e-5)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("1 / 0", "net.py raised ZeroDivisionError in line 1 as it was imported: division by zero"),
        ("def build(:", "net.py raised SyntaxError in line 1"),
        ("raise SystemExit(3)", "net.py raised SystemExit in line 1"),
        ("import no_such_package", "raised ModuleNotFoundError"),
        ("x = 1", "has no function build"),
        (
            "def build(channels):\n    raise ValueError('no')",
            "ValueError in line 2 as build ran: no",
        ),
        ("def build():\n    return 1", "raised TypeError as build ran"),
        ("def build(channels):\n    return 1", "returned int, which is no network"),
        (
            "from torch import nn\n\ndef build(channels):\n    return nn.Flatten()",
            "must return a map of features",
        ),
        (
            "from torch import nn\n\nclass N(nn.Module):\n    def forward(self, x):\n        return x[9, 9]\n\n"
            "def build(channels):\n    return N()",
            "raised IndexError in line 5 as it took a film",
        ),
        (
            "def build(channels):\n    raise SystemExit(3)",
            "raised SystemExit in line 2 as build ran",
        ),
        (
            "from torch import nn\n\ndef build(channels):\n    c = nn.Conv2d(1, 1, 1)\n"
            "    return nn.ModuleList([c, c])",
            "two tensors in one memory",
        ),
    ],
)
def test_a_file_that_fails_says_where_and_why(source: str, says: str) -> None:
    write(source)
    with pytest.raises(CodeRefused) as error:
        build()
    assert says in str(error.value)


@pytest.mark.parametrize(
    "name", ["file:net.py", "file:../net.py:build", "file:/etc/net.py:build", "file:net.txt:build"]
)
def test_a_recipe_names_a_function_of_a_file_in_the_folder_and_nothing_else(name: str) -> None:
    with pytest.raises(RecipeError, match="does not name a function of a file"):
        replace(TINY, backbone=name)


def test_a_damaged_list_of_allowed_files_allows_nothing() -> None:
    write(BACKBONE)
    (code_folder() / "allowed.json").write_text('{"files": [{"sha256": 3}]}')
    with pytest.raises(CodeRefused, match=r"Delete .*allowed\.json, and allow the files again"):
        build()


TINY = replace(TINY_RECIPE, name="own", model="own", backbone=NAME, neck=None, input_side=32)
QUIET = FitOptions(report=lambda _: None, device="cpu")


@pytest.mark.training
def test_a_run_records_the_file_by_hash_and_its_model_needs_the_same_one(tmp_path: Path) -> None:
    path, data = write(BACKBONE, allow=False), lit_films(tmp_path / "data", train=8, test=2)
    (tmp_path / "own.toml").write_text(format_recipe(TINY))
    assert load_recipe(tmp_path / "own.toml") == TINY
    run = tmp_path / "run"
    arguments = [str(tmp_path / "own.toml"), "--data", str(data), "--run", str(run)]
    assert fit_command(arguments) == 3
    assert not run.exists()
    assert fit_command([*arguments, "--allow-code"]) == 0
    code = hash_code([NAME])
    assert json.loads((run / "manifest.json").read_text())["code"] == code
    card = load_card(run / "model")
    assert card.arguments["code"] == code
    network = load_network(run / "model", card)
    assert network(torch.zeros(1, 1, 32, 32)).shape == (1, 1)
    path.write_text(BACKBONE.replace("width=8", "width=4"))
    allow_code(hash_code([NAME]))
    with pytest.raises(ModelError, match=r"net\.py in .* has changed: its sha256 is"):
        load_network(run / "model", card)
    path.unlink()
    with pytest.raises(ModelError, match="there is no such file or folder; copy it there"):
        load_network(run / "model", card)


@pytest.mark.training
def test_a_run_is_resumed_with_the_file_that_it_began_with(tmp_path: Path) -> None:
    path, data = write(BACKBONE), lit_films(tmp_path / "data", train=8, test=2)
    events: list[Event] = []
    begun = lambda: any(isinstance(event, RunBegun) for event in events)  # noqa: E731
    stopping = FitOptions(report=events.append, device="cpu", stop=begun)
    with pytest.raises(RunError, match="stopped at step"):
        fit(replace(TINY, epochs=500), [data], stopping, run=tmp_path / "run")
    path.write_text(BACKBONE + "# changed\n")
    with pytest.raises(RunError, match=r"net\.py in .* has changed since .* began"):
        resume(tmp_path / "run", QUIET)
    path.unlink()
    with pytest.raises(RunError, match=r"cannot be resumed: net\.py cannot be read"):
        resume(tmp_path / "run", QUIET)


def test_a_run_from_elsewhere_that_defines_its_finding_is_allowed_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(BACKBONE)
    definition = LocalFinding(key="callus", name="Callus", definition="New bone at a rib.")
    recipe = format_recipe(TINY).replace('"pneumonia"', '"callus"')
    run = RunFolder.create(TINY, RunManifest(local_findings=(definition,)), tmp_path / "run")
    (run.path / RUN_RECIPE).write_text(recipe)
    monkeypatch.setattr("cxr_core.training.fit.resume", lambda folder, options: folder)
    assert fit_command(["--resume", str(run.path), "--allow-code"]) == 0


@pytest.mark.parametrize(
    "arguments", [{"backbone": NAME}, {"head": NAME}, {"code": {"a.py": "0" * 64}}]
)
def test_an_imported_model_brings_no_code(
    arguments: JsonObject, exported_tiny: Callable[[], bytes]
) -> None:
    write(BACKBONE)
    with pytest.raises(ModelError, match="no imported model may run"):
        import_model(_change_card(exported_tiny(), arguments))


def test_a_card_that_names_a_file_without_its_hash_is_not_loaded(tmp_path: Path) -> None:
    from cxr_core.models.networks.saved import load_saved_network
    from tests.tiny import tiny_model

    write(BACKBONE)
    weights = tiny_model(tmp_path) / "weights.safetensors"
    with pytest.raises(ModelError, match="without the sha256 of that file"):
        load_saved_network("film_classifier", {**ARGUMENTS, "backbone": NAME}, weights)


@pytest.fixture
def exported_tiny(tmp_path: Path) -> Callable[[], bytes]:
    from cxr_core.models.registry.archive import export_model
    from tests.tiny import tiny_model

    return lambda: export_model(tiny_model(tmp_path))


def _change_card(data: bytes, arguments: JsonObject) -> bytes:
    changed = BytesIO()
    with zipfile.ZipFile(BytesIO(data)) as before, zipfile.ZipFile(changed, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            if name.endswith("card.json"):
                card = json.loads(content)
                card["arguments"] |= arguments
                content = json.dumps(card).encode()
            after.writestr(name, content)
    return changed.getvalue()


@pytest.mark.parametrize("head", ["averaged", "file:head.py:build"])
def test_a_card_with_code_that_nobody_allowed_builds_no_network_in_memory(
    head: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its backbone may be any of timm's, however large, with limits that only allowed code lifts."""
    from cxr_core.models.networks import saved
    from tests.tiny import tiny_model

    def build(*_: object) -> None:
        assert torch.empty(1).is_meta
        raise RecipeError("built without memory")

    write(HEAD, "head.py", allow=False)
    monkeypatch.setattr(saved, "build_network", build)
    weights = tiny_model(tmp_path) / "weights.safetensors"
    arguments = {**ARGUMENTS, "head": head, "code": {"head.py": "0" * 64}}
    with pytest.raises(ModelError, match=r"built without memory|has not been allowed"):
        saved.load_saved_network("film_classifier", arguments, weights)


def test_an_override_names_a_file(tmp_path: Path) -> None:
    assert apply_overrides(TINY, {"head": "file:head.py:build"}).head == "file:head.py:build"
