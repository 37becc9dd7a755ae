"""The command from end to end: a trained model, a site's films, the record, installation and revocation."""

import shutil
from dataclasses import replace

import pytest

from cxr_core.data.prepare import open_data
from cxr_core.models.card import Calibration
from cxr_core.models.store import load_card, update_card
from cxr_core.site.acceptance_record import list_acceptances
from cxr_core.site.learnt_films import read_learnt_films
from cxr_core.site.profile_store import load_profile
from cxr_core.site.validation_scores import read_validation_scores
from cxr_core.training.fit import FitOptions, fit
from tests.lit_films import lit_films
from tests.tiny import TINY_RECIPE
from train.accept import main

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run, and the data that it was trained on, with a test part of 30 patients of each class."""
    place = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXR_WORKSPACE", str(place / "workspace"))
        data = lit_films(place / "data", train=24, test=30)
        run = place / "run"
        fit(TINY_RECIPE, [data], FitOptions(report=lambda _: None, device="cpu"), run=run)
    return run, data


@pytest.fixture
def installed(trained, workspace):
    """The model of the run, as it is installed. Its probabilities are far too high."""
    run, _ = trained
    folder = workspace / "models" / "tiny" / "1.0.0"
    shutil.copytree(run / "model", folder)
    wrong = {"pneumonia": Calibration(slope=0.1, intercept=3.0)}
    update_card(folder, lambda card: replace(card, calibration=wrong), load_card)
    return folder


def test_a_model_is_exported_with_the_scores_of_its_validation_films(trained, workspace):
    run, data = trained
    card = load_card(run / "model")
    scores = read_validation_scores(run / "model", card).of_finding("pneumonia")
    validation = card.training["data"]["parts"]["val"]
    assert scores.absent.films + scores.present.films == validation["films"]
    assert scores.present.films == validation["positives"]["pneumonia"]
    learnt = read_learnt_films(run / "model")
    films = open_data([data]).table
    in_list = films["sha256"].map(lambda sha256: sha256 in learnt)
    assert in_list.tolist() == (films["split"] == "train").tolist()


def test_scores_are_made_anew_from_the_validation_films_alone(trained, workspace, capsys):
    run, data = trained
    path, card = run / "model" / "validation_scores.json", load_card(run / "model")
    before = read_validation_scores(run / "model", card).of_finding("pneumonia")
    path.unlink()
    assert main([str(run), "--data", str(data)]) == 3
    assert "--write-scores" in capsys.readouterr().err
    assert main([str(run), "--data", str(data), "--write-scores"]) == 0
    assert capsys.readouterr().out.strip() == str(path)
    after = read_validation_scores(run / "model", card).of_finding("pneumonia")
    assert after.absent.logits == pytest.approx(before.absent.logits, abs=1e-3)
    assert after.present.logits == pytest.approx(before.present.logits, abs=1e-3)


def test_other_data_than_the_models_gives_no_scores(trained, workspace, tmp_path, capsys):
    run, _ = trained
    other = lit_films(tmp_path / "other", train=20)
    assert main([str(run), "--data", str(other), "--write-scores"]) == 3
    assert "give the data that it was trained on" in capsys.readouterr().err


def test_films_that_the_model_learnt_from_are_left_out_and_the_test_is_kept(
    trained, installed, capsys
):
    _, data = trained
    status = main(["tiny", "--data", str(data)])
    output = capsys.readouterr()
    (record,) = list_acceptances("tiny", "pneumonia")
    assert status == (0 if record.acceptance.verdict == "accepted" else 3)
    assert record.acceptance.verdict in ("accepted", "shifted")
    assert (len(record.films), record.patients) == (60, 60)
    assert "Left out: 48 films: the model was trained or tuned on this film." in output.err
    assert "absent: 30 films of 30 patients" in output.err
    assert output.out.strip().endswith(".json")


def test_a_recalibration_is_installed_with_its_reason_and_revoked(trained, installed, capsys):
    _, data = trained
    arguments = ["tiny", "--data", str(data), "--split", "test"]
    assert main([*arguments, "--install", "--reason", "a new scanner"]) == 0
    output = capsys.readouterr().err
    assert "Calibration error" in output
    profile = load_profile().find(load_card(installed), "pneumonia")
    assert profile.describe() in output
    assert (profile.films, profile.patients, profile.prevalence) == (60, 60, 0.5)
    assert profile.calibration.apply(0.95, 0.5) < 0.95  # the wrong card is three log-odds too high
    assert main(["tiny", "--watch"]) == 0
    assert "tiny 1.0.0, pneumonia, since " in capsys.readouterr().out
    assert main(["tiny", "--revoke", "--reason", "the scanner is gone"]) == 0
    assert load_profile() is None


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["tiny"], 2, "--data is needed"),
        (["tiny", "--data", ".", "--install"], 2, "need --reason"),
        (["anatomy", "--data", "."], 3, "no log-odds to compare"),
        (["tiny", "--data", ".", "--finding", "rickets"], 3, "has the findings pneumonia"),
        (["tiny", "--data", ".", "--prevalence", "2"], 2, "expected a share"),
    ],
)
def test_mistakes_are_answered_with_a_sentence(installed, arguments, status, says, capsys):
    try:
        found = main(arguments)
    except SystemExit as stopped:
        found = stopped.code
    assert found == status
    assert says in capsys.readouterr().err


def test_films_that_were_all_learnt_from_are_too_few(trained, installed, tmp_path, capsys):
    few = lit_films(tmp_path / "few", test=5)
    assert main(["tiny", "--data", str(few)]) == 3
    assert "found 0 patients known to be free of pneumonia" in capsys.readouterr().err
