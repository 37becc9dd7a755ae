"""Two real films side by side in a real browser: linked viewers, both verdicts, the change of the ratio, the report."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from cxr_core.presentation.wording import call_name
from cxr_core.reading.cardiothoracic.change import compare_ratios
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.reader import Reader
from cxr_core.reading.results import Reading

pytestmark = pytest.mark.browser

ADULT = Patient(age_years=60)


@pytest.fixture(scope="module")
def films(real_data: Path) -> list[Path]:
    return sorted((real_data / "heart_ctr" / "images").iterdir())[:2]


@pytest.fixture(scope="module")
def readings(films: list[Path]) -> Iterator[list[Reading]]:
    """What the core reads on both films."""
    with Reader.installed() as reader:
        yield [interpret(reader.examine(path.read_bytes()), ADULT) for path in films]


def viewers(page: Page) -> tuple[Locator, Locator]:
    """The viewers of the prior and of the current film, once both show theirs."""
    both = page.locator("[data-testid=film-viewer][data-ready=true]")
    expect(both).to_have_count(2)
    return both.nth(0), both.nth(1)


def compare(page: Page, address: str, films: list[Path]) -> None:
    """Display the second film, with the first one as its prior film."""
    page.goto(address)
    page.locator("input[aria-label='Age in years']").fill(f"{ADULT.age_years:.0f}")
    page.keyboard.press("Enter")
    page.locator("input[type=file]").set_input_files(films)
    page.get_by_text("Add films (2 in this study)").wait_for(timeout=120_000)
    prior, current = films
    page.get_by_test_id("worklist").locator("tbody tr", has_text=current.name).click()
    expect(page.get_by_test_id("stText").get_by_text(current.name)).to_be_visible()
    page.get_by_role("combobox", name="Prior film").click()
    page.get_by_role("option", name=prior.name).click()
    expect(page.get_by_text(f"Prior: {prior.name}")).to_be_visible()
    expect(page.get_by_text(f"Current: {current.name}")).to_be_visible()


def test_change_from_the_prior_film_is_that_of_the_core_on_page_and_report(
    page: Page, real_app: str, films: list[Path], readings: list[Reading]
) -> None:
    compare(page, real_app, films)
    (before,), (now,) = (reading.measurements for reading in readings)
    change = compare_ratios(before, now)
    assert change is not None
    changes = page.locator(".st-key-changes")
    expect(changes).to_contain_text(f"CTR {change.describe()}")
    hearts = [r.findings[0] for r in readings]
    assert {finding.finding for finding in hearts} == {"cardiomegaly"}
    verdicts = " → ".join(call_name(finding.call) for finding in hearts)
    expect(changes).to_contain_text(f"Cardiomegaly {verdicts}")
    with page.expect_download() as loaded:
        page.get_by_role("button", name="Report (JSON)").click()
    report = json.loads(Path(loaded.value.path()).read_text(encoding="utf-8"))
    assert (report["sha256"], report["prior"]["sha256"]) == (
        readings[1].sha256,
        readings[0].sha256,
    )
    with page.expect_download() as loaded:
        page.get_by_role("button", name="Report (HTML)").click()
    html = Path(loaded.value.path()).read_text(encoding="utf-8")
    assert change.describe() in html
    assert "Prior film. " in html


def test_both_films_have_room_move_together_and_swap(
    page: Page, real_app: str, films: list[Path]
) -> None:
    compare(page, real_app, films)
    for width in (390, 1440):
        require_room_for_both(page, width)
    left, right = viewers(page)
    left.focus()
    for _ in range(3):
        page.keyboard.press("+")
    page.keyboard.press("2")
    expect(right).to_have_attribute("data-window", "60")
    view = "e => e.filmViewer.geometry.view"
    assert left.evaluate(view)["zoom"] > 1.5
    assert right.evaluate(view)["zoom"] == pytest.approx(left.evaluate(view)["zoom"])
    shown = [viewer.get_attribute("data-film") for viewer in (left, right)]
    page.get_by_role("button", name="Swap").click()
    expect(page.get_by_text(f"Prior: {films[1].name}")).to_be_visible()
    expect(left).to_have_attribute("data-film", shown[1] or "")
    expect(right).to_have_attribute("data-film", shown[0] or "")
    page.get_by_role("button", name="Stop comparing").click()
    expect(page.locator("[data-testid=film-viewer]")).to_have_count(1)
    expect(page.locator("[data-testid=film-viewer]")).to_have_attribute("data-film", shown[0] or "")


def require_room_for_both(page: Page, width: int) -> None:
    """Films stand beside each other where there is room, and else below."""
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(500)  # the sidebar slides
    left, right = (viewer.bounding_box() for viewer in viewers(page))
    assert left is not None
    assert right is not None
    if width > 1000:
        assert left["x"] + left["width"] <= right["x"]
        assert left["y"] == pytest.approx(right["y"], abs=1)
        assert left["width"] == pytest.approx(right["width"], abs=2)
    else:
        assert left["y"] + left["height"] <= right["y"]
        assert left["width"] > 300
