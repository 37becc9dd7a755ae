"""Readings have their turns in order; those that wait are told, and those that go away hold nobody up."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom, encode_png
from pages.components import cache
from pages.components.read.reading_queue import FILMS_A_TURN, ReadingQueue, Turn
from tests.pages.app_bench import upload, visible_text


class TabClosed(Exception):
    pass


def ignore(before: int) -> None:
    pass


def test_no_more_are_read_at_once_than_there_are_places() -> None:
    queue, lock = ReadingQueue(places=2), threading.Lock()
    reading, most = 0, 0

    def read() -> None:
        nonlocal reading, most
        with queue.take_turn(ignore) as turn:
            with lock:
                reading += 1
                most = max(most, reading)
            turn.count_film()
            with lock:
                reading -= 1

    with ThreadPoolExecutor(16) as threads:
        for done in [threads.submit(read) for _ in range(100)]:
            done.result(timeout=60)
    assert most <= 2


def test_they_are_read_in_the_order_in_which_they_came() -> None:
    queue, order = ReadingQueue(places=1), []
    told: list[tuple[str, int]] = []
    threads = []

    def tell(name: str, queued: threading.Event) -> Callable[[int], None]:
        def show_waiting(before: int) -> None:
            told.append((name, before))
            queued.set()

        return show_waiting

    def read(name: str, queued: threading.Event) -> None:
        with queue.take_turn(tell(name, queued)):
            order.append(name)

    with queue.take_turn(ignore):
        for name in "abc":
            queued = threading.Event()
            threads.append(threading.Thread(target=read, args=(name, queued)))
            threads[-1].start()
            assert queued.wait(timeout=30)
    for thread in threads:
        thread.join(timeout=30)
    assert order == ["a", "b", "c"]
    assert {("a", 0), ("b", 1), ("c", 2)} <= set(told)


def test_who_waits_behind_many_is_told_soon_and_then_less_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []

    def wait(pause_s: float) -> bool:
        pauses.append(pause_s)
        return len(pauses) == 3

    queue = ReadingQueue(places=1)
    turn = Turn(queue, ignore)
    monkeypatch.setattr(queue, "_count_ahead", lambda _: 40)
    monkeypatch.setattr(turn.has_place, "wait", wait)
    queue.wait_for(turn)
    assert pauses == [1.0, 5.0, 5.0]


def test_a_tab_that_goes_away_leaves_the_queue() -> None:
    queue = ReadingQueue(places=1)

    def close_tab(before: int) -> None:
        raise TabClosed

    with queue.take_turn(ignore), pytest.raises(TabClosed), queue.take_turn(close_tab):
        pytest.fail("it had no place")
    with queue.take_turn(close_tab):
        pass


def test_a_large_study_lets_others_in_after_a_few_films() -> None:
    queue, order = ReadingQueue(places=1), []
    waits = threading.Event()

    def read_one() -> None:
        with queue.take_turn(lambda before: waits.set()):
            order.append("one")

    thread = threading.Thread(target=read_one)
    with queue.take_turn(ignore) as turn:
        thread.start()
        assert waits.wait(timeout=30)
        for _ in range(2 * FILMS_A_TURN):
            order.append("large")
            turn.count_film()
    thread.join(timeout=30)
    assert order.index("one") == FILMS_A_TURN


class BusyQueue:
    @contextmanager
    def take_turn(self, show_waiting: Callable[[int], None]) -> Iterator[None]:
        show_waiting(3)
        st.stop()
        yield


def test_the_page_says_how_many_are_read_first(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "reading_queue", BusyQueue)
    upload(app, film=encode_png(draw_phantom(PhantomSpec(height=96, width=96))))
    assert "3 readings are waiting before yours" in visible_text(app)
