"""Verdicts are only ever added: the last one counts, both of two windows are kept, and an undo is one more row."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from cxr_core.errors import FeedbackError
from cxr_core.feedback import schema
from cxr_core.feedback.deletion import delete_project
from cxr_core.feedback.films import list_project_films
from cxr_core.feedback.projects import Project, create_project, find_project, list_projects
from cxr_core.feedback.readers import (
    find_reader,
    find_reader_of_account,
    list_readers,
    register_reader,
    rename_reader,
)
from cxr_core.feedback.review.candidates import Candidate
from cxr_core.feedback.review.queue import FindingAnswer, fill_queue, keep_answers, list_queue
from cxr_core.feedback.store import FILE, feedback_folder, read_store, write_store
from cxr_core.feedback.verdicts import (
    DiameterEnds,
    Mark,
    answer_of_agreement,
    current_verdicts,
    list_verdicts,
    undo_verdict,
)
from tests.feedback.bench import add_film, answer_of, judge

pytestmark = pytest.mark.usefixtures("workspace")


@pytest.fixture
def project(workspace: object) -> Project:
    return create_project("study", ["pneumonia", "cardiomegaly"])


def test_a_verdict_comes_back_as_it_was_given(project: Project) -> None:
    reader, film = register_reader("Ada"), add_film(project, 1)
    marks = (Mark(left=0.25, top=0.5, width=0.5, height=0.25), Mark(left=0.1, top=0.2))
    calipers = DiameterEnds(heart=((10.5, 20), (30, 20)), thorax=((2, 25), (48, 25)))
    saved = judge(
        film,
        reader.id,
        "suspected",
        comment=" left base ",
        marks=marks,
        calipers=calipers,
        program=answer_of(0.3),
    )
    (kept,) = list_verdicts(film.id)
    assert kept == saved.verdict
    assert (kept.comment, kept.marks, kept.calipers) == ("left base", marks, calipers)
    assert kept.program == answer_of(0.3)
    assert kept.phase == "open"
    assert saved.warning == ""


def test_two_windows_on_one_film_both_are_kept_and_the_later_one_is_told(project: Project) -> None:
    reader, film = register_reader("Ada"), add_film(project, 1)
    first = judge(film, reader.id, "suspected")
    second = judge(film, reader.id, "not_suspected")  # another window, which shows no verdict
    assert second.overrides == first.verdict
    assert "another window of yours had saved 'suspected'" in second.warning
    assert [verdict.answer for verdict in list_verdicts(film.id)] == ["suspected", "not_suspected"]
    assert current_verdicts(film.id, reader.id)["pneumonia"].answer == "not_suspected"
    third = judge(film, reader.id, "unsure", seen=second.verdict.id)
    assert third.overrides is None


def test_an_undo_restores_what_stood_before_by_one_more_row(project: Project) -> None:
    reader, film = register_reader("Ada"), add_film(project, 1)
    first = judge(film, reader.id, "suspected", comment="why").verdict
    second = judge(film, reader.id, "unsure", seen=first.id).verdict
    restored = undo_verdict(second.id, reader.id)
    assert (restored.answer, restored.comment, restored.undoes) == ("suspected", "why", second.id)
    with pytest.raises(FeedbackError, match="another verdict was saved since"):
        undo_verdict(first.id, reader.id)
    assert len(list_verdicts(film.id)) == 3


def test_undoing_the_only_verdict_leaves_none(project: Project) -> None:
    reader, film = register_reader("Ada"), add_film(project, 1)
    undo_verdict(judge(film, reader.id, "suspected").verdict.id, reader.id)
    assert current_verdicts(film.id, reader.id) == {}
    assert [verdict.answer for verdict in list_verdicts(film.id)] == ["suspected", "withdrawn"]


def test_nobody_undoes_for_another(project: Project) -> None:
    ada, ben, film = register_reader("Ada"), register_reader("Ben"), add_film(project, 1)
    verdict = judge(film, ada.id, "suspected").verdict
    with pytest.raises(FeedbackError, match="another reader's"):
        undo_verdict(verdict.id, ben.id)


def test_a_renamed_reader_keeps_the_verdicts(project: Project) -> None:
    reader, film = register_reader("Ada"), add_film(project, 1)
    judge(film, reader.id, "suspected")
    rename_reader(reader.id, "Ada Byron")
    assert current_verdicts(film.id, find_reader("Ada Byron").id)["pneumonia"].answer == "suspected"
    assert register_reader("Ada").id != reader.id
    with pytest.raises(FeedbackError, match="another reader is named Ada"):
        rename_reader(reader.id, "Ada")
    assert [one.name for one in list_readers()] == ["Ada", "Ada Byron"]


def test_who_signs_in_is_the_same_reader_whatever_the_name(project: Project) -> None:
    typed = register_reader("Ada")
    first = find_reader_of_account("subject-1", "Ada")
    assert (first.id == typed.id, first.name) == (False, "Ada 2")
    rename_reader(first.id, "Ada Byron")
    assert find_reader_of_account("subject-1", "Ada") == find_reader("Ada Byron")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"answer": "maybe"}, "expected suspected, not_suspected, unsure"),
        ({"finding": "mass"}, "does not judge mass"),
        ({"reader": "nobody"}, "no reader with the id"),
        ({"marks": (Mark(left=0.0, top=0.0),) * 21}, "20 are kept at most"),
    ],
)
def test_what_cannot_be_a_verdict_is_refused_and_nothing_is_kept(
    project: Project, values: dict[str, object], message: str
) -> None:
    film, reader = add_film(project, 1), register_reader("Ada")
    with pytest.raises(FeedbackError, match=message):
        judge(film, **({"reader": reader.id, "answer": "unsure"} | values))  # type: ignore[arg-type]
    assert list_verdicts(film.id) == []


def test_a_film_of_a_deleted_project_takes_no_verdict(project: Project) -> None:
    film, reader = add_film(project, 1), register_reader("Ada")
    delete_project(project)
    with pytest.raises(FeedbackError, match="in no project any more"):
        judge(film, reader.id, "unsure")


def test_a_mark_outside_the_film_is_refused() -> None:
    with pytest.raises(FeedbackError, match="outside the film"):
        Mark(left=0.8, top=0.1, width=0.3, height=0.1)


@pytest.mark.parametrize(
    ("call", "agreement", "answer"),
    [
        ("present", "agree", "suspected"),
        ("present", "disagree", "not_suspected"),
        ("absent", "agree", "not_suspected"),
        ("absent", "disagree", "suspected"),
        ("present", "unsure", "unsure"),
        ("indeterminate", "agree", None),
        ("", "disagree", None),
    ],
)
def test_agreeing_with_a_call_is_a_verdict(call: str, agreement: str, answer: str | None) -> None:
    assert answer_of_agreement(call, agreement) == answer  # type: ignore[arg-type]


def test_many_sessions_write_at_once_and_none_is_lost(project: Project) -> None:
    films = [add_film(project, number) for number in range(4)]
    readers = [register_reader(name).id for name in ("Ada", "Ben", "Cy", "Di")]
    pairs = [(film, reader) for film in films for reader in readers] * 3
    with ThreadPoolExecutor(8) as pool:
        saved = list(pool.map(lambda pair: judge(pair[0], pair[1], "unsure"), pairs))
    assert len({one.verdict.id for one in saved}) == len(pairs)
    assert sum(len(list_verdicts(film.id)) for film in films) == len(pairs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("study", ["pneumonia"]), "a project named study already"),
        (("a/b", ["pneumonia"]), "cannot be named"),
        (("new", ["flu"]), "found flu; known: cardiomegaly"),
        (("new", []), "found none"),
    ],
)
def test_what_cannot_be_a_project_is_refused(
    project: Project, arguments: tuple[str, list[str]], message: str
) -> None:
    with pytest.raises(FeedbackError, match=message):
        create_project(*arguments)
    with pytest.raises(FeedbackError, match="expected 1 to 9"):
        create_project("new", ["pneumonia"], reads=0)
    assert list_projects() == [project]
    with pytest.raises(FeedbackError, match="known: study"):
        find_project("other")


def test_a_store_of_a_later_version_is_left_alone(project: Project) -> None:
    path = feedback_folder() / FILE
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(FeedbackError, match=r"schema 2, and this version of the program knows 1"):
        list_projects()


def test_an_earlier_store_gets_the_tables_that_it_lacks(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = "CREATE TABLE later (a INTEGER);\n"
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, added))
    assert list_projects() == [project]
    with read_store() as store:
        assert store.execute("SELECT COUNT(*) FROM later").fetchone()[0] == 0
        assert store.execute("PRAGMA user_version").fetchone()[0] == 2


def test_a_damaged_store_says_what_to_do(project: Project) -> None:
    (feedback_folder() / FILE).write_bytes(b"no database" * 100)
    with pytest.raises(FeedbackError, match="move it away"):
        list_projects()


def read_everything(project: Project, film: int) -> None:
    list_projects()
    list_project_films(project)
    list_verdicts(film)
    list_queue(project, only_open=False)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("UPDATE projects SET reads = 'words'", "reads"),
        ('UPDATE films SET properties = \'{"width": "wide"}\'', "width"),
        ("UPDATE verdicts SET answer = 'maybe'", "answer"),
        ("UPDATE verdicts SET probability = 'words'", "probability"),
        ("UPDATE cases SET missing = 'words'", "missing"),
        ("UPDATE answers SET label = 'words'", "words"),
    ],
)
def test_a_row_that_was_changed_is_told_with_the_file_and_what_to_do(
    project: Project, change: str, key: str
) -> None:
    reader, film = register_reader("Ada").id, add_film(project, 1)
    judge(film, reader, "suspected", program=answer_of(0.9))
    case = {"film": film.pixels_sha256, "finding": "pneumonia"}
    keep_answers(project, [FindingAnswer(**case, answer=answer_of(0.9), label=1)])
    fill_queue(project, [Candidate(**case, value=1.0, reasons=("label_and_model",))])
    with write_store() as store:
        store.execute(change)
    with pytest.raises(FeedbackError, match=rf"feedback.sqlite is damaged: .*{key}.*move it away"):
        read_everything(project, film.id)


def test_a_commit_waits_for_the_disk_and_deleted_rows_are_overwritten(project: Project) -> None:
    with read_store() as store:
        settings = [
            store.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "secure_delete", "foreign_keys")
        ]
    assert settings == ["wal", 2, 1, 1]
