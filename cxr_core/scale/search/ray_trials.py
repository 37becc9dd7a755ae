"""Works on a search on a Ray cluster: a process on each core takes trials until all are done.

The study and the runs lie on a disk that all nodes share. A process or a node that ends leaves its trial behind, and
another one takes it up from its last checkpoint.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cxr_core.errors import Cancelled, ScaleError, SilhouetteError
from cxr_core.scale.cluster import connect_to_cluster
from cxr_core.scale.search.results import write_results
from cxr_core.scale.search.search_folder import SearchFolder
from cxr_core.scale.search.study import OptunaStudy
from cxr_core.scale.search.trials import Tell, count_ended, work_on_trials
from cxr_core.training.fit import FitOptions
from cxr_core.training.runs.events import ignore_event

PURPOSE = "a search on a cluster"
WAIT_S = 2.0
MAX_ENDS = 10  # of processes in a row without a trial that has ended between them


def work_on_cluster(
    study: OptunaStudy, wanted: int, address: str, storage: str, options: FitOptions, tell: Tell
) -> None:
    """Take trials on every core of a cluster until so many have ended.

    storage: the URL of the study's database; empty for the search's own journal. Raises ScaleError where there is no
    cluster or its processes end again and again, Cancelled when asked to stop, and what a trial raises.
    """
    ends, ended = 0, count_ended(study)
    if ended >= wanted:  # nothing is worth a minute in which workers start
        return
    with connect_to_cluster(address, PURPOSE) as ray:
        work = ray.remote(work_on_node).options(num_cpus=1, max_retries=0)
        arguments = (study.search.path, wanted, storage, options.device)
        count = min(wanted - ended, max(1, int(ray.cluster_resources().get("CPU", 1))))
        running = [work.remote(*arguments) for _ in range(count)]
        while running:
            done, running = ray.wait(running, num_returns=1, timeout=WAIT_S)
            tell(count_ended(study), wanted)
            write_results(study)
            if options.stop():
                for task in running:
                    ray.cancel(task, force=True)
                raise Cancelled("stopped; the search goes on when the command is repeated")
            if count_ended(study) > ended:
                ends, ended = 0, count_ended(study)
            for task in done:
                if _has_died(ray, task):
                    ends += 1
                    running.append(work.remote(*arguments))
            if ends > MAX_ENDS:
                raise ScaleError(
                    f"{ends} processes of the cluster ended before a trial did; look at the memory of its nodes. The "
                    "search goes on when the command is repeated"
                )


def work_on_node(path: Path, wanted: int, storage: str, device: str) -> None:
    """What one process does."""
    study = OptunaStudy(SearchFolder.load(path), storage)
    work_on_trials(study, wanted, FitOptions(report=ignore_event, device=device), _ignore_counts)


def _ignore_counts(done: int, total: int) -> None:
    """The caller counts."""


def _has_died(ray: Any, task: Any) -> bool:
    """Whether a process has ended without a result. Raises the error of this program that has ended it."""
    try:
        ray.get(task)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        if isinstance(cause, SilhouetteError):
            raise ScaleError(str(cause)) from error
        raise
    except ray.exceptions.RayError:
        return True
    return False
