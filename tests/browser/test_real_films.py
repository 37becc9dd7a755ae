"""Real films, the models that ship, a real browser: what the page says is what the core says."""

from pathlib import Path

import cv2
import pytest
from playwright.sync_api import Page, expect

from cxr_core.presentation.wording import call_name, format_percent
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.reader import Reader
from tests.browser.test_read_page_in_browser import card_of, explanation_of

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader.installed()


def drop(page: Page, address: str, *files: tuple[str, bytes]) -> None:
    page.goto(address)
    page.locator("input[type=file]").set_input_files(
        [
            {"name": name, "mimeType": "application/octet-stream", "buffer": data}
            for name, data in files
        ]
    )
    page.get_by_text(f"Add films ({len(files)} in this study)").wait_for(timeout=120_000)


def expect_reading_of_the_core(page: Page, reader: Reader, data: bytes, patient: Patient) -> None:
    """Every finding on the page carries the verdict and the probability that the core gives."""
    reading = interpret(reader.examine(data), patient)
    assert reading.status == "read"
    for finding in reading.findings:
        if finding.probability is None:
            expect(page.get_by_text("(no model for this patient)")).to_be_visible()
        else:
            card = card_of(page, finding.finding)
            expect(card).to_contain_text(format_percent(finding.probability))
            expect(card).to_contain_text(call_name(finding.call).capitalize())
            expect(explanation_of(page, finding.finding)).to_contain_text(
                f"For {finding.population}"
            )


@pytest.mark.parametrize(
    ("folder", "verdict"), [("PNEUMONIA", "● Suspected"), ("NORMAL", "○ Not suspected")]
)
def test_film_of_a_child(
    page: Page, real_app: str, real_data: Path, reader: Reader, folder: str, verdict: str
) -> None:
    path = sorted((real_data / "kermany_pneumonia" / "test" / folder).iterdir())[0]
    drop(page, real_app, (path.name, path.read_bytes()))
    page.get_by_role("button", name="Child of 1 to 5").click()
    expect(card_of(page, "pneumonia")).to_contain_text(verdict)
    patient = Patient(age_group="child_1_to_5")
    expect_reading_of_the_core(page, reader, path.read_bytes(), patient)


def test_dicom_of_an_adult_without_extension(
    page: Page, real_app: str, real_data: Path, reader: Reader
) -> None:
    data = sorted((real_data / "dicom" / "chest").glob("*.dcm"))[0].read_bytes()
    drop(page, real_app, ("I0000017", data))
    age = page.get_by_label("Age", exact=True)
    age.fill("60")
    age.press("Enter")
    expect(age).to_have_value("60 years")
    expect_reading_of_the_core(page, reader, data, Patient(age_years=60))
    viewer = page.locator("[data-testid=film-viewer][data-ready=true]")
    expect(viewer).to_be_visible()
    note = page.get_by_text(
        "Heatmap of cardiomegaly (Evidence): This map shows the region, not its borders"
    )
    expect(note).to_be_visible()
    suspected = page.get_by_text("● Suspected").count() > 0
    expect(viewer).to_have_attribute("data-heat", "on" if suspected else "off")
    viewer.focus()
    page.keyboard.press("h")
    expect(viewer).to_have_attribute("data-heat", "off" if suspected else "on")
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator(".stMain").evaluate("main => main.scrollTo(0, 0)")
    expect(viewer.locator(".stage")).to_be_in_viewport()  # on the first screen of a phone


def test_film_that_was_exported_wrongly_is_put_right_by_one_click_for_each_fault(
    page: Page, real_app: str, real_data: Path
) -> None:
    path = real_data / "nih_originals_1024" / "images" / "00000005_003.png"
    pixels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    wrong = cv2.rotate(255 - pixels, cv2.ROTATE_90_CLOCKWISE)
    drop(page, real_app, ("wrong.png", cv2.imencode(".png", wrong)[1].tobytes()))
    for name in ("Invert greyscale and read again", "Turn upright and read again"):
        button = page.get_by_role("button", name=name)
        button.click()
        expect(page.get_by_text("Changed: ")).to_be_visible()
        expect(button).to_have_count(0)
    page.get_by_role("button", name="Adult", exact=True).click()
    expect(explanation_of(page, "cardiomegaly")).to_contain_text("CTR 0.50")


def test_hand_and_chest_in_one_study(page: Page, real_app: str, real_data: Path) -> None:
    hand = sorted((real_data / "not_chest" / "mednist_Hand").iterdir())[0]
    film = sorted((real_data / "nih_originals_1024" / "images").iterdir())[0]
    drop(page, real_app, (hand.name, hand.read_bytes()), (film.name, film.read_bytes()))
    expect(
        page.get_by_text("2 films, most suspicious first · 1 not read, at the end")
    ).to_be_visible()
    expect(page.get_by_test_id("stText")).to_have_text(film.name)


def test_synthetic_samples_are_read_as_they_are_drawn_or_show_outlines_alone(
    page: Page, real_app: str
) -> None:
    """Outlines alone where the models misread the drawing."""
    page.goto(real_app)
    for label, verdict in (("Normal chest", "○ Not suspected"), ("Wide heart", "● Suspected")):
        page.get_by_role("button", name=label).click()
        note = page.get_by_text("This is a synthetic film made by the program").first
        expect(note).to_be_visible()
        expect(
            page.locator("[data-testid=film-viewer]").get_by_text("Synthetic, not a patient")
        ).to_be_visible()
        expect(card_of(page, "cardiomegaly")).to_contain_text(verdict)
        expect(card_of(page, "pneumonia")).to_have_count(0)
        page.get_by_role("button", name="Clear this study").click()
    for label in ("Opacity in the right", "Child with an opacity"):
        page.get_by_role("button", name=label).click()
        expect(page.get_by_text("outlines and CTR alone are shown")).to_be_visible()
        expect(page.locator("[class*=st-key-finding-]")).to_have_count(0)
        expect(page.locator("[class*=st-key-heart]")).to_contain_text("CTR 0.")
        page.get_by_role("button", name="Clear this study").click()
