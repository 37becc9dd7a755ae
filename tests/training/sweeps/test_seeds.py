"""Several seeds of one recipe by one command: one division, a mean that reads as they do on average, killed or not."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cxr_core.film.radiograph import Radiograph
from cxr_core.models.store import load_card
from cxr_core.reading.classifier import Classifier
from cxr_core.training.recipe.recipe_file import format_recipe
from cxr_core.training.runs.run_folder import RunFolder
from tests.lit_films import lit_films
from tests.tiny import TINY_RECIPE
from train.seeds import main

pytestmark = pytest.mark.training

TINY = replace(TINY_RECIPE, backbone="plain_cnn", neck=None, input_side=32)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder with films, a recipe and what two seeds of it became."""
    home = tmp_path_factory.mktemp("seeds")
    lit_films(home / "data", side=40, train=16, test=4)
    (home / "tiny.toml").write_text(format_recipe(TINY))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXR_WORKSPACE", str(home / "workspace"))
        assert train(home, home / "run") == 0
    return home


def train(home: Path, run: Path, *more: str) -> int:
    given = ["--data", str(home / "data"), "--run", str(run), "--seeds", "0,3", "--device", "cpu"]
    return main([str(home / "tiny.toml"), *given, *more])


def test_seeds_differ_share_a_division_and_are_read_as_their_mean(trained, workspace):
    run = trained / "run"
    recipes = [RunFolder.open(run / name).load_recipe() for name in ("seed-0", "seed-3")]
    assert recipes == [replace(TINY, seed=seed, split_seed=0) for seed in (0, 3)]
    hashes = {
        json.loads((run / name / "manifest.json").read_text())["split_sha256"]
        for name in ("seed-0", "seed-3")
    }
    assert len(hashes) == 1
    film = Radiograph(pixels=np.random.default_rng(1).random((48, 40), np.float32))
    one, other, mean = (
        Classifier.load(run / name / "model").read(film).logits[0]
        for name in ("seed-0", "seed-3", "mean")
    )
    assert one != other
    assert mean == pytest.approx((one + other) / 2, abs=2e-3)


def test_it_goes_on_after_a_kill_and_says_how_far_the_seeds_lie_apart(
    trained, tmp_path, workspace, capsys
):
    run = tmp_path / "run"
    shutil.copytree(trained / "run", run)
    shutil.rmtree(run / "seed-3" / "model")
    shutil.rmtree(run / "mean" / "model")
    before = (run / "seed-0" / "model" / "card.json").read_bytes()
    assert train(trained, run) == 0
    said = capsys.readouterr()
    assert said.out.strip() == str(run / "mean" / "model")
    assert (run / "seed-0" / "model" / "card.json").read_bytes() == before
    each = [
        load_card(run / f"seed-{seed}" / "model").metrics["validation"]["pneumonia"]["auroc"]
        for seed in (0, 3)
    ]
    values = np.array([figure["value"] for figure in each])
    told = f"{values[0]:.3f}, {values[1]:.3f}; mean {values.mean():.3f}, standard deviation {values.std(ddof=1):.3f}"
    assert told in said.err


def test_a_mean_of_other_seeds_is_not_passed_off_as_that_of_these(
    trained, tmp_path, workspace, capsys
):
    run = tmp_path / "run"
    shutil.copytree(trained / "run", run)
    assert train(trained, run, "--seeds", "3,0") == 3
    assert "mean is the ensemble of 2 other runs than seed-3, seed-0" in capsys.readouterr().err
    assert train(trained, run) == 0


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        (("--set", "epochs=2"), 3, "seed-0 is a run of another recipe or with other settings"),
        (("--data", str(Path(__file__).parent)), 3, "seed-0 is a run on other data"),
        (("--seeds", "0"), 2, "an ensemble needs two or more"),
        (("--seeds", "1,1"), 2, "none of them twice"),
        (
            ("--set", "head=dense"),
            2,
            "has the head 'dense'; only the heads averaged and positional can be averaged",
        ),
    ],
)
def test_what_has_no_mean_is_refused_and_nothing_is_changed(
    trained, tmp_path, workspace, capsys, more, code, says
):
    before = sorted(path for path in trained.rglob("*") if path.is_file())
    assert train(trained, trained / "run", *more) == code
    assert says in capsys.readouterr().err
    assert sorted(path for path in trained.rglob("*") if path.is_file()) == before


def test_several_processes_are_told_what_to_do_instead(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert train(trained, tmp_path / "run") == 2
    assert "with torchrun and train.fit, then train.average" in capsys.readouterr().err


def test_seeds_that_are_no_numbers_are_refused(trained, capsys):
    with pytest.raises(SystemExit) as left:
        train(trained, trained / "run", "--seeds", "0;1")
    assert left.value.code == 2
    assert "whole numbers with commas" in capsys.readouterr().err
