"""A click on a row means what the browser showed there, also when the list has changed by the time it arrives."""

from typing import Any

import pytest

from pages.components import row_selection, session


class Browser:
    """Takes the place of `st.dataframe`: keeps the tables that were sent, and clicks on one of them."""

    def __init__(self) -> None:
        self.tables: list[dict[str, Any]] = []
        self.values: dict[str, Any] = {}

    def show(self, rows: Any, **options: Any) -> None:
        self.tables.append(options)

    def click(self, table: int, *rows: int) -> None:
        shown = self.tables[table]
        self.values[shown["key"]] = {"selection": {"rows": rows}}
        shown["on_select"]()

    def marked(self, table: int) -> tuple[int, ...]:
        value = self.values.get(self.tables[table]["key"], {"selection": {"rows": ()}})
        return tuple(value["selection"]["rows"])


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Browser:
    used = Browser()
    monkeypatch.setattr(row_selection.st, "dataframe", used.show)
    monkeypatch.setattr(session.st, "session_state", used.values)
    return used


def show(selection: list[str], *ids: str) -> None:
    def select(chosen: tuple[str, ...]) -> None:
        selection[:] = chosen

    row_selection.show_selectable_rows({}, ids, selection, key="runs", on_select=select)


def test_a_click_on_the_former_list_selects_the_row_that_was_shown(browser: Browser) -> None:
    selection: list[str] = []
    show(selection, "beta", "alpha")
    show(selection, "new", "beta", "alpha")
    browser.click(0, 1)
    assert selection == ["alpha"]
    show(selection, "new", "beta", "alpha")
    assert browser.marked(2) == (2,)


def test_the_mark_follows_a_selection_that_was_made_elsewhere(browser: Browser) -> None:
    selection: list[str] = []
    show(selection, "beta", "alpha")
    browser.click(0, 0)
    assert selection == ["beta"]
    selection[:] = ["alpha"]  # by a link
    show(selection, "beta", "alpha")
    assert browser.tables[0]["key"] == browser.tables[1]["key"]
    assert browser.marked(1) == (1,)


def test_lists_of_other_rows_or_another_order_are_other_tables(browser: Browser) -> None:
    for ids in (("a", "b"), ("b", "a"), ("a",), ("a\nb",), ("ab",)):
        show([], *ids)
    keys = [table["key"] for table in browser.tables]
    assert len(set(keys[:3])) == 3
    assert len(set(keys)) >= 4  # no name of a file holds a line break
