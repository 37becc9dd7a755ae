"""What every test may ask for, and where films are decoded."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

# One thread each: the networks of tests are tiny, and threads that wait for one another on busy cores cost minutes.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from cxr_core.data import prepare
from cxr_core.data.cache.worker import GRIDS, FilmAnswer, FilmDecoder, FilmTask, GridFile
from cxr_core.data.cache.worker_pool import WorkerPool
from cxr_core.models.networks.torchvision_compat import declare_missing_operators

# A shell starts what it runs in the background with Ctrl-C ignored, and the commands under test would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

declare_missing_operators()  # before any test module imports pytorch-grad-cam, and with it torchvision

ROOT = Path(__file__).parents[1]
# Tests with these markers decode films as the program does, in processes; see `decode_films_here`.
DECODE_IN_PROCESSES = ("process", "release", "browser", "slow")
# Files with any of these markers are run first.
TAKE_LONG = (*DECODE_IN_PROCESSES, "training", "corpus", "network_zoo")
decode_films_in_processes = WorkerPool.decode_films


def decode_films_here(pool: WorkerPool, tasks: Sequence[FilmTask]) -> Iterator[FilmAnswer]:
    """Decode films in the process of the tests: starting another one costs more than the few small films."""
    with closing(GridFile(pool._folder / GRIDS, os.getppid())) as grids:
        decoder = FilmDecoder(pool._folder, grids, examine=pool._examine)
        for task in tasks:
            yield FilmAnswer.from_json(decoder.decode_file(task).to_json())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long, so that short ones keep all workers busy until the end."""
    long = {item.path for item in items if any(map(item.get_closest_marker, TAKE_LONG))}
    items.sort(key=lambda item: item.path not in long)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Choose where this test's films are decoded, before the fixtures of its module are made."""
    in_processes = any(item.get_closest_marker(name) for name in DECODE_IN_PROCESSES)
    WorkerPool.decode_films = decode_films_in_processes if in_processes else decode_films_here
    prepare.prepare_apart = prepare.prepare_here  # see tests/data/test_prepare_apart.py


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real films, from CXR_REAL_DATA or beside the repository; the test is skipped without it."""
    folder = Path(os.environ.get("CXR_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real films in {folder}; set CXR_REAL_DATA to the folder that holds them")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _no_test_writes_here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A workspace for all tests together: what one has decoded, another need not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXR_WORKSPACE", str(tmp_path_factory.mktemp("workspace")))
        yield


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace of the test's own, so that nothing is written anywhere else."""
    folder = tmp_path / "workspace"
    monkeypatch.setenv("CXR_WORKSPACE", str(folder))
    return folder
