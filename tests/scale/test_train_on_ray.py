"""train.fit --on a cluster: the run that torchrun makes with as many processes, bit for bit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from cxr_core.errors import DataError, RunError, ScaleError, TrainingStopped
from cxr_core.scale.train_on_ray import ClusterRun, find_own_error, fit_on_cluster
from cxr_core.training.recipe.recipe_file import format_recipe
from cxr_core.training.runs.run_folder import RunFolder
from tests.lit_films import lit_films
from tests.training.sweeps.test_seeds import TINY

# Ray warns of its own settings.
pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*")]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A folder with films, a recipe, and what torchrun makes of them with two processes."""
    home = tmp_path_factory.mktemp("on_ray")
    lit_films(home / "data", side=40, train=16, test=4)
    (home / "tiny.toml").write_text(format_recipe(TINY))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["-m", "--", "train.fit", str(home / "tiny.toml"), f"--data={home / 'data'}"]
    command += [f"--run={home / 'torchrun'}", "--device=cpu"]
    environment = os.environ | {"CXR_WORKSPACE": str(home / "workspace"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return home


def weights(run: Path) -> dict:
    return load_file(run / "model" / "weights.safetensors")


@pytest.mark.slow  # Ray Train starts eight processes before it trains
@pytest.mark.timeout(1500)
def test_two_nodes_make_the_run_of_torchrun_bit_for_bit_and_resume_it(home, cluster, monkeypatch):
    monkeypatch.setenv("CXR_WORKSPACE", str(home / "workspace"))
    request = ClusterRun(
        run=home / "ray", recipe=TINY, data=(str(home / "data"),), device="cpu", workers=2
    )
    model = fit_on_cluster(request, cluster.address, lambda: False)
    assert model == home / "ray" / "model"
    (begun,) = [e for e in RunFolder(home / "ray").read_events() if e["event"] == "begun"]
    assert begun["processes"] == 2
    own, expected = weights(home / "ray"), weights(home / "torchrun")
    assert own.keys() == expected.keys()
    assert all((own[name] == expected[name]).all() for name in expected)
    again = ClusterRun(run=home / "ray", device="cpu", workers=1)
    with pytest.raises(RunError, match="is finished; its model is"):
        fit_on_cluster(again, cluster.address, lambda: False)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_stopped_run_goes_on_on_another_number_of_processes(home, cluster, monkeypatch):
    monkeypatch.setenv("CXR_WORKSPACE", str(home / "workspace"))
    run = home / "stopped"
    request = ClusterRun(run=run, recipe=TINY, data=(str(home / "data"),), device="cpu", workers=2)
    with pytest.raises(TrainingStopped):
        fit_on_cluster(request, cluster.address, lambda: True)
    resumed = ClusterRun(run=run, device="cpu", workers=1)
    fit_on_cluster(resumed, cluster.address, lambda: False)
    assert (run / "model" / "card.json").is_file()


class WorkersFailed(Exception):
    """As Ray Train raises it."""

    def __init__(self, failure: Exception):
        super().__init__("Training failed due to worker errors:")
        self.worker_failures = {1: failure}


def test_the_error_of_a_process_is_told_as_its_own():
    stopped = find_own_error(WorkersFailed(TrainingStopped("stopped at step 3")))
    assert isinstance(stopped, TrainingStopped)
    damaged = find_own_error(WorkersFailed(DataError("no films")))
    assert (type(damaged), str(damaged)) == (RunError, "no films")
    assert find_own_error(WorkersFailed(OSError("the node has gone"))) is None


def test_more_processes_than_the_cluster_has_are_refused(cluster, tmp_path):
    request = ClusterRun(run=tmp_path / "run", recipe=TINY, device="cpu", workers=9)
    with pytest.raises(ScaleError, match="has room for 2 processes, and 9 were asked for"):
        fit_on_cluster(request, cluster.address, lambda: False)
