"""`python -m cxr_core node`: what it lists, and what it does about dead films."""

from collections.abc import Collection
from pathlib import Path

import pytest

from cxr_core.__main__ import main
from cxr_core.dicom_io.node.film_queue import FilmQueue, QueuedFilm, State
from cxr_core.dicom_io.node.overview import discard_films, retry_films
from cxr_core.dicom_io.node.spool import Spool, node_folder
from tests.node.bench import IDENTITY, arrive, make_film


@pytest.fixture
def dead(workspace: Path) -> int:
    """The number of a film that is dead since the archive refused its results; another one waits."""
    spool = Spool(node_folder())
    with FilmQueue(node_folder()) as queue:
        for number in (1, 2):
            data = make_film(number)
            spool.write_film(arrive(data).name, data)
            queue.add(arrive(data))
        film = queue.claim(0.0, [])
        assert film is not None
        spool.write_results(film.name, [make_film(1, SOPInstanceUID="1.2.3")])
        queue.mark(film, State.DEAD, "archive_refused")
    return film.id


def states() -> dict[State, int]:
    with FilmQueue(node_folder()) as queue:
        return queue.count_states()


def test_it_lists_what_waits_and_why_films_are_dead(
    dead: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["node", "--list"]) == 0
    said = capsys.readouterr().out
    assert "not running" in said
    assert "received: 1" in said
    assert f"dead film {dead}, received " in said
    assert "the archive refuses the results" in said
    assert not [word for word in IDENTITY if word in said]


def test_a_dead_film_that_was_read_is_only_sent_again(dead: int) -> None:
    assert main(["node", "--retry", str(dead)]) == 0
    assert states() == {State.RECEIVED: 1, State.READ: 1}


def test_a_discarded_film_is_gone_with_its_results(dead: int) -> None:
    assert main(["node", "--discard", "all"]) == 0
    assert states() == {State.RECEIVED: 1}
    assert Spool(node_folder()).list_names() == {arrive(make_film(2)).name}


def test_a_film_that_somebody_else_has_revived_meanwhile_is_not_deleted(
    dead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_films = FilmQueue.list_films

    def revive_after_listing(queue: FilmQueue, states: Collection[State]) -> list[QueuedFilm]:
        films = list_films(queue, states)
        for film in films:
            assert queue.revive(film, State.READ)
        return films

    with monkeypatch.context() as patch:
        patch.setattr(FilmQueue, "list_films", revive_after_listing)
        assert discard_films() == 0
    assert states() == {State.RECEIVED: 1, State.READ: 1}
    assert Spool(node_folder()).has_results(arrive(make_film(1)).name)


def test_a_film_that_somebody_else_has_deleted_meanwhile_is_not_revived(
    dead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_films = FilmQueue.list_films

    def forget_after_listing(queue: FilmQueue, states: Collection[State]) -> list[QueuedFilm]:
        films = list_films(queue, states)
        for film in films:
            assert queue.forget(film, lambda: None)
        return films

    monkeypatch.setattr(FilmQueue, "list_films", forget_after_listing)
    assert retry_films() == 0


def test_what_is_not_dead_is_left_alone(dead: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["node", "--discard", str(dead), "99"]) == 3
    assert "film 99 is not dead; --list shows those that are" in capsys.readouterr().err
    assert states()[State.DEAD] == 1


def test_without_settings_it_says_what_to_write(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["node"]) == 3
    assert "there is no pacs.toml in the workspace" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["node", "--retry", "first"])
    assert "'first' is no film" in capsys.readouterr().err
