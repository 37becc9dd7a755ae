"""Real films, the models that ship, a real browser: what the page says is what the core says."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from cxr_core.film.phantom.phantom import SAMPLES
from cxr_core.presentation.wording import finding_name, format_percent
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.reader import Reader

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
    """Every finding's row on the page carries the call and the probability that the core gives."""
    reading = interpret(reader.examine(data), patient, "youden")
    assert reading.status == "read"
    for finding in reading.findings:
        row = page.get_by_test_id("stTable").locator("tr", has_text=finding_name(finding.finding))
        if finding.probability is None:
            expect(row).to_contain_text("No model for this patient")
        else:
            expect(row).to_contain_text(format_percent(finding.probability))
            expect(row).to_contain_text((finding.call or "").capitalize())
            expect(row).to_contain_text(f"for {finding.population}")


@pytest.mark.parametrize(("folder", "call"), [("PNEUMONIA", "Present"), ("NORMAL", "Absent")])
def test_film_of_a_child(
    page: Page, real_app: str, real_data: Path, reader: Reader, folder: str, call: str
) -> None:
    path = sorted((real_data / "kermany_pneumonia" / "test" / folder).iterdir())[0]
    drop(page, real_app, (path.name, path.read_bytes()))
    page.locator("input[aria-label='Age in years']").fill("4")
    page.keyboard.press("Enter")
    expect(page.get_by_text("4 years", exact=False).first).to_be_visible()
    expect(page.get_by_test_id("stTable").locator("tr", has_text="Pneumonia")).to_contain_text(call)
    expect_reading_of_the_core(page, reader, path.read_bytes(), Patient(age_years=4))


def test_dicom_of_an_adult_without_extension(
    page: Page, real_app: str, real_data: Path, reader: Reader
) -> None:
    data = sorted((real_data / "dicom" / "chest").glob("*.dcm"))[0].read_bytes()
    drop(page, real_app, ("I0000017", data))
    page.locator("input[aria-label='Age in years']").fill("60")
    page.keyboard.press("Enter")
    expect(page.get_by_text("DICOM · ", exact=False)).to_contain_text("60 years")
    expect_reading_of_the_core(page, reader, data, Patient(age_years=60))
    viewer = page.locator("[data-testid=film-viewer][data-ready=true]")
    expect(viewer).to_be_visible()
    expect(
        page.get_by_text("This map shows the region, not its borders", exact=False)
    ).to_be_visible()
    expect(viewer).to_have_attribute("data-heat", "on")  # one known to point elsewhere waits
    expect(viewer).to_have_attribute("data-layer", "cardiomegaly-adults/cardiomegaly")
    viewer.focus()
    page.keyboard.press("h")
    expect(viewer).to_have_attribute("data-heat", "off")


def test_hand_and_chest_in_one_study(page: Page, real_app: str, real_data: Path) -> None:
    hand = sorted((real_data / "not_chest" / "mednist_Hand").iterdir())[0]
    film = sorted((real_data / "nih_originals_1024" / "images").iterdir())[0]
    drop(page, real_app, (hand.name, hand.read_bytes()), (film.name, film.read_bytes()))
    expect(
        page.get_by_text("2 films, most suspicious first · 1 not read, at the end")
    ).to_be_visible()
    expect(page.get_by_test_id("stText")).to_have_text(film.name)


def test_synthetic_sample_is_read_and_labelled_as_a_drawing(page: Page, real_app: str) -> None:
    page.goto(real_app)
    label = next(iter(SAMPLES)).removeprefix("Synthetic: ").capitalize()
    page.get_by_role("button", name=label).click()
    expect(
        page.get_by_text("This is a synthetic film made by the program, not a film of a patient.")
    ).to_be_visible()
    expect(
        page.locator("[data-testid=film-viewer]").get_by_text("Synthetic, not a patient")
    ).to_be_visible()
    expect(page.get_by_test_id("stTable")).to_be_visible()
