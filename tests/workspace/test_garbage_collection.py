"""What is loaded for good is never looked at by the garbage collector; what came later still is, while nobody waits."""

import gc
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from cxr_core.workspace.garbage_collection import IdleCollector, load_for_good

PATIENCE_S = 30.0


class Ring:
    """An object that only the garbage collector can free."""

    def __init__(self) -> None:
        self.myself = self


def test_nothing_is_collected_while_loading_and_what_is_loaded_is_exempt():
    exempt = gc.get_freeze_count()
    try:
        with load_for_good():
            assert not gc.isenabled()
            loaded = weakref.ref(Ring())
        assert gc.isenabled()
        assert gc.get_freeze_count() > exempt
        later = weakref.ref(Ring())
        gc.collect()
        assert loaded() is not None
        assert later() is None
    finally:
        gc.unfreeze()


def test_collection_that_was_off_stays_off():
    gc.disable()
    try:
        with load_for_good():
            pass
        assert not gc.isenabled()
    finally:
        gc.unfreeze()
        gc.enable()


@pytest.fixture
def garbage() -> Iterator["weakref.ref[Ring]"]:
    """Garbage that nothing but an explicit collection frees."""
    gc.collect()
    gc.disable()
    yield weakref.ref(Ring())
    gc.enable()


def test_garbage_is_collected_once_nothing_is_done(garbage):
    collector = IdleCollector(idle_s=0.01)
    assert garbage() is not None
    collector.put_off()
    deadline = time.monotonic() + PATIENCE_S
    while garbage() is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert garbage() is None


def test_whoever_is_busy_puts_it_off(garbage):
    collector = IdleCollector(idle_s=PATIENCE_S, longest_wait_s=1e6)
    collector.put_off()
    first = collector._timer
    collector.put_off()
    assert first.finished.is_set(), "it was cancelled"
    assert collector._timer is not first
    assert garbage() is not None
    collector._timer.cancel()


def test_it_is_put_off_no_longer_than_the_longest_wait(garbage):
    collector = IdleCollector(idle_s=0.2, longest_wait_s=0.2)
    deadline = time.monotonic() + PATIENCE_S
    while garbage() is not None and time.monotonic() < deadline:
        collector.put_off()  # far more often than it would be idle
        time.sleep(0.01)
    assert garbage() is None


RESIDENT_MB_AFTER_IDLENESS = """
import sys
import time
import numpy as np
import psutil
from cxr_core.workspace.garbage_collection import IdleCollector
from cxr_core.workspace.malloc import keep_freed_memory

def resident_mb():
    return psutil.Process().memory_info().rss >> 20

if not keep_freed_memory():
    sys.exit(77)
before = resident_mb()
arrays = [np.ones(1 << 17) for _ in range(100)]
top = np.ones(1 << 10)  # the arrays do not lie at the end of the memory, which malloc returns more easily
del arrays
kept = resident_mb() - before
IdleCollector(idle_s=0.01).put_off()
deadline = time.monotonic() + 30
while resident_mb() - before > 20 and time.monotonic() < deadline:
    time.sleep(0.02)
print(kept, resident_mb() - before)
"""


def test_freed_memory_is_kept_while_something_is_done_and_returned_afterwards():
    done = subprocess.run(
        [sys.executable, "-c", RESIDENT_MB_AFTER_IDLENESS],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    if done.returncode == 77:
        pytest.skip("malloc is not the GNU C library's")
    kept, returned = map(int, done.stdout.split())
    assert kept >= 80
    assert returned <= 20
