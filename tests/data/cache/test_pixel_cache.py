"""The pixel cache, on small synthetic films: what it holds, when it decodes, and what survives a kill."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from filelock import FileLock

from cxr_core.data.cache import file_hashes, worker_pool
from cxr_core.data.cache import pixel_cache as cache_module
from cxr_core.data.cache.pixel_cache import PixelCache
from cxr_core.data.cache.worker import GridFile
from cxr_core.errors import Cancelled, DataError, FileTimedOut
from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.limits import MAX_BYTES
from cxr_core.film.preprocess import InputSpec, to_grid
from cxr_core.film.quality import find_quality_flags
from cxr_core.workspace.outside_files import FileIdentity

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[3]
SPEC = InputSpec(side=32, channels=1)


def draw(path: Path, seed: int, side: int = 96) -> Path:
    """An image of smooth noise, in the container of its suffix."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (8, 8)).astype(np.uint8)
    cv2.imwrite(str(path), cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC))
    return path


@pytest.fixture
def films(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "films"
    folder.mkdir()
    return [draw(folder / f"film{i}.{'jpg' if i % 3 == 0 else 'png'}", i) for i in range(40)]


@pytest.fixture
def cache(tmp_path: Path) -> PixelCache:
    return PixelCache(SPEC, tmp_path / "cache")


def expected(path: Path, spec: InputSpec = SPEC) -> np.ndarray:
    return to_grid(decode_film(path.read_bytes()).pixels, spec)


def require_all(cache: PixelCache, paths: list[Path]) -> None:
    """Every film's grid is the one that decoding it gives."""
    grids = cache.open_grids()[cache.find_rows(paths)]
    assert all(
        np.array_equal(grid, expected(path, cache.spec))
        for grid, path in zip(grids, paths, strict=True)
    )


def record_decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files handed to decoding processes from now on."""
    decoded: list[str] = []
    run = cache_module.WorkerPool.decode_films

    def noted(self, tasks):
        decoded.extend(Path(task.path).name for task in tasks)
        return run(self, tasks)

    monkeypatch.setattr(cache_module.WorkerPool, "decode_films", noted)
    return decoded


def processes_of(folder: Path) -> int:
    """How many processes that fill this cache are alive."""
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    return sum(str(folder).encode() in line for line in lines)


def patched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Run some code at the start of every Python process begun from here."""
    place = tmp_path / "site"
    place.mkdir()
    (place / "sitecustomize.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(place))


def test_grid_equals_reading_the_film(cache: PixelCache, films: list[Path]) -> None:
    steps: list[tuple[int, int]] = []
    cache.build(films, lambda done, total: steps.append((done, total)))
    require_all(cache, films)
    assert steps[0] == (0, 40)
    assert steps[-1] == (40, 40)
    found = cache.load_entries(films)
    assert found["width"].tolist() == [96] * 40
    assert found["bits"].tolist() == [8] * 40


@pytest.mark.parametrize(
    "spec",
    [
        InputSpec(side=48, aspect="pad"),
        InputSpec(side=40, equalisation="clahe"),
        InputSpec(side=32, reduce_to=16, blur=0.7),
    ],
)
def test_each_geometry_has_a_cache_of_its_own(
    tmp_path: Path, films: list[Path], spec: InputSpec
) -> None:
    for each in (SPEC, spec):
        PixelCache(each, tmp_path / "cache").build(films[:6])
    require_all(PixelCache(SPEC, tmp_path / "cache"), films[:6])
    require_all(PixelCache(spec, tmp_path / "cache"), films[:6])
    other_mean = replace(spec, mean=0.3, channels=1)
    assert (
        PixelCache(other_mean, tmp_path / "cache").folder
        == PixelCache(spec, tmp_path / "cache").folder
    )


def test_nothing_is_decoded_twice(
    cache: PixelCache, films: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.build(films[:30])
    decoded = record_decoded(monkeypatch)
    cache.build(films[:30])
    assert decoded == []
    cache.build(films)
    assert sorted(decoded) == sorted(path.name for path in films[30:])


def test_moved_film_keeps_its_grid(cache: PixelCache, films: list[Path]) -> None:
    cache.build(films[:5])
    row = cache.find_rows(films[:1])[0]
    moved = films[0].rename(films[0].with_name("elsewhere.jpg"))
    assert cache.load_entries(films[:1])["sha256"].isna().all()
    cache.build([moved])
    assert cache.find_rows([moved])[0] == row


def test_changed_file_with_its_old_time_is_another_film(
    cache: PixelCache, films: list[Path]
) -> None:
    cache.build(films)
    times = films[1].stat()
    draw(films[1], seed=1000)
    os.utime(films[1], ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(DataError, match=r"film1\.png has no pixels: it is missing, or has changed"):
        cache.find_rows(films)
    cache.build(films)
    require_all(cache, films)


def test_same_image_in_two_containers_has_the_same_pixels(
    cache: PixelCache, films: list[Path]
) -> None:
    copy = films[0].with_suffix(".bmp.png")
    cv2.imwrite(str(copy), cv2.imread(str(films[0]), cv2.IMREAD_UNCHANGED))
    cache.build([films[0], copy, films[1]])
    hashes = cache.load_entries([films[0], copy, films[1]])["pixels"]
    assert hashes[0] == hashes[1] != hashes[2]


def test_file_that_is_no_film_has_its_reason(cache: PixelCache, films: list[Path]) -> None:
    page = films[0].with_name("page.png")
    page.write_text("<html>404</html>")
    half = films[0].with_name("half.png")
    half.write_bytes(films[1].read_bytes()[:300])
    gone = films[0].with_name("gone.png")
    unread = cache.build([*films[:3], page, half, gone])
    assert unread == {str(gone): "there is no such file or folder"}
    found = cache.load_entries([*films[:3], page, half, gone])
    assert found["row"].tolist()[3:] == [-1, -1, -1]
    assert "web page" in found["reason"][3]
    assert "cut short" in found["reason"][4]
    require_all(cache, films[:3])
    with pytest.raises(DataError, match=r"page\.png has no pixels: This file is a web page"):
        cache.find_rows([page])


def test_examining_notes_what_quality_says(
    cache: PixelCache, films: list[Path], monkeypatch
) -> None:
    cache.build(films[:4])
    assert cache.load_entries(films[:4])["concerns"].isna().all()
    rows = cache.find_rows(films[:4]).tolist()
    cache.build(films[:4], examine=True)
    expected_flags = [
        "|".join(c.code for c in find_quality_flags(decode_film(path.read_bytes())))
        for path in films[:4]
    ]
    assert cache.load_entries(films[:4])["concerns"].tolist() == expected_flags
    assert cache.find_rows(films[:4]).tolist() == rows
    decoded = record_decoded(monkeypatch)
    cache.build(films[:4], examine=True)
    assert decoded == []


BUILD = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from cxr_core.data.cache import pixel_cache
from cxr_core.film.preprocess import InputSpec
pixel_cache.COMMIT_FILMS = 3
films = sorted(Path(sys.argv[1]).iterdir())
pixel_cache.PixelCache(InputSpec(side=32, channels=1), Path(sys.argv[2])).build(
    films, lambda done, total: print(done, flush=True), workers=2)
"""


@pytest.mark.parametrize("moment", [1, 9, 25])
def test_a_killed_build_continues(
    tmp_path: Path,
    cache: PixelCache,
    films: list[Path],
    moment: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", BUILD, str(films[0].parent), str(tmp_path / "cache")],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    while int(process.stdout.readline()) < moment:
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    films = sorted(films)
    known = [
        path
        for path, sha in zip(films, cache.load_entries(films)["sha256"].notna(), strict=True)
        if sha
    ]
    assert len(known) < len(films)
    if known:
        require_all(cache, known)
    decoded = record_decoded(monkeypatch)
    cache.build(films)
    assert len(decoded) == len(films) - len(known)
    require_all(cache, films)


def test_stopping_keeps_decoded_films_and_leaves_no_process(
    cache: PixelCache, films: list[Path]
) -> None:
    def stop(done: int, total: int) -> None:
        if done == 10:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        cache.build(films, stop)
    known = cache.load_entries(films)["sha256"].notna()
    assert known.sum() == 10
    deadline = time.monotonic() + 10
    while processes_of(cache.folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_of(cache.folder) == 0
    cache.build(films)
    require_all(cache, films)


CRASH = """
import os, cxr_core.film.decoding.decode as module
plain = module.decode_film
def decode_film(data):
    if data.endswith(b"CRASH"):
        os.kill(os.getpid(), 11)
    return plain(data)
module.decode_film = decode_film
"""


def test_film_that_crashes_the_decoder_affects_no_other(
    tmp_path: Path, cache: PixelCache, films: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    patched(tmp_path, monkeypatch, f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{CRASH}")
    bad = films[0].with_name("bad.png")
    bad.write_bytes(films[1].read_bytes() + b"CRASH")
    cache.build([*films[:20], bad, *films[20:]])
    require_all(cache, films)
    found = cache.load_entries([bad])
    assert found["refused"].tolist() == ["decoder_died"]
    assert "broke the decoder" in found["reason"][0]


# The film ends its process so often; the file beside it counts.
CRASH_AT_FIRST = """
import os, cxr_core.film.decoding.decode as module
from pathlib import Path
plain = module.decode_film
def decode_film(data):
    if data.endswith(b"CRASH"):
        counter = Path(os.environ["CRASHES"])
        crashes = len(counter.read_text()) if counter.exists() else 0
        if crashes < int(os.environ["CRASH_TIMES"]):
            counter.write_text("x" * (crashes + 1))
            os.kill(os.getpid(), int(os.environ["CRASH_SIGNAL"]))
    return plain(data.removesuffix(b"CRASH"))
module.decode_film = decode_film
"""


@pytest.fixture
def crash(
    tmp_path: Path, films: list[Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[[int, int], Path]:
    """A film that ends its process so many times by a signal, and decodes from then on."""
    patched(
        tmp_path, monkeypatch, f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{CRASH_AT_FIRST}"
    )

    def make(number: int, times: int) -> Path:
        monkeypatch.setenv("CRASHES", str(tmp_path / "crashes"))
        monkeypatch.setenv("CRASH_TIMES", str(times))
        monkeypatch.setenv("CRASH_SIGNAL", str(number))
        bad = films[0].with_name("bad.png")
        bad.write_bytes(films[1].read_bytes() + b"CRASH")
        return bad

    return make


@pytest.mark.parametrize(
    ("number", "times"),
    [(signal.SIGSEGV, 2), (signal.SIGPROF, 2), (signal.SIGKILL, 3), (signal.SIGTERM, 3)],
)
def test_film_is_blamed_only_for_what_it_did_alone_twice(
    cache: PixelCache, films: list[Path], crash: Callable[[int, int], Path], number: int, times: int
) -> None:
    bad = crash(number, times)
    assert cache.build([*films[:5], bad, *films[5:9]], workers=1) == {}
    assert cache.load_entries([bad])["refused"].isna().all()
    require_all(cache, films[:9])


def test_film_that_took_too_long_twice_is_refused_for_good(
    cache: PixelCache,
    films: list[Path],
    crash: Callable[[int, int], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad = crash(signal.SIGPROF, 100)
    cache.build([bad])
    assert cache.load_entries([bad])["refused"].tolist() == ["too_slow"]
    decoded = record_decoded(monkeypatch)
    cache.build([bad])
    assert decoded == []


# What a broken process, or one that a film has taken over, may send in place of an answer.
SENDS_NO_ANSWER = """
import cxr_core.workspace.child_process as module
plain = module.ParentConnection.send
def send(self, message, payload=b""):
    plain(self, {"path": 7} if "film" in message else message, payload)
module.ParentConnection.send = send
"""


def test_film_whose_process_sends_no_answer_is_refused(
    tmp_path: Path, cache: PixelCache, films: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{SENDS_NO_ANSWER}"
    patched(tmp_path, monkeypatch, code)
    assert cache.build(films[:2], workers=1) == {}
    assert cache.load_entries(films[:2])["refused"].tolist() == ["decoder_died"] * 2


def test_film_that_broke_the_decoder_is_tried_again_by_the_next_build(
    cache: PixelCache, crash: Callable[[int, int], Path]
) -> None:
    bad = crash(signal.SIGSEGV, 4)
    cache.build([bad])
    assert cache.load_entries([bad])["refused"].tolist() == ["decoder_died"]
    cache.build([bad])
    assert cache.load_entries([bad])["refused"].isna().all()
    assert cache.find_rows([bad])[0] >= 0


def test_processes_that_are_killed_all_the_time_end_the_build_with_the_reason(
    cache: PixelCache,
    films: list[Path],
    crash: Callable[[int, int], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker_pool, "MAX_KILLS", 3)
    bad = crash(signal.SIGKILL, 1000)
    with pytest.raises(
        DataError, match=r"3 decoding processes, .* ended by SIGKILL from outside.*bad\.png"
    ):
        cache.build([*films[:5], bad], workers=1)
    assert cache.load_entries([bad])["sha256"].isna().all()
    require_all(cache, films[:5])
    monkeypatch.setenv("CRASH_TIMES", "0")
    cache.build([bad])
    assert cache.find_rows([bad])[0] >= 0


def test_what_is_no_regular_file_is_not_read(cache: PixelCache, films: list[Path]) -> None:
    folder = films[0].parent
    os.mkfifo(folder / "pipe.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "large.png").write_bytes(b"")
    os.truncate(folder / "large.png", MAX_BYTES + 1)
    odd = [folder / "pipe.png", folder / "zero.png", folder / "large.png"]
    unread = cache.build([*odd, *films[:5]])
    assert [unread[str(path)] for path in odd] == [
        "it is a pipe, not a file",
        "it is a device, not a file",
        "it has 64 MB, and at most 64 MB are read",
    ]
    require_all(cache, films[:5])


def test_files_are_read_before_a_turn(
    tmp_path: Path, films: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is read for ever holds up its own build and no other."""
    answers, hanging = threading.Event(), threading.Event()
    plain = file_hashes.identify_outside_file

    def identify(path: str, max_bytes: int) -> FileIdentity:
        if path.endswith("film0.jpg"):
            hanging.set()
            assert answers.wait(120)
        return plain(path, max_bytes)

    monkeypatch.setattr(file_hashes, "identify_outside_file", identify)
    with ThreadPoolExecutor(1) as thread:
        held_up = thread.submit(PixelCache(SPEC, tmp_path / "cache").build, films)
        assert hanging.wait(60)
        cache = PixelCache(SPEC, tmp_path / "cache")
        cache.build(films[1:10])
        require_all(cache, films[1:10])
        assert not held_up.done()
        answers.set()
        assert held_up.result() == {}
    require_all(cache, films)


def test_a_disk_that_does_not_answer_ends_the_build(
    cache: PixelCache, films: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def identify(path: str, max_bytes: int) -> FileIdentity:
        raise FileTimedOut(path, "it was not read within 60 seconds", "check the disk")

    monkeypatch.setattr(file_hashes, "identify_outside_file", identify)
    with pytest.raises(DataError, match=r"3 files were not read in time.*check the disk"):
        cache.build(films)


def stop_once_waiting() -> None:
    raise Cancelled("stopped")


def test_waiting_for_a_turn_can_be_stopped(cache: PixelCache, films: list[Path]) -> None:
    with FileLock(cache.folder / ".lock"), pytest.raises(Cancelled):
        cache.build(films, on_wait=stop_once_waiting)
    cache.build(films)
    require_all(cache, films)


def test_full_disk_is_reported_and_keeps_decoded_films(
    tmp_path: Path, films: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = PixelCache(InputSpec(side=64, channels=1), tmp_path / "cache")
    cache.build(films[:8])
    limit = 20 * 64 * 64  # bytes a process may write into a file
    patched(
        tmp_path,
        monkeypatch,
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))",
    )
    with pytest.raises(
        DataError, match=r"cannot be filled further: File too large\. Free some space"
    ):
        cache.build(films)
    require_all(cache, films[:8])
    monkeypatch.delenv("PYTHONPATH")
    cache.build(films)
    require_all(cache, films)


def test_a_disk_that_turns_read_only_is_named_by_decoders_that_start_after_it(
    tmp_path: Path, films: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = PixelCache(InputSpec(side=64, channels=1), tmp_path / "cache")
    cache.build(films[:8])
    patched(tmp_path, monkeypatch, READ_ONLY_DISK)
    with pytest.raises(DataError) as refused:
        cache.build(films)
    says = f"{cache.folder} cannot be filled further: Read-only file system. Free some space"
    assert str(refused.value).startswith(says)
    monkeypatch.delenv("PYTHONPATH")
    cache.build(films)
    require_all(cache, films)


READ_ONLY_DISK = """
import errno, os, pathlib
original = pathlib.Path.open
def open_on_a_read_only_disk(path, mode="r", *rest, **options):
    if "+" in mode:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
    return original(path, mode, *rest, **options)
pathlib.Path.open = open_on_a_read_only_disk
"""


def test_two_builds_at_once_take_turns(tmp_path: Path, films: list[Path]) -> None:
    waited: list[bool] = []

    def build() -> None:
        PixelCache(SPEC, tmp_path / "cache").build(films, on_wait=lambda: waited.append(True))

    threads = [threading.Thread(target=build) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert waited
    require_all(PixelCache(SPEC, tmp_path / "cache"), films)


def test_unwritable_folder_and_damaged_index_are_reported(
    tmp_path: Path, films: list[Path]
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        PixelCache(SPEC, tmp_path / "file")
    cache = PixelCache(SPEC, tmp_path / "cache")
    cache.build(films[:2])
    for part in cache.folder.glob("index.sqlite*"):
        part.write_bytes(b"nonsense" * 1000)
    with pytest.raises(DataError, match=r"index\.sqlite cannot be used: file is not a database"):
        PixelCache(SPEC, tmp_path / "cache").load_entries(films)


def test_real_originals_with_and_without_alpha(tmp_path: Path, real_data: Path) -> None:
    films = sorted((real_data / "nih_originals_1024" / "images").iterdir())
    cache = PixelCache(InputSpec(side=128, channels=1), tmp_path / "cache")
    cache.build(films)
    require_all(cache, films)


def test_worker_without_its_parent_writes_no_grid(tmp_path: Path) -> None:
    """Its row may be another film's by then."""
    (tmp_path / "grids.u8").write_bytes(bytes(8))
    grid = np.full((2, 2), 7, np.uint8)
    with closing(GridFile(tmp_path / "grids.u8", parent=os.getppid())) as grids:
        grids.write_grid(grid, 1)
    with (
        closing(GridFile(tmp_path / "grids.u8", parent=os.getpid())) as orphaned,
        pytest.raises(SystemExit),
    ):
        orphaned.write_grid(grid, 0)
    assert (tmp_path / "grids.u8").read_bytes() == bytes([0] * 4 + [7] * 4)


def test_concurrent_opening_creates_the_cache_one_at_a_time(tmp_path: Path, monkeypatch) -> None:
    """SQLite fails at once, without waiting, where two turn one new file to write-ahead logging."""
    making, most = [], []
    plain = cache_module.CacheIndex.create_tables

    def create(self: cache_module.CacheIndex) -> None:
        making.append(self)
        most.append(len(making))
        time.sleep(0.05)
        plain(self)
        making.pop()

    monkeypatch.setattr(cache_module.CacheIndex, "create_tables", create)
    with ThreadPoolExecutor(6) as threads:
        opened = list(threads.map(lambda _: len(PixelCache(SPEC, tmp_path).open_grids()), range(6)))
    assert opened == [0] * 6
    assert most == [1]  # the others find it made
