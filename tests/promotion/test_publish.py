"""train.publish: models are installed completely; runs that are not finished, sound or evaluated are refused.

The runs here have no films to compare on, so each is installed against the gate, with a reason.
"""

import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from cxr_core.errors import ModelError
from cxr_core.models.registry import registry
from cxr_core.models.registry.registry import find_active_version, list_classifiers, list_versions
from cxr_core.models.store import load_card
from cxr_core.promotion.publish import next_version, publish
from cxr_core.reading.classifier import Classifier
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.runs.events import RunStopped
from cxr_core.training.runs.manifest import RunManifest
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.workspace.hashing import sha256_of_file
from cxr_core.workspace.paths import SHIPPED_MODELS
from tests.tiny import tiny_card, tiny_model
from train.publish import main

pytestmark = pytest.mark.training

WHY = "a test of installing"
FIGURES = {
    "pneumonia": {"auroc": {"value": 0.9, "low": 0.8, "high": 1.0, "n": 20, "positives": 10}}
}


@pytest.fixture
def run(tmp_path, workspace, monkeypatch) -> RunFolder:
    """A finished run that has been measured; of the models that ship none is in use."""
    monkeypatch.setattr(registry, "SHIPPED_MODELS", tmp_path / "none")
    recipe = Recipe(
        name="tiny", summary="A test.", model="tiny", findings=("pneumonia",), init="scratch"
    )
    made = RunFolder.create(recipe, RunManifest(), tmp_path / "run")
    tiny_model(tmp_path / "elsewhere", tiny_card(findings=("pneumonia",))).rename(made.model)
    measure(made)
    return made


def measure(run: RunFolder, **changes) -> None:
    weights = load_card(run.model).weights_sha256
    facts = {"schema": 1, "part": "test", "weights_sha256": weights, "findings": FIGURES, **changes}
    (run.path / "evaluation").mkdir(exist_ok=True)
    (run.path / "evaluation" / "metrics.json").write_text(json.dumps(facts))


def folders(workspace: Path) -> list[str]:
    return sorted(path.name for path in (workspace / "models" / "tiny").iterdir() if path.is_dir())


def refusal(run: RunFolder, capsys, *more: str) -> str:
    """What train.publish says, when it installs nothing."""
    assert main([str(run.path), *more]) == 3
    output = capsys.readouterr()
    assert output.out == ""
    assert not [
        path
        for path in (run.path.parent / "workspace").rglob("*")
        if path.name.startswith((".1", "card"))
    ]
    return output.err


def test_a_finished_run_becomes_a_model_that_reads(run, workspace, capsys):
    assert main([str(run.path), "--override", WHY]) == 0
    folder = Path(capsys.readouterr().out.strip())
    assert folder == workspace / "models" / "tiny" / "1.0.0"
    assert folder in list_classifiers()
    card = Classifier.load(folder).card
    assert card.metrics["test"] == FIGURES
    assert card.training["published"]["run"] == "run"
    assert {path.name for path in folder.iterdir()} == {
        path.name for path in run.model.iterdir()
    } | {"gate.json"}
    assert "test" not in load_card(run.model).metrics


def test_replacing_needs_a_note_and_takes_the_next_version(run, workspace, capsys):
    publish(run.path, override=WHY)
    assert main([str(run.path)]) == 3
    assert "--note" in capsys.readouterr().err
    assert folders(workspace) == ["1.0.0"]
    second = publish(run.path, "trained on twice the films", override=WHY)
    assert second.name == "1.0.1"
    assert second in list_classifiers()
    card = load_card(second)
    assert (card.version, card.training["published"]["replaces"]) == ("1.0.1", "1.0.0")
    assert card.training["published"]["note"] == "trained on twice the films"


def test_a_shipped_model_is_replaced_with_a_note_only(run, workspace, monkeypatch):
    monkeypatch.setattr(registry, "SHIPPED_MODELS", SHIPPED_MODELS)
    card = replace(load_card(run.model), model="pneumonia-children")
    (run.model / "card.json").write_text(card.to_json())
    with pytest.raises(ModelError, match="installed already"):
        publish(run.path, override=WHY)
    shipped = list_versions("pneumonia-children")[-1].name
    assert (
        publish(run.path, "better", override=WHY).name
        == next_version("1.0.0", [shipped])
        != shipped
    )


@pytest.mark.parametrize(
    ("wanted", "there", "expected"),
    [
        ("1.0.0", [], "1.0.0"),
        ("1.0.0", ["1.0.0"], "1.0.1"),
        ("2.0", ["1.0.0"], "2.0"),
        ("1.0.0", ["1.0.9", "1.0.10"], "1.0.11"),
        ("1.2", ["beta"], "1.2"),
        ("0.9", ["1"], "2"),
    ],
)
def test_the_version_is_above_all_there_are(wanted, there, expected):
    assert next_version(wanted, there) == expected


def test_a_run_that_is_not_finished_is_refused(run, workspace, capsys):
    run.model.rename(run.path / "gone")
    run.append_event(RunStopped(step=3))
    assert "is not finished; only a finished run is published" in refusal(run, capsys)


def test_a_run_that_a_process_trains_in_is_refused(run, workspace, capsys):
    with run.hold():
        assert "running" in refusal(run, capsys)


def test_damaged_weights_are_refused(run, workspace, capsys):
    weights = run.model / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert "was changed or damaged" in refusal(run, capsys)


def test_weights_that_give_no_number_are_refused(run, workspace, capsys):
    path = run.model / "weights.safetensors"
    tensors = load_file(path)
    tensors["head.linear.bias"] = torch.full_like(tensors["head.linear.bias"], float("nan"))
    save_file(tensors, path)
    card = replace(load_card(run.model), weights_sha256=sha256_of_file(path))
    (run.model / "card.json").write_text(card.to_json())
    measure(run)
    assert "finite" in refusal(run, capsys)


@pytest.mark.parametrize("changes", [{"part": "val"}, {"weights_sha256": "0" * 64}, {"schema": 99}])
def test_a_run_without_figures_of_this_model_on_a_test_split_is_refused(
    changes, run, workspace, capsys
):
    measure(run, **changes)
    assert "has not been evaluated on a test split" in refusal(run, capsys)


def test_figures_recorded_in_the_card_count_as_well(run, workspace):
    (run.path / "evaluation" / "metrics.json").unlink()
    card = replace(load_card(run.model), metrics={"test": FIGURES})
    (run.model / "card.json").write_text(card.to_json())
    assert load_card(publish(run.path, override=WHY)).metrics["test"] == FIGURES


@pytest.mark.parametrize(
    "changes", [{"model": "../elsewhere"}, {"version": "1/2"}, {"model": ".hidden"}]
)
def test_a_name_that_is_a_path_is_refused(changes, run, workspace, capsys):
    (run.model / "card.json").write_text(replace(load_card(run.model), **changes).to_json())
    assert "cannot be a folder's name" in refusal(run, capsys)


def test_a_copy_that_fails_leaves_nothing(run, workspace, capsys, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cxr_core.promotion.publish.shutil.copytree", broken)
    assert "No space left on device" in refusal(run, capsys, "--override", WHY)
    assert list((workspace / "models" / "tiny").iterdir()) == []


def test_of_several_that_publish_at_once_none_is_lost_silently(run, workspace):
    refused: list[str] = []

    def one(n: int) -> None:
        try:
            publish(run.path, f"copy {n}", override=WHY)
        except ModelError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=one, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # A verdict beside another model in use does not stand: who was overtaken is card to publish again.
    assert "1.0.0" in folders(workspace)
    assert find_active_version("tiny").version == folders(workspace)[-1]
    assert len(folders(workspace)) + len(refused) == 3
    assert all("publish again" in each for each in refused)


def test_a_folder_without_a_run_is_refused(tmp_path, workspace, capsys):
    assert main([str(tmp_path)]) == 3
    assert "holds no run" in capsys.readouterr().err
