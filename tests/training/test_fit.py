import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cxr_core.data.film_set import FilmSet, load_film_set
from cxr_core.data.prepare import open_data
from cxr_core.errors import DataError, ModelError, RecipeError, RunError
from cxr_core.models.networks.initialise import initialise_network
from cxr_core.models.store import load_card
from cxr_core.reading.classifier import Classifier
from cxr_core.training.engine.distributed import DistributedContext
from cxr_core.training.engine.trainer import Trainer
from cxr_core.training.fit import FitOptions, fit
from cxr_core.training.recipe.augmentation import Augmentation
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.recipe.recipe_file import apply_overrides, format_recipe, load_recipe
from cxr_core.training.run_data import split_manifest
from cxr_core.training.runs.events import EpochDone, Event, RunBegun
from cxr_core.training.runs.manifest import RunManifest
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.workspace.paths import RECIPES
from tests.lit_films import lit_films
from tests.tiny import TINY_RECIPE
from train.evaluate import main as evaluate
from train.fit import main as fit_command

pytestmark = pytest.mark.training

TINY = replace(
    TINY_RECIPE,
    epochs=2,
    population="children aged 1 to 5",
    population_age_min=1,
    population_age_max=5,
)


QUIET = FitOptions(report=lambda _: None, device="cpu")
CPU = DistributedContext(torch.device("cpu"))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Films whose only difference is a bright lower half: anything that learns at all separates them."""
    return lit_films(tmp_path_factory.mktemp("lit") / "data", train=24, test=6)


@pytest.fixture(scope="module")
def finished(dataset, tmp_path_factory):
    """A run of TINY that has ended, with version 1.2.0 of its model."""
    run = tmp_path_factory.mktemp("finished") / "run"
    with pytest.MonkeyPatch.context() as patch:
        # The few validation films would allow neither 5 nor 10 %.
        patch.setattr("cxr_core.reading.fitting.conformal.ERRORS", {"lenient": 0.4})
        fit(TINY, [dataset], QUIET, run=run, version="1.2.0")
    return RunFolder(run)


def train_on(recipe: Recipe, films: FilmSet, report=lambda _: None):
    """Trained on some films and validated on the same, without a folder."""
    start = initialise_network(recipe.architecture_arguments(1), "scratch", seed=0)
    return Trainer(recipe, start.network, {"train": films, "val": films}, CPU, None, report).run()


def test_a_run_ends_in_a_model_that_reads(finished):
    card = load_card(finished.model)
    assert (card.model, card.version, card.findings) == ("tiny", "1.2.0", ("pneumonia",))
    assert card.population.age_max == 5
    assert (
        card.training["data"]["parts"]["train"]["films"]
        + card.training["data"]["parts"]["val"]["films"]
        == 48
    )
    assert {point.name for point in card.operating_points["pneumonia"]} == {
        "youden",
        "sensitivity_95",
        "specificity_95",
    }
    assert (
        card.metrics["validation"]["pneumonia"]["auroc"]["n"]
        == card.training["data"]["parts"]["val"]["films"]
    )
    validation = card.training["data"]["parts"]["val"]
    assert card.prevalence == {
        "pneumonia": validation["positives"]["pneumonia"] / validation["films"]
    }
    assert [decision.name for decision in card.decisions["pneumonia"]] == ["lenient"]
    assert "test" not in card.metrics
    progress = [
        json.loads(line) for line in (finished.path / "progress.jsonl").read_text().splitlines()
    ]
    assert [line["epoch"] for line in progress if line["event"] == "epoch"] == [1, 2]
    assert progress[-1]["event"] == "finished"
    assert finished.is_finished
    assert len((finished.path / "learnt.csv").read_text().splitlines()) == 1 + 48
    assert load_recipe(finished.path / "recipe.toml") == TINY
    assert Classifier.load(finished.model).ood_detector is not None


def test_a_model_is_trained_further_on_the_same_preprocessing_alone(dataset, finished, tmp_path):
    again = replace(TINY, init=str(finished.model), epochs=1)
    events: list[Event] = []
    fit(
        again,
        [dataset],
        FitOptions(report=events.append, device="cpu"),
        run=tmp_path / "again",
        version="1.3.0",
    )
    begun = next(event for event in events if isinstance(event, RunBegun))
    assert (begun.missing, begun.unmatched) == ((), ())
    origin = f"tiny 1.2.0, sha256 {load_card(finished.model).weights_sha256}"
    assert load_card(tmp_path / "again" / "model").training["init"] == origin
    with pytest.raises(ModelError, match="mean"):
        fit(replace(again, mean=0.4), [dataset], QUIET, run=tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_two_equal_runs_are_bit_identical(dataset, tmp_path):
    recipe = replace(
        TINY, augmentation=Augmentation(rotation_deg=5, shift=0.05, gamma=0.2, low_resolution=0.5)
    )
    folders = [fit(recipe, [dataset], QUIET, run=tmp_path / name) for name in ("a", "b")]
    first, second = (load_file(folder / "weights.safetensors") for folder in folders)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert load_card(folders[0]).calibration == load_card(folders[1]).calibration


def test_one_batch_is_learnt_by_heart():
    chance = np.random.default_rng(0)
    labels = (np.arange(8) % 2)[:, None].astype(np.float32)
    films = FilmSet.from_grids(chance.integers(0, 255, (8, 64, 64)).astype(np.uint8), labels)
    recipe = replace(
        TINY, epochs=60, schedule="constant", learning_rate=0.01, head_learning_rate=0.05
    )
    events: list[Event] = []
    train_on(recipe, films, events.append)
    losses = [event.loss for event in events if isinstance(event, EpochDone)]
    assert losses[-1] < 0.05 < losses[0]


def test_a_part_with_one_class_only_is_refused_before_training(dataset, tmp_path):
    shutil.copytree(dataset, tmp_path / "normal")
    for file in (tmp_path / "normal" / "train" / "PNEUMONIA").iterdir():
        file.unlink()
    with pytest.raises(DataError, match="pneumonia"):
        fit(TINY, [tmp_path / "normal"], QUIET, run=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_used_run_folder_is_not_written_over(dataset, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.toml").write_text("kept")
    with pytest.raises(RunError, match="another folder"):
        fit(TINY, [dataset], QUIET, run=tmp_path / "run")
    assert (tmp_path / "run" / "recipe.toml").read_text() == "kept"


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_recipe_in_the_tree_loads_and_survives_its_toml(path, tmp_path):
    recipe = load_recipe(path)
    assert recipe.name == path.stem
    (tmp_path / "again.toml").write_text(format_recipe(recipe))
    assert load_recipe(tmp_path / "again.toml") == recipe


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("epochz", "3", r"unknown recipe key 'epochz'; did you mean epochs\? The keys are"),
        ("epochs", "0", "between 1 and 1000"),
        ("optimizer", "magic", "adamw, adam, sgd"),
        ("findings", '["toothache"]', "toothache"),
        ("augmentation.shift", "3", "augmentation shift=3 must be a number between 0 and 1"),
        ("lr", "1", r"did you mean learning_rate\?"),
        ("rotation_deg", "1", r"did you mean augmentation\.rotation_deg\?"),
        ("input_size", "64", r"did you mean input_side\?"),
        ("augmentatoin.shift", "0", r"did you mean augmentation\?"),
        ("optimizer", "AdmW", r"did you mean adamw\?"),
        ("toothache", "1", r"unknown recipe key 'toothache'\. The keys are"),
        ("augmentation.mirror", "1", "unknown key of .augmentation. 'mirror'"),
        ("epochs", "2.5", "epochs=2.5 must be a whole number between 1 and 1000"),
        ("two_class", "yes", "two_class='yes' must be true or false"),
        ("findings", "pneumonia", "findings='pneumonia' must be a list of names"),
    ],
)
def test_a_wrong_recipe_value_is_answered_with_what_is_right(key, value, says):
    with pytest.raises(RecipeError, match=says):
        apply_overrides(TINY, {key: value})


def test_set_reaches_every_level():
    changed = apply_overrides(
        TINY, {"epochs": "7", "augmentation.shift": "0.1", "neck": "none", "init": "scratch"}
    )
    assert (changed.epochs, changed.augmentation.shift, changed.neck) == (7, 0.1, None)


def test_the_commands_train_and_measure_and_say_where(dataset, tmp_path, workspace, capsys):
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(format_recipe(TINY))
    run = tmp_path / "run"
    assert (
        fit_command([str(recipe), "--data", str(dataset), "--run", str(run), "--set", "epochs=1"])
        == 0
    )
    assert capsys.readouterr().out.strip() == str(run / "model")

    out = tmp_path / "evaluation"
    assert evaluate([str(run), "--data", str(dataset), "--out", str(out), "--record", "test"]) == 0
    found = json.loads((out / "metrics.json").read_text())["findings"]["pneumonia"]
    assert (found["auroc"]["n"], found["auroc"]["positives"]) == (12, 6)
    assert found["auroc"]["low"] <= found["auroc"]["value"] <= found["auroc"]["high"]
    assert len((out / "predictions.csv").read_text().splitlines()) == 13
    assert load_card(run / "model").metrics["test"]["pneumonia"] == found
    assert Classifier.load(run / "model").card.weights_sha256


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["cardiomegaly-adult", "--data", "."], 2, "did you mean cardiomegaly-adults?"),
        (
            ["pneumonia-children", "--data", ".", "--set", "epochs=many"],
            2,
            "epochs='many' must be a whole number",
        ),
        (["pneumonia-children", "--data", "/no/such/folder"], 3, "there is no folder"),
    ],
)
def test_the_commands_answer_mistakes_with_a_sentence(arguments, status, says, capsys, workspace):
    assert fit_command(arguments) == status
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error


def test_runs_of_other_seeds_share_a_division_when_it_has_a_seed_of_its_own(dataset):
    films = open_data([str(dataset)])

    def validation(**changed: int) -> set[str]:
        return set(
            split_manifest(replace(TINY, **changed), films).select_split("val").table["image"]
        )

    assert validation(seed=1, split_seed=0) == validation(seed=0)
    assert validation(seed=1) == validation(seed=0, split_seed=1) != validation(seed=0)


def test_the_middle_film_without_the_finding_shows_no_evidence(dataset, finished):
    healthy = split_manifest(TINY, open_data([str(dataset)])).select_split("val")
    healthy = healthy.with_table(healthy.table[healthy.table["pneumonia"] == 0])
    classifier = Classifier.load(finished.model)
    films = load_film_set(healthy, TINY.input_spec())
    outputs = classifier.read_grids(films.take_grids(slice(None)), [(80, 80)] * len(films))
    cells = np.stack([output.attributions["pneumonia"].cells for output in outputs])
    assert len(cells) > 3
    taken = np.abs(load_card(finished.model).baseline_attribution["pneumonia"]).max()
    assert np.abs(np.median(cells, axis=0)).max() < 1e-3 * taken


def test_two_runs_that_begin_in_the_same_second_have_folders_of_their_own(workspace, monkeypatch):
    monkeypatch.setattr(
        "cxr_core.training.runs.run_folder.time.strftime", lambda _: "20260101-000000"
    )
    first, second = (
        RunFolder.create(replace(TINY, epochs=epochs), RunManifest()) for epochs in (1, 2)
    )
    assert [folder.path.name for folder in (first, second)] == [
        f"{TINY.name}-20260101-000000",
        f"{TINY.name}-20260101-000000-2",
    ]
    assert (first.load_recipe().epochs, second.load_recipe().epochs) == (1, 2)
