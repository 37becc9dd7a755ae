"""A click in a gallery means the film that the browser showed, whatever the list holds when it arrives."""

from typing import Any

import pytest

from pages.components import gallery
from pages.components.gallery import Picture, show_gallery


@pytest.fixture
def mounted(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the browser was sent, a dictionary for each time that a gallery was drawn."""
    drawn: list[dict[str, Any]] = []
    monkeypatch.setattr(gallery, "_mount_component", lambda **sent: drawn.append(sent))
    return drawn


def test_a_click_on_its_way_opens_the_film_that_was_shown(
    mounted: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    clicks: dict[str, dict[str, int]] = {}
    monkeypatch.setattr(
        gallery, "clicked_picture", lambda key, action: clicks.get(key, {}).get(action)
    )
    opened: list[str] = []

    def draw(*names: str) -> None:
        pictures = [Picture(name=name, jpeg="x") for name in names]
        show_gallery(
            pictures,
            key="films",
            on_open=lambda position: opened.append(names[position]),
            on_pick=lambda position: opened.append(f"pick {names[position]}"),
        )

    draw("a.png", "b.png")
    clicks[mounted[0]["key"]] = {"opened": 1}
    draw("new.png", "a.png", "b.png")
    mounted[1]["on_opened_change"]()
    assert opened == [], "the click belongs to the former list"
    mounted[0]["on_opened_change"]()
    assert opened == ["b.png"]
    clicks[mounted[1]["key"]] = {"picked": 0}
    mounted[1]["on_picked_change"]()
    assert opened == ["b.png", "pick new.png"]


def test_a_tick_redraws_no_other_gallery(mounted: list[dict[str, Any]]) -> None:
    for picked in (False, True):
        pictures = [Picture(name="a.png", jpeg="x", picked=picked)]
        show_gallery(pictures, key="films", on_open=lambda position: None)
    assert mounted[0]["key"] == mounted[1]["key"]
    assert mounted[0]["data"] != mounted[1]["data"]


def test_a_position_outside_the_list_opens_nothing(
    mounted: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "clicked_picture", lambda key, action: 7)
    opened: list[int] = []
    show_gallery([Picture(name="a.png", jpeg="x")], key="films", on_open=opened.append)
    mounted[0]["on_opened_change"]()
    assert opened == []
