"""Runs tracked elsewhere. MLflow is optional, so it is doubled here by the few calls that a run makes of it."""

import sys
import threading
import time
import types
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from cxr_core.data.film_set import FilmSet
from cxr_core.training.recipe.recipe_file import format_recipe, load_named_recipe
from cxr_core.training.runs.events import (
    EpochDone,
    RunBegun,
    RunFinished,
    RunStopped,
    StepDone,
    TrackingEnded,
)
from cxr_core.training.trackers import mlflow_tracker
from cxr_core.training.trackers.pictures import FILMS, draw_batch
from cxr_core.training.trackers.trackers import Trackers

BEGUN = RunBegun(run="one", device="cpu", processes=1, unmatched=(), missing=())
FINISHED = RunFinished(model="one/model", epoch=1)
STEP = StepDone(
    step=5, total_steps=40, epoch=1, loss=0.75, learning_rate=0.1, images_per_second=8.0
)
EPOCH = EpochDone(
    epoch=1,
    step=10,
    total_steps=40,
    loss=0.5,
    validation_loss=float("nan"),
    figures={"validation_auroc": 0.9},
    learning_rate=0.1,
    images_per_second=8.0,
    best_epoch=1,
)
RECIPE = load_named_recipe("pneumonia-cnn-grey")


class MlflowException(Exception):
    pass


@dataclass
class FakeServer:
    """What MLflow would have kept. fails: whether every call raises.  waits: set to let calls through."""

    runs: dict[str, dict] = field(default_factory=dict)
    fails: bool = False
    waits: threading.Event | None = None

    def client(self, tracking_uri: str) -> "FakeServer":
        self.uri = tracking_uri
        if self.waits is not None:
            self.waits.wait(60)
        if self.fails:
            raise MlflowException(f"no route to host {tracking_uri}")
        return self

    def get_experiment_by_name(self, name: str) -> None:
        return None

    def create_experiment(self, name: str) -> str:
        return f"experiment {name}"

    def create_run(self, experiment_id: str, run_name: str) -> types.SimpleNamespace:
        run_id = f"run{len(self.runs)}"
        run = {"experiment": experiment_id, "name": run_name, "status": "RUNNING"}
        self.runs[run_id] = {**run, "metrics": [], "params": {}}
        return types.SimpleNamespace(info=types.SimpleNamespace(run_id=run_id))

    def update_run(self, run_id: str, status: str) -> None:
        if run_id not in self.runs:
            raise MlflowException("no such run")
        self.runs[run_id]["status"] = status

    def log_batch(self, run_id: str, metrics=(), params=()) -> None:
        self.runs[run_id]["metrics"] += [(m.key, m.value, m.step) for m in metrics]
        self.runs[run_id]["params"] |= {p.key: p.value for p in params}

    def set_terminated(self, run_id: str, status: str) -> None:
        self.runs[run_id]["status"] = status


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    server = FakeServer()
    entities = types.SimpleNamespace(
        Metric=lambda key, value, timestamp, step: types.SimpleNamespace(**locals()),
        Param=lambda key, value: types.SimpleNamespace(key=key, value=value),
    )
    modules = {
        "mlflow": types.SimpleNamespace(MlflowClient=server.client),
        "mlflow.entities": entities,
        "mlflow.exceptions": types.SimpleNamespace(MlflowException=MlflowException),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    for name in mlflow_tracker.ENVIRONMENT:
        monkeypatch.setenv(name, "set by a test")
    return server


@pytest.fixture
def run(workspace):
    folder = workspace / "runs" / "one"
    folder.mkdir(parents=True)
    recipe = replace(RECIPE, seed=7)
    (folder / "recipe.toml").write_text(format_recipe(recipe), encoding="utf-8")
    return folder


def ask_for_mlflow(workspace, text: str = '[tracking]\nmlflow = "mlruns"\n') -> None:
    (workspace / "tracking.toml").write_text(text, encoding="utf-8")


def track(run, *events) -> list[str]:
    """Pass events on as a run does. Returns what the run was told."""
    told: list[TrackingEnded] = []
    trackers = Trackers(run)
    for event in events:
        trackers.add_event(event, told.append)
    last = trackers.close()
    return [event.reason for event in told] + ([last] if last else [])


def test_nothing_is_sent_unless_the_workspace_asks_for_it(run, server):
    assert track(run, BEGUN, STEP, EPOCH, FINISHED) == []
    assert server.runs == {}


def test_mlflow_gets_settings_and_finite_numbers_under_the_id_of_the_run(run, server, workspace):
    ask_for_mlflow(workspace)
    assert track(run, BEGUN, STEP, EPOCH, FINISHED) == []
    (kept,) = server.runs.values()
    assert server.uri == (workspace / "mlruns").absolute().as_uri()
    assert (kept["name"], kept["experiment"]) == ("one", "experiment silhouette")
    assert kept["status"] == "FINISHED"
    assert (kept["params"]["seed"], kept["params"]["augmentation.flip"]) == ("7", "0.5")
    assert kept["params"]["findings"] == "pneumonia"
    assert ("step/loss", 0.75, 5) in kept["metrics"]
    assert ("epoch/validation_auroc", 0.9, 10) in kept["metrics"]
    assert np.isfinite([value for _, value, _ in kept["metrics"]]).all()
    assert "epoch/validation_loss" not in {key for key, *_ in kept["metrics"]}


def test_a_resumed_run_goes_on_with_its_run_at_mlflow(run, server, workspace):
    ask_for_mlflow(workspace)
    track(run, BEGUN, STEP, RunStopped(step=5))
    assert server.runs["run0"]["status"] == "KILLED"
    track(run, EPOCH, FINISHED)
    assert list(server.runs) == ["run0"]
    assert server.runs["run0"]["status"] == "FINISHED"
    server.runs.clear()  # somebody deletes it there
    track(run, EPOCH)
    assert server.runs["run0"]["status"] == "FAILED"  # it ended without a word


def test_a_tracker_that_fails_is_told_once_and_ends_nothing(run, server, workspace, monkeypatch):
    ask_for_mlflow(workspace)
    server.fails = True
    (problem,) = track(run, BEGUN, STEP, EPOCH, FINISHED)
    assert problem.startswith("MLflow at mlruns failed: no route to host")
    monkeypatch.setitem(sys.modules, "mlflow", None)
    (problem,) = track(run, BEGUN, STEP, EPOCH, FINISHED)
    assert problem.startswith("MLflow is not installed, which tracking.toml asks for")


def test_a_password_in_the_address_is_told_to_mlflow_alone(run, server, workspace):
    address = "https://me:secret@mlflow.example:5000/x"
    ask_for_mlflow(workspace, f'[tracking]\nmlflow = "{address}"\n')
    assert track(run, BEGUN, STEP) == []
    assert track(run, BEGUN, STEP) == []
    assert (server.uri, len(server.runs)) == (address, 1)
    assert "secret" not in (run / "mlflow.json").read_text()
    server.fails = True
    (problem,) = track(run, BEGUN, STEP)
    assert "https://mlflow.example:5000/x failed" in problem
    assert "secret" not in problem


def test_a_tracker_that_is_slow_holds_up_nothing(run, server, workspace, monkeypatch):
    ask_for_mlflow(workspace)
    monkeypatch.setattr(mlflow_tracker, "MAX_WAITING", 3)
    monkeypatch.setattr(mlflow_tracker, "CLOSE_S", 0.2)
    server.waits = threading.Event()
    began = time.monotonic()
    (problem,) = track(run, BEGUN, STEP)
    assert problem.startswith("MLflow at mlruns does not answer")
    (problem,) = track(run, BEGUN, *[STEP] * 9)
    assert problem.startswith("MLflow at mlruns does not keep up")
    assert time.monotonic() - began < 30
    server.waits.set()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mlflow = 1", "expected one table [tracking]"),
        ("[tracking]\nmlfow = 'x'", "unknown key 'mlfow'; choose from mlflow, experiment"),
        ("[tracking]\nmlflow = 3", "mlflow"),
        ("[tracking", "tracking.toml cannot be used"),
    ],
)
def test_a_wrong_file_is_told_and_the_run_goes_on(run, workspace, text, says):
    ask_for_mlflow(workspace, text)
    (problem,) = track(run, BEGUN, STEP)
    assert says in problem
    assert "so this run is tracked in its own folder only" in problem


def test_tensorboard_compares_runs_by_their_settings_and_shows_a_batch(run):
    films = FilmSet.from_grids(
        np.random.default_rng(0).integers(0, 256, (20, 64, 64), np.uint8), np.zeros((20, 1))
    )
    trackers = Trackers(run)
    trackers.add_event(BEGUN, lambda event: None)
    trackers.tensorboard.add_picture("train/batch", draw_batch(RECIPE, films))
    trackers.add_event(FINISHED, lambda event: None)
    trackers.close()
    found = EventAccumulator(str(run / "tensorboard"))
    found.Reload()
    content = found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    assert start.hparams["seed"].number_value == 7
    assert start.hparams["augmentation.flip"].number_value == 0.5
    assert found.SummaryMetadata("_hparams_/session_end_info")
    (picture,) = found.Images("train/batch")
    assert (picture.height, picture.width) == (2 * 66 + 2, FILMS * 66 + 2)


def test_the_upper_row_of_a_batch_is_what_the_films_are():
    grids = np.full((3, 32, 32), 100, np.uint8)
    drawn = draw_batch(RECIPE, FilmSet.from_grids(grids, np.zeros((3, 1))))
    assert (drawn[2:34, 2:34] == 100).all()
    assert not (drawn[36:68, 2:34] == 100).all()  # brightness
