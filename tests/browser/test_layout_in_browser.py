"""The menu, and how every page looks on screens of every width, in a browser: nothing is cut off or hard to read."""

import re
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_read_page_in_browser import drop, film

PAGES = {
    "": "Read",
    "data": "Data",
    "review": "Review",
    "train": "Train",
    "evaluate": "Evaluate",
    "models": "Models",
    "site": "Site",
}
SCREENS = ((390, 844), (820, 1180), (1440, 900), (2560, 1440))
MIN_CONTRAST = 4.5  # WCAG 2.2, success criterion 1.4.3

# Texts whose contrast with what is behind them is below the argument, as `3.98 the text`; icons and code are no prose.
FAINT_TEXTS = """minimum => {
  const channels = colour => {
    const [red, green, blue, alpha = 1] = colour.match(/[\\d.]+/g).map(Number);
    return [red, green, blue, alpha];
  };
  const blend = ([red, green, blue, alpha], under) =>
    [red, green, blue].map((value, at) => value * alpha + under[at] * (1 - alpha));
  const luminance = colour => {
    const [red, green, blue] = colour.map(value => value / 255)
      .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const faint = [];
  for (const element of document.querySelectorAll(".stApp *")) {
    const text = [...element.childNodes].filter(node => node.nodeType === 3).map(node => node.data).join("").trim();
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    if (!text || box.width < 3 || box.height < 3 || style.visibility === "hidden") continue;
    if (element.closest("[disabled], svg, style, pre, [data-testid=stIconMaterial]")) continue;
    const papers = [];
    let opacity = 1;
    for (let parent = element; parent; parent = parent.parentElement) {
      const own = getComputedStyle(parent);
      opacity *= own.opacity;
      const paper = channels(own.backgroundColor);
      if (paper[3] > 0) papers.unshift(paper);
      if (paper[3] === 1) break;
    }
    if (opacity < 0.05) continue;
    const paper = papers.reduce((under, over) => blend(over, under), [255, 255, 255]);
    const [red, green, blue, alpha] = channels(style.color);
    const ink = blend([red, green, blue, alpha * opacity], paper);
    const [low, high] = [luminance(ink), luminance(paper)].sort((a, b) => a - b);
    const contrast = (high + 0.05) / (low + 0.05);
    if (contrast < minimum) faint.push(`${contrast.toFixed(2)} ${text.slice(0, 60)}`);
  }
  return faint;
}"""


def open_address(tab: Page, address: str) -> None:
    tab.goto(address)
    expect(tab.get_by_role("heading", level=1)).to_be_visible(timeout=120_000)
    expect(tab.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=120_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_empty_page_of_the_menu_fits_every_screen_and_its_text_is_read_easily(
    page: Page, fake_app: str, scheme: Literal["light", "dark"]
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(fake_app)
    menu = page.get_by_test_id("stSidebarNav")
    expect(menu.get_by_role("link")).to_have_count(len(PAGES))
    assert menu.inner_text().split() == ["Reading", "Read", "Laboratory", *list(PAGES.values())[1:]]
    for path, title in PAGES.items():
        page.set_viewport_size({"width": 1440, "height": 900})
        menu.get_by_role("link", name=title, exact=True).click()
        # The Models page adds the model that it shows.
        expect(page).to_have_url(re.compile(rf"^{re.escape(fake_app)}/{path}(\?.*)?$"))
        expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=120_000)
        expect(page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=120_000)
        expect(page.get_by_text("Not a medical device.")).to_be_visible()
        for _ in range(40):  # texts that appear fade in
            faint = page.evaluate(FAINT_TEXTS, MIN_CONTRAST)
            if not faint:
                break
            page.wait_for_timeout(250)
        assert faint == [], title
        for width, height in SCREENS:
            page.set_viewport_size({"width": width, "height": height})
            # Nothing is scrolled sideways but what scrolls on its own.
            assert page.evaluate("document.querySelector('.stMain').scrollWidth") <= width, title


def test_findings_come_before_the_film_and_beside_it_where_there_is_room(
    page: Page, fake_app: str
) -> None:
    stage = drop(page, fake_app, ("chest.png", film(0.35))).locator(".stage")
    findings = page.locator(".st-key-read-findings")
    for width, height in SCREENS:
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(500)  # the sidebar slides
        results, picture = findings.bounding_box(), stage.bounding_box()
        assert results
        assert picture
        if width < 900:
            assert results["y"] + results["height"] <= picture["y"]
            continue
        assert results["x"] + results["width"] <= picture["x"]
        assert picture["y"] + picture["height"] <= height
        assert picture["x"] + picture["width"] > width - 60  # findings and film use the room
