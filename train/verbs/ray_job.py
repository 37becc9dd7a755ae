"""python -m cxr_core ray-job http://HOST:8265 -- train.fit RECIPE --data DIR: carry out a command on a Ray cluster.

The command becomes a Ray Job, whose output is shown until it ends; Ctrl-C stops it. --follow and --stop take the name
of a job. Every node needs this program, the workspace and the data under the same paths; see docs/scale.md.
"""

from __future__ import annotations

import argparse
import os
import sys

from cxr_core.jobs import files
from cxr_core.jobs.heartbeat import WATCHED_JOB, Heartbeat, find_own_job
from cxr_core.scale.ray_job import ENDED, PENDING, JobServer, RayCommand, make_job_name
from cxr_core.training.runs.events import StageBegun
from train.command_line.arguments import Parser
from train.command_line.command import command
from train.command_line.progress import stop_on_signals

PROGRAMS = ("train.", "cxr_core", "torch.distributed.run")  # what a command begins with
RECORD = "ray_job.json"  # of a job of the page: how it is called on the cluster


@command("cxr_core ray-job")
def main(arguments: list[str] | None = None) -> None:
    """Parse, submit, follow. 3 when the command fails, is stopped or is refused, or the cluster is gone."""
    parser = _parser()
    own, remote_command = _split(sys.argv[1:] if arguments is None else arguments)
    given = parser.parse_args(own)
    server = JobServer(given.server)
    if given.stop:
        server.stop(given.stop)
        print(f"{given.stop} was asked to stop")
        return
    if not given.follow and not remote_command:
        parser.error("give a command after --, or --follow or --stop")
    if remote_command and not remote_command[0].startswith(PROGRAMS):
        parser.error(f"{remote_command[0]!r:.80} is no command of this program, such as train.fit")
    is_stopped = stop_on_signals()
    with Heartbeat(show=lambda event: None) as heartbeat:
        server.follow(
            given.follow or _begin(server, given, remote_command),
            show=lambda text: print(text, end="", flush=True),
            tell=lambda status: heartbeat.report(StageBegun(stage=_describe(status))),
            stop=is_stopped,
        )


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """The arguments before `--`, and the command after it."""
    place = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:place], arguments[place + 1 :]


def _begin(server: JobServer, given: argparse.Namespace, remote_command: list[str]) -> str:
    """The name of the job: submitted now, or that of the page's job which still runs since it was last followed."""
    own = find_own_job()
    if own is None:
        name, environment = make_job_name(remote_command[0]), {}
    else:
        former = files.read_record(own, RECORD)
        if former.get("server") == server.address and _is_running(server, str(former.get("job"))):
            return str(former["job"])
        name, environment = make_job_name(own.name), {WATCHED_JOB: str(own)}
        files.write_record(own, RECORD, {"server": server.address, "job": name})
    ray_command = RayCommand(
        arguments=remote_command,
        folder=os.getcwd(),
        cores=given.cores,
        gpus=given.gpus,
        environment=environment,
    )
    server.submit(name, ray_command)
    print(f"{name} was submitted to {server.address}", file=sys.stderr)
    return name


def _is_running(server: JobServer, job: str) -> bool:
    status = server.find_status(job)
    return status is not None and status not in ENDED


def _describe(status: str) -> str:
    if status == PENDING:
        return "waits until a node of the cluster has room"
    return "runs on the cluster"


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m cxr_core ray-job", description=__doc__)
    parser.usage = "%(prog)s [options] SERVER -- COMMAND ..."
    parser.add_argument(
        "server",
        help="address of the dashboard on the cluster's head node, such as http://10.0.0.1:8265",
    )
    parser.add_argument("--follow", metavar="JOB", help="show the output of a job submitted before")
    parser.add_argument("--stop", metavar="JOB", help="ask a job to end; a run keeps a checkpoint")
    for name, what, default in (("cores", "cores", 1), ("gpus", "GPUs", 0)):
        parser.add_argument(
            f"--{name}",
            type=int,
            choices=range(default, 1025),
            default=default,
            metavar="N",
            help=f"{what} of one node that the job takes (default {default})",
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
