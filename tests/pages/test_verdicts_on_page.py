"""Verdicts on the Read page, on Streamlit's test bench: kept, undone, and given before the answer is shown."""

import re
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.errors import FeedbackError
from cxr_core.feedback.films import list_project_films
from cxr_core.feedback.projects import Project, create_project
from cxr_core.feedback.readers import register_reader
from cxr_core.feedback.store import FILE, feedback_folder
from cxr_core.feedback.verdicts import NewVerdict, list_verdicts, record_verdict
from pages.components import session
from pages.components.feedback.film_verdicts import NewJudgement, TabKeeper
from pages.components.feedback.page_state import FeedbackState
from pages.components.feedback.panel import build_judged_film, find_keeper
from pages.components.read.worklist import write_csv
from pages.components.session import ReadPageState
from tests.hearts import SLENDER, WIDE, file_of, segment_drawing, sha256_of
from tests.pages.app_bench import button_labels, open_folder, upload, visible_text
from tests.pages.fake_reader import FakeReader

FINDINGS = ["cardiomegaly", "pneumonia"]


def draw_file(brightness: int) -> bytes:
    """A film whose lower right quarter decides what the fake reader answers."""
    rng = np.random.default_rng(brightness)
    pixels = rng.integers(0, 40, (64, 64), np.uint8)
    pixels[32:, 32:] = brightness
    return bytes(cv2.imencode(".png", pixels)[1].tobytes())


def state_of(app: AppTest) -> ReadPageState:
    state: ReadPageState = app.session_state["read_page"]
    return state


def begin(app: AppTest, project: Project, reader: str = "Ada", **files: bytes) -> AppTest:
    """Read films of an adult, with verdicts kept in a project."""
    state = state_of(app)
    state.feedback.choose_project(project.id)
    state.feedback.reader = register_reader(reader)
    app.run()
    app.sidebar.number_input[0].set_value(63).run()
    upload(app, **files)
    assert not app.exception
    return app


def sent_to_the_browser(app: AppTest) -> str:
    """Everything of the page that the browser gets, as text, without the random names of downloads."""
    page = "\n".join(str(element.proto) for element in walk([app.main, app.sidebar]))
    return re.sub(r'deferred_file_id: "\w+"', "", page)


def walk(nodes: list[object]) -> Iterator[object]:
    for node in nodes:
        if getattr(node, "proto", None) is not None:
            yield node
        yield from walk(list(getattr(node, "children", {}).values()))


def find_differences(first: str, second: str) -> list[str]:
    """The lines that are in one text and not in the other, cut short."""
    return sorted(line[:200] for line in set(first.splitlines()) ^ set(second.splitlines()))


def press(app: AppTest, label: str, place: int = 0) -> AppTest:
    buttons = [button for button in app.button if button.label == label]
    buttons[place].click().run()
    assert not app.exception
    return app


def answers(project: Project) -> list[tuple[str, str, str]]:
    rows = [row for film in list_project_films(project) for row in list_verdicts(film.id)]
    return [(row.finding, row.answer, row.phase) for row in rows]


def test_nothing_is_offered_or_kept_until_a_project_is_chosen(app: AppTest) -> None:
    project = create_project("study", FINDINGS)
    upload(app, film=draw_file(200))
    assert {"Agree", "Suspected", "Undo"}.isdisjoint(button_labels(app))
    open_folder(app, "feedback")
    assert "Verdicts are kept once a project is chosen." in visible_text(app)
    assert list_project_films(project) == []


def test_one_click_agrees_and_another_undoes_it(app: AppTest) -> None:
    project = create_project("study", FINDINGS)
    begin(app, project, film=draw_file(200))
    assert "saved" not in visible_text(app)
    press(app, "Agree")
    assert "saved" in visible_text(app)
    press(app, "Agree")
    assert answers(project) == [
        ("cardiomegaly", "suspected", "open"),
        ("cardiomegaly", "withdrawn", "open"),
    ]
    assert "saved" not in visible_text(app)
    (film,) = list_project_films(project)
    assert not film.is_kept
    (row, _) = list_verdicts(film.id)
    assert (row.program.model, row.program.call) == ("heart-adults", "present")


def test_who_reads_is_asked_before_anything_is_judged(app: AppTest) -> None:
    project = create_project("study", FINDINGS)
    begin(app, project, film=draw_file(200))
    state_of(app).feedback.reader = None
    app.run()
    assert "Agree" not in button_labels(app)
    assert "Who is reading?" in visible_text(app)
    app.selectbox(key=state_of(app).widget_key("panel-reader")).set_value("Ada").run()
    assert not app.exception
    assert "Agree" in button_labels(app)


@pytest.fixture
def reader() -> FakeReader:
    """A reader that segments a film too."""
    return FakeReader(segmentations={sha256_of(SLENDER): segment_drawing(SLENDER)})


def give_opposite_answers(state: ReadPageState) -> None:
    """Make the models say the opposite of every film, with another heart where they found one."""
    for entry in state.entries.values():
        outputs = tuple(
            replace(
                output,
                logits=-output.logits,
                probabilities=1 - output.probabilities,
                attributions={
                    key: replace(each, cells=-each.cells)
                    for key, each in output.attributions.items()
                },
            )
            for output in entry.examination.outputs
        )
        heart = segment_drawing(WIDE) if entry.examination.segmentation else None
        entry.examination = replace(entry.examination, outputs=outputs, segmentation=heart)


def test_the_answer_is_nowhere_on_the_page_before_it_is_revealed(app: AppTest) -> None:
    project = create_project("study", FINDINGS, read_first=True)
    begin(app, project, heart=file_of(SLENDER), bright=draw_file(220), dark=draw_file(20))
    state = state_of(app)
    words = ("heart-adults", "Impression", "Report (PDF)", "most suspicious", "Not assessed")
    pages = []
    for _ in range(2):
        for key in list(state.entries):
            state.choose_entry(key)
            app.run()
            assert not app.exception
            assert "the answer is hidden" in visible_text(app)
            pages.append(sent_to_the_browser(app))
        give_opposite_answers(state)
    assert [word for word in words if word in "".join(pages)] == []
    # Not a byte of what the browser gets depends on the answer.
    assert find_differences("".join(pages[:3]), "".join(pages[3:])) == []
    press(app, "Suspected", 0)
    press(app, "Not suspected", 1)
    app.run()
    hidden = sent_to_the_browser(app)
    give_opposite_answers(state)
    app.run()
    assert find_differences(sent_to_the_browser(app), hidden) == []
    press(app, "Reveal the answer")
    revealed = sent_to_the_browser(app)
    assert "heart-adults" in revealed
    give_opposite_answers(state)
    app.run()
    assert sent_to_the_browser(app) != revealed
    assert "You read **suspected** first" in visible_text(app)
    press(app, "Unsure", 0)
    assert "You read **suspected** first, then **unsure**" in visible_text(app)
    assert answers(project)[-1] == ("cardiomegaly", "unsure", "after")


def test_a_film_that_waits_to_be_read_first_hides_its_answer_outside_the_project(
    app: AppTest,
) -> None:
    project = create_project("study", FINDINGS, read_first=True)
    begin(app, project, film=draw_file(200))
    press(app, "Suspected", 0)

    def open_outside(reader: str | None) -> FeedbackState:
        feedback = state_of(app).feedback
        feedback.choose_project("")
        feedback.reader = register_reader(reader) if reader else None
        app.run()
        assert not app.exception
        return feedback

    assert open_outside(None).project_id == ""
    assert "Who is reading?" in visible_text(app)
    assert "heart-adults" not in sent_to_the_browser(app)
    open_outside("Eve")
    assert "heart-adults" in sent_to_the_browser(app), "Eve takes no part in the study"
    assert open_outside("Ada").project_id == project.id
    assert "read first in the project study" in visible_text(app)
    assert "heart-adults" not in sent_to_the_browser(app)
    press(app, "Not suspected", 1)
    press(app, "Reveal the answer")
    assert open_outside("Ada").project_id == ""
    assert "heart-adults" in sent_to_the_browser(app)


def test_lists_and_downloads_hide_the_answer_too(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pages.components.read import worklist

    begin(
        app, create_project("study", FINDINGS, read_first=True), a=draw_file(20), b=draw_file(220)
    )
    drawn: list[list[str]] = []
    monkeypatch.setattr(
        worklist,
        "show_worklist",
        lambda columns, rows, *rest, **more: drawn.append(
            [
                columns,
                [[cell.text for cell in row.cells] for row in rows],
                [row.suspected for row in rows],
            ]  # type: ignore[list-item]
        ),
    )
    monkeypatch.setattr(
        worklist,
        "write_csv",
        lambda *given: drawn.append(write_csv(*given).decode("utf-8-sig").splitlines()) or b"",  # type: ignore[func-returns-value]
    )
    app.run()
    columns, rows, suspected = drawn[-1]
    assert columns == ["File", "Age", "View", "CTR"]
    assert [row[0] for row in rows] == ["a.png", "b.png"], "in the order they came"
    assert suspected == [False, False]
    assert [row[3] for row in rows] == ["–", "–"]


def test_a_session_can_hide_answers_without_a_project(app: AppTest) -> None:
    state = state_of(app)
    state.feedback.read_first = True
    upload(app, film=draw_file(220))
    app.sidebar.number_input[0].set_value(63).run()
    assert "heart-adults" not in sent_to_the_browser(app)
    press(app, "Suspected", 0)
    press(app, "Suspected", 1)
    assert "saved" not in visible_text(app)
    press(app, "Undo")
    press(app, "Unsure", 1)
    press(app, "Reveal the answer")
    assert "heart-adults" in sent_to_the_browser(app)
    assert "You read **unsure** first" in visible_text(app)
    state.clear_study()
    assert state.feedback.tab_verdicts == {}


def test_calipers_that_were_set_are_kept_with_the_verdict_on_the_heart(app: AppTest) -> None:
    project = create_project("study", FINDINGS, read_first=True)
    begin(app, project, heart=file_of(SLENDER))
    state = state_of(app)
    (key,) = state.entries
    state.edited_ends[key] = (((100.0, 200.0), (250.0, 200.0)), ((60.0, 240.0), (340.0, 240.0)))
    app.run()
    assert "0.54" in visible_text(app), "the reader's own"
    assert "Automatic" not in visible_text(app)
    press(app, "Not suspected", 0)
    state.edited_ends[key] = (((100.0, 200.0), (260.0, 200.0)), ((60.0, 240.0), (340.0, 240.0)))
    app.run()
    (film,) = list_project_films(project)
    rows = list_verdicts(film.id)
    assert [row.calipers.heart[1][0] for row in rows if row.calipers] == [250.0, 260.0]


def test_a_film_is_kept_only_with_consent_and_can_be_taken_out_again(app: AppTest) -> None:
    project = create_project("study", FINDINGS)
    begin(app, project, film=draw_file(200))
    press(app, "Agree")
    assert [film.is_kept for film in list_project_films(project)] == [False]
    press(app, "Keep this film in study")
    (film,) = list_project_films(project)
    assert film.is_kept
    assert film.picture.is_file()
    press(app, "Delete the film and its verdicts")
    assert list_project_films(project) == []
    assert not film.picture.exists()


def test_another_window_that_saved_meanwhile_is_told_and_both_are_kept(app: AppTest) -> None:
    project = create_project("study", FINDINGS)
    begin(app, project, film=draw_file(200))
    press(app, "Agree")
    (film,) = list_project_films(project)
    reader = register_reader("Ada").id
    button = next(button for button in app.button if button.label == "Disagree")
    (row,) = list_verdicts(film.id)
    record_verdict(
        NewVerdict(
            film=film.id, reader=reader, finding="cardiomegaly", answer="unsure", seen=row.id
        )
    )
    button.click().run()
    assert "another window of yours had saved 'unsure' meanwhile" in visible_text(app)
    assert [answer for _, answer, _ in answers(project)] == ["suspected", "unsure", "not_suspected"]


def test_a_damaged_store_hides_no_answer_outside_its_projects(app: AppTest) -> None:
    create_project("study", FINDINGS)
    (feedback_folder() / FILE).write_bytes(b"no database" * 100)
    upload(app, film=draw_file(200))
    assert any("move it away" in warning.value for warning in app.warning)
    state = state_of(app)
    assert state.entries
    assert state.feedback.hidden == frozenset()


def test_a_box_suspects_the_finding_and_is_kept_with_the_verdict(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pages.components.feedback import panel, verdict_rows
    from pages.components.read.cardiothoracic_ratio import film_id

    project = create_project("study", FINDINGS)
    begin(app, project, film=draw_file(200))
    state = state_of(app)
    (entry,) = state.entries.values()
    sent = session.SentMark(film=film_id(entry), box=(0.1, 0.2, 0.3, 0.25))
    monkeypatch.setattr(verdict_rows, "sent_mark", lambda key: sent)
    keeper = find_keeper(state)
    assert keeper is not None
    opened = panel.VerdictPanel(
        state=state,
        entry=entry,
        keeper=keeper,
        film=build_judged_film(entry),
        verdicts=keeper.load(build_judged_film(entry)),
        programs={},
    )
    marking = opened.mark_on_film("viewer")
    assert marking is not None
    assert marking.on_change is not None
    marking.on_change()
    app.run()
    assert "1 box" in visible_text(app)
    (film,) = list_project_films(project)
    (row,) = list_verdicts(film.id)
    assert (row.answer, row.marks[0].width, row.marks[0].top) == ("suspected", 0.3, 0.2)


@pytest.mark.parametrize(
    "sent",
    [
        {"film": "f", "box": [0.1, 0.2, 0.3]},
        {"film": "f", "box": [0.1, 0.2, 7, 0.1]},
        {"film": "f", "box": [0.1, float("nan"), 0.1, 0.1]},
        {"film": "f", "box": "<script>"},
        {"film": "f"},
        "text",
        None,
    ],
)
def test_marks_that_no_viewer_sends_are_left_out(
    sent: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session.st, "session_state", {"viewer": {"mark": sent}})
    assert session.sent_mark("viewer") is None


def test_a_deleted_project_shows_no_answer_and_can_be_left(app: AppTest) -> None:
    from cxr_core.feedback.deletion import delete_project

    project = create_project("study", FINDINGS, read_first=True)
    begin(app, project, film=draw_file(220))
    delete_project(project)
    app.run()
    assert "heart-adults" not in sent_to_the_browser(app)
    assert "the project was deleted meanwhile" in visible_text(app)
    box = app.selectbox(key=state_of(app).widget_key("feedback-project"))
    assert not box.disabled
    box.set_value("").run()
    assert "heart-adults" in sent_to_the_browser(app)


def test_a_study_that_is_read_first_cannot_be_opened_up_by_another_project(app: AppTest) -> None:
    begin(app, create_project("study", FINDINGS, read_first=True), film=draw_file(220))
    app.run()
    assert app.selectbox(key=state_of(app).widget_key("feedback-project")).disabled
    assert app.toggle(key=state_of(app).widget_key("feedback-first")).disabled


def test_verdicts_of_a_tab_go_back_step_by_step() -> None:
    from pages.components.feedback.film_verdicts import JudgedFilm

    def decode() -> object:
        raise AssertionError("no pixels are needed")

    keeper = TabKeeper(FeedbackState(read_first=True))
    film = JudgedFilm(key="f", sha256="", decode=decode, findings=tuple(FINDINGS))  # type: ignore[arg-type]
    with pytest.raises(FeedbackError, match="missing: Cardiomegaly, Pneumonia"):
        keeper.reveal(film)
    for finding, answer in (("cardiomegaly", "suspected"), ("pneumonia", "unsure")):
        keeper.give(film, NewJudgement(finding=finding, answer=answer))  # type: ignore[arg-type]
    keeper.give(film, NewJudgement(finding="cardiomegaly", answer="unsure"))
    keeper.undo(film)
    assert {key: one.answer for key, one in keeper.load(film).current.items()} == {
        "cardiomegaly": "suspected",
        "pneumonia": "unsure",
    }
    keeper.reveal(film)
    assert keeper.list_hidden([film]) == frozenset()
    keeper.undo(film, "pneumonia")
    assert (keeper.load(film).state, keeper.load(film).missing) == ("changed", ["pneumonia"])
