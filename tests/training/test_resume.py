"""A run that is killed or stopped goes on where it was, and ends as one that was not."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cxr_core.errors import Cancelled, RunError
from cxr_core.models.store import load_card, update_card
from cxr_core.training.engine.learner import Learner
from cxr_core.training.engine.trainer import Trainer
from cxr_core.training.fit import FitOptions, fit, resume
from cxr_core.training.recipe.augmentation import Augmentation
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.recipe.recipe_file import format_recipe
from cxr_core.training.runs.run_files import RUN_LOCK, read_last_event
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.workspace import atomic
from cxr_core.workspace.process_lock import find_lock_holder
from tests.lit_films import lit_films
from tests.training.forked_fit import fork_fit
from tests.training.test_fit import TINY
from train.fit import main as fit_command

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
QUIET = FitOptions(report=lambda _: None, device="cpu")
RESTLESS = replace(
    TINY,
    epochs=3,
    batch_size=4,
    input_side=32,
    dropout=0.2,
    ema_decay=0.9,
    schedule="plateau",
    plateau_patience=0,
    balance="oversample",
    head_epochs=1,
    checkpoint_every_steps=3,
    augmentation=Augmentation(rotation_deg=5, shift=0.05, gamma=0.2, low_resolution=0.5),
)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lit_films(tmp_path_factory.mktemp("films"), side=64, train=14)


@pytest.fixture(scope="module")
def whole(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing disturbed."""
    run = tmp_path_factory.mktemp("whole") / "run"
    fit(RESTLESS, [films], QUIET, run=run)
    return run


def outcome(run: Path) -> tuple[dict[str, torch.Tensor], dict, list[dict]]:
    """Weights, fitted figures and the epochs' figures of a finished run, without times and speeds."""
    card = load_card(run / "model")
    fitted = {
        "calibration": card.calibration,
        "points": card.operating_points,
        "metrics": card.metrics,
    }
    kept = (
        "epoch",
        "step",
        "loss",
        "validation_auroc",
        "validation_loss",
        "learning_rate",
        "best_epoch",
    )
    epochs = [line for line in RunFolder(run).read_events() if line["event"] == "epoch"]
    return (
        load_file(run / "model" / "weights.safetensors"),
        fitted,
        [{key: line[key] for key in kept} for line in epochs],
    )


def require_same(one: Path, other: Path) -> None:
    (weights, fitted, epochs), (weights_too, fitted_too, epochs_too) = outcome(one), outcome(other)
    assert all(torch.equal(weights[name], weights_too[name]) for name in weights)
    assert fitted == fitted_too
    assert epochs == epochs_too


@pytest.mark.parametrize("schedule", ["plateau", "one_cycle", "cosine", "constant"])
def test_a_run_stopped_between_any_two_steps_ends_the_same(
    films: Path, tmp_path: Path, schedule: str
) -> None:
    recipe = replace(RESTLESS, schedule=schedule, epochs=2)
    fit(recipe, [films], QUIET, run=tmp_path / "whole")
    run, steps = tmp_path / "run", 0

    def stop() -> bool:
        nonlocal steps
        steps += 1
        return steps % 5 == 0 and (run / "recipe.toml").exists()

    impatient = FitOptions(report=lambda _: None, device="cpu", stop=stop)
    with pytest.raises(
        RunError, match=r"stopped at step \d+; resume with: python -m train\.fit --resume"
    ):
        fit(recipe, [films], impatient, run=run)
    assert read_last_event(run)["event"] == "stopped"
    for _ in range(20):
        steps = 0
        try:
            resume(run, FitOptions(report=lambda _: None, device="cpu", stop=lambda: _later(run)))
            break
        except RunError:
            continue
    require_same(tmp_path / "whole", run)


CALLS: dict[Path, int] = {}


def _cut_off(trainer: Trainer) -> None:
    raise KeyboardInterrupt


def _later(run: Path) -> bool:
    """Asks to stop at every seventh question about a run."""
    CALLS[run] = CALLS.get(run, 0) + 1
    return CALLS[run] % 7 == 0


def list_arguments(recipe: Recipe, films: Path, run: Path) -> list[str]:
    """Those of the command that begins a run, or goes on with it where there is one."""
    if (run / "recipe.toml").exists():
        return ["--resume", str(run), "--device", "cpu"]
    run.parent.mkdir(parents=True, exist_ok=True)
    toml = run.parent / "recipe.toml"
    toml.write_text(format_recipe(recipe))
    return [str(toml), "--data", str(films), "--run", str(run), "--device", "cpu"]


def start(recipe: Recipe, films: Path, run: Path, workspace: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "train.fit", *list_arguments(recipe, films, run)],
        cwd=ROOT,
        env=os.environ | {"CXR_WORKSPACE": str(workspace), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def step_of(run: Path) -> int:
    return max((line.get("step", 0) for line in RunFolder(run).read_events()), default=0)


def killed_until_done(
    films: Path, run: Path, workspace: Path, kills: int, seed: int, longest_s: float = 2.0
) -> int:
    """Run, kill at random moments, resume, until its model is there. How often it was killed."""
    chance, done, output = random.Random(seed), 0, run.with_name("output.txt")
    while True:
        process = fork_fit(list_arguments(RESTLESS, films, run), workspace, output)
        if done < kills:
            while process.is_alive() and not (run / "progress.jsonl").exists():
                time.sleep(0.02)
            process.join(chance.uniform(0.05, longest_s))
            if process.is_alive():
                process.kill()
        process.join()
        if process.exitcode == 0:
            return done
        assert process.exitcode == -signal.SIGKILL, output.read_text()
        done += 1
        if RunFolder(run).model.exists():  # killed between the last of its work and its end
            return done


def test_a_run_killed_at_random_moments_ends_bit_for_bit_as_one_that_was_not(
    films: Path, whole: Path, tmp_path: Path
) -> None:
    killed_until_done(films, tmp_path / "run", tmp_path / "workspace", kills=3, seed=1)
    require_same(whole, tmp_path / "run")


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_many_kills(films: Path, whole: Path, tmp_path: Path) -> None:
    """CXR_MANY_KILLS: how many runs, each killed ten times; 20 unless told."""
    total = 0
    for seed in range(int(os.environ.get("CXR_MANY_KILLS", "20"))):
        run = tmp_path / str(seed) / "run"
        total += killed_until_done(
            films, run, tmp_path / "workspace", kills=10, seed=seed, longest_s=8.0
        )
        require_same(whole, run)
    print(f"{total} kills")


@pytest.mark.parametrize("moment", range(1, 13, 2))
def test_a_kill_between_the_steps_of_writing_a_checkpoint_loses_one_interval_at_most(
    films: Path, whole: Path, tmp_path: Path, moment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call of the system that writes is a moment to be killed at; here they raise instead, and nothing tidies."""
    run, calls = tmp_path / "run", 0

    class Killed(BaseException):
        """Like SIGKILL: nobody catches it."""

    fsync = os.fsync

    def interrupted_fsync(handle: int) -> None:
        nonlocal calls
        if (run / "checkpoints").exists():
            calls += 1
        if calls == 6 + moment:  # in the second checkpoint, or the third
            patched.setattr(atomic.shutil, "rmtree", lambda *_, **__: None)
            raise Killed
        fsync(handle)

    with monkeypatch.context() as patched:
        patched.setattr(atomic.os, "fsync", interrupted_fsync)
        with pytest.raises(Killed):
            fit(RESTLESS, [films], QUIET, run=run)
    latest, damaged = RunFolder(run).checkpoints.load_latest()
    assert latest is not None
    assert damaged == ()
    resume(run, QUIET)
    require_same(whole, run)


def test_sigterm_finishes_the_step_and_keeps_it(films: Path, whole: Path, tmp_path: Path) -> None:
    long = replace(RESTLESS, epochs=400, schedule="constant", head_epochs=0)
    process = start(long, films, tmp_path / "run", tmp_path / "workspace")
    while step_of(tmp_path / "run") < 5:
        time.sleep(0.05)
        assert process.poll() is None
    asked = time.monotonic()
    process.send_signal(signal.SIGTERM)
    said = process.communicate()[1]
    # A step takes part of a second, and much longer beside other work; the run itself would take many minutes.
    assert time.monotonic() - asked < 90
    assert process.returncode == 3
    assert "resume with: python -m train.fit --resume" in said
    folder = RunFolder(tmp_path / "run")
    assert read_last_event(folder.path)["event"] == "stopped"
    latest, _ = folder.checkpoints.load_latest()
    assert latest is not None
    assert latest.step == folder.read_events()[-1]["step"]


def test_two_trainers_do_not_share_a_folder(films: Path, whole: Path) -> None:
    with RunFolder(whole).hold():
        (whole / "model").rename(whole / "aside")
        try:
            assert find_lock_holder(whole / RUN_LOCK) is not None
            assert not RunFolder(whole).is_finished
            with pytest.raises(RunError, match="another process is training in"):
                resume(whole, QUIET)
        finally:
            (whole / "aside").rename(whole / "model")


def test_a_damaged_checkpoint_is_passed_over(films: Path, whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    stopping = FitOptions(
        report=lambda _: None, device="cpu", stop=lambda: run.exists() and step_count(run) >= 2
    )
    with pytest.raises(RunError, match="stopped") as stopped:
        fit(RESTLESS, [films], stopping, run=run)
    assert isinstance(stopped.value, Cancelled)  # which the log calls stopped and not refused
    steps = RunFolder(run).checkpoints.list_steps()
    newest = run / "checkpoints" / f"step_{steps[-1]:06}" / "weights.safetensors"
    newest.write_bytes(newest.read_bytes()[:-100])
    resume(run, QUIET)
    told = next(line for line in RunFolder(run).read_events() if line["event"] == "resumed")
    assert told["step"] == steps[-2]
    assert f"step_{steps[-1]:06} is damaged" in told["damaged_checkpoints"][0]
    require_same(whole, run)


def step_count(run: Path) -> int:
    return len(RunFolder(run).checkpoints.list_steps())


def test_what_cannot_go_on_is_said(films: Path, whole: Path, tmp_path: Path, capsys) -> None:
    assert fit_command(["--resume", str(tmp_path)]) == 3
    assert "holds no run that can be resumed" in capsys.readouterr().err
    assert fit_command(["--resume", str(whole)]) == 3
    assert "is finished; its model is" in capsys.readouterr().err
    assert fit_command([]) == 2
    assert "give a recipe and --data, or --resume RUN" in capsys.readouterr().err


def test_a_run_does_not_go_on_with_other_data(films: Path, whole: Path, tmp_path: Path) -> None:
    facts = json.loads((whole / "manifest.json").read_text())
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.toml").write_text((whole / "recipe.toml").read_text())
    (run / "manifest.json").write_text(json.dumps({**facts, "data_sha256": "0" * 64}))
    with pytest.raises(RunError, match=r"the data of .* has changed since it began"):
        resume(run, QUIET)


def test_a_run_without_a_checkpoint_does_not_begin_anew_from_another_model_than_its_card_names(
    films: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, run = tmp_path / "base", tmp_path / "run"
    shutil.copytree(whole / "model", base)
    monkeypatch.setattr(Trainer, "run", _cut_off)
    with pytest.raises(KeyboardInterrupt):
        fit(replace(RESTLESS, init=str(base)), [films], QUIET, run=run)
    update_card(base, lambda card: replace(card, version="9.0.0"), load_card)
    with pytest.raises(
        RunError, match=r"started from .* 1\.0\.0, sha256 .*, while .* is now .* 9\.0\.0"
    ):
        resume(run, QUIET)


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_checkpoint(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Learner.train_step

    def broken(self, batch, step, size):
        return float("nan") if step == 7 else plain(self, batch, step, size)

    monkeypatch.setattr(Learner, "train_step", broken)
    with pytest.raises(
        RunError, match=r"became nan at step 8; the last good checkpoint is at step 6"
    ):
        fit(RESTLESS, [films], QUIET, run=tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    assert read_last_event(folder.path)["event"] == "failed"
    assert folder.checkpoints.load_latest()[0].step == 6  # type: ignore[union-attr]


def test_a_first_loss_that_is_no_number_is_not_put_down_to_the_learning_rate(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Learner, "train_step", lambda *_: float("nan"))
    with pytest.raises(RunError, match=r"loss is nan at the first step.* initial weights"):
        fit(RESTLESS, [films], QUIET, run=tmp_path / "run")


def test_too_little_memory_halves_the_films_taken_at_once(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, sizes = Learner._accumulate_gradients, []

    def small(self, films, *rest):
        sizes.append(-(-len(films) // self._chunks))
        if sizes[-1] > 1:
            raise torch.OutOfMemoryError("out of memory")
        return plain(self, films, *rest)

    monkeypatch.setattr(Learner, "_accumulate_gradients", small)
    fit(
        replace(RESTLESS, epochs=2, head_epochs=0, input_side=64),
        [films],
        QUIET,
        run=tmp_path / "run",
    )
    assert sizes[:4] == [4, 2, 1, 1]
    assert set(sizes[2:]) == {1}
