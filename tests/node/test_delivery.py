"""Results are sent until the archive holds them, always the same objects, and a film is deleted only then."""

import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from cxr_core.dicom_io.node.delivery import (
    LONGEST_WAIT_S,
    MOST_CONFIRMATIONS,
    Delivery,
    compute_wait_s,
)
from cxr_core.dicom_io.node.film_queue import FilmQueue, State
from cxr_core.dicom_io.node.spool import Spool
from cxr_core.errors import ArchiveRefused, ArchiveUnreachable
from tests.node.bench import Clock, MemoryArchive, arrive, make_film


class Bench:
    """A queue with films whose results wait; a film stands in for its results."""

    def __init__(self, folder: Path):
        self.clock, self.archive = Clock(), MemoryArchive()
        self.spool, self.queue = Spool(folder), FilmQueue(folder, self.clock)
        self.start()

    def start(self) -> None:
        """As a node that begins anew."""
        self.delivery = Delivery(
            self.queue,
            self.spool,
            self.archive,
            clock=self.clock,
            rng=random.Random(7),
        )

    def add_read_film(self, number: int) -> str:
        data = make_film(number)
        name = arrive(data).name
        self.spool.write_film(name, data)
        self.queue.add(arrive(data))
        film = self.queue.claim(0.0, [])
        assert film is not None
        results = [make_film(number, SOPInstanceUID=f"1.2.3.{number}.{kind}") for kind in (1, 2)]
        self.spool.write_results(name, results)
        self.queue.mark_read(film, [f"1.2.3.{number}.{kind}" for kind in (1, 2)])
        return name

    def send(self) -> int:
        return self.delivery.send_due(lambda: False)

    def count(self, state: State) -> int:
        return self.queue.count_states().get(state, 0)


@pytest.fixture
def bench(tmp_path: Path, workspace: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "node")
    yield bench
    bench.queue.close()


def test_a_film_is_deleted_once_the_archive_holds_its_results(bench: Bench) -> None:
    name = bench.add_read_film(1)
    bench.archive.hidden = 1
    assert bench.send() == 0
    assert bench.count(State.SENT) == 1
    assert bench.spool.read_film(name)
    bench.clock.advance(10)
    assert bench.send() == 1
    assert bench.count(State.CONFIRMED) == 1
    assert bench.spool.list_names() == set()
    assert bench.archive.sent == ["1.2.3.1.1", "1.2.3.1.2"]  # and not once more to be sure


def test_after_a_kill_only_what_is_missing_is_sent_with_the_same_uids(bench: Bench) -> None:
    bench.add_read_film(1)
    (first, _) = bench.spool.read_results(bench.queue.list_films([State.READ])[0].name)
    (film,) = bench.queue.list_films([State.READ])
    bench.queue.mark(film, State.SENT)
    bench.archive.send([first.content])  # and then the node was killed
    bench.start()
    assert bench.send() == 1
    assert bench.archive.sent == ["1.2.3.1.1", "1.2.3.1.2"]


def test_an_archive_that_is_away_for_an_hour_loses_nothing_and_is_not_hammered(
    bench: Bench,
) -> None:
    for number in range(20):
        bench.add_read_film(number)
    bench.archive.error = ArchiveUnreachable("away")
    for _ in range(3600):
        bench.send()
        bench.clock.advance(1)
    assert bench.archive.calls <= 20
    assert bench.count(State.READ) + bench.count(State.SENT) == 20
    bench.archive.error = None
    bench.clock.advance(LONGEST_WAIT_S)
    assert bench.send() == 20
    assert sorted(bench.archive.objects) == sorted(set(bench.archive.sent))
    assert len(bench.archive.sent) == 40


def test_what_the_archive_refuses_waits_for_a_person_and_holds_up_nobody(bench: Bench) -> None:
    name = bench.add_read_film(1)
    bench.archive.error = ArchiveRefused("no")
    bench.send()
    (dead,) = bench.queue.list_films([State.DEAD])
    assert dead.reason == "archive_refused"
    assert bench.spool.has_results(name)
    bench.archive.error = None
    bench.add_read_film(2)
    assert bench.send() == 1
    bench.queue.revive(dead, State.READ)
    assert bench.send() == 1


def test_results_that_never_show_up_are_sent_again_and_at_last_given_to_a_person(
    bench: Bench,
) -> None:
    bench.add_read_film(1)
    bench.archive.hidden = 1000
    for _ in range(2 * MOST_CONFIRMATIONS):
        bench.send()
        bench.clock.advance(LONGEST_WAIT_S)
    (dead,) = bench.queue.list_films([State.DEAD])
    assert dead.reason == "not_confirmed"
    assert set(bench.archive.sent) == {"1.2.3.1.1", "1.2.3.1.2"}


def test_results_whose_files_are_gone_are_told(bench: Bench) -> None:
    bench.spool.remove(bench.add_read_film(1))
    assert bench.send() == 0
    assert [film.reason for film in bench.queue.list_films([State.DEAD])] == ["results_missing"]


def test_waits_double_up_to_a_limit_and_differ_by_chance() -> None:
    waits = [compute_wait_s(failures, random.Random(1)) for failures in range(100)]
    assert all(2.5 <= wait <= LONGEST_WAIT_S for wait in waits)
    assert [round(later / first) for first, later in pairwise(waits[:7])] == [2] * 6
    assert compute_wait_s(3, random.Random(1)) != compute_wait_s(3, random.Random(2))
