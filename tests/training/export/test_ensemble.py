"""Runs of one division become one model; runs of others are refused."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cxr_core.data.label_layers import LabelDecision, LabelLayer, save_layer
from cxr_core.data.manifest import AppliedLayer
from cxr_core.data.prepare import open_data
from cxr_core.errors import RunError
from cxr_core.evaluation.store.provenance import record_validation_use
from cxr_core.film.radiograph import Radiograph
from cxr_core.jobs.status import job_status
from cxr_core.models.card import CARD
from cxr_core.models.store import load_card
from cxr_core.reading.classifier import Classifier
from cxr_core.site.learnt_films import read_learnt_films, write_learnt_films
from cxr_core.training.export.ensemble import build_ensemble, require_comparable
from cxr_core.training.fit import FitOptions, fit, resume
from cxr_core.training.runs.manifest import DataDescription, RunManifest
from cxr_core.training.runs.run_files import RUN_LOCK, RUN_MANIFEST
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.workspace.process_lock import find_lock_holder
from tests.lit_films import lit_films
from tests.training.test_fit import TINY as FITTED
from train.average import main as average_command

pytestmark = pytest.mark.training

TINY = replace(FITTED, input_side=32, epochs=1)
QUIET = FitOptions(report=lambda _: None, device="cpu")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> dict[str, Path]:
    """A folder of films, two runs that differ in how fast they learnt, and one that was divided by another seed."""
    home = tmp_path_factory.mktemp("average")
    lit_films(home / "data", side=40, train=16, test=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXR_WORKSPACE", str(home / "workspace"))
        recipes = {
            "slow": TINY,
            "fast": replace(TINY, learning_rate=3e-3),
            "other": replace(TINY, seed=1),
        }
        for name, recipe in recipes.items():
            fit(recipe, [home / "data"], QUIET, run=home / name)
    return {name: home / name for name in ("data", *recipes)}


def test_the_model_of_a_mean_reads_as_its_members_do_on_average(
    trained, tmp_path, workspace, capsys
):
    runs = [str(trained["slow"]), str(trained["fast"])]
    written = ["--run", str(tmp_path / "mean"), "--version", "1.4.0"]
    assert average_command([*runs, "--data", str(trained["data"]), *written]) == 0
    folder = Path(capsys.readouterr().out.strip())
    card = load_card(folder)
    assert (card.architecture, card.arguments["members"], card.version) == (
        "averaged_classifier",
        2,
        "1.4.0",
    )
    assert len(card.training["data"]["averaged"]) == 2
    film = Radiograph(pixels=np.random.default_rng(1).random((48, 40), np.float32))
    members = [Classifier.load(trained[name] / "model").read(film) for name in ("slow", "fast")]
    mean = Classifier.load(folder).read(film)
    assert mean.logits == pytest.approx(
        np.mean([each.logits for each in members], axis=0), abs=2e-3
    )
    assert mean.attributions["pneumonia"].cells == pytest.approx(
        np.mean([each.attributions["pneumonia"].cells for each in members], axis=0), abs=2e-3
    )


@pytest.mark.parametrize(
    ("runs", "says"),
    [
        (("slow", "other"), "was trained on other films than"),
        (("slow", "wide"), "has another network"),
    ],
)
def test_runs_that_learnt_from_other_films_or_differ_in_form_have_no_mean(
    trained, tmp_path, workspace, capsys, runs, says
):
    if "wide" in runs:
        fit(replace(TINY, neck=16), [trained["data"]], QUIET, run=tmp_path / "wide")
    folders = [str(trained.get(name, tmp_path / name)) for name in runs]
    assert (
        average_command([*folders, "--data", str(trained["data"]), "--run", str(tmp_path / "mean")])
        == 3
    )
    assert says in capsys.readouterr().err
    assert not (tmp_path / "mean").exists()


@pytest.mark.parametrize(
    ("pixels", "layer", "says"),
    [
        ("changed", "reviewed", "trained on other pixels of these films"),
        ("as before", "of another round", "trained on other labels"),
    ],
)
def test_runs_on_other_pixels_or_labels_have_no_mean(tmp_path, pixels, layer, says):
    data = DataDescription(split_sha256="of both", data_sha256="as before")
    layers = (AppliedLayer(name="kids", sha256="reviewed"),)
    first = RunManifest(data=data, label_layers=layers)
    other = RunManifest(
        data=replace(data, data_sha256=pixels),
        label_layers=(AppliedLayer(name="kids", sha256=layer, films=3),),
    )
    runs = []
    for name, manifest in {"first": first, "again": first, "other": other}.items():
        runs.append(RunFolder.create(TINY, manifest, tmp_path / name))
        runs[-1].model.mkdir()
        (runs[-1].model / CARD).write_text("{}")
    require_comparable(runs[:2])
    with pytest.raises(RunError, match=says):
        require_comparable(runs)


def test_a_mean_records_the_labels_and_the_trials_that_its_members_do(trained, tmp_path, workspace):
    film = open_data([trained["data"]]).select_split("train").table.iloc[0]
    decision = LabelDecision(
        film=film["sha256"], finding="pneumonia", label=int(1 - film["pneumonia"])
    )
    layer = save_layer("reviewed", "data", "", [decision])
    members = [
        _copy_as_trained_with(layer, trained[name], tmp_path / name) for name in ("slow", "fast")
    ]
    split = RunFolder.open(members[0]).load_manifest().data.split_sha256
    record_validation_use([split], "search", 1)
    write_learnt_films(members[0] / "model", [film["sha256"], "f" * 64])
    with pytest.raises(RunError, match="has other labels than"):
        build_ensemble(members, [trained["data"]], run=tmp_path / "mean")
    build_ensemble(members, [trained["data"], layer.reference], run=tmp_path / "mean")
    manifest = RunFolder.open(tmp_path / "mean").load_manifest()
    assert [(one.name, one.sha256) for one in manifest.label_layers] == [("reviewed", layer.sha256)]
    assert manifest.validation_trials == 1
    assert "f" * 64 in read_learnt_films(tmp_path / "mean" / "model")


def test_a_model_lists_the_films_of_the_model_that_it_started_from(trained, tmp_path, workspace):
    initial = shutil.copytree(trained["slow"] / "model", tmp_path / "initial")
    write_learnt_films(initial, ["f" * 64])
    model = fit(replace(TINY, init=str(initial)), [trained["data"]], QUIET, run=tmp_path / "run")
    own = read_learnt_films(trained["slow"] / "model").prefixes
    assert read_learnt_films(model).prefixes == own | {"f" * 8}


def _copy_as_trained_with(layer: LabelLayer, run: Path, copy: Path) -> Path:
    """A copy of a run whose manifest says that it was trained with a label layer."""
    shutil.copytree(run, copy)
    manifest = json.loads((copy / RUN_MANIFEST).read_text())
    manifest["label_layers"] = [{"name": layer.name, "sha256": layer.sha256}]
    (copy / RUN_MANIFEST).write_text(json.dumps(manifest))
    return copy


def test_a_run_without_a_model_has_nothing_to_average(trained, tmp_path, workspace):
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    for name in ("recipe.toml", "manifest.json"):
        (unfinished / name).write_text((trained["slow"] / name).read_text())
    with pytest.raises(RunError, match="no model yet"):
        build_ensemble([trained["slow"], unfinished], [trained["data"]])


def test_a_mean_that_is_cut_off_is_held_while_it_is_made_and_cannot_go_on_as_a_training(
    trained, workspace, monkeypatch
):
    holders = []

    def interrupt(*arguments):
        holders.append(find_lock_holder(arguments[4].path / RUN_LOCK))
        raise KeyboardInterrupt

    monkeypatch.setattr("cxr_core.training.export.ensemble.export_classifier", interrupt)
    run = workspace / "runs" / "mean"
    with pytest.raises(KeyboardInterrupt):
        build_ensemble([trained["slow"], trained["fast"]], [trained["data"]], run=run)
    assert [holder.pid for holder in holders] == [os.getpid()]
    with pytest.raises(
        RunError,
        match=r"is made without training, so there is none to resume; make it again with python -m train\.average",
    ):
        resume(run, QUIET)
    job = job_status(run)
    assert (job.state, job.actions) == ("interrupted", {"delete"})
    assert job.sentence.endswith("make it again with python -m train.average.")
