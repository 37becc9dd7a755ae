"""What stands before every page, on Streamlit's test bench: nobody signed in, ended, without a role."""

import json
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.access.actor import LOCAL, Actor, Role, acting_as, current_actor
from cxr_core.access.audit import audit_folder
from cxr_core.access.identity import AccessSettings, Identity
from cxr_core.errors import AccessRefused
from pages.components.background_tasks import BackgroundTask
from pages.components.sign_in import door, person
from pages.components.sign_in.settings import SignIn
from tests.pages.app_bench import button_labels, open_page, upload, visible_text
from tests.service.clients import draw_film

SIGN_IN = SignIn(providers=(None,), host="localhost", access=AccessSettings())


class Visitor:
    """Who has signed in on the bench; None for nobody."""

    identity: Identity | None = None

    def sign_in(self, role: Role, *, ended: bool = False) -> None:
        now = time.time()
        self.identity = Identity(
            actor=Actor("8f1c", role), signed_in_at=now, ends_at=now + (-1 if ended else 3600)
        )


@pytest.fixture
def visitor(monkeypatch: pytest.MonkeyPatch) -> Visitor:
    visitor = Visitor()
    for module in (door, person):
        monkeypatch.setattr(module, "load_sign_in", lambda: SIGN_IN)
        monkeypatch.setattr(module, "find_identity", lambda: visitor.identity)
    monkeypatch.setattr(door, "name_person", lambda: "Jane Doe" if visitor.identity else "")
    monkeypatch.setattr("cxr_core.access.actor._find_actor", person.find_page_actor)
    return visitor


def recorded() -> list[tuple[str, str, str]]:
    file = audit_folder() / "audit-000001.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(e["who"], e["action"], e["outcome"]) for e in map(json.loads, lines)]


def test_nobody_gets_the_button_alone(app: AppTest, visitor: Visitor) -> None:
    app.run()
    assert button_labels(app) == ["Sign in"]
    assert len(app.file_uploader) == 0
    open_page(app, "train")
    assert button_labels(app) == ["Sign in"]


def test_a_sign_in_that_ended_is_recorded_once_and_shows_nothing(
    app: AppTest, visitor: Visitor
) -> None:
    visitor.sign_in(Role.ADMIN, ended=True)
    app.run()
    app.run()
    assert "Your sign-in has ended" in visible_text(app)
    assert len(app.file_uploader) == 0
    assert recorded() == [("8f1c", "sign-in", "ended")]


def test_a_page_ends_with_the_sign_in(app: AppTest, visitor: Visitor) -> None:
    visitor.sign_in(Role.READER)
    upload(app, film=draw_film(3))
    assert "Impression" in visible_text(app)
    visitor.sign_in(Role.READER, ended=True)
    app.run()
    assert "Impression" not in visible_text(app)
    assert "Films that you had open wait for you" in visible_text(app)


def test_without_a_role_nothing_is_shown(app: AppTest, visitor: Visitor) -> None:
    visitor.sign_in(Role.NONE)
    app.run()
    assert "you have no role here. Ask whoever manages sign-in" in visible_text(app)
    assert recorded() == [("8f1c", "sign-in", "refused")]


@pytest.mark.parametrize("page", ["data", "train", "evaluate", "models", "site"])
def test_a_reader_is_told_what_a_page_needs(app: AppTest, visitor: Visitor, page: str) -> None:
    visitor.sign_in(Role.READER)
    open_page(app, page)
    assert "This page needs the role researcher, and you have the role reader." in visible_text(app)
    assert button_labels(app) == ["Sign out"]


def test_a_page_that_is_refused_is_recorded_once_in_a_sign_in(
    app: AppTest, visitor: Visitor
) -> None:
    visitor.sign_in(Role.READER)
    for page in ("train", "train", "models"):
        open_page(app, page)
    refused = [each for each in recorded() if each[2] == "refused"]
    assert refused == [("8f1c", "page", "refused")] * 2


def test_a_token_that_cannot_be_used_is_recorded_once_in_a_tab(
    app: AppTest, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> Identity:
        raise AccessRefused("the identity provider's answer has no usable claim exp")

    for module in (door, person):
        monkeypatch.setattr(module, "find_identity", refuse)
    app.run()
    app.run()
    assert "no usable claim exp" in visible_text(app)
    assert recorded() == [("nobody", "sign-in", "refused")]


def test_a_reading_on_the_page_is_recorded_for_its_reader(app: AppTest, visitor: Visitor) -> None:
    visitor.sign_in(Role.READER)
    upload(app, film=draw_film(3))
    assert ("8f1c", "reading", "done") in recorded()


def test_what_is_made_later_is_refused_once_the_sign_in_has_ended(visitor: Visitor) -> None:
    visitor.sign_in(Role.READER)
    require_sign_in = person.hold_sign_in()
    require_sign_in()
    person.end_sign_in(visitor.identity)  # type: ignore[arg-type]
    with pytest.raises(AccessRefused, match="your sign-in has ended"):
        require_sign_in()


def test_a_background_task_acts_as_whoever_started_it(workspace: Path) -> None:
    with acting_as(Actor("8f1c", Role.RESEARCHER)):
        task = BackgroundTask("key", "", lambda _: current_actor())
    assert task.wait(30)
    assert task.result == Actor("8f1c", Role.RESEARCHER)
    assert current_actor() == LOCAL
