"""Verdicts on the Read page, on Streamlit's test bench: kept, undone, and given before the answer is shown."""

import json
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.feedback.films import list_films
from cxr_core.feedback.projects import Project, create_project
from cxr_core.feedback.readers import register_reader
from cxr_core.feedback.verdicts import list_verdicts
from pages.components.session import ReadPageState
from tests.pages.app_bench import button_labels, find_button, upload, visible_text

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


def begin(app: AppTest, project: Project, **files: bytes) -> AppTest:
    """Read films of an adult as Ada, with verdicts kept in a project."""
    state = state_of(app)
    state.feedback.choose_project(project.id)
    state.feedback.reader = register_reader("Ada")
    app.run()
    app.sidebar.number_input[0].set_value(63).run()
    upload(app, **files)
    assert not app.exception
    return app


def sent_to_the_browser(app: AppTest) -> str:
    """Everything of the page that the browser gets, as text."""
    return "\n".join(str(element.proto) for element in walk(app))


def walk(node: object) -> Iterator[object]:
    if hasattr(node, "proto"):
        yield node
    for child in getattr(node, "children", {}).values():
        yield from walk(child)
    if isinstance(node, AppTest):
        for block in (node.main, node.sidebar):
            yield from walk(block)


def press(app: AppTest, label: str, place: int = 0) -> AppTest:
    buttons = [button for button in app.button if button.label == label]
    buttons[place].click().run()
    assert not app.exception
    return app


def answers(project: Project) -> list[tuple[str, str, str]]:
    rows = [row for film in list_films(project) for row in list_verdicts(film.id)]
    return [(row.finding, row.answer, row.phase) for row in rows]


def test_nothing_is_offered_or_kept_until_a_project_is_chosen(app: AppTest) -> None:
    create_project("study", FINDINGS)
    upload(app, film=draw_file(200))
    assert {"Agree", "Suspected", "Undo"}.isdisjoint(button_labels(app))
    assert "Verdicts are kept once a project is chosen." in visible_text(app)
    assert list_films(create_project("other", FINDINGS)) == []


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
    (film,) = list_films(project)
    assert not film.is_kept
    (row, _) = list_verdicts(film.id)
    assert (row.program.model, row.program.call) == ("heart-adults", "present")
