"""Decoding in a process apart: the same films, and whatever kills the process is a refusal."""

import gc
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from cxr_core.errors import OversizedFilm, UndecodableFilm
from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.decoding.sandbox import DecodePool, DecodeWorker
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom, encode_png
from tests.film.dicom_files import write_dicom

pytestmark = pytest.mark.process

GREY = np.random.default_rng(1).integers(0, 256, (70, 90), dtype=np.uint8)


def png(samples: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(samples).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


SMALL = png(GREY)


@pytest.fixture(scope="module")
def worker() -> Iterator[DecodeWorker]:
    warm = DecodeWorker()
    yield warm
    warm.close()


def pid_of(worker: DecodeWorker) -> int:
    worker.start()
    assert worker.pid is not None
    return worker.pid


def kill_idle(worker: DecodeWorker) -> None:
    """Kill its process and wait until it is dead (but not buried)."""
    process = Path("/proc", str(pid_of(worker)))
    os.kill(int(process.name), signal.SIGKILL)
    while alive(process):
        time.sleep(0.01)


def children() -> set[int]:
    """Living or dead, the children of this process that nobody has waited for."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == os.getpid():
            found.add(int(stat.parent.name))
    return found


@pytest.mark.parametrize(
    "data",
    [
        SMALL,
        encode_png(draw_phantom(PhantomSpec(height=300, width=200))),
        write_dicom(
            GREY,
            ViewPosition="PA",
            PatientAge="034Y",
            PixelSpacing=[0.2, 0.3],
            BodyPartExamined="CHEST",
        ),
    ],
    ids=["png", "drawing", "dicom"],
)
def test_the_same_film_to_the_last_bit(worker: DecodeWorker, data: bytes) -> None:
    apart, here = worker.decode(data), decode_film(data)
    assert np.array_equal(apart.pixels, here.pixels)
    assert apart.pixels.dtype == np.float32
    assert {**vars(apart), "pixels": None} == {**vars(here), "pixels": None}


def test_a_refusal_crosses_with_its_kind_code_and_words(worker: DecodeWorker) -> None:
    for data in (b"GIF89a", b"", SMALL[:-9], write_dicom(GREY, Rows=60000, Columns=60000)):
        with pytest.raises((UndecodableFilm, OversizedFilm)) as here:
            decode_film(data)
        with pytest.raises(here.type) as apart:
            worker.decode(data)
        assert (str(apart.value), apart.value.code) == (str(here.value), here.value.code)


def kill_each_new_process(worker: DecodeWorker, times: int, number: int = signal.SIGKILL) -> None:
    """Kill the worker's process while it decodes, and the ones after it, so many in all."""
    killed: set[int] = set()
    while len(killed) < times:
        pid = worker.pid
        if pid is not None and pid not in killed and seconds_computed(pid) > 0.05:
            os.kill(pid, number)
            killed.add(pid)
        time.sleep(0.005)


def seconds_computed(pid: int) -> float:
    """How long a process has computed, in all its threads."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system


BIG = png(np.random.default_rng(2).integers(0, 256, (4000, 4000), dtype=np.uint8))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_film_whose_process_is_ended_from_outside_is_read_by_the_next(number: int) -> None:
    worker = DecodeWorker()
    killer = threading.Thread(target=kill_each_new_process, args=(worker, 1, number))
    killer.start()
    try:
        assert worker.decode(BIG).shape == (4000, 4000)
        killer.join()
    finally:
        worker.close()


def test_a_film_whose_processes_are_all_ended_from_outside_is_not_called_damaged() -> None:
    worker = DecodeWorker()
    killer = threading.Thread(target=kill_each_new_process, args=(worker, 2))
    killer.start()
    try:
        with pytest.raises(UndecodableFilm, match=r"ended from outside twice.*SIGKILL") as refusal:
            worker.decode(BIG)
        killer.join()
        assert refusal.value.code == "decoder_ended"
        assert worker.decode(SMALL).shape == GREY.shape
    finally:
        worker.close()


def test_a_codec_that_crashes_is_blamed_on_the_film(worker: DecodeWorker) -> None:
    killer = threading.Thread(target=kill_each_new_process, args=(worker, 1, signal.SIGSEGV))
    worker.close()
    killer.start()
    with pytest.raises(UndecodableFilm, match="broke the decoder"):
        worker.decode(BIG)
    killer.join()
    assert worker.decode(SMALL).shape == GREY.shape


def test_a_process_that_died_while_idle_is_not_noticed(worker: DecodeWorker) -> None:
    kill_idle(worker)
    assert worker.decode(SMALL).shape == GREY.shape


def test_the_time_limit_stops_a_film() -> None:
    worker = DecodeWorker(time_limit=0.001)
    try:
        with pytest.raises(UndecodableFilm, match=r"longer than 0\.001 seconds") as refusal:
            worker.decode(png(np.zeros((7000, 7000), np.uint8)))
        assert refusal.value.code == "too_slow"
    finally:
        worker.close()


def test_the_memory_limit_stops_a_film_but_not_the_worker() -> None:
    worker = DecodeWorker(memory_limit=300 << 20)
    try:
        with pytest.raises(OversizedFilm, match="memory"):
            worker.decode(png(np.zeros((7900, 7900), np.uint8)))
        assert worker.decode(SMALL).shape == GREY.shape
    finally:
        worker.close()


def test_many_threads_share_two_workers() -> None:
    shapes = [(64 + i, 80) for i in range(24)]
    files = [png(np.full(shape, i, np.uint8)) for i, shape in enumerate(shapes)]
    with DecodePool(2) as pool, ThreadPoolExecutor(8) as threads:
        pool.warm()
        films = list(threads.map(pool.decode, files))
        assert [film.shape for film in films] == shapes
        assert [round(float(film.pixels[0, 0]) * 255) for film in films] == list(range(24))


def test_neither_zombies_nor_open_pipes_are_left(worker: DecodeWorker) -> None:
    worker.decode(SMALL)
    before, opened = children(), len(os.listdir("/proc/self/fd"))
    for turn in range(50):
        worker.decode(SMALL)
        if turn % 10 == 0:
            kill_idle(worker)
    worker.decode(SMALL)
    with DecodePool(2) as pool:
        pool.decode(SMALL)
    forgotten = DecodeWorker()
    forgotten.decode(SMALL)
    del forgotten
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == opened
    assert len(children()) == len(before)


def test_closed_is_not_for_ever() -> None:
    with DecodePool(1) as pool:
        pool.decode(SMALL)
        pool.close()
        assert pool.decode(SMALL).shape == GREY.shape


PARENT = """
import os, sys, time
from cxr_core.film.decoding.sandbox import DecodeWorker
worker = DecodeWorker()
worker.start()
sys.stdout.write(str(worker.pid)); sys.stdout.flush()
os.kill(os.getpid(), 9)
"""


def test_a_worker_ends_with_its_parent_from_any_directory(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    parent = subprocess.run(
        [sys.executable, "-c", PARENT],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
    )
    orphan = Path("/proc", parent.stdout.decode())
    deadline = time.monotonic() + 120  # it may still be importing
    while time.monotonic() < deadline and alive(orphan):
        time.sleep(0.1)
    assert not alive(orphan)


def alive(process: Path) -> bool:
    try:
        return (process / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_worker_loads_neither_torch_nor_streamlit() -> None:
    imports = "import cxr_core.film.decoding.decode, cxr_core.film.decoding.sandbox_process, sys"
    code = f"{imports}; print({{'torch', 'streamlit'}} & {{*sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[3], capture_output=True, text=True
    )
    assert done.stdout.strip() == "set()"
