"""Freed memory stays with the process for the next large array; what held a film is erased once for all who ask."""

import math
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cxr_core.workspace import malloc

COUNT_FAULTS = """
import resource, sys
import numpy as np
from cxr_core.workspace.malloc import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit(77)
np.ones(1 << 23)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(1 << 23)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", COUNT_FAULTS, how],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    if done.returncode == 77:
        pytest.skip("malloc is not the GNU C library's")
    return int(done.stdout)


def test_pages_are_fetched_once():
    assert faults("keep") * 10 < faults("give back")


def test_memory_is_erased_once_for_all_who_ask_and_again_for_who_asks_during_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, may_end = threading.Semaphore(0), threading.Semaphore(0)

    def erase() -> None:
        begun.release()
        assert may_end.acquire(timeout=30)

    monkeypatch.setattr(malloc, "ERASE_AFTER_S", 0.2)
    monkeypatch.setattr(malloc, "ERASE_APART_S", 0)
    monkeypatch.setattr(malloc, "ERASE_AGAIN_AFTER_S", 3600)
    monkeypatch.setattr(malloc, "erase_freed_memory", erase)
    for _ in range(3):
        malloc.erase_soon()
    assert begun.acquire(timeout=30)
    malloc.erase_soon()  # while the first one runs
    may_end.release()
    assert begun.acquire(timeout=30)
    may_end.release()
    assert not begun.acquire(timeout=0.5), "three requests at once need one erasure"
    assert malloc._erasing_again is not None
    malloc._erasing_again.cancel()


def test_memory_is_erased_once_more_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a session that was ending still held the first time is then free."""
    erased = threading.Semaphore(0)
    monkeypatch.setattr(malloc, "ERASE_AFTER_S", 0.1)
    monkeypatch.setattr(malloc, "ERASE_APART_S", 0)
    monkeypatch.setattr(malloc, "ERASE_AGAIN_AFTER_S", 0.2)
    monkeypatch.setattr(malloc, "erase_freed_memory", erased.release)
    malloc.erase_soon()
    assert erased.acquire(timeout=30)
    assert erased.acquire(timeout=30)
    assert not erased.acquire(timeout=0.5)


def test_where_memory_is_freed_all_the_time_erasures_are_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    delays: list[float] = []

    def start_timer(seconds: float, function: Callable[[], None]) -> threading.Timer:
        delays.append(seconds)
        return threading.Timer(seconds, function)

    monkeypatch.setattr(malloc, "_start_timer", start_timer)
    monkeypatch.setattr(malloc, "_erasing", None)
    monkeypatch.setattr(malloc, "_erased_at", -math.inf)
    monkeypatch.setattr(malloc, "erase_freed_memory", lambda: None)
    malloc.erase_soon()
    malloc._erase_for_all()
    malloc.erase_soon()
    first, _again, second = delays
    assert first == malloc.ERASE_AFTER_S
    assert malloc.ERASE_APART_S - 1 < second <= malloc.ERASE_APART_S


def test_the_next_erasure_stands_for_the_second_one_of_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where films are cleared all the time, memory is erased once every ERASE_APART_S and not twice."""
    started: list[Callable[[], None]] = []
    erased: list[None] = []

    def start_timer(seconds: float, function: Callable[[], None]) -> threading.Timer:
        started.append(function)
        return threading.Timer(seconds, function)

    monkeypatch.setattr(malloc, "_start_timer", start_timer)
    monkeypatch.setattr(malloc, "_erasing", None)
    monkeypatch.setattr(malloc, "erase_freed_memory", lambda: erased.append(None))
    malloc.erase_soon()
    started.pop()()
    second = started.pop()
    malloc.erase_soon()
    second()
    assert len(erased) == 1
    started.pop()()
    started.pop()()
    assert len(erased) == 3, "after the last one memory is erased once more"


@pytest.mark.skipif(sys.platform != "linux", reason="the GNU C library keeps blocks by thread")
@pytest.mark.parametrize("size", [40, 100, 512, 700, 1032])
def test_a_small_block_that_a_thread_keeps_is_overwritten(size: int) -> None:
    code = (
        "import ctypes; from cxr_core.workspace import malloc; malloc.overwrite_freed_memory();"
        "c = ctypes.CDLL(None); c.malloc.restype = ctypes.c_void_p; c.free.argtypes = [ctypes.c_void_p];"
        f"block = c.malloc({size}); ctypes.memset(block, 65, {size}); c.free(block);"
        f"read = lambda: ctypes.string_at(block + 16, {size} - 16).count(b'A'); before = read();"
        "malloc.overwrite_kept_blocks(); print(before, read())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert (before > 0, after) == (True, 0)
