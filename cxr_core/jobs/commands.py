"""Builds the command lines of jobs. No other module of the core names a command of `train`."""

import os
import sys
from pathlib import Path

from cxr_core.jobs.records import (
    EvaluationRequest,
    ScoringRequest,
    SearchRequest,
    SubmittedTraining,
)
from cxr_core.training.runs import run_files

TRAIN, EVALUATE = "train.fit", "train.evaluate"
AVERAGE, CROSS_VALIDATE, SEARCH = "train.average", "train.cross_validate", "train.search"
SPACE = "space.toml"  # of a search, beside its recipe
SCORE = "train.verbs.score"
SCORES = "scores"  # of a scoring, in the job's folder
RAY_JOB = "train.verbs.ray_job"
JOBS_ON = "CXR_JOBS_ON"  # the job server of a Ray cluster, on which jobs are carried out
JOBS_CORES = "CXR_JOBS_CORES"  # that each of them takes there
SEVERAL_PROCESSES = "torch.distributed.run"


def build_job_command(folder: Path, request: SubmittedTraining | EvaluationRequest) -> list[str]:
    """The command that carries out a job: program and arguments.

    With $CXR_JOBS_ON it hands the job's work to a Ray cluster and follows it there.
    """
    command = _build_local_command(folder, request)
    server = os.environ.get(JOBS_ON)
    if not server:
        return command
    cores = f"--cores={os.environ.get(JOBS_CORES) or 1}"
    return [sys.executable, "-m", RAY_JOB, cores, server, "--", *command[2:]]


def _build_local_command(folder: Path, request: SubmittedTraining | EvaluationRequest) -> list[str]:
    if isinstance(request, ScoringRequest):
        command = [sys.executable, "-m", SCORE, f"--out={folder / SCORES}", "--resume"]
        return [*command, *(f"--data={name}" for name in request.data)]
    if isinstance(request, SearchRequest):
        return _search_command(folder, request)
    if isinstance(request, EvaluationRequest):
        return _evaluation_command(folder, request)
    return _training_command(folder, request)


def _training_command(run: Path, request: SubmittedTraining) -> list[str]:
    """Trains a run, from its beginning or from where it stopped."""
    command = [sys.executable, "-m", TRAIN]
    if request.processes > 1:
        # `--`, or torchrun would take `--run` for an option of its own
        per_node = f"--nproc-per-node={request.processes}"
        command = [sys.executable, "-m", SEVERAL_PROCESSES, "--standalone", per_node]
        command += ["-m", "--", TRAIN]
    device = ["--device", request.device]
    if request.members:
        return _average_command(run, request)
    if run_files.has_run(run):
        return [*command, f"--resume={run}", *device]
    command += [str(run / run_files.JOB_FOLDER / run_files.JOB_RECIPE)]
    command += [f"--data={folder}" for folder in request.folders]
    command += [f"--run={run}", f"--version={request.version}"]
    if request.retry_of:
        command += [f"--retry-of={request.retry_of}"]
    return [*command, *device]


def _average_command(run: Path, request: SubmittedTraining) -> list[str]:
    """Averages the models of finished runs."""
    command = [sys.executable, "-m", AVERAGE, f"--run={run}", f"--version={request.version}"]
    command += [f"--data={folder}" for folder in request.folders]
    return [*command, "--", *request.members]


def _search_command(folder: Path, request: SearchRequest) -> list[str]:
    """Searches for settings, from the beginning or from where the search stopped."""
    place = folder / run_files.JOB_FOLDER
    command = [sys.executable, "-m", SEARCH, str(place / run_files.JOB_RECIPE)]
    command += [f"--data={name}" for name in request.data]
    command += [f"--space={place / SPACE}", f"--name={folder.name}", f"--trials={request.trials}"]
    command += [f"--validation-splits={request.validation_splits}"]
    return [*command, "--device", request.device]


def _evaluation_command(folder: Path, request: EvaluationRequest) -> list[str]:
    """Evaluates a model on one split of some data, into the job's folder; or the folds of a cross-validation."""
    if request.folds:
        return [sys.executable, "-m", CROSS_VALIDATE, f"--pool={request.model}"]
    command = [sys.executable, "-m", EVALUATE]
    command += [f"--data={name}" for name in request.data]
    command += [f"--split={request.split}", f"--out={folder}"]
    if request.recalibrate:
        command += [f"--recalibrate={request.recalibrate}"]
    if request.outside_population:
        command += ["--outside-population"]
    return [*command, "--", request.model]
