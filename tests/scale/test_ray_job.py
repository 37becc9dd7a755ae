"""Commands and jobs of the page on a cluster: by Ray's own job server, and what is said when that is gone."""

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from cxr_core.errors import Cancelled
from cxr_core.jobs import actions, commands, files, status
from cxr_core.jobs.job import TrainingRequest
from cxr_core.jobs.records import ScoringRequest
from cxr_core.scale import ray_job
from cxr_core.training.runs import run_files
from tests.jobs.job_control import kill, process_of, until
from tests.lit_films import lit_films
from tests.pacs.orthanc import find_free_ports
from tests.scale.scoring.bench import draw_films, read_rows
from tests.tiny import TINY_RECIPE
from train.verbs.ray_job import RECORD, main

pytestmark = pytest.mark.process

PATIENCE_S = 400.0  # Ray starts a process for each job, on a busy machine slowly


@pytest.fixture(scope="module")
def head() -> Iterator[str]:
    """The job server of a cluster of one node of two cores."""
    pytest.importorskip("ray", reason="needs the extra `cluster`")
    names = ("port", "dashboard-port", "ray-client-server-port", "dashboard-agent-listen-port")
    ports = dict(zip(names, find_free_ports(len(names)), strict=True))
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
        command += [f"--{name}={port}" for name, port in ports.items()]
        command += ["--num-cpus=2", f"--object-store-memory={100 << 20}", f"--temp-dir={folder}"]
        command += ["--node-ip-address=127.0.0.1", "--disable-usage-stats"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        url = f"http://127.0.0.1:{ports['dashboard-port']}"
        try:
            until(lambda: _answers(url), "the job server answers", _pause, PATIENCE_S)
            yield url
        finally:
            process.terminate()  # which ends what it has started, too
            process.wait(timeout=60)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/jobs/", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _pause() -> None:
    time.sleep(0.5)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_command_runs_on_the_cluster_and_its_error_comes_back(head, workspace, capsys):
    assert main([head, "--", "train.runs", "--help"]) == 0
    assert "list the runs of the workspace" in capsys.readouterr().out
    assert main([head, "--", "cxr_core", "score", "--data=/nowhere/", "--out=/nowhere/x"]) == 3
    assert "failed on the cluster: cxr_core score: there is no folder /nowhere/" in (
        capsys.readouterr().err
    )
    assert main([head, "--stop", "nobody"]) == 3
    assert "knows no job 'nobody'" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_job_of_the_page_is_followed_again_after_a_kill(head, tmp_path, workspace, monkeypatch):
    monkeypatch.setenv(commands.JOBS_ON, head)
    films = draw_films(tmp_path / "films", 40)
    job = actions.submit_scoring((str(films),), "mine")
    wait_until(job.id, lambda now: now.progress.done > 0, "films are read")
    former = files.read_record(job.folder, RECORD)["job"]
    kill(process_of(job.id))
    wait_until(job.id, lambda now: now.state == "interrupted", "nobody follows it")
    actions.submit_again(job.id)
    now = wait_until(job.id, lambda now: not now.active, "it has ended")
    assert now.state == "finished", now.sentence
    assert files.read_record(job.folder, RECORD)["job"] == former
    assert len(read_rows(job.folder / "scores")) == 40
    output = (job.folder / run_files.JOB_FOLDER / run_files.OUTPUT).read_text()
    assert "40 films" in output


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_stop_reaches_the_job_on_the_cluster(head, tmp_path, workspace, monkeypatch):
    monkeypatch.setenv(commands.JOBS_ON, head)
    films = draw_films(tmp_path / "films", 40)
    job = actions.submit_scoring((str(films),), "mine")
    wait_until(job.id, lambda now: now.progress.done > 0, "films are read")
    actions.stop_job(job.id)
    now = wait_until(job.id, lambda now: not now.active, "it has ended")
    assert (now.state, "was stopped on the cluster" in now.sentence) == ("stopped", True)
    assert 0 < len(read_rows(job.folder / "scores")) < 40


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_run_of_the_page_goes_on_after_it_was_stopped_on_the_cluster(
    head, tmp_path, workspace, monkeypatch
):
    monkeypatch.setenv(commands.JOBS_ON, head)
    data = lit_films(tmp_path / "films", train=24, test=4)
    recipe = replace(TINY_RECIPE, epochs=150)
    request = TrainingRequest(recipe=recipe, data=(str(data),), token="one", device="cpu")
    job = actions.submit_training(request)
    wait_until(job.id, lambda _: run_files.last_checkpoint_step(job.folder), "an epoch has ended")
    actions.stop_job(job.id)
    now = wait_until(job.id, lambda now: not now.active, "it has stopped")
    assert now.state == "stopped", now.sentence
    step = run_files.last_checkpoint_step(job.folder)
    actions.resume_run(job.id)
    now = wait_until(job.id, lambda now: not now.active, "it has ended")
    assert now.state == "finished", now.sentence
    assert (job.folder / run_files.MODEL / "card.json").is_file()
    resumed = f'"event": "resumed", "step": {step}'
    assert resumed in (job.folder / run_files.RUN_PROGRESS).read_text()


def wait_until(job: str, condition, what: str):
    until(lambda: condition(status.load_job(job)), what, _pause, PATIENCE_S)
    return status.load_job(job)


class JobServerOfTests(BaseHTTPRequestHandler):
    """Answers as a script says: a status for each look at a job, None for a job that is not known."""

    script: list[str | None]
    stopped: list[str]
    log = "first line\nlast line\n"

    def do_GET(self):
        if self.path.endswith("/logs"):
            return self.answer(200, {"logs": self.log})
        state = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if state is None:
            return self.answer(404, {})
        return self.answer(200, {"status": state})

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.endswith("/stop"):
            self.stopped.append(self.path)
        self.answer(200, {"submission_id": "x"})

    def answer(self, code: int, content: dict) -> None:
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def script(monkeypatch) -> Iterator[tuple[str, type[JobServerOfTests]]]:
    """A job server that answers by its script."""
    monkeypatch.setattr(ray_job, "POLL_S", 0.01)
    kind = type("Scripted", (JobServerOfTests,), {"script": ["RUNNING"], "stopped": []})
    server = HTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", kind
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("script_of_job", "code", "says"),
    [
        (["PENDING", "RUNNING", "SUCCEEDED"], 0, ""),
        (["RUNNING", "FAILED"], 3, "x failed on the cluster: last line"),
        (["RUNNING", "STOPPED"], 3, "x was stopped on the cluster; what it had finished is kept"),
        (["RUNNING", None], 3, "knows no job 'x': it was restarted"),
    ],
)
def test_a_job_is_followed_to_its_end(script, script_of_job, code, says, capsys):
    url, server = script
    server.script = script_of_job
    assert main([url, "--follow", "x"]) == code
    output = capsys.readouterr()
    assert output.out == server.log  # each line once, however often the job is looked at
    assert says in output.err


def test_a_job_that_is_to_stop_is_told_so_once(script):
    url, server = script
    server.script = ["RUNNING"] * 5 + ["STOPPED"]
    with pytest.raises(Cancelled, match="was stopped on the cluster"):
        ray_job.JobServer(url).follow("x", lambda _: None, lambda _: None, stop=lambda: True)
    assert server.stopped == ["/api/jobs/x/stop"]


def test_a_cluster_that_is_gone_is_said_to_be_gone(script, monkeypatch, capsys):
    monkeypatch.setattr(ray_job, "LOST_S", 0.05)
    (port,) = find_free_ports(1)
    assert main([f"http://127.0.0.1:{port}", "--follow", "x"]) == 3
    assert "does not answer (ConnectError). Is its head node running" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["127.0.0.1:8265", "--", "train.fit"], 3, "is not the address of a job server"),
        (["http://127.0.0.1:8265"], 2, "give a command after --"),
        (["http://127.0.0.1:8265", "--", "rm", "-r"], 2, "'rm' is no command of this program"),
        (["http://127.0.0.1:8265", "--cores=0", "--", "train.fit"], 2, "--cores"),
    ],
)
def test_mistakes_are_answered_with_a_sentence(arguments, code, says, capsys):
    try:
        found = main(arguments)
    except SystemExit as stopped:
        found = stopped.code
    assert found == code
    assert says in capsys.readouterr().err


def test_jobs_of_the_page_are_handed_over_where_a_cluster_is_named(tmp_path, monkeypatch):
    request = ScoringRequest(data=("s3://bucket",))
    here = commands.build_job_command(tmp_path, request)
    monkeypatch.setenv(commands.JOBS_ON, "http://head:8265")
    monkeypatch.setenv(commands.JOBS_CORES, "4")
    there = commands.build_job_command(tmp_path, request)
    assert there[1:6] == ["-m", "train.verbs.ray_job", "--cores=4", "http://head:8265", "--"]
    assert there[6:] == here[2:]
