"""Trains one run on several nodes of a Ray cluster, by Ray Train: the same trainer that torchrun starts.

Every process sees its share of each batch, so that the run is the one that as many processes of torchrun would make. A
process or a node that ends ends the others too; they begin again at the last checkpoint, on the nodes that are left.
Source: https://docs.ray.io/en/latest/train/getting-started-pytorch.html
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from cxr_core.errors import Cancelled, RunError, ScaleError, SilhouetteError, TrainingStopped
from cxr_core.scale.cluster import connect_to_cluster, require_package
from cxr_core.training.fit import FitOptions, fit, resume
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.run_data import absolute_folders
from cxr_core.training.runs.annotation import NO_ANNOTATION, RunAnnotation
from cxr_core.training.runs.events import ignore_event
from cxr_core.training.runs.run_files import has_run
from cxr_core.workspace.paths import workspace

PURPOSE = "training on a cluster"
ASK_EVERY_S = 1.0  # whether the run is to stop
MAX_FAILURES = (
    3  # of processes and nodes, after each of which the run goes on from its last checkpoint
)


@dataclass(frozen=True, kw_only=True)
class ClusterRun:
    """A run on a cluster. run: its folder, which all nodes see.  recipe: None to resume it.  workers: 0 for all cores.

    data, version, retry_of, annotation: as `training.fit.fit` takes them.
    """

    run: Path
    recipe: Recipe | None = None
    data: tuple[str, ...] = ()
    version: str = "1.0.0"
    retry_of: str = ""
    annotation: RunAnnotation = NO_ANNOTATION
    device: str = "auto"
    workers: int = 0


class StopRequest:
    """Lives on the cluster and says whether the run is to stop."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Ask the run to stop."""
        self._is_set = True

    def is_set(self) -> bool:
        """Whether it is to stop."""
        return self._is_set


def fit_on_cluster(request: ClusterRun, address: str, stop: Callable[[], bool]) -> Path:
    """Train or resume a run on a cluster. Returns the model's folder.

    Raises ScaleError where there is no such cluster or too little room on it, and what `fit` raises.
    """
    require_package("torch", PURPOSE)
    with connect_to_cluster(address, PURPOSE) as ray:
        use_gpu = request.device != "cpu" and bool(ray.cluster_resources().get("GPU", 0))
        workers = request.workers or _count_workers(ray, use_gpu)
        _require_room(ray, workers, use_gpu)
        with _forward_stop(ray, stop) as stop_request:
            for attempt in range(MAX_FAILURES + 1):
                trainer = _create_trainer(ray, request, stop_request, workers, use_gpu)
                try:
                    trainer.fit()
                    break
                except ray.train.v2.api.exceptions.TrainingFailedError as error:
                    own = find_own_error(error)
                    if (
                        own is not None
                    ):  # a node that is lost is worth another attempt, a mistake is not
                        raise own from error
                    if attempt == MAX_FAILURES or stop():
                        raise _explain_loss(error, request.run) from error
    return request.run / "model"


def new_run_folder(recipe: Recipe) -> Path:
    """A folder of the workspace for a run, which every process is told before one of them makes it."""
    stem = f"{recipe.name}-{time.strftime('%Y%m%d-%H%M%S')}"
    return workspace().absolute() / "runs" / stem


def _create_trainer(
    ray: ModuleType, request: ClusterRun, stop_request: Any, workers: int, use_gpu: bool
) -> Any:
    from ray import train
    from ray.train.torch import TorchConfig, TorchTrainer

    return TorchTrainer(
        train_worker,
        train_loop_config={"request": request, "stop_request": stop_request},
        torch_config=TorchConfig(backend="nccl" if use_gpu else "gloo", timeout_s=12 * 3600),
        scaling_config=train.ScalingConfig(num_workers=workers, use_gpu=use_gpu),
        run_config=train.RunConfig(
            name=request.run.name,
            storage_path=str(workspace().absolute() / "ray"),
        ),
    )


def train_worker(config: dict[str, Any]) -> None:
    """One process of the run, as Ray Train calls it on every node."""
    from ray import train

    context, request = train.get_context(), config["request"]
    os.environ |= {
        "RANK": str(context.get_world_rank()),
        "WORLD_SIZE": str(context.get_world_size()),
        "LOCAL_RANK": str(context.get_local_rank()),
    }
    stop = _StopQuestion(config["stop_request"])
    options = FitOptions(report=ignore_event, device=request.device, stop=stop)
    if request.recipe is None or has_run(request.run):
        resume(request.run, options)
        return
    fit(
        request.recipe,
        absolute_folders(request.data),
        options,
        run=request.run,
        version=request.version,
        retry_of=request.retry_of,
        annotation=request.annotation,
    )


class _StopQuestion:
    """Asks the cluster now and then whether to stop."""

    def __init__(self, stop_request: Any):
        self._stop_request, self._asked, self._answer = stop_request, 0.0, False

    def __call__(self) -> bool:
        import ray

        if time.monotonic() - self._asked > ASK_EVERY_S:
            self._answer = bool(ray.get(self._stop_request.is_set.remote()))
            self._asked = time.monotonic()
        return self._answer


@contextmanager
def _forward_stop(ray: ModuleType, stop: Callable[[], bool]) -> Iterator[Any]:
    """Tell the cluster when the command is asked to stop, while the block runs."""
    stop_request = ray.remote(StopRequest).options(num_cpus=0).remote()
    has_ended = threading.Event()

    def watch() -> None:
        while not has_ended.wait(ASK_EVERY_S):
            if stop():
                ray.get(stop_request.set.remote())
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield stop_request
    finally:
        has_ended.set()
        watcher.join()


def _count_workers(ray: ModuleType, use_gpu: bool) -> int:
    return max(1, int(ray.cluster_resources().get("GPU" if use_gpu else "CPU", 1)))


def _require_room(ray: ModuleType, workers: int, use_gpu: bool) -> None:
    room = _count_workers(ray, use_gpu)
    if workers > room:
        raise ScaleError(
            f"the cluster has room for {room} processes, and {workers} were asked for; give --workers {room}, or add "
            "nodes"
        )


def find_own_error(error: Exception) -> SilhouetteError | None:
    """The error of this program that ended a process; None where a process or a node was lost."""
    failures: Sequence[object] = list(getattr(error, "worker_failures", {}).values())
    for failure in failures:
        for cause in (
            failure,
            getattr(failure, "cause", None),
            getattr(failure, "__cause__", None),
        ):
            for kind in (TrainingStopped, Cancelled):
                if isinstance(cause, kind):
                    return kind(str(cause))
            if isinstance(cause, SilhouetteError):
                return RunError(str(cause))
    return None


def _explain_loss(error: Exception, run: Path) -> RunError:
    first = (str(error).strip() or type(error).__name__).splitlines()[-1]
    return RunError(
        f"the run ended on the cluster ({first:.200}); what it has kept lies in {run}. Resume it with --resume, on any "
        "number of processes"
    )
