"""The queue: when a film is ready, what counts as the same film, and what is left after a process has ended."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cxr_core.dicom_io.node.film_queue import (
    FILE,
    KEPT_S,
    MOST_READINGS,
    READ_ALONE_FROM,
    FilmQueue,
    State,
)
from cxr_core.errors import NodeError
from tests.node.bench import IDENTITY, Clock, arrive, make_film

LONG_S = 900.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(tmp_path: Path, clock: Clock) -> Iterator[FilmQueue]:
    with FilmQueue(tmp_path, clock) as queue:
        yield queue


def test_a_film_is_ready_when_its_association_has_ended(queue: FilmQueue) -> None:
    queue.add(arrive(make_film(1), association="a"))
    assert queue.claim(5.0, ["a"]) is None
    claimed = queue.claim(5.0, ["b"])
    assert claimed is not None
    assert claimed.state == State.READING
    assert queue.claim(5.0, []) is None  # it is being read


def test_or_when_nothing_of_its_study_has_come_for_a_while(queue: FilmQueue, clock: Clock) -> None:
    first, second = make_film(1), make_film(1, SOPInstanceUID="1.2.826.0.1.99.7.1.1.2")
    queue.add(arrive(first, association="a"))
    clock.advance(4.0)
    queue.add(arrive(second, association="a"))
    clock.advance(4.0)
    queue.add(arrive(make_film(2), association="a"))  # of another study: that one goes on
    assert queue.claim(5.0, ["a"]) is None
    clock.advance(1.0)
    names = [film.name for film in (queue.claim(5.0, ["a"]), queue.claim(5.0, ["a"])) if film]
    assert names == [arrive(first).name, arrive(second).name]
    assert queue.claim(5.0, ["a"]) is None


def test_the_same_film_is_known_and_one_with_a_corrected_header_is_not(queue: FilmQueue) -> None:
    data = make_film(1)
    queue.add(arrive(data))
    queue.add(arrive(data))
    assert queue.is_known(arrive(data))
    assert not queue.is_known(arrive(make_film(1, PatientID="CORRECTED")))
    assert queue.count_states() == {State.RECEIVED: 1}


def test_results_of_the_node_are_known_whatever_became_of_them(queue: FilmQueue) -> None:
    queue.add(arrive(make_film(1)))
    film = queue.claim(0.0, [])
    assert film is not None
    queue.mark_read(film, ["1.2.3"])
    assert queue.is_known(arrive(make_film(2, SOPInstanceUID="1.2.3")))


def test_what_was_being_read_is_read_again_but_not_for_ever(queue: FilmQueue) -> None:
    queue.add(arrive(make_film(1)))
    for _ in range(MOST_READINGS):
        assert queue.claim(0.0, []) is not None
        queue.recover()
    assert queue.claim(0.0, []) is None
    (film,) = queue.list_films([State.DEAD])
    assert film.reason == "reading_failed"


def test_a_film_that_may_end_the_process_is_read_after_all_others(queue: FilmQueue) -> None:
    queue.add(arrive(make_film(1)))
    for _ in range(READ_ALONE_FROM - 1):
        assert queue.claim(0.0, []) is not None
        queue.recover()
    queue.add(arrive(make_film(2)))
    claimed = [queue.claim(0.0, []) for _ in range(2)]
    assert [film.is_read_alone for film in claimed if film] == [False, True]


def test_a_film_that_was_put_back_has_lost_no_attempt(queue: FilmQueue) -> None:
    queue.add(arrive(make_film(1)))
    for _ in range(2 * MOST_READINGS):
        film = queue.claim(0.0, [])
        assert film is not None
        queue.put_back(film)
    assert queue.count_states() == {State.RECEIVED: 1}


def test_everything_is_there_when_it_is_opened_again(queue: FilmQueue, tmp_path: Path) -> None:
    queue.add(arrive(make_film(1)))
    film = queue.claim(0.0, [])
    assert film is not None
    queue.mark(film, State.DEAD, "undecodable")
    with FilmQueue(tmp_path) as other:  # while the first one is open, as a page does
        (dead,) = other.list_films([State.DEAD])
        assert (dead.name, dead.reason) == (film.name, "undecodable")
        other.revive(dead, State.RECEIVED)
    assert queue.claim(0.0, []) is not None


def test_results_wait_for_their_time_but_not_for_a_clock_that_was_set_back(
    queue: FilmQueue, clock: Clock
) -> None:
    queue.add(arrive(make_film(1)))
    film = queue.claim(0.0, [])
    assert film is not None
    queue.mark_read(film, [])
    queue.postpone_sending("archive_unreachable", clock() + 60)
    assert queue.find_due(LONG_S) is None
    clock.advance(-86400)
    assert queue.find_due(LONG_S) is not None
    clock.advance(86400 + 61)
    assert queue.find_due(LONG_S) is not None


def test_films_that_are_done_are_forgotten_after_a_while(queue: FilmQueue, clock: Clock) -> None:
    queue.add(arrive(make_film(1)), State.PASSED_OVER, "no_film_class")
    queue.add(arrive(make_film(2)))
    clock.advance(KEPT_S + 1)
    queue.forget_old()
    assert queue.count_states() == {State.RECEIVED: 1}


def test_no_identity_is_in_the_file(queue: FilmQueue, tmp_path: Path) -> None:
    queue.add(arrive(make_film(1), association="a"))
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert arrive(make_film(1)).name.encode() in written
    assert not [word for word in IDENTITY if word.encode() in written]


def test_a_damaged_file_is_named_and_a_newer_one_left_alone(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 100)
    with pytest.raises(NodeError, match=r"queue\.sqlite.*move the file away"):
        FilmQueue(tmp_path)
    (tmp_path / FILE).unlink()
    with sqlite3.connect(tmp_path / FILE) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(NodeError, match="newer version"):
        FilmQueue(tmp_path)


def read_everything(queue: FilmQueue) -> None:
    queue.count_states()
    queue.list_films([State.RECEIVED])


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("state = 'lost'", "'lost' is not a valid State"),
        ("received = 'yesterday'", 'received: found "yesterday"'),
        ("size = 'words'", 'size: found "words"'),
    ],
)
def test_a_row_that_was_changed_is_told_with_the_file_and_what_to_do(
    queue: FilmQueue, tmp_path: Path, change: str, found: str
) -> None:
    queue.add(arrive(make_film(1)))
    with closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute(f"UPDATE film SET {change}")
    with pytest.raises(NodeError, match=f"{FILE}, is damaged: {found}.*move the file away"):
        read_everything(queue)
