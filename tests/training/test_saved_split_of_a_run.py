"""A run on a saved split trains on its films alone, keeps a copy of it, and is measured on its test films."""

import json
from pathlib import Path

import pandas as pd
import pytest

from cxr_core.data.prepare import ignore_stage_progress, prepare_dataset
from cxr_core.data.registry import Dataset
from cxr_core.data.splits.own_list import read_own_split
from cxr_core.data.splits.plan import plan_by_ratios
from cxr_core.data.splits.saved_split import delete_split, save_split
from cxr_core.site.learnt_films import read_learnt_films, write_learnt_films
from cxr_core.training.export.refit import refit_model
from cxr_core.training.export.site_scores import rewrite_site_scores
from cxr_core.training.recipe.recipe_file import format_recipe
from cxr_core.training.runs.run_folder import RunFolder
from tests.lit_films import lit_films
from tests.training.test_fit import TINY
from train.evaluate import main as evaluate
from train.fit import main as fit

pytestmark = pytest.mark.training


@pytest.fixture
def dataset(tmp_path, workspace) -> Dataset:
    return prepare_dataset([lit_films(tmp_path / "films", train=30, test=8)])


@pytest.fixture
def command(dataset, tmp_path) -> list[str]:
    path = tmp_path / "tiny.toml"
    path.write_text(format_recipe(TINY))
    return [str(path), "--data", dataset.name, "--run", str(tmp_path / "run"), "--set", "epochs=1"]


def test_a_run_uses_the_split_and_keeps_it(dataset, command, tmp_path, capsys):
    manifest = dataset.load_manifest()
    names = [image.split("films/")[1] for image in manifest.table["image"]]
    listed = [
        f"{name},{'val' if i % 3 == 1 else 'test' if i % 3 else 'train'}"
        for i, name in enumerate(names)
    ]
    content = "\n".join(["image,split", *listed[:-4]]).encode()
    own = read_own_split(manifest.select_usable(), content, "mine.csv")
    save_split(dataset, "mine", own.split)
    assert fit([*command, "--splits", "mine"]) == 0
    run = RunFolder(tmp_path / "run")
    counts = run.load_manifest().data.splits
    places = own.split.films["split"].value_counts()
    assert (counts["train"].films, counts["val"].films) == (places["train"], places["val"])
    assert not run.load_manifest().exclusions.official_test

    delete_split(dataset, "mine")
    out = tmp_path / "figures"
    arguments = [str(run.path), "--data", dataset.name, "--out", str(out)]
    assert evaluate(arguments) == 0
    assert json.loads((out / "metrics.json").read_text())["data"]["split_by"] == "run"
    tested = pd.read_csv(out / "predictions.csv")["sha256"]
    films = own.split.films
    assert set(tested) == set(films.loc[films["split"] == "test", "sha256"])
    capsys.readouterr()
    assert fit([*command[:-4], "--run", str(tmp_path / "other"), "--splits", "mine"]) == 3
    assert "no split named 'mine'; it has none" in capsys.readouterr().err


def test_a_run_on_a_saved_split_is_refitted_and_scored_for_a_site(dataset, command, tmp_path):
    usable = dataset.load_manifest().select_usable()
    films = plan_by_ratios(usable, "60:20:20", ("pneumonia",), 0)
    save_split(dataset, "mine", films)
    assert fit([*command, "--splits", "mine"]) == 0
    delete_split(dataset, "mine")
    run, reduced = tmp_path / "run", tmp_path / "reduced"
    is_learnt = films.films["split"].isin(("train", "val"))
    of_parent = "f" * 64
    write_learnt_films(run / "model", [*films.films["sha256"][is_learnt], of_parent])
    changes = {"reduce_to": "16"}
    refit_model(run / "model", [dataset.name], changes, version="1.1.0", run=reduced)
    rewrite_site_scores(reduced / "model", [dataset.name], ignore_stage_progress)
    learnt = read_learnt_films(reduced / "model")
    assert of_parent in learnt
    assert [sha256 in learnt for sha256 in films.films["sha256"]] == is_learnt.tolist()


def test_the_official_test_split_stays_promised(dataset, command, tmp_path):
    usable = dataset.load_manifest().select_usable()
    save_split(dataset, "eighty", plan_by_ratios(usable, "80:20:0", ("pneumonia",), 0))
    assert fit([*command, "--set", "split=saved:eighty"]) == 0
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["left_aside"][
        "official_test"
    ]
    for split, divided_by in {"test": "data", "val": "run"}.items():  # which carved its validation
        out = tmp_path / split
        given = [str(tmp_path / "run"), "--data", dataset.name, "--split", split]
        assert evaluate([*given, "--out", str(out)]) == 0
        assert json.loads((out / "metrics.json").read_text())["data"]["split_by"] == divided_by


def test_a_fold_is_tested_on_and_the_others_are_trained_on(dataset, command, tmp_path, capsys):
    from cxr_core.data.splits.plan import plan_folds

    usable = dataset.load_manifest().select_usable()
    folds = plan_folds(usable, 3, ("pneumonia",), 0)
    save_split(dataset, "folds", folds)
    assert fit([*command, "--splits", "folds"]) == 3
    assert "say which one is tested on" in capsys.readouterr().err
    assert fit([*command, "--splits", "folds/2"]) == 0
    assert evaluate([str(tmp_path / "run"), "--data", dataset.name]) == 0
    tested = pd.read_csv(Path(tmp_path / "run" / "evaluation" / "predictions.csv"))["sha256"]
    assert set(tested) == set(folds.films.loc[folds.films["split"] == "2", "sha256"])
