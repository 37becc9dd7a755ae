"""The Site page as a physicist uses it who commissions the program: real films, a shipped model, a real browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.served_app import STREAMLIT, serve
from tests.browser.tabs import click_through_tabs
from tests.browser.test_read_page_in_browser import card_of, explanation_of

pytestmark = pytest.mark.browser

WAIT_MS = 180_000  # a busy machine reads some fifty films slowly
OF_A_CLASS = 24
PERCENT = re.compile(r"[<>]?\d+ %")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the app as it is, with a workspace in which nothing is installed."""
    yield from serve(STREAMLIT, tmp_path_factory.mktemp("workspace"))


def films_of(real_data: Path, folder: str) -> list[Path]:
    """Films of as many children, a film each."""
    paths = sorted((real_data / "kermany_pneumonia" / "test" / folder).iterdir())
    of_child = {re.split(r"_|-\d{4}\.", path.name)[0]: path for path in paths}
    return list(of_child.values())


def go_to(page: Page, title: str) -> None:
    page.get_by_role("link", name=title, exact=True).click()
    expect(page.get_by_test_id("stApp")).to_have_attribute(
        "data-test-script-state", "notRunning", timeout=WAIT_MS
    )


def read_number(page: Page) -> str:
    """The probability of pneumonia that the Read page shows."""
    card = card_of(page, "pneumonia")
    expect(card).to_contain_text("%", timeout=WAIT_MS)
    found = PERCENT.search(card.inner_text())
    assert found
    return found[0]


def drop(page: Page, zone: int, films: list[Path]) -> None:
    area = page.locator(f".st-key-site-zone-{zone}")
    area.locator("input[type=file]").set_input_files([str(path) for path in films])
    text = re.compile(rf"Dropped: .*\b{len(films)} films {('free', 'with')[zone]}")
    expect(page.get_by_text(text)).to_be_visible(timeout=WAIT_MS)


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def test_accept_recalibrate_install_read_and_revoke(page: Page, app: str, real_data: Path) -> None:
    page.set_default_timeout(WAIT_MS)
    healthy, ill = films_of(real_data, "NORMAL"), films_of(real_data, "PNEUMONIA")
    page.goto(app)
    page.locator("input[type=file]").set_input_files(str(healthy[-1]))
    page.get_by_text("Add films (1 in this study)").wait_for(timeout=WAIT_MS)
    button(page, "Child of 1 to 5").click()
    before = read_number(page)

    go_to(page, "Site")
    expect(page.get_by_text("first drop films of at least 20 patients")).to_be_visible()
    page.get_by_role("combobox", name="Finding and model").click()
    page.get_by_role("option", name=re.compile("pneumonia-children")).click()
    expect(page.get_by_text("children aged 1 to 5").first).to_be_visible()
    drop(page, 0, healthy[:OF_A_CLASS])
    drop(page, 1, ill[:OF_A_CLASS])
    button(page, "Run the acceptance test").click()
    expect(page.get_by_text("Shifted: recalibrate.")).to_be_visible(timeout=WAIT_MS)
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    button(page, "Recalibrate").click()
    expect(page.get_by_text("cross-validated by patient on")).to_be_visible(timeout=WAIT_MS)
    page.get_by_label("Reason", exact=True).fill("healthy children score higher here")
    page.get_by_label("Reason", exact=True).press("Enter")
    button(page, "Install").click()
    installed = page.locator(".st-key-site-installed")
    expect(installed).to_contain_text("recalibrated probabilities", timeout=WAIT_MS)

    go_to(page, "Read")
    expect(explanation_of(page, "pneumonia")).to_contain_text(
        re.compile(r"Recalibrated for this site on \d{4}-\d\d-\d\d, \d+ films"), timeout=WAIT_MS
    )
    assert read_number(page) != before

    go_to(page, "Site")
    button(page, "Revoke").click()
    expect(installed).to_have_count(0, timeout=WAIT_MS)
    page.get_by_role("tab", name="History").click()
    expect(page.get_by_role("row", name=re.compile("revoked"))).to_contain_text("one click")
    go_to(page, "Read")
    expect(explanation_of(page, "pneumonia")).not_to_contain_text("ecalibrated", timeout=WAIT_MS)
    assert read_number(page) == before


def test_each_click_on_a_tab_opens_it(page: Page, app: str) -> None:
    page.goto(app)
    go_to(page, "Site")
    click_through_tabs(page, ["Acceptance", "Watching", "History", "Archive"])


def test_films_are_declared_in_english(page: Page, app: str) -> None:
    page.goto(app)
    go_to(page, "Site")
    page.get_by_role("combobox", name="Finding and model").click()
    page.get_by_role("option", name=re.compile("abnormality-adults")).click()
    expect(page.get_by_text("Films known to be free of abnormality")).to_be_visible()
