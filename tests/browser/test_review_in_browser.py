"""Reading first, repairing labels and settling disputes by keys in a real browser; a saved verdict outlives a kill."""

import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, TimeoutError, expect

from cxr_core.data.registry import find_dataset
from cxr_core.evaluation.store.catalogue import load_record
from cxr_core.evaluation.store.loaded import load_evaluation
from cxr_core.feedback.adjudication import list_disputes
from cxr_core.feedback.films import find_film, keep_film, list_project_films
from cxr_core.feedback.projects import Project, create_project, find_project
from cxr_core.feedback.readers import register_reader
from cxr_core.feedback.review.candidates import Candidate
from cxr_core.feedback.review.dataset_review import create_review, fill_from_evaluation
from cxr_core.feedback.review.queue import fill_queue
from cxr_core.feedback.verdicts import ReaderVerdict, list_verdicts
from tests.browser.served_app import FAKE_READER, find_server, serve
from tests.feedback.bench import add_film, draw_film, hash_of, judge, write_dataset
from tests.feedback.evaluations import write_evaluation
from tests.pages.test_verdicts_on_page import draw_file

pytestmark = pytest.mark.browser

TRUTH = [0, 1] * 4
FLIPPED = (2, 5)
TRIES = 6


@dataclass(frozen=True)
class Study:
    """A served app: its address, and the workspace that this process reads too."""

    address: str
    workspace: Path


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """A project that reads first, one of kept films, and a dataset with two labels flipped."""
    workspace = tmp_path_factory.mktemp("workspace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXR_WORKSPACE", str(workspace))
        create_project("First", ["cardiomegaly", "pneumonia"], read_first=True)
        create_project("Open", ["cardiomegaly", "pneumonia"])
        labels = [float(label if n not in FLIPPED else 1 - label) for n, label in enumerate(TRUTH)]
        dataset = write_dataset(tmp_path_factory.mktemp("data") / "films", labels)
        films = dataset.load_manifest()
        chances = {hash_of(n): 0.9 if label else 0.1 for n, label in enumerate(TRUTH)}
        folder = write_evaluation(
            workspace / "evaluations" / "tiny",
            films,
            "pneumonia",
            films.table["sha256"].map(chances),
        )
        repair = create_review("Repair", dataset, ["pneumonia"])
        fill_from_evaluation(repair, load_evaluation(load_record(folder)))
        disputed = create_review("Disputed", dataset, ["pneumonia"], reads=2)
        film = find_film(disputed, hash_of(1))
        assert film is not None
        judge(film, register_reader("Ben").id, "suspected")
        judge(film, register_reader("Cy").id, "not_suspected")
        keep_films(create_project("Kept", ["pneumonia"]))
        fill_long_queue(create_project("Long", ["pneumonia"]))
        for address in serve(FAKE_READER, workspace):
            yield Study(address, workspace)


def keep_films(project: Project) -> None:
    """Films of children that Ada has kept and judged, half of them with the finding."""
    ada = register_reader("Ada").id
    for number in range(40):
        film = keep_film(project, draw_film(100 + number, age_years=3.0), "", consent_by=ada)
        judge(film, ada, "suspected" if number % 2 else "not_suspected")


def fill_long_queue(project: Project) -> None:
    """A queue of two pages, of films whose pictures were not kept."""
    films = [add_film(project, 200 + number) for number in range(60)]
    fill_queue(
        project,
        [
            Candidate(film=film.pixels_sha256, finding="pneumonia", value=0.2, reasons=())
            for film in films
        ],
    )


def settle(page: Page) -> None:
    """Wait until the page has run."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def choose(page: Page, field: str, option: str) -> None:
    settle(page)
    choice = page.get_by_role("option", name=option, exact=True)
    for _ in range(TRIES):  # a page that runs again closes its menus
        page.get_by_role("combobox", name=field, exact=True).click()
        with suppress(TimeoutError):
            choice.click(timeout=5000)
            break
    else:
        pytest.fail(f"{field} does not offer {option}")
    settle(page)


def open_review(page: Page, study: Study, project: str) -> None:
    """The Review page of a project, read by Ada."""
    page.goto(study.address)
    page.get_by_role("link", name="Review", exact=True).click()
    expect(page.get_by_role("heading", name="Review")).to_be_visible()
    choose(page, "Project", project)
    choose(page, "Reader", "Ada")


def read_with(page: Page, study: Study, project: str, name: str, brightness: int) -> None:
    """A film on the Read page, with verdicts kept in a project, read by Ada."""
    page.set_viewport_size({"width": 1400, "height": 1300})
    page.goto(study.address)
    page.get_by_role("spinbutton", name="Age in years").fill("63")
    page.keyboard.press("Enter")
    page.get_by_text("Verdicts", exact=True).click()
    choose(page, "Keep verdicts in", project)
    file = {"name": name, "mimeType": "image/png", "buffer": draw_file(brightness)}
    page.locator("input[type=file]").set_input_files([file])  # type: ignore[list-item]
    expect(page.get_by_text("Who is reading?")).to_be_visible()
    choose(page, "Reader", "Ada")
    expect(page.get_by_role("button", name="Shortcut S")).to_be_visible()
    page.get_by_role("heading", name="Read chest films").click()  # the keys are the page's
    settle(page)


def verdicts_of(project: Project) -> list[ReaderVerdict]:
    return [row for film in list_project_films(project) for row in list_verdicts(film.id)]


def test_a_film_is_read_first_and_revealed_by_the_keys_of_one_hand(
    page: Page, study: Study
) -> None:
    read_with(page, study, "First", "film.png", 220)
    body = page.locator("body")
    reveal = page.get_by_role(
        "button", name="Reveal the answer"
    ).first  # one more while the page runs
    expect(page.get_by_text("the answer is hidden")).to_be_visible()
    assert "heart-adults" not in page.content()
    expect(page.get_by_text("Impression")).to_have_count(0)
    page.keyboard.press("s")
    expect(page.get_by_text("saved", exact=False).first).to_be_visible()
    page.keyboard.press("x")  # one finding is missing, so nothing is revealed
    page.keyboard.press("d")
    expect(reveal).to_be_enabled()
    expect(page.get_by_text("Impression")).to_have_count(0)
    page.keyboard.press("w")
    expect(reveal).to_be_disabled()
    page.keyboard.press("d")
    expect(reveal).to_be_enabled()
    page.keyboard.press("x")
    expect(page.get_by_text("Impression")).to_be_visible()
    expect(body).to_contain_text("You read suspected first")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys of the film viewer")).to_contain_text("Unsure")
    page.keyboard.press("?")
    rows = verdicts_of(find_project("First"))
    assert [(row.finding, row.answer) for row in rows if row.undoes is None] == [
        ("cardiomegaly", "suspected"),
        ("pneumonia", "not_suspected"),
        ("pneumonia", "not_suspected"),
    ]
    assert {row.phase for row in rows} == {"before"}
    assert rows[0].program.call == "present", "what was hidden is kept beside the verdict"


def test_flipped_labels_are_repaired_by_keys_and_a_box_is_kept(page: Page, study: Study) -> None:
    open_review(page, study, "Repair")
    viewer = page.locator("[data-testid=film-viewer][data-ready=true]")
    viewer.wait_for()
    page.get_by_role("heading", name="Review").click()
    stage = viewer.locator(".stage").bounding_box()
    assert stage
    page.keyboard.press("b")
    left, top = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    page.mouse.move(left, top)
    page.mouse.down()
    page.mouse.move(left + 60, top + 40, steps=4)
    page.mouse.up()
    expect(page.get_by_text("1 box")).to_be_visible()
    page.keyboard.press("x")
    expect(page.get_by_text("7 of 8 cases open").first).to_be_visible()
    expect(page.get_by_text("1 box")).to_have_count(0)
    page.keyboard.press("d")
    expect(page.get_by_text("6 of 8 cases open").first).to_be_visible()
    first, second = verdicts_of(find_project("Repair"))
    films = {film.id: film.pixels_sha256 for film in list_project_films(find_project("Repair"))}
    assert {films[first.film], films[second.film]} == {hash_of(n) for n in FLIPPED}
    assert (first.answer, second.answer) == ("suspected", "not_suspected")
    assert first.marks[0].width > 0


def test_the_film_has_room_on_every_screen(page: Page, study: Study) -> None:
    """On a narrow one it stands below the verdicts, which take one line for each finding."""
    open_review(page, study, "Repair")
    film = page.locator("[data-testid=film-viewer][data-ready=true]")
    film.wait_for()
    buttons = page.locator("[class*='st-key-verdict-'] button")
    for width in (1440, 820, 390):
        page.set_viewport_size({"width": width, "height": 1000})
        page.wait_for_timeout(500)  # the sidebar slides
        expect(buttons).to_have_count(3)
        tops = [box["y"] for box in (button.bounding_box() for button in buttons.all()) if box]
        assert max(tops) - min(tops) < 5
        box = film.bounding_box()
        assert box
        assert box["width"] > 0.7 * min(width, 490)


def test_a_case_of_a_later_page_of_the_queue_is_read(page: Page, study: Study) -> None:
    open_review(page, study, "Long")
    page.get_by_role("tab", name="Queue").click()
    rows = page.get_by_test_id("selectable-table").get_by_role("row")
    first = rows.nth(1).get_by_role("gridcell").nth(1)
    expect(rows).to_have_count(51)
    name = first.inner_text()
    page.get_by_role("button", name="Later").click()
    expect(rows).to_have_count(11)
    expect(first).not_to_have_text(name)
    page.get_by_role("button", name="Earlier").click()
    expect(first).to_have_text(name)
    page.get_by_role("button", name="Later").click()
    expect(rows).to_have_count(11)
    first.click()
    expect(page.get_by_role("tab", name="Read", exact=True)).to_have_attribute(
        "aria-selected", "true"
    )
    expect(page.get_by_text("this film was not kept in the project")).to_be_visible()


def test_a_dispute_is_settled_without_knowing_who_said_what(page: Page, study: Study) -> None:
    open_review(page, study, "Disputed")
    page.get_by_role("tab", name="Disputes").click()
    expect(page.get_by_text("Reader 1: suspected")).to_be_visible()
    expect(page.get_by_text("Reader 2: not suspected")).to_be_visible()
    page.locator("[data-testid=film-viewer][data-ready=true]").wait_for()
    page.get_by_role("heading", name="Review").click()
    page.keyboard.press("s")
    expect(page.get_by_text("There is nothing to settle")).to_be_visible()
    assert list_disputes(find_project("Disputed")) == []


def test_one_click_leads_from_kept_films_to_the_form_of_a_run(page: Page, study: Study) -> None:
    open_review(page, study, "Kept")
    page.get_by_role("tab", name="Labels").click()
    expect(page.get_by_text("40 labels decided")).to_be_visible()
    page.get_by_role("button", name="Train the next model").click()
    expect(page.get_by_role("heading", name="Training")).to_be_visible(timeout=60_000)
    expect(page.get_by_role("button", name="Remove Kept-1")).to_be_visible()
    expect(page.get_by_text("ready for training")).to_be_visible()
    expect(page.get_by_role("combobox", name="Model")).to_have_value("pneumonia-children")
    films = find_dataset("Kept-1").load_manifest().table
    assert sorted(films["pneumonia"]) == [0] * 20 + [1] * 20


def test_a_verdict_that_is_shown_as_saved_outlives_a_killed_server(
    page: Page, study: Study
) -> None:
    read_with(page, study, "Open", "other.png", 210)
    page.keyboard.press("s")
    expect(page.get_by_text("saved", exact=False).first).to_be_visible()
    find_server(study.address).send_signal(signal.SIGKILL)  # the last test of this server
    (row,) = verdicts_of(find_project("Open"))
    assert (row.finding, row.answer) == ("cardiomegaly", "suspected")
    page.goto("about:blank")
