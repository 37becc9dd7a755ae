"""Several runs at once: which recipes they train, and in which order they wait."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cxr_core.errors import RecipeError, RunError
from cxr_core.jobs import scheduler, sweeps
from cxr_core.jobs.commands import build_job_command
from cxr_core.jobs.files import read_request
from cxr_core.jobs.job import TrainingRequest
from cxr_core.jobs.queue import waiting_jobs
from cxr_core.jobs.status import load_job
from cxr_core.training.runs.annotation import read_annotation
from cxr_core.training.sweeps.folds import CrossValidation, CrossValidationRecord
from tests.jobs.job_control import TINY


@pytest.fixture
def request_of_one(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> TrainingRequest:
    """What the form would submit; nothing that waits is started."""
    monkeypatch.setattr(scheduler, "ensure_scheduler", lambda: None)
    return TrainingRequest(recipe=TINY, data=(str(tmp_path),), token="click", device="cpu")


def test_seeds_share_their_split() -> None:
    recipes = sweeps.plan_seeds(replace(TINY, seed=7), [1, 2])
    assert [(each.seed, each.split_seed) for each in recipes.values()] == [(1, 7), (2, 7)]
    for seeds in ([1], [1, 1]):
        with pytest.raises(RecipeError, match="two or more"):
            sweeps.plan_seeds(TINY, seeds)


def test_a_grid_has_every_combination_once() -> None:
    values = {"learning_rate": ["0.1", "0.2", "0.1"], "augmentation.shift": ["0", "0.05"]}
    recipes = sweeps.plan_grid(TINY, values)
    found = {(each.learning_rate, each.augmentation.shift) for each in recipes.values()}
    assert found == {(0.1, 0), (0.1, 0.05), (0.2, 0), (0.2, 0.05)}
    assert len(recipes) == 4
    by_seed = sweeps.plan_grid(replace(TINY, seed=7), {"seed": ["1", "2"]})
    assert {each.split_seed for each in by_seed.values()} == {7}
    with pytest.raises(RecipeError, match="two values"):
        sweeps.plan_grid(TINY, {"seed": ["1"]})
    with pytest.raises(RecipeError, match="101 runs"):
        sweeps.plan_grid(TINY, {"seed": [*map(str, range(101))]})
    with pytest.raises(RecipeError, match="epochs"):
        sweeps.plan_grid(TINY, {"epochs": ["1", "many"]})


def test_runs_wait_in_their_order_and_one_click_submits_them_once(
    request_of_one: TrainingRequest,
) -> None:
    recipes = sweeps.plan_seeds(TINY, [0, 1])
    jobs = sweeps.submit_runs(request_of_one, recipes, "tiny seeds")
    again = sweeps.submit_runs(request_of_one, recipes, "tiny seeds")
    assert [job.id for job in again] == [job.id for job in jobs]
    mean = sweeps.submit_average(
        replace(request_of_one, token="click-mean"), [job.folder for job in jobs], "tiny seeds"
    )
    assert waiting_jobs()["cpu"] == [*(job.folder for job in jobs), mean.folder]
    assert read_annotation(jobs[1].folder).tags == ("tiny seeds",)
    command = build_job_command(mean.folder, read_request(mean.folder))
    assert command[2] == "train.average"
    assert command[-2:] == [str(job.folder) for job in jobs]
    with pytest.raises(RunError, match="two runs or more"):
        sweeps.submit_average(request_of_one, [jobs[0].folder])


def test_the_folds_come_before_their_evaluation_also_when_they_are_resumed(
    request_of_one: TrainingRequest, workspace: Path, tmp_path: Path
) -> None:
    record = CrossValidationRecord(data=(str(tmp_path),), split="folds", folds=2)
    folds = CrossValidation(name="mine", record=record, recipe=TINY)
    folds.folder.mkdir(parents=True)
    sweeps.submit_cross_validation(folds, "cpu")
    assert waiting_jobs()["cpu"] == [*folds.runs, folds.folder]
    assert [recipe.saved_split for recipe in folds.recipes] == [("folds", 1), ("folds", 2)]
    command = build_job_command(folds.folder, read_request(folds.folder))
    assert command[2:] == ["train.cross_validate", "--pool=mine"]
    assert load_job("evaluations/mine").title.startswith("cross-validation mine: 2 folds")

    (folds.runs[0] / "job" / "queue.json").unlink()
    end = {"state": "stopped", "sentence": "Stopped.", "time": 1.0}
    (folds.runs[0] / "job" / "end.json").write_text(json.dumps(end))
    sweeps.submit_cross_validation(folds, "cpu")
    assert waiting_jobs()["cpu"] == [folds.runs[1], folds.runs[0], folds.folder]
    assert sweeps.free_name("mine") == "mine-2"
    assert sweeps.free_name("a/b c") == "a-b-c"
