"""Locks: held by one process, given back when it is killed, and looked at without getting in anybody's way."""

import os
import signal
import threading
from pathlib import Path

from cxr_core.workspace.process_id import current_process
from cxr_core.workspace.process_lock import find_lock_holder, hold_lock


def test_one_holds_it_and_others_see_who(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert find_lock_holder(path) is None
    with hold_lock(path) as first, hold_lock(path) as second:
        assert (first, second) == (True, False)
        assert find_lock_holder(path) == current_process()
    assert find_lock_holder(path) is None
    with hold_lock(path) as third:
        assert third


def test_a_killed_holder_gives_it_back(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with hold_lock(path) as held:
            os.write(writer, b"held" if held else b"not held")
            signal.pause()
    assert os.read(reader, 20) == b"held"
    holder = find_lock_holder(path)
    assert holder is not None
    assert holder.pid == child
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert find_lock_holder(path) is None
    with hold_lock(path) as held:
        assert held


def test_looking_at_a_lock_never_keeps_anybody_from_taking_it(tmp_path: Path) -> None:
    """Version 0.1 took a shared lock to look, so that who wanted the lock at that moment was turned away."""
    path = tmp_path / "lock"
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            find_lock_holder(path)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        taken = []
        for _ in range(200):
            with hold_lock(path) as held:
                taken.append(held)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert taken == [True] * 200
