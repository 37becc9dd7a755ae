"""train.cross_validate: refused before anything starts, resumed after a stop, each film predicted exactly once."""

import json
from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from cxr_core.data.prepare import open_registered, prepare_dataset
from cxr_core.errors import RunError
from cxr_core.training.recipe.recipe_file import format_recipe
from cxr_core.training.runs.annotation import read_annotation
from cxr_core.training.runs.events import RunResumed
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.training.sweeps.cross_validation import begin_cross_validation
from cxr_core.training.sweeps.folds import find_cross_validation, list_cross_validations
from tests.lit_films import lit_films
from tests.training.test_fit import TINY
from train import cross_validate

pytestmark = pytest.mark.training


@pytest.fixture
def command(tmp_path: Path, workspace: Path) -> list[str]:
    """Two folds of 40 films; 8 more are the official test split."""
    prepare_dataset([lit_films(tmp_path / "films", train=20, test=4)], name="lit")
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(format_recipe(TINY))
    return [str(recipe), "--data", "lit", "--set", "epochs=1", "--device", "cpu"]


def test_more_folds_than_patients_are_refused_before_anything_starts(
    command: list[str], workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cross_validate.main([*command, "--folds", "21"]) == 3
    assert "found 20 patients with pneumonia, too few for 21 folds" in capsys.readouterr().err
    assert cross_validate.main([*command, "--folds", "1"]) == 3
    assert cross_validate.main([*command, "--splits", "none"]) == 3
    assert "no split named 'none'" in capsys.readouterr().err
    assert not list((workspace / "runs").glob("*"))
    assert not list_cross_validations()


def test_what_was_stopped_goes_on_and_each_film_is_predicted_once(
    command: list[str],
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Stopped when the first fold is trained; the second call trains the other and pools."""
    runs = workspace / "runs"
    first = runs / "tiny-2-folds-fold-1"
    monkeypatch.setattr(
        cross_validate, "stop_on_signals", lambda: lambda: (first / "model").is_dir()
    )
    assert cross_validate.main([*command, "--folds", "2"]) == 3
    assert "stopped before fold 2; repeat the command" in capsys.readouterr().err
    written = (first / "model" / "card.json").stat().st_mtime_ns
    assert not (runs / "tiny-2-folds-fold-2").exists()

    monkeypatch.undo()
    monkeypatch.setenv("CXR_WORKSPACE", str(workspace))
    assert cross_validate.main([*command, "--folds", "2"]) == 0
    answer = capsys.readouterr()
    assert (first / "model" / "card.json").stat().st_mtime_ns == written
    table = pd.read_csv(workspace / "evaluations" / "tiny-2-folds" / "predictions.csv")
    usable = open_registered(["lit"]).table
    learning = usable[usable["split"] != "test"]
    assert sorted(table["sha256"]) == sorted(learning["sha256"])
    assert table.groupby("patient")["fold"].nunique().max() == 1
    metrics = json.loads(Path(answer.out.strip()).read_text())
    auroc = metrics["findings"]["pneumonia"]["auroc"]
    assert auroc["value"] == pytest.approx(
        roc_auc_score(table["label"], table["probability"]), abs=1e-6
    )
    assert f"pooled out-of-fold AUROC {auroc['value']:.3f}" in answer.err
    assert read_annotation(first).tags == ("tiny-2-folds",)
    for number in (1, 2):
        run = RunFolder(runs / f"tiny-2-folds-fold-{number}")
        tested = set(table.loc[table["fold"] == number, "sha256"])
        learnt = pd.read_csv(run.path / "learnt.csv")["sha256"]
        assert not tested & set(learnt)
        assert RunResumed not in map(type, run.read_events())


def test_a_name_belongs_to_one_cross_validation(command: list[str]) -> None:
    usable = open_registered(["lit"])
    first = begin_cross_validation(TINY, ["lit"], usable, name="mine", folds=3)
    assert begin_cross_validation(TINY, ["lit"], usable, name="mine", folds=3) == first
    assert find_cross_validation("mine") == first
    with pytest.raises(RunError, match="choose another name"):
        begin_cross_validation(TINY, ["lit"], usable, name="mine", folds=4)
    other = begin_cross_validation(TINY, ["lit"], usable, name="other", split=first.record.split)
    assert other.record.folds == 3


def test_another_evaluation_is_not_written_over(command: list[str], workspace: Path) -> None:
    metrics = workspace / "evaluations" / "pneumonia-test" / "metrics.json"
    metrics.parent.mkdir(parents=True)
    metrics.write_text("{}")
    usable = open_registered(["lit"])
    with pytest.raises(RunError, match="holds another evaluation"):
        begin_cross_validation(TINY, ["lit"], usable, name="pneumonia-test", folds=2)
    assert [path.name for path in metrics.parent.iterdir()] == ["metrics.json"]
