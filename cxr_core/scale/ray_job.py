"""Carries out one of this program's commands as a Ray Job: submits it, shows its log, and stops it.

By the job server of a cluster's head node, over HTTP: the machine that submits needs no Ray.
Source: https://docs.ray.io/en/latest/cluster/running-applications/job-submission/rest.html
"""

import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

import httpx

from cxr_core.errors import Cancelled, ScaleError
from cxr_core.scale.cluster import build_node_environment
from cxr_core.workspace.json_files import JsonObject
from cxr_core.workspace.paths import printable

PENDING, SUCCEEDED, STOPPED, FAILED = "PENDING", "SUCCEEDED", "STOPPED", "FAILED"
ENDED = (SUCCEEDED, STOPPED, FAILED)
ANSWER_S = 20.0  # for one answer
POLL_S = 3.0
LOST_S = 120.0  # without an answer, the cluster counts as gone
# A run keeps a checkpoint before it stops, and a scoring its last shard; after that Ray ends them by force.
STOP_WITHIN_S = 900


@dataclass(frozen=True, kw_only=True)
class RayCommand:
    """What a Ray Job executes: `python -m` with these arguments, in this folder, which all nodes have.

    cores, gpus: that a node must have free.  environment: set as well.
    """

    arguments: Sequence[str]
    folder: str
    cores: int = 1
    gpus: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)

    def to_json(self, job: str) -> JsonObject:
        """The request that submits it. job: how it is called on the cluster."""
        command = shlex.join([sys.executable, "-u", "-m", *self.arguments])
        variables = build_node_environment() | {
            "OMP_NUM_THREADS": str(self.cores),
            "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WITHIN_S),
        }
        return {
            "submission_id": job,
            # exec: the signal that stops a job goes to the command itself, once
            "entrypoint": f"cd {shlex.quote(self.folder)} && exec {command}",
            "entrypoint_num_cpus": self.cores,
            "entrypoint_num_gpus": self.gpus,
            "runtime_env": {"env_vars": {**variables, **self.environment}},
        }


class JobServer:
    """The job server of a cluster. Every method raises ScaleError, and ClusterSilent where it does not answer."""

    def __init__(self, address: str):
        """address: `http://HOST:PORT` of the dashboard. Raises ScaleError for anything else."""
        self.address = address.rstrip("/")
        if not address.startswith(("http://", "https://")):
            raise ScaleError(
                f"{printable(address)!r:.200} is not the address of a job server; give that of the cluster's "
                "dashboard, such as http://10.0.0.1:8265"
            )

    def submit(self, job: str, command: RayCommand) -> None:
        """Start a command, which begins as soon as a node has room."""
        self._ask("POST", "", command.to_json(job))

    def find_status(self, job: str) -> str | None:
        """PENDING, RUNNING, SUCCEEDED, STOPPED or FAILED; None for a job that the cluster does not know."""
        answer = self._ask("GET", job)
        return None if answer is None else str(answer.get("status"))

    def read_log(self, job: str) -> str:
        """What the command of a job has written so far."""
        return str((self._ask("GET", f"{job}/logs") or {}).get("logs") or "")

    def stop(self, job: str) -> None:
        """Ask a job to end: SIGTERM, and after STOP_WITHIN_S by force."""
        if self._ask("POST", f"{job}/stop") is None:
            raise self._unknown(job)

    def follow(
        self,
        job: str,
        show: Callable[[str], None],
        tell: Callable[[str], None],
        stop: Callable[[], bool],
    ) -> None:
        """Wait until a job has ended, and stop it when asked to.

        show: given what the command writes.  tell: given the status at each look. Raises Cancelled for a job that was
        stopped, ScaleError for one that failed, that the cluster does not know any more, or when the cluster is gone.
        """
        shown, answered, is_stopping = 0, time.monotonic(), False
        while True:
            try:
                status, log = self.find_status(job), self.read_log(job)
                if stop() and not is_stopping:
                    self.stop(job)
                    is_stopping = True
            except ClusterSilent:
                if time.monotonic() - answered > LOST_S:
                    raise
            else:
                answered = time.monotonic()
                show(log[shown:])
                shown = len(log)
                if status is None:
                    raise self._unknown(job)
                tell(status)
                if status in ENDED:
                    return _require_success(job, status, log)
            time.sleep(POLL_S)

    def _unknown(self, job: str) -> ScaleError:
        return ScaleError(
            f"the cluster at {self.address} knows no job {printable(job)!r:.200}: it was restarted, or the name is "
            "mistyped. What the job had finished is kept; submit it again"
        )

    def _ask(self, method: str, place: str, content: object = None) -> JsonObject | None:
        """The answer of the server; None where it knows no such job."""
        url = f"{self.address}/api/jobs/{place}"
        try:
            answer = httpx.request(method, url, json=content, timeout=ANSWER_S)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise ClusterSilent(
                f"the cluster at {printable(self.address)} does not answer ({type(error).__name__}). Is its head node "
                "running, with ray[default]? A job that was submitted may go on there"
            ) from error
        if answer.status_code == HTTPStatus.NOT_FOUND and place:
            return None
        try:
            answer.raise_for_status()
            found = answer.json()
        except (httpx.HTTPStatusError, ValueError) as error:
            first = next((line for line in reversed(answer.text.splitlines()) if line.strip()), "")
            raise ScaleError(
                f"{printable(self.address)} does not answer as the job server of a Ray cluster does (status "
                f"{answer.status_code}: {printable(first):.200}); give the address of its dashboard"
            ) from error
        return found if isinstance(found, dict) else {}


class ClusterSilent(ScaleError):
    """A job server that does not answer, or not now."""


def make_job_name(start: str) -> str:
    """A name for a job that no other job of the cluster has. start: what it begins with."""
    return f"{start}-{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(3).hex()}"


def _require_success(job: str, status: str, log: str) -> None:
    if status == STOPPED:
        raise Cancelled(f"{job} was stopped on the cluster; what it had finished is kept")
    if status == FAILED:
        lines = [line for line in log.splitlines() if line.strip()]
        last = lines[-1] if lines else "it wrote nothing"
        raise ScaleError(f"{job} failed on the cluster: {printable(last):.500}")
