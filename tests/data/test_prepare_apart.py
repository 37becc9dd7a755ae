"""A preparation in its own process: stopped within seconds at every stage, whatever it waits for."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest
from filelock import FileLock

from cxr_core.data import prepare
from cxr_core.data.cache.pixel_cache import PixelCache
from cxr_core.data.prepare_apart import MODULE, prepare_apart
from cxr_core.data.registry import THUMBNAIL, datasets_folder, list_datasets
from cxr_core.errors import DataError
from pages.components.background_tasks import BackgroundTask
from tests.waiting import wait_until

pytestmark = [pytest.mark.usefixtures("workspace"), pytest.mark.process]

ROOT = Path(__file__).parents[2]
STOP_LIMIT_S = 2.0
# Where a preparation is made to stay for ever: the module and the function of each stage.
STAGES = {
    "listing a folder": ("cxr_core.data.sources.detect", "list_folders"),
    "reading a table": ("cxr_core.data.sources.csv_tables", "read_text_file"),
    "hashing": ("cxr_core.data.cache.file_hashes", "identify_outside_file"),
    "decoding": ("cxr_core.film.decoding.decode", "decode_film"),
    "examining": ("cxr_core.data.prepare", "run_checks"),
    "writing": ("cxr_core.data.prepare", "render_dataset_report"),
}
STAY = """
import os, sys, time
if {module!r} in sys.argv or "cxr_core.data" in " ".join(sys.orig_argv):
    sys.path.insert(0, {root!r})
    import {module} as stage
    def stay(*_, **__):
        open({reached!r}, "w").close()
        time.sleep(3600)
    stage.{function} = stay
"""


# What tests of other modules have left running in this process.
EARLIER: set[psutil.Process] = set()


@pytest.fixture(autouse=True)
def _leave_earlier_processes_out() -> None:
    EARLIER.update(psutil.Process().children(recursive=True))


@pytest.fixture(autouse=True)
def _in_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "prepare_apart", prepare_apart)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Four films with a table."""
    folder = tmp_path / "films"
    folder.mkdir()
    lines = ["image,patient,pneumonia"]
    for number in range(4):
        small = np.random.default_rng(number).integers(0, 256, (8, 8)).astype(np.uint8)
        picture = cv2.resize(small, (80, 80), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"film{number}.png"), picture)
        lines.append(f"film{number}.png,p{number},{number % 2}")
    (folder / "films.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture
def stay_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Make a stage of later preparations last for ever. Returns the file that appears once it is reached."""

    def stay(stage: str) -> Path:
        module, function = STAGES[stage]
        reached, site = tmp_path / "reached", tmp_path / "site"
        site.mkdir()
        code = STAY.format(module=module, function=function, root=str(ROOT), reached=str(reached))
        (site / "sitecustomize.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(site))
        return reached

    return stay


def start(folder: Path) -> BackgroundTask:
    return BackgroundTask(
        "prepare",
        str(folder),
        lambda task: prepare.prepare_dataset([folder], progress=task.report_progress),
    )


def processes() -> list[psutil.Process]:
    """The processes that this one and its children have started and that are alive."""
    return [
        process
        for process in psutil.Process().children(recursive=True)
        if process not in EARLIER
        and process.is_running()
        and process.status() != psutil.STATUS_ZOMBIE
    ]


def require_stopped(task: BackgroundTask) -> None:
    """Cancel a task: it ends in time, as a cancelled one, and leaves no process behind."""
    task.cancel()
    began = time.monotonic()
    assert task.wait(60)
    assert time.monotonic() - began < STOP_LIMIT_S
    assert (task.result, task.error, task.is_cancelled) == (None, "", True)
    wait_until(lambda: not processes(), 10)
    assert list_datasets() == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_preparation_can_be_stopped_at_every_stage(
    films: Path, stay_at: Callable[[str], Path], stage: str
) -> None:
    reached = stay_at(stage)
    task = start(films)
    wait_until(reached.exists)
    require_stopped(task)


@pytest.mark.parametrize("lock", ["cache", "registry"])
def test_a_preparation_that_waits_for_another_one_can_be_stopped(films: Path, lock: str) -> None:
    datasets_folder().mkdir(parents=True)
    folder = PixelCache(THUMBNAIL).folder if lock == "cache" else datasets_folder()
    with FileLock(folder / ".lock"):
        task = start(films)
        wait_until(lambda: task.stage == "waiting for another preparation")
        require_stopped(task)


def test_a_preparation_of_a_huge_table_can_be_stopped(tmp_path: Path) -> None:
    folder = tmp_path / "huge"
    folder.mkdir()
    with (folder / "films.csv").open("w") as file:
        file.write("image,patient,pneumonia\n")
        file.writelines(f"film{part},p,1\n" * 10_000 for part in range(400))
    task = start(folder)
    wait_until(lambda: any(process.cpu_times().user > 1.5 for process in processes()))
    require_stopped(task)


@pytest.mark.parametrize("stage", ["reading a table", "hashing", "decoding"])
def test_ctrl_c_stops_the_command(films: Path, stay_at: Callable[[str], Path], stage: str) -> None:
    reached = stay_at(stage)
    command = [sys.executable, "-m", "train.prepare", "--data", str(films)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        wait_until(reached.exists)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert time.monotonic() - began < STOP_LIMIT_S
    assert process.returncode == 130
    assert "stopped; what is decoded so far is kept" in errors
    assert "Traceback" not in errors
    wait_until(lambda: not processes(), 10)


def test_a_preparation_in_its_own_process_makes_the_same_dataset(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages: list[str] = []
    apart = prepare.prepare_dataset(
        [films], progress=lambda stage, done, total: stages.append(stage), name="films", note="why"
    )
    assert list(dict.fromkeys(stages)) == [
        "reading tables",
        "decoding",
        "examining",
        "looking for near-duplicates",
        "writing",
    ]
    monkeypatch.setattr(prepare, "prepare_apart", prepare.prepare_here)
    monkeypatch.setenv("CXR_WORKSPACE", str(tmp_path / "another"))
    here = prepare.prepare_dataset([films], name="films", note="why")
    assert apart.load_manifest().table.equals(here.load_manifest().table)
    assert apart.load_issues() == here.load_issues()
    with pytest.raises(DataError, match="there is no folder"):
        prepare.prepare_dataset([films / "nowhere"])


def kill_preparing_process(number: int) -> None:
    """Kill it once it is there, as the system does when memory runs out."""

    def find() -> list[psutil.Process]:
        return [process for process in processes() if MODULE in process.cmdline()]

    wait_until(lambda: bool(find()))
    for process in find():
        process.send_signal(number)


def test_a_preparation_that_is_killed_says_so_and_can_be_repeated(films: Path) -> None:
    killer = threading.Thread(target=kill_preparing_process, args=(signal.SIGKILL,))
    killer.start()
    with pytest.raises(DataError, match="ended by SIGKILL from outside"):
        prepare.prepare_dataset([films])
    killer.join()
    assert len(prepare.prepare_dataset([films]).load_manifest().select_usable().table) == 4


def test_a_preparation_ends_with_the_program_that_asked_for_it(
    films: Path, stay_at: Callable[[str], Path]
) -> None:
    reached = stay_at("reading a table")
    command = [sys.executable, "-m", "train.prepare", "--data", str(films)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as parent:
        wait_until(reached.exists)
        (child,) = [p for p in processes() if MODULE in p.cmdline()]
        parent.kill()
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 10)


class Killer:
    """A report of progress that kills one of the decoding processes after every few films."""

    def __init__(self) -> None:
        self.killed = 0
        self._next = 1
        self._rng = np.random.default_rng(17)

    def __call__(self, stage: str, done: int, total: int) -> None:
        workers = [p for p in processes() if "cxr_core.data.cache.worker" in p.cmdline()]
        if stage == "decoding" and done >= self._next and workers:
            self._next = done + int(self._rng.integers(3, 9))
            victim = workers[self._rng.integers(len(workers))]
            victim.send_signal((signal.SIGKILL, signal.SIGTERM)[self.killed % 2])
            self.killed += 1


def test_no_film_is_lost_when_decoding_processes_are_killed(
    tmp_path: Path, real_data: Path
) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    lines = ["image,patient,pneumonia"]
    for path in sorted((real_data / "nih_originals_1024" / "images").iterdir()):
        film = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        for rows in range(4):
            name = f"{path.stem}-{rows}.png"
            cv2.imwrite(str(folder / name), film[rows::2, ::2])
            lines.append(f"{name},p{path.stem},{rows % 2}")
    (folder / "films.csv").write_text("\n".join(lines))
    killer = Killer()
    dataset = prepare.prepare_dataset([folder], progress=killer)
    table = dataset.load_manifest().table
    assert table["status"].tolist() == ["present"] * len(lines[1:])
    assert killer.killed >= 5
    assert table["width"].notna().all()
