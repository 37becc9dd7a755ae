"""What the training page costs: a hundred runs listed, five long ones watched, a film read while a run trains."""

import json
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

from benchmarks.reading import png
from benchmarks.served import ROOT, chromium, serve
from benchmarks.table import Row, milliseconds, p95
from benchmarks.training import RECIPE
from cxr_core.jobs import actions, files, status
from cxr_core.jobs.job import TrainingRequest
from cxr_core.reading.reader import Reader
from cxr_core.training.recipe.recipe_file import format_recipe
from cxr_core.training.runs import run_files
from cxr_core.training.runs.progress import read_progress
from cxr_core.workspace.process_id import ProcessId, send_signal

RUNS, LINES, ROUNDS, FILMS = 100, 100_000, 6, 16
RERUNS = 40
LOADING_MS = 20_000
# A trial run: whether this part still works, at a size that says nothing about speed.
TRIAL = {
    "RUNS": 6,
    "LINES": 500,
    "ROUNDS": 1,
    "FILMS": 2,
    "RERUNS": 2,
    "LOADING_MS": 2_000,
}
# How many rows the table has, which is drawn in a shadow root; undefined before it is there.
ROWS = """() => [...document.querySelectorAll('[class*=st-key-runs] *')]
    .map(each => each.shadowRoot?.querySelector('[role=grid]')).find(Boolean)?.ariaRowCount"""
# Clicks on a state and waits, frame by frame, for a table of other rows; timed inside the page.
CLICK_AND_WAIT = f"""async () => {{
    const rows = {ROWS}, before = rows(), started = performance.now();
    [...document.querySelectorAll('button')].find(each => each.innerText.trim() === 'Finished').click();
    while (!rows() || rows() === before) await new Promise(requestAnimationFrame);
    return performance.now() - started;
}}"""


def rows() -> list[Row]:
    with own_workspace() as place:
        listed = [listing(place / str(number)) for number in range(RUNS)]
        list_ms = p95([milliseconds(status.list_runs) for _ in range(40)])
        first_ms, again_ms = watching(listed[:5])
    with own_workspace() as place:
        for number in range(RUNS):
            listing(place / str(number), finished=number % 2 == 0)
        reruns, seen = page_with_runs(place.parent)
    with own_workspace() as place:
        idle, training = reading(place)
    return [
        Row(f"list of {RUNS} runs, p95", list_ms, "ms", "<= 200"),
        Row(
            f"Train page with {RUNS} runs: the server's rerun of the whole page, p95",
            p95(reruns),
            "ms",
            "<= 150",
        ),
        Row(
            f"Train page with {RUNS} runs: a state chosen, until the browser shows it, p95",
            p95(seen),
            "ms",
            "<= 300",
        ),
        Row(f"five runs of {LINES:,} events, seen for the first time", first_ms, "ms", "<= 5000"),
        Row("the same five, seen again", again_ms, "ms", "<= 200"),
        Row(
            "film read while a run trains / while it is halted, p95",
            p95(training) / p95(idle),
            "x",
            "<= 2",
        ),
        Row("the same, median", statistics.median(training) / statistics.median(idle), "x", ""),
    ]


@contextmanager
def own_workspace() -> Iterator[Path]:
    """A workspace for a while; the folder of its runs."""
    before = os.environ.get("CXR_WORKSPACE")
    with tempfile.TemporaryDirectory() as name:
        os.environ["CXR_WORKSPACE"] = name
        (Path(name) / "runs").mkdir()
        try:
            yield Path(name) / "runs"
        finally:
            os.environ.pop("CXR_WORKSPACE")
            if before is not None:
                os.environ["CXR_WORKSPACE"] = before


def listing(run: Path, finished: bool = True) -> Path:
    """The folder of a run that ended."""
    run.mkdir()
    if finished:
        (run / "model").mkdir()
    (run / run_files.RUN_RECIPE).write_text(format_recipe(RECIPE))
    record = {
        "token": run.name,
        "recipe": "bench",
        "model": "bench",
        "data": ["films"],
        "device": "cpu",
    }
    files.write_record(run, run_files.REQUEST, {**record, "processes": 1, "submitted": 0.0})
    return run


def page_with_runs(workspace: Path) -> tuple[list[float], list[float]]:
    """ms of the server's reruns of the page; and ms from a click on a state to the table of its runs in a browser."""
    with serve(ROOT, workspace) as server, chromium() as browser:
        tab = browser.new_page()
        tab.goto(f"{server.address}/train")
        tab.wait_for_function(ROWS, timeout=120_000)
        tab.wait_for_timeout(
            LOADING_MS
        )  # the models, which every server loads after its first page, are there by then
        seen = [tab.evaluate(CLICK_AND_WAIT) for _ in range(RERUNS)]
        tab.close()
        return reruns_of("train", server.address), seen


def reruns_of(page: str, address: str) -> list[float]:
    """ms from asking the server to run a page again to its word that the page has run, without any browser."""
    asked = BackMsg()
    asked.rerun_script.page_name = page
    place = f"{address.replace('http', 'ws', 1)}/_stcore/stream"
    with connect(place, subprotocols=["streamlit"], max_size=None) as socket:
        times = [
            milliseconds(lambda: _run_page(socket, asked.SerializeToString()))
            for _ in range(RERUNS + 1)
        ]
    return times[1:]


def _run_page(socket: ClientConnection, asked: bytes) -> None:
    """Raises RuntimeError when the page that was run has no table."""
    socket.send(asked)
    told: set[str | None] = set()
    while "script_finished" not in told:
        message = ForwardMsg.FromString(bytes(socket.recv()))
        told |= {message.WhichOneof("type"), message.delta.new_element.WhichOneof("type")}
    shows_table = (
        "bidi_component" in told or "ref_hash" in told
    )  # the hash of one that was sent before
    if not shows_table:
        raise RuntimeError(f"the page showed no table, only {told}")


def watching(runs: list[Path]) -> tuple[float, float]:
    """ms to see five long runs for the first time, and again after each has told one thing more."""
    told = {
        "time": 1.0,
        "event": "step",
        "of": LINES,
        "epoch": 1,
        "loss": 0.5,
        "learning_rate": 0.1,
    }
    for run in runs:
        lines = (
            json.dumps({**told, "step": step, "images_per_second": 9.0, "eta_s": 1.0})
            for step in range(LINES)
        )
        (run / run_files.RUN_PROGRESS).write_text("\n".join(lines) + "\n")
    began = time.perf_counter()
    seen = [read_progress(run) for run in runs]
    first_ms = 1000 * (time.perf_counter() - began)
    for run in runs:
        with (run / run_files.RUN_PROGRESS).open("a") as file:
            file.write(json.dumps({**told, "step": LINES}) + "\n")
    return first_ms, milliseconds(
        lambda: [read_progress(run, before) for run, before in zip(runs, seen, strict=True)]
    )


def reading(place: Path) -> tuple[list[float], list[float]]:
    """ms to read films while a run is halted and while it trains, in turn, so that the machine's drift meets both."""
    run = actions.submit_training(
        TrainingRequest(
            recipe=replace(RECIPE, epochs=1000), data=(str(films(place.parent)),), token="bench"
        )
    )
    while not read_progress(run.folder).step:
        if not status.load_job(run.id).live and status.load_job(run.id).state != "queued":
            raise RuntimeError(status.load_job(run.id).sentence)
        time.sleep(0.2)
    process = files.read_process(run.folder)
    assert process is not None
    try:
        return turns(process)
    finally:
        send_signal(process, signal.SIGKILL)
        while status.load_job(run.id).live:
            time.sleep(0.05)


def turns(trainer: ProcessId) -> tuple[list[float], list[float]]:
    """ms of reading, the trainer halted in every other round."""
    times: tuple[list[float], list[float]] = [], []
    data = [png(seed) for seed in range(FILMS)]
    with Reader.installed() as reader:
        reader.warm()
        for film in data[:4]:
            reader.examine(film)
        for turn in range(2 * ROUNDS):
            send_signal(trainer, signal.SIGCONT if turn % 2 else signal.SIGSTOP)
            times[turn % 2].extend(
                milliseconds(lambda film=film: reader.examine(film)) for film in data
            )
    return times


def films(place: Path) -> Path:
    """A folder of random pictures in two classes."""
    chance = np.random.default_rng(0)
    for label in ("NORMAL", "PNEUMONIA"):
        folder = place / "films" / "train" / label
        folder.mkdir(parents=True)
        for number in range(40):
            name = (
                f"person{number}_virus_{number}.png"
                if label == "PNEUMONIA"
                else f"IM-{number:04d}-0001.png"
            )
            Image.fromarray(chance.integers(0, 256, (160, 160), np.uint8)).save(folder / name)
    return place / "films"
