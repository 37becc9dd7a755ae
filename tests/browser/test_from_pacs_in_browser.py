"""A study from a real archive in a real browser: searched, opened, compared, read, confirmed, sent, and held."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from pydicom import dcmread

from tests.browser.served_app import STREAMLIT, serve
from tests.dicom_io.bench import draw_film_pixels
from tests.pacs.films import IDENTITY, PATIENT, PRIOR, STUDY, make_film
from tests.pacs.orthanc import Orthanc, run_orthanc

pytestmark = pytest.mark.browser
LONG_MS = 120_000  # a busy machine loads the models and reads its first film


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """An archive with a study and an earlier one of the same patient."""
    pixels = draw_film_pixels()
    with run_orthanc(tmp_path_factory.mktemp("orthanc")) as archive:
        archive.add(make_film(pixels=pixels))
        archive.add(make_film(number=2, ViewPosition="LL"))
        archive.add(make_film(PRIOR, pixels=pixels, StudyDate="20250301"))
        yield archive


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def app(orthanc: Orthanc, workspace: Path) -> Iterator[str]:
    (workspace / "pacs.toml").write_text(f'[archives.main]\nurl = "{orthanc.url}"\n')
    yield from serve(STREAMLIT, workspace)


def test_a_study_goes_from_the_archive_to_the_page_and_back(
    page: Page, app: str, orthanc: Orthanc, workspace: Path
) -> None:
    page.goto(app)
    page.get_by_text("From PACS").click()
    page.get_by_label("Patient ID").fill(PATIENT)
    page.get_by_role("button", name="Search").click()
    rows = page.get_by_role("button", name="Open", exact=True)
    expect(rows).to_have_count(2, timeout=LONG_MS)
    rows.first.click()

    page.get_by_text("Earlier studies of this patient (1)").click(timeout=LONG_MS)
    expect(page.get_by_text("Add films (1 in this study)")).to_be_visible()  # not the lateral one
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_text("Prior: Film 1 of 2025-03-01")).to_be_visible(timeout=LONG_MS)
    expect(page.get_by_text("Current: Film 1 of 2026-11-01")).to_be_visible()

    page.get_by_role("button", name="Send results").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(orthanc.url)
    expect(dialog).to_contain_text(f"Film 1 of 2026-11-01 · Geheim Secret · {PATIENT}")
    expect(dialog).to_contain_text("structured report, key image, report as PDF")
    send = dialog.get_by_role("button", name="Send", exact=True)
    expect(send).to_be_disabled()
    dialog.get_by_text("I have looked at these verdicts").click()
    expect(send).to_be_enabled()
    send.click()
    expect(page.get_by_text("The archive holds all of it")).to_be_visible(timeout=LONG_MS)

    found = orthanc.find(STUDY)
    assert {kind: len(uids) for kind, uids in found.items()} == {
        "DX": 2,
        "SR": 1,
        "OT": 1,
        "DOC": 1,
    }
    assert dcmread(BytesIO(orthanc.read(found["SR"][0]))).PatientID == PATIENT
    assert set(orthanc.find(PRIOR)) == {"DX"}

    page.get_by_role("button", name="Send results again").click()
    expect(page.get_by_role("dialog")).to_contain_text("Sending again adds a second set")
    page.keyboard.press("Escape")
    for path in workspace.rglob("*"):  # the server's log is among them
        content = path.read_bytes() if path.is_file() else b""
        assert not [word for word in IDENTITY if word.encode() in content], path
