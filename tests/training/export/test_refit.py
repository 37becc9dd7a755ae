"""A model whose films are prepared otherwise keeps its weights, and is fitted anew to the films as they are then."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cxr_core.errors import ModelError, RunError
from cxr_core.film.radiograph import Radiograph
from cxr_core.jobs.status import job_status
from cxr_core.models.store import load_card
from cxr_core.reading.classifier import Classifier
from cxr_core.site.validation_scores import read_validation_scores
from cxr_core.training.export.refit import refit_model
from cxr_core.training.fit import FitOptions, fit, resume
from tests.lit_films import lit_films
from tests.training.test_fit import TINY as FITTED
from train.evaluate import main as evaluate_command
from train.refit import main as refit_command

pytestmark = pytest.mark.training

TINY = replace(FITTED, input_side=32, epochs=1)
QUIET = FitOptions(report=lambda _: None, device="cpu")
REDUCED = ("--set", "reduce_to=16", "--set", "blur=1.5", "--version", "1.1.0")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder with films in `data` and a run of them in `run`."""
    home = tmp_path_factory.mktemp("refit")
    lit_films(home / "data", side=40, train=16, test=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXR_WORKSPACE", str(home / "workspace"))
        fit(TINY, [home / "data"], QUIET, run=home / "run")
    return home


def test_the_weights_stay_and_all_else_is_fitted_to_the_films_as_they_are_prepared(
    trained, tmp_path, workspace, capsys
):
    data, run = str(trained / "data"), tmp_path / "reduced"
    assert refit_command([str(trained / "run"), "--data", data, "--run", str(run), *REDUCED]) == 0
    assert capsys.readouterr().out.strip() == str(run / "model")
    before, after = load_card(trained / "run" / "model"), load_card(run / "model")
    assert (after.version, after.input_spec.reduce_to, after.input_spec.blur) == ("1.1.0", 16, 1.5)
    assert after.weights_sha256 == before.weights_sha256
    assert after.calibration != before.calibration
    assert after.baseline_attribution != before.baseline_attribution
    assert after.training["data"]["refitted"].endswith(f"sha256 {before.weights_sha256}")
    assert after.training["data"]["split_sha256"] == before.training["data"]["split_sha256"]

    # What the folder records of the validation films is what reading them gives.
    assert evaluate_command([str(run), "--data", data, "--split", "val"]) == 0
    table = (run / "evaluation" / "val" / "predictions.csv").read_text().splitlines()
    column = table[0].split(",").index("logit")
    logits = [float(line.split(",")[column]) for line in table[1:]]
    scores = read_validation_scores(run / "model", after).findings["pneumonia"]
    assert scores.present.films + scores.absent.films == len(logits)
    assert after.metrics["validation"]["pneumonia"]["auroc"]["n"] == len(logits)
    assert job_status(run).actions == {"delete"}
    with pytest.raises(RunError, match="finished"):
        resume(run, QUIET)


def test_detail_that_the_setting_removes_does_not_move_the_answer(trained, tmp_path, workspace):
    folder = refit_model(
        trained / "run" / "model",
        [trained / "data"],
        {"reduce_to": "16", "blur": "1.5"},
        version="1.1.0",
        run=tmp_path / "reduced",
    )
    film = np.random.default_rng(0).random((16, 16)).repeat(4, axis=0).repeat(4, axis=1)
    # An input of 32 px shows these squares; the mean of four of them is 0.
    squares = 0.1 * np.tile(np.kron([[1.0, -1.0], [-1.0, 1.0]], np.ones((2, 2))), (16, 16))
    plain, detailed = (
        Radiograph(pixels=pixels.clip(0, 1).astype(np.float32))
        for pixels in (0.2 + 0.6 * film, 0.2 + 0.6 * film + squares)
    )
    before = Classifier.load(trained / "run" / "model")
    assert not np.array_equal(before.prepare_grid(detailed), before.prepare_grid(plain))
    after = Classifier.load(folder)
    assert np.array_equal(after.prepare_grid(detailed), after.prepare_grid(plain))
    assert after.read(detailed).logits == pytest.approx(after.read(plain).logits)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (("--set", "neck=16"), "neck would need a network that is trained anew"),
        (("--set", "reduce_to=64"), "expected 16 to 32, the input side"),
        (("--set", "blur=0.7"), "reduce_to is not set"),
    ],
)
def test_what_needs_training_or_makes_no_sense_is_refused_before_anything_is_written(
    trained, tmp_path, workspace, capsys, changes, says
):
    run = tmp_path / "other"
    command = [str(trained / "run"), "--data", str(trained / "data"), "--run", str(run)]
    assert refit_command([*command, *changes, "--version", "1.1.0"]) == 3
    assert says in capsys.readouterr().err
    assert not run.exists()


def test_other_films_than_those_of_the_training_are_refused(trained, tmp_path, workspace):
    lit_films(tmp_path / "others", side=44, train=12, test=4)
    with pytest.raises(ModelError, match="splits into other training and validation films"):
        refit_model(
            trained / "run" / "model", [tmp_path / "others"], {"reduce_to": "16"}, version="1.1.0"
        )
