"""train.fit --on a cluster: the run that torchrun makes with as many processes, bit for bit."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from cxr_core.errors import Cancelled, DataError, RunError, ScaleError, TrainingStopped
from cxr_core.scale.train_on_ray import ClusterRun, find_own_error, fit_on_cluster
from cxr_core.training.recipe.recipe_file import format_recipe
from cxr_core.training.runs.run_files import has_run
from cxr_core.training.runs.run_folder import RunFolder
from tests.lit_films import lit_films
from tests.training.sweeps.test_seeds import TINY

# Ray warns of its own settings.
pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*")]

ROOT = Path(__file__).parents[2]
EPOCHS = 200  # of a run that is stopped; a request to stop takes seconds to arrive


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A folder with films and a recipe."""
    lit_films(tmp_path / "data", side=40, train=16, test=4)
    (tmp_path / "tiny.toml").write_text(format_recipe(TINY))
    monkeypatch.setenv("CXR_WORKSPACE", str(tmp_path / "workspace"))
    return tmp_path


def train_by_torchrun(home: Path) -> Path:
    """The run that torchrun makes with two processes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["-m", "--", "train.fit", str(home / "tiny.toml"), f"--data={home / 'data'}"]
    command += [f"--run={home / 'torchrun'}", "--device=cpu"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return home / "torchrun"


def weights(run: Path) -> dict:
    return load_file(run / "model" / "weights.safetensors")


@pytest.mark.slow  # Ray Train starts eight processes before it trains
@pytest.mark.timeout(3600)
def test_two_nodes_make_the_run_of_torchrun_bit_for_bit(home, cluster):
    request = ClusterRun(
        run=home / "ray", recipe=TINY, data=(str(home / "data"),), device="cpu", workers=2
    )
    model = fit_on_cluster(request, cluster.address, lambda: False)
    assert model == home / "ray" / "model"
    (begun,) = [e for e in RunFolder(home / "ray").read_events() if e["event"] == "begun"]
    assert begun["processes"] == 2
    own, expected = weights(home / "ray"), weights(train_by_torchrun(home))
    assert own.keys() == expected.keys()
    assert all((own[name] == expected[name]).all() for name in expected)
    again = ClusterRun(run=home / "ray", device="cpu", workers=1)
    with pytest.raises(RunError, match="is finished; its model is"):
        fit_on_cluster(again, cluster.address, lambda: False)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_stopped_run_goes_on_on_another_number_of_processes(home, cluster):
    run, recipe = home / "stopped", replace(TINY, epochs=EPOCHS)
    data = (str(home / "data"),)
    request = ClusterRun(run=run, recipe=recipe, data=data, device="cpu", workers=2)
    with pytest.raises(TrainingStopped):
        fit_on_cluster(request, cluster.address, lambda: bool(list_epochs(run)))
    before = list_epochs(run)
    assert before != list(range(1, EPOCHS + 1))
    resumed = ClusterRun(run=run, device="cpu", workers=1)
    fit_on_cluster(resumed, cluster.address, lambda: False)
    assert list_epochs(run) == list(range(1, EPOCHS + 1))  # each once
    events = [event["event"] for event in RunFolder(run).read_events()]
    assert [name for name in events if name in ("begun", "resumed")] == ["begun", "resumed"]
    assert (run / "model" / "card.json").is_file()


def list_epochs(run: Path) -> list[int]:
    """The epochs that a run has ended, in their order."""
    if not has_run(run):
        return []
    return [event["epoch"] for event in RunFolder(run).read_events() if event["event"] == "epoch"]


class WorkersFailed(Exception):
    """As Ray Train raises it."""

    def __init__(self, failure: Exception):
        super().__init__("Training failed due to worker errors:")
        self.worker_failures = {1: failure}


def test_the_error_of_a_process_is_told_as_its_own():
    stopped = find_own_error(WorkersFailed(TrainingStopped("stopped at step 3")))
    assert isinstance(stopped, TrainingStopped)
    cancelled = find_own_error(WorkersFailed(Cancelled("stopped while the data was prepared")))
    assert type(cancelled) is Cancelled
    damaged = find_own_error(WorkersFailed(DataError("no films")))
    assert (type(damaged), str(damaged)) == (RunError, "no films")
    assert find_own_error(WorkersFailed(OSError("the node has gone"))) is None


def test_more_processes_than_the_cluster_has_are_refused(cluster, tmp_path):
    request = ClusterRun(run=tmp_path / "run", recipe=TINY, device="cpu", workers=9)
    with pytest.raises(ScaleError, match="has room for 2 processes, and 9 were asked for"):
        fit_on_cluster(request, cluster.address, lambda: False)
