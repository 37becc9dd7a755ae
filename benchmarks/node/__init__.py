"""The receiving node against a shell: films a second from storescu to confirmed results, and of `read FOLDER`.

Both are measured in one run on the same films, without the start of either, and the archive is one that keeps nothing.
The shell is asked twice: for JSON alone, and for the same DICOM objects that the node makes. The node is run twice as
well: with all usual objects, and with the structured report alone.
"""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import psutil
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from benchmarks.table import Row
from cxr_core.dicom_io.node import node
from cxr_core.dicom_io.node.film_queue import FilmQueue, State
from cxr_core.dicom_io.node.overview import require_node_settings
from cxr_core.dicom_io.object_kinds import USUAL_KINDS
from cxr_core.dicom_io.pacs.archive import ObjectReference
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom
from cxr_core.workspace.malloc import keep_freed_memory
from cxr_core.workspace.openmp import let_idle_threads_sleep
from tests.system_tools import find_system_tool

ROOT = Path(__file__).parents[2]
FILMS, SIDE, WARM_UP = 72, 1024, 8
TRIAL = {"FILMS": 10, "SIDE": 256, "WARM_UP": 2}
SETTINGS = """
[archives.none]
url = "http://127.0.0.1:1/dicom-web"
[node]
port = {port}
peers = [{{ae_title = "BENCHMARK"}}]
quiet_s = 1.0
objects = {kinds}
"""


def rows() -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        films = folder / "films"
        films.mkdir()
        for number in range(FILMS):
            write_film(films / f"{number}.dcm", number)
        plain = measure_shell(films, [])
        with_results = measure_shell(films, ["--dicom", str(folder / "results")])
        received, peak_mb = measure_node(films, folder / "workspace", USUAL_KINDS)
        with_sr, _ = measure_node(films, folder / "workspace-sr", ("sr",))
    return [
        Row(
            "films/s of the node / of `read FOLDER --dicom`", received / with_results, "x", ">= 0.9"
        ),
        Row("films/s of the node / of `read FOLDER --json`", received / plain, "x", ">= 0.9"),
        Row(
            "films/s of the node, structured report alone / of `read FOLDER --json`",
            with_sr / plain,
            "x",
            ">= 0.9",
        ),
        Row("films/s of the node, from storescu to confirmed results", received, "/s", ""),
        Row("memory of the node at most, with its decoders", peak_mb, "MB", ""),
    ]


def write_film(path: Path, seed: int) -> None:
    """A drawn chest as a CR film of a patient of its own."""
    pixels = draw_phantom(PhantomSpec(height=SIDE, width=SIDE, seed=seed)).pixels
    film = Dataset()
    film.SOPClassUID, film.SOPInstanceUID = ComputedRadiographyImageStorage, generate_uid()
    film.StudyInstanceUID, film.SeriesInstanceUID = generate_uid(), generate_uid()
    film.Modality, film.PatientID, film.PatientAge, film.ViewPosition = (
        "CR",
        str(seed),
        "050Y",
        "PA",
    )
    film.Rows, film.Columns = pixels.shape
    film.SamplesPerPixel, film.PhotometricInterpretation = 1, "MONOCHROME2"
    film.BitsAllocated, film.BitsStored, film.HighBit, film.PixelRepresentation = 16, 12, 11, 0
    film.PixelData = np.rint(pixels * 4095).astype(np.uint16).tobytes()
    film.file_meta = FileMetaDataset()
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.save_as(path, enforce_file_format=True)


def measure_shell(films: Path, options: Sequence[str]) -> float:
    """Films a second of `read FOLDER`, by the times of its lines."""
    command = [sys.executable, "-m", "cxr_core", "read", str(films), "--json", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        times = [time.perf_counter() for _ in process.stdout]
    assert process.returncode == 0
    return rate_after_warm_up(times)


def measure_node(films: Path, workspace: Path, kinds: Sequence[str]) -> tuple[float, float]:
    """Films a second whose results, objects of these kinds, are confirmed; and the memory of the node in MB."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    workspace.mkdir()
    settings = SETTINGS.format(port=port, kinds=list(kinds))
    (workspace / "pacs.toml").write_text(settings, encoding="utf-8")
    code = "from benchmarks.node import run_node_without_archive as run; run()"
    environment = {**os.environ, "CXR_WORKSPACE": str(workspace)}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        storescu = find_system_tool("storescu") or sys.exit("storescu is missing: install dcmtk")
        sender = [storescu, "-aet", "BENCHMARK", "-aec", "SILHOUETTE", "127.0.0.1", str(port)]
        with subprocess.Popen([*sender, "+sd", str(films)]), FilmQueue(workspace / "node") as queue:
            times, peak_mb = watch_confirmations(queue, process.pid)
        process.terminate()
    return rate_after_warm_up(times), peak_mb


def watch_confirmations(queue: FilmQueue, pid: int) -> tuple[list[float], float]:
    """When each film was confirmed, and the most memory that the process and its children had, in MB."""
    times: list[float] = []
    peak, look_at = 0, 0.0
    process = psutil.Process(pid)
    while len(times) < FILMS:
        counts = queue.count_states()
        assert not counts.get(State.DEAD), counts
        times += [time.perf_counter()] * (counts.get(State.CONFIRMED, 0) - len(times))
        if time.perf_counter() > look_at:  # seldom, since that takes the node's time
            family = [process, *process.children(recursive=True)]
            peak = max(peak, sum(each.memory_info().rss for each in family))
            look_at = time.perf_counter() + 1
        time.sleep(0.05)
    return times, peak / 2**20


def rate_after_warm_up(times: Sequence[float]) -> float:
    """Films a second from the end of the first WARM_UP films on."""
    return (len(times) - WARM_UP) / (times[-1] - times[WARM_UP - 1])


class NoArchive:
    """Accepts everything, keeps nothing, and says that it holds it."""

    def __init__(self) -> None:
        self.sent = False

    def send(self, objects: Sequence[bytes]) -> None:
        """Accept objects."""
        self.sent = True

    def find_missing(self, objects: Sequence[ObjectReference]) -> tuple[ObjectReference, ...]:
        """All of them before they were sent, none after that."""
        was_sent, self.sent = self.sent, False
        return () if was_sent else tuple(objects)


def run_node_without_archive() -> None:
    """A node in this process, whose results go to NoArchive. Says when it receives, and ends with the process."""
    let_idle_threads_sleep()  # as the command does
    keep_freed_memory()
    replace_archive(lambda _: NoArchive())
    settings, own = require_node_settings()
    node.run_node(settings, own, threading.Event(), lambda: print("ready", flush=True))


def replace_archive(make: Callable[[object], NoArchive]) -> None:
    setattr(node, "open_results_archive", make)  # noqa: B010
