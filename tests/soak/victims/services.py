"""What runs beside a page, as victims: the decoders of uploads, the server itself, the scheduler with its jobs."""

import hashlib
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from cxr_core.errors import FilmRefused, RunError
from cxr_core.film.decoding.sandbox import DecodePool
from cxr_core.jobs import actions, files, scheduler, status
from cxr_core.jobs.job import TrainingRequest
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.workspace.json_files import write_json
from tests.free_ports import find_free_port
from tests.soak.tab import open_tab
from tests.soak.victims.program import Program, Site, require
from tests.soak.victims.site import RECIPE

ROOT = Path(__file__).parents[3]
STAND_INS = ROOT / "tests" / "jobs" / "stand_in"
FILMS, READINGS, RUNS = 24, 2, 2
START_S, DEATH_S = 120.0, 5.0


def _decode(site: Site) -> int:
    """Decode uploads on two processes, as the Read page does; a film whose process was killed twice is sent again."""
    paths = sorted(site.more_films.rglob("*.png"))[:FILMS]
    with DecodePool() as pool, ThreadPoolExecutor(4) as threads:

        def decode(path: Path) -> str:
            try:
                film = pool.decode(path.read_bytes())
            except FilmRefused as refusal:
                require("ended from outside" in str(refusal), str(refusal))
                film = pool.decode(path.read_bytes())
            return hashlib.sha256(film.pixels.tobytes()).hexdigest()

        hashes = dict(zip(map(str, paths), threads.map(decode, paths), strict=True))
    write_json(site.workspace / "decoded.json", {**hashes})
    return 0


def _read_decoded(site: Site) -> Any:
    return json.loads((site.workspace / "decoded.json").read_text())


def _serve(site: Site) -> int:
    """Serve the app and read films in a tab; a server that was killed is started again and the page opened anew."""
    film = next(site.films.rglob("*.png")).read_bytes()
    readings = 0
    while readings < READINGS:
        port = str(find_free_port())
        command = ["-m", "streamlit", "run", "app.py", "--server.port", port]
        server = subprocess.Popen([sys.executable, *command, "--server.headless", "true"], cwd=ROOT)
        try:
            _wait_until_healthy(server, port)
            while readings < READINGS and server.poll() is None:
                with open_tab(f"http://localhost:{port}") as tab:
                    tab.upload("film.png", film)
                    require(not tab.exceptions, f"the page shows an error: {tab.exceptions}")
                readings += 1
        except Exception as error:  # noqa: BLE001 - whatever a client meets when its server is killed
            try:
                server.wait(DEATH_S)
            except subprocess.TimeoutExpired:
                raise error from None
        finally:
            server.terminate()
            server.wait()
    return 0


def _wait_until_healthy(server: "subprocess.Popen[bytes]", port: str) -> None:
    deadline = time.monotonic() + START_S
    while server.poll() is None:
        require(time.monotonic() < deadline, f"no server within {START_S:.0f} s")
        try:
            if httpx.get(f"http://localhost:{port}/_stcore/health").text == "ok":
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise ConnectionError("the server was killed as it started")


def _queue_runs(site: Site) -> None:
    """Runs of a stand-in that waits for nothing, in their queue."""
    scheduler.ensure_scheduler = lambda: None
    for number in range(RUNS):
        request = TrainingRequest(recipe=RECIPE, data=("films",), token=str(number), device="cpu")
        job = actions.submit_training(request)
        (job.folder / "job" / "finish").touch()


def _watch_runs(site: Site) -> int:
    """What an open page does: start the scheduler, and go on with what ended early, until all is finished."""
    os.environ |= {"PYTHONPATH": str(STAND_INS), "CXR_RUN_NICENESS": "0"}
    deadline = time.monotonic() + START_S
    while _list_states() != ["finished"] * RUNS:
        require(time.monotonic() < deadline, f"the runs do not end: {_list_states()}")
        scheduler.ensure_scheduler()
        for job in status.list_runs():
            if "resume" in job.actions and not job.by_hand:
                try:
                    actions.resume_run(job.id)
                except RunError:  # it has just been started
                    continue
        time.sleep(0.1)
    return 0


def _list_states() -> list[str]:
    return [job.state for job in status.list_runs() if not job.by_hand]


def _inspect_runs(site: Site) -> None:
    jobs = [job for job in status.list_runs() if not job.by_hand]
    require(len(jobs) == RUNS, f"{len(jobs)} of {RUNS} runs are left")
    for job in jobs:
        require(files.read_request(job.folder), f"{job.id} has lost its request")
        finished = site.seen.setdefault("finished", [])
        require(job.state == "finished" or job.id not in finished, f"{job.id} is {job.state} again")
        if job.state == "finished":
            finished.append(job.id)


def _count_begun(site: Site) -> Any:
    """How often each run has begun: once, and the others go on."""
    runs = [job.folder for job in status.list_runs() if not job.by_hand]
    events = [[event["event"] for event in RunFolder(run).read_events()] for run in runs]
    return [names.count("finished") for names in events]


DECODERS = Program(
    name="decoders",
    work=_decode,
    inspect=lambda site: None,
    outcome=_read_decoded,
    targets=("all", "main", "child", "child"),
    share=6,
)
SERVER = Program(
    name="app server",
    work=_serve,
    inspect=lambda site: None,
    outcome=lambda site: None,
    targets=("child",),
    share=4,
)
QUEUE = Program(
    name="queue",
    begin=_queue_runs,
    work=_watch_runs,
    inspect=_inspect_runs,
    outcome=_count_begun,
    targets=("all", "main", "child", "child"),
    outlived=True,
    share=6,
)
