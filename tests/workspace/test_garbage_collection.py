"""Garbage is collected once nothing has been done for a while, and at the latest after the longest wait."""

import gc
import time
import weakref
from collections.abc import Iterator

import pytest

from cxr_core.workspace.garbage_collection import IdleCollector

PATIENCE_S = 30.0


class Cycle:
    """An object that only the garbage collector frees."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _no_other_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def make_garbage() -> "weakref.ref[Cycle]":
    return weakref.ref(Cycle())


def is_collected(garbage: "weakref.ref[Cycle]") -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while garbage() is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    return garbage() is None


def test_garbage_is_collected_once_nothing_is_done() -> None:
    garbage = make_garbage()
    assert garbage() is not None
    IdleCollector(idle_s=0.01).put_off()
    assert is_collected(garbage)


def test_whoever_is_busy_puts_it_off() -> None:
    collector, garbage = IdleCollector(idle_s=PATIENCE_S, longest_wait_s=1e6), make_garbage()
    collector.put_off()
    first = collector._timer
    collector.put_off()
    assert first is not None
    assert first.finished.is_set(), "the first timer was cancelled"
    assert collector._timer is not first
    assert garbage() is not None
    assert collector._timer is not None
    collector._timer.cancel()


def test_it_is_put_off_no_longer_than_the_longest_wait() -> None:
    collector, garbage = IdleCollector(idle_s=0.2, longest_wait_s=0.2), make_garbage()
    deadline = time.monotonic() + PATIENCE_S
    while garbage() is not None and time.monotonic() < deadline:
        collector.put_off()  # far more often than it would be idle
        time.sleep(0.01)
    assert garbage() is None
