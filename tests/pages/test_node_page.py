"""The Node page: the switch, what waits, and the decision about dead films."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.access.actor import Actor, Role, acting_as
from cxr_core.dicom_io.node import overview, switch
from cxr_core.dicom_io.node.film_queue import FilmQueue, State
from cxr_core.dicom_io.node.spool import Spool, node_folder
from cxr_core.errors import AccessRefused, NodeError
from cxr_core.workspace.process_id import current_process
from tests.node.bench import IDENTITY, PEER, arrive, make_film
from tests.pages.app_bench import find_button, open_page, visible_text

SETTINGS = f"""
[archives.main]
url = "http://127.0.0.1:1/dicom-web"
[node]
peers = [{{ae_title = "{PEER}", address = "10.0.0.7"}}]
"""


@pytest.fixture
def dead_film(workspace: Path) -> str:
    """A node whose only film could not be decoded; the name of its files."""
    workspace.mkdir(exist_ok=True)
    (workspace / "pacs.toml").write_text(SETTINGS)
    data = make_film(1)
    Spool(node_folder()).write_film(arrive(data).name, data)
    with FilmQueue(node_folder()) as queue:
        queue.add(arrive(data))
        film = queue.claim(0.0, [])
        assert film is not None
        queue.mark(film, State.DEAD, "undecodable")
    return film.name


def test_it_says_who_may_send_and_what_became_of_films(dead_film: str, app: AppTest) -> None:
    open_page(app, "node")
    text = visible_text(app).replace("\\", "")
    assert f"{PEER} (10.0.0.7)" in text
    assert "The node is not running." in text
    assert {metric.label: metric.value for metric in app.metric}["Dead"] == "1"
    assert "undecodable" in str(app.dataframe[0].value)
    assert not [word for word in IDENTITY if word in text + str(app.dataframe[0].value)]


def test_a_dead_film_is_tried_again_or_deleted(dead_film: str, app: AppTest) -> None:
    open_page(app, "node")
    find_button(app, "Try again").click().run()
    with FilmQueue(node_folder()) as queue:
        (film,) = queue.list_films([State.RECEIVED])
        queue.mark(film, State.DEAD, "undecodable")
    app.run()
    find_button(app, "Delete").click().run()
    assert Spool(node_folder()).list_names() == set()
    assert not app.dataframe


def test_the_switch_starts_and_stops_it(
    dead_film: str, app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process itself is started in tests/node/test_node.py."""
    running: list[object] = []
    monkeypatch.setattr(switch, "start_node", lambda: running.append(current_process()))
    monkeypatch.setattr(switch, "stop_node", lambda _: not running.clear())
    monkeypatch.setattr(overview, "find_node_process", lambda: running[0] if running else None)
    open_page(app, "node")
    find_button(app, "Start").click().run()
    app.run()
    assert f"process {current_process().pid}" in visible_text(app)
    find_button(app, "Stop").click().run()
    app.run()
    assert "not running" in visible_text(app)


def test_what_the_settings_lack_is_told(app: AppTest) -> None:
    open_page(app, "node")
    assert "pacs.toml" in app.error[0].value


@pytest.mark.usefixtures("dead_film")
def test_only_an_administrator_may_switch_and_decide() -> None:
    with acting_as(Actor("somebody", Role.RESEARCHER)):
        for act in (switch.start_node, lambda: switch.stop_node(1.0), overview.discard_films):
            with pytest.raises(AccessRefused):
                act()


@pytest.mark.usefixtures("dead_film")
def test_a_film_that_is_not_dead_is_left_alone() -> None:
    with pytest.raises(NodeError, match="film 77 is not dead"):
        overview.discard_films([1, 77])
    assert len(overview.look_at_node().dead) == 1
