"""Sign-in by a real OpenID provider on this computer: what each role sees, and when it ends."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.access.provider import serve_locked_app
from tests.service.clients import draw_film
from tests.tiny import tiny_card, tiny_model

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workspace")
    card = tiny_card(findings=("pneumonia",))
    tiny_model(folder / "models", card)
    tiny_model(folder / "models", replace(card, version="1.1.0"))
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with serve_locked_app(folder) as address:
        yield address


def sign_in(page: Page, address: str, person: str, provider: str = "hospital") -> None:
    page.goto(address)
    page.get_by_role("button", name=f"Sign in with {provider}").click()
    page.get_by_role("button", name=person).click()
    page.wait_for_url(f"{address}/**")


def menu(page: Page) -> set[str]:
    links = page.get_by_test_id("stSidebarNav").get_by_role("link")
    return {name.strip().splitlines()[-1] for name in links.all_inner_texts()}


def recorded(folder: Path) -> list[tuple[str, str, str]]:
    lines = (folder / "audit/audit-000001.jsonl").read_text().splitlines()
    return [(e["who"], e["action"], e["outcome"]) for e in map(json.loads, lines)]


def test_nobody_sees_a_page_before_signing_in(context: BrowserContext, address: str) -> None:
    page = context.new_page()
    for path in ("", "/train", "/models", "/read"):
        page.goto(address + path)
        expect(page.get_by_role("button", name="Sign in with hospital")).to_be_visible()
        expect(page.get_by_text("Training")).to_have_count(0)
        expect(page.get_by_test_id("stFileUploader")).to_have_count(0)
        assert menu(page) == set()


def test_a_reader_reads_and_sees_no_laboratory(
    context: BrowserContext, address: str, folder: Path
) -> None:
    page = context.new_page()
    sign_in(page, address, "sub-reader")
    expect(page.get_by_text("Rita Reader, reader")).to_be_visible()
    file = {"name": "own.png", "mimeType": "image/png", "buffer": draw_film(3)}
    page.locator("input[type=file]").first.set_input_files(file)  # type: ignore[arg-type]
    expect(page.get_by_text("own.png")).to_be_visible()
    expect(page.get_by_text("Impression")).to_be_visible()
    assert menu(page) <= {"Read"}
    page.goto(f"{address}/train")
    expect(page.get_by_text("This page needs the role researcher")).to_be_visible()
    expect(page.get_by_role("tab")).to_have_count(0)
    page.get_by_role("link", name="Read films").click()
    expect(page.get_by_text("own.png")).to_be_visible()  # the study is found again by its reader
    assert {("sub-reader", "sign-in", "done"), ("sub-reader", "reading", "done")} <= {
        *recorded(folder)
    }


def test_a_researcher_sees_versions_and_an_admin_changes_them(
    browser: Browser, context: BrowserContext, address: str, folder: Path
) -> None:
    page = context.new_page()
    sign_in(page, address, "sub-researcher")
    expect(page.get_by_text("Rob Researcher, researcher")).to_be_visible()
    page.goto(f"{address}/models?model=tiny")
    expect(page.get_by_text("Changing which version reads films needs the role")).to_be_visible()
    expect(page.get_by_role("button", name="Roll back to 1.0.0")).to_have_count(0)
    assert menu(page) >= {"Read", "Data", "Train", "Evaluate", "Models", "Site"}
    with browser.new_context() as other:
        page = other.new_page()
        sign_in(page, address, "sub-admin")
        expect(page.get_by_text("Ada Admin, admin")).to_be_visible()
        page.goto(f"{address}/models?model=tiny")
        page.get_by_role("button", name="Roll back to 1.0.0").click()
        expect(page.get_by_text("tiny 1.0.0 is now the active version.")).to_be_visible()
    assert ("sub-admin", "roll-back", "done") in recorded(folder)


def test_somebody_without_a_role_is_told_whom_to_ask(
    context: BrowserContext, address: str, folder: Path
) -> None:
    page = context.new_page()
    sign_in(page, address, "sub-janitor")
    expect(page.get_by_text("you have no role here. Ask whoever manages sign-in")).to_be_visible()
    page.goto(f"{address}/models")
    expect(page.get_by_text("you have no role here")).to_be_visible()
    assert menu(page) == set()
    assert ("sub-janitor", "sign-in", "refused") in recorded(folder)


def test_an_expired_token_opens_nothing(
    context: BrowserContext, address: str, folder: Path
) -> None:
    page = context.new_page()
    sign_in(page, address, "sub-admin", "short")
    ended = page.get_by_text("Your sign-in has ended.")
    expect(ended.or_(page.get_by_text("Ada Admin, admin"))).to_be_visible()
    page.wait_for_timeout(2500)  # the token holds for two seconds, by this computer's clock
    page.goto(f"{address}/models")
    expect(ended).to_be_visible()
    assert menu(page) == set()
    assert ("sub-admin", "sign-in", "ended") in recorded(folder)


def test_signing_out_ends_it_in_every_tab(
    context: BrowserContext, address: str, folder: Path
) -> None:
    page, other = context.new_page(), context.new_page()
    sign_in(page, address, "sub-reader")
    expect(page.get_by_text("Rita Reader, reader")).to_be_visible()
    other.goto(address)
    expect(other.get_by_text("Rita Reader, reader")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/end_session**")
    other.get_by_role("button", name="Normal chest").click()
    expect(other.get_by_role("button", name="Sign in with hospital")).to_be_visible()
    expect(other.get_by_test_id("stFileUploader")).to_have_count(0)
    assert ("sub-reader", "sign-out", "done") in recorded(folder)


def test_no_name_of_a_person_is_recorded(folder: Path, address: str) -> None:
    written = b"".join(file.read_bytes() for file in (folder / "audit").iterdir())
    assert b"sub-reader" in written
    for name in (b"Rita", b"Ada", b"Janitor"):
        assert name not in written
