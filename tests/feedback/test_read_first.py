"""The program's answer is not released, by whatever way, before a reader has judged every finding and asked for it."""

import pytest

from cxr_core.errors import FeedbackError
from cxr_core.feedback.films import ProjectFilm, find_films_by_file
from cxr_core.feedback.projects import Project, create_project
from cxr_core.feedback.read_first import (
    find_waiting_project,
    first_verdicts,
    list_revealed_films,
    reading_state,
    release_answer,
    reveal_answer,
)
from cxr_core.feedback.readers import register_reader
from cxr_core.feedback.review.candidates import Candidate
from cxr_core.feedback.review.queue import (
    FindingAnswer,
    fill_queue,
    keep_answers,
    list_queue,
    load_case,
    take_next_case,
)
from cxr_core.feedback.verdicts import list_verdicts, undo_verdict
from tests.feedback.bench import add_film, answer_of, judge

pytestmark = pytest.mark.usefixtures("workspace")
ANSWER = "the program's answer"


@pytest.fixture
def film(workspace: object) -> ProjectFilm:
    return add_film(create_study(), 1)


def create_study(name: str = "study", read_first: bool = True, reads: int = 1) -> Project:
    return create_project(name, ["cardiomegaly", "pneumonia"], read_first=read_first, reads=reads)


def test_the_answer_is_shown_after_every_finding_is_judged_and_asked_for(film: ProjectFilm) -> None:
    ada = register_reader("Ada").id
    states = [(reading_state(film.id, ada), release_answer(film.id, ada, ANSWER))]
    judge(film, ada, "suspected")
    with pytest.raises(FeedbackError, match="missing: Cardiomegaly"):
        reveal_answer(film.id, ada)
    states.append((reading_state(film.id, ada), release_answer(film.id, ada, ANSWER)))
    second = judge(film, ada, "unsure", "cardiomegaly").verdict
    states.append((reading_state(film.id, ada), release_answer(film.id, ada, ANSWER)))
    reveal_answer(film.id, ada)
    states.append((reading_state(film.id, ada), release_answer(film.id, ada, ANSWER)))
    judge(film, ada, "not_suspected", "cardiomegaly", seen=second.id)
    states.append((reading_state(film.id, ada), release_answer(film.id, ada, ANSWER)))
    assert states == [
        ("hidden", None),
        ("hidden", None),
        ("answered", None),
        ("revealed", ANSWER),
        ("changed", ANSWER),
    ]


def test_changes_after_the_reveal_are_kept_apart_from_the_first_verdicts(film: ProjectFilm) -> None:
    ada = register_reader("Ada").id
    judge(film, ada, "unsure")
    judge(film, ada, "suspected")
    judge(film, ada, "not_suspected", "cardiomegaly")
    reveal_answer(film.id, ada)
    changed = judge(film, ada, "not_suspected").verdict
    assert first_verdicts(film.id, ada)["pneumonia"].answer == "suspected"
    assert changed.phase == "after"
    assert undo_verdict(changed.id, ada).phase == "after"  # an undo comes after the reveal as well
    assert [one.phase for one in list_verdicts(film.id)] == ["before"] * 3 + ["after"] * 2


def test_a_verdict_taken_back_hides_the_answer_again_until_it_is_given(film: ProjectFilm) -> None:
    ada = register_reader("Ada").id
    judge(film, ada, "suspected")
    verdict = judge(film, ada, "suspected", "cardiomegaly").verdict
    undo_verdict(verdict.id, ada)
    assert reading_state(film.id, ada) == "hidden"
    with pytest.raises(FeedbackError, match="stays hidden"):
        reveal_answer(film.id, ada)


def test_a_reveal_is_one_readers_alone(film: ProjectFilm) -> None:
    ada, ben = register_reader("Ada").id, register_reader("Ben").id
    for finding in ("pneumonia", "cardiomegaly"):
        judge(film, ada, "suspected", finding)
    reveal_answer(film.id, ada)
    assert release_answer(film.id, ben, ANSWER) is None
    assert judge(film, ben, "suspected").verdict.phase == "before"


def test_nothing_is_hidden_in_a_project_without_the_rule(film: ProjectFilm) -> None:
    open_film = add_film(create_study("open", read_first=False), 2)
    ada = register_reader("Ada").id
    assert release_answer(open_film.id, ada, ANSWER) == ANSWER
    assert judge(open_film, ada, "unsure").verdict.phase == "open"


def test_the_queue_says_nothing_of_label_model_or_reason_before_the_reveal(
    workspace: object,
) -> None:
    project = create_study()
    film = add_film(project, 1)
    ada = register_reader("Ada").id
    sha256 = film.pixels_sha256
    reason = Candidate(
        film=sha256, finding="pneumonia", value=0.9, reasons=("label_and_model",), detail="93 %"
    )
    keep_answers(
        project,
        [FindingAnswer(film=sha256, finding="pneumonia", answer=answer_of(0.93), label=0)],
    )
    fill_queue(project, [reason])
    seen = [
        take_next_case(project, ada),
        load_case(project, film.id, "pneumonia", ada),
        *list_queue(project, reader=ada).cases,
    ]
    for case in seen:
        assert case is not None
        assert (case.value, case.reasons, case.detail) == (None, (), "")
        assert (case.label, case.answer) == (None, None)
        assert "0.93" not in repr(case)
        assert "93 %" not in repr(case)
    for finding in project.findings:
        judge(film, ada, "suspected", finding)
    reveal_answer(film.id, ada)
    (case,) = list_queue(project, reader=ada, only_open=False).cases
    assert (case.label, case.detail, case.answer) == (0, "93 %", answer_of(0.93))


def test_revealed_films_are_those_of_the_reader_and_the_project() -> None:
    project, ada, ben = create_study(), register_reader("Ada").id, register_reader("Ben").id
    first, second = add_film(project, 1), add_film(project, 2)
    assert find_films_by_file(project, [first.file_sha256, "0"]) == {first.file_sha256: first}
    for finding in project.findings:
        judge(first, ada, "unsure", finding)
    reveal_answer(first.id, ada)
    assert list_revealed_films(project, ada) == {first.id}
    assert list_revealed_films(project, ben) == frozenset()
    assert list_revealed_films(create_study("other"), ada) == frozenset()
    assert second.id not in list_revealed_films(project, ada)


def test_a_film_waits_for_its_readers_until_they_have_asked_for_the_answer(
    workspace: object,
) -> None:
    project = create_study(reads=2)
    film, other = add_film(project, 1), add_film(project, 2)
    ada, ben, eve = (register_reader(name).id for name in ("Ada", "Ben", "Eve"))

    def waits(reader: str | None) -> bool:
        return find_waiting_project([film.file_sha256, "f" * 64], reader) == project

    assert not waits(None), "nobody has begun to judge it"
    for finding in project.findings:
        judge(film, ada, "suspected", finding)
        judge(other, ben, "suspected", finding)
    assert (waits(None), waits(ada), waits(ben), waits(eve)) == (True, True, True, False)
    reveal_answer(film.id, ada)
    assert (waits(None), waits(ada), waits(ben)) == (True, False, True)
    for finding in project.findings:
        judge(film, ben, "unsure", finding)
    reveal_answer(film.id, ben)
    assert (waits(None), waits(ben)) == (False, False)
    assert find_waiting_project([], ada) is None


def test_a_film_waits_for_nobody_where_answers_are_not_hidden(workspace: object) -> None:
    film = add_film(create_study(read_first=False, reads=2), 1)
    judge(film, register_reader("Ada").id, "suspected")
    assert find_waiting_project([film.file_sha256]) is None
