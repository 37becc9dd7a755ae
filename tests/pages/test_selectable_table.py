"""A click on a row means what the browser showed there, also when the list has changed by the time it arrives."""

from typing import Any

import pytest

from pages.components import selectable_table, session
from pages.components.selectable_table import (
    SelectableRow,
    SelectableTable,
    TableColumn,
    show_selectable_table,
)


class Browser:
    """Takes the place of the component in the browser: keeps what was sent, and clicks on one of the tables."""

    def __init__(self) -> None:
        self.tables: list[dict[str, Any]] = []
        self.values: dict[str, Any] = {}
        self.serial = 0

    def show(self, **sent: Any) -> None:
        self.tables.append(sent)

    def select(self, table: int, *rows: int) -> None:
        """Select these rows of a table as it was drawn."""
        shown = self.tables[table]
        self.serial += 1
        ids = [shown["data"]["rows"][row]["id"] for row in rows]
        self.send(table, {"serial": self.serial, "ids": ids})

    def send(self, table: int, selection: object) -> None:
        self.values[self.tables[table]["key"]] = {"selection": selection}
        self.tables[-1]["on_selection_change"]()

    def click_head(self, column: str) -> None:
        self.values[self.tables[-1]["key"]] = {"sorted": column}
        self.tables[-1]["on_sorted_change"]()


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Browser:
    used = Browser()
    monkeypatch.setattr(selectable_table, "_mount_component", used.show)
    monkeypatch.setattr(session.st, "session_state", used.values)
    return used


def show(selection: list[str], *ids: str, sorted_by: list[str] | None = None) -> None:
    def select(chosen: tuple[str, ...]) -> None:
        selection[:] = chosen

    table = SelectableTable(
        columns=(TableColumn(name="Run"), TableColumn(name="AUROC", is_number=True)),
        rows=tuple(SelectableRow(id=each, cells=(each.upper(), "0.9")) for each in ids),
        label="Runs",
        limit=10,
    )
    heads = [] if sorted_by is None else sorted_by
    show_selectable_table(table, selection, "runs", on_select=select, on_sort=heads.append)


def test_a_click_on_the_former_list_selects_the_row_that_was_shown(browser: Browser) -> None:
    selection: list[str] = []
    show(selection, "beta", "alpha")
    show(selection, "new", "beta", "alpha")
    browser.select(0, 1)
    assert selection == ["alpha"]
    show(selection, "new", "beta", "alpha")
    assert browser.tables[-1]["data"]["selected"] == ["alpha"]


def test_the_browser_learns_which_of_its_clicks_was_answered(browser: Browser) -> None:
    """It shows later clicks as they were made until then."""
    selection: list[str] = []
    show(selection, "beta", "alpha")
    assert browser.tables[-1]["data"]["answered"] == 0
    browser.select(0, 0)
    browser.select(0, 0, 1)
    show(selection, "beta", "alpha")
    assert browser.tables[-1]["data"]["answered"] == 2


def test_the_table_follows_a_selection_that_was_made_elsewhere(browser: Browser) -> None:
    selection: list[str] = []
    show(selection, "beta", "alpha")
    browser.select(0, 0)
    selection[:] = ["alpha"]  # by a link
    show(selection, "beta", "alpha")
    assert browser.tables[0]["key"] == browser.tables[1]["key"]
    assert browser.tables[1]["data"]["selected"] == ["alpha"]


@pytest.mark.parametrize(
    "sent", [None, "beta", {"ids": ["beta"]}, {"serial": 1, "ids": [1]}, {"serial": 1, "ids": 7}]
)
def test_what_is_no_selection_changes_nothing(browser: Browser, sent: object) -> None:
    selection = ["alpha"]
    show(selection, "beta", "alpha")
    browser.send(0, sent)
    assert selection == ["alpha"]


def test_a_click_on_a_head_names_a_column_of_the_table(browser: Browser) -> None:
    sorted_by: list[str] = []
    show([], "beta", sorted_by=sorted_by)
    browser.click_head("AUROC")
    browser.click_head("password")
    assert sorted_by == ["AUROC"]
