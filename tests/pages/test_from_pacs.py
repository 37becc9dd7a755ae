"""From PACS on the Read page: a study is searched, opened and compared, and its results are sent back."""

import time
from dataclasses import replace
from datetime import date
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from streamlit.testing.v1 import AppTest

from cxr_core.dicom_io.pacs.archive import Study
from cxr_core.dicom_io.pacs.settings import DicomwebSettings, PacsSettings
from cxr_core.errors import ArchiveError, ArchiveRefused, ArchiveUnreachable, FilmRefused
from cxr_core.film.adjustments import UNCHANGED, Adjustments, adjust_film
from cxr_core.film.decoding.decode import is_dicom
from cxr_core.film.decoding.dicom import decode_dicom
from cxr_core.film.radiograph import Radiograph
from cxr_core.reading.cardiothoracic.ratio import Measurement
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.results import Examination, Reading
from pages.components import cache
from pages.components.pacs import sending, study_fetch
from pages.components.pacs.page_state import OpenStudy
from pages.components.pacs.study_fetch import FILMS_WAITING, StudyFetch
from pages.components.read import upload as uploads
from pages.components.read.page_state import ReadPageState, StudyEntry
from tests.dicom_io.bench import draw_film_pixels
from tests.pacs.fake_archive import FakeArchive
from tests.pacs.films import IDENTITY, OTHER, PATIENT, PRIOR, STUDY, make_film
from tests.pages.app_bench import button_labels, find_button, upload, visible_text
from tests.pages.fake_reader import FakeReader
from tests.pages.test_read_page import film
from tests.waiting import wait_until

SETTINGS = '[archives.main]\nurl = "http://127.0.0.1:9/dicom-web"\n'
STUDIES = (
    Study(
        uid=STUDY,
        patient_id=PATIENT,
        patient="Geheim^Secret",
        accession_number="ACC4711",
        made=date(2026, 11, 1),
        description="Chest PA",
        modalities=("DX",),
        images=2,
    ),
    Study(
        uid=PRIOR,
        patient_id=PATIENT,
        patient="Geheim^Secret",
        made=date(2025, 3, 1),
        description="Chest before",
        modalities=("CR",),
    ),
    Study(uid=OTHER, patient_id="OTHER1", made=date(2026, 10, 1), modalities=("CT",), images=500),
)


class DicomReader(FakeReader):
    """The reader without networks, for DICOM files too."""

    def examine(self, data: bytes, adjustments: Adjustments = UNCHANGED) -> Examination:
        if self.fails or not is_dicom(data):
            return super().examine(data, adjustments)
        film = self.decode(data, adjustments)
        outputs = tuple(self._output(model, film) for model in self.cards)
        return Examination(
            sha256="ab" * 32, film=film, concerns=(), outputs=outputs, seconds=0.1,
            adjustments=adjustments,
        )  # fmt: skip

    def decode(self, data: bytes, adjustments: Adjustments = UNCHANGED) -> Radiograph:
        if not is_dicom(data):
            return super().decode(data, adjustments)
        return adjust_film(decode_dicom(data), adjustments)


@pytest.fixture
def reader() -> FakeReader:
    return DicomReader()


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> FakeArchive:
    """The archive that the page searches and sends to: two studies of a patient, and a CT of another one."""
    films = [make_film(), make_film(number=2), make_film(PRIOR, StudyDate="20250301")]
    made = FakeArchive(STUDIES, films)
    for place in ("search.open_search_archive", "study_fetch.open_search_archive"):
        monkeypatch.setattr(f"pages.components.pacs.{place}", lambda settings: made)
    for place in ("open_results_archive", "open_archive"):
        monkeypatch.setattr(f"pages.components.pacs.sending.{place}", lambda *_: made)
    return made


@pytest.fixture
def pacs(app: AppTest, archive: FakeArchive, workspace: Path) -> AppTest:
    """The Read page of a workspace that has an archive, with the search opened."""
    workspace.mkdir(exist_ok=True)
    (workspace / "pacs.toml").write_text(SETTINGS)
    return open_search(app)


def state_of(app: AppTest) -> ReadPageState:
    state: ReadPageState = app.session_state["read_page"]
    return state


def open_search(app: AppTest) -> AppTest:
    state = state_of(app)
    app.session_state[state.widget_key(f"from-pacs-{state.pacs.opened_studies}")] = True
    return run(app)


def run(app: AppTest) -> AppTest:
    app.run()
    assert not app.exception
    return app


def search(app: AppTest, **fields: str) -> AppTest:
    for label, text in fields.items():
        field = next(each for each in app.text_input if each.label.split()[0].lower() == label)
        field.set_value(text)
    find_button(app, "Search").click()
    return run(app)


def open_study(app: AppTest, place: int = 0) -> AppTest:
    """Open the study in one row of what was found, and wait until its films are read."""
    [button for button in app.button if button.label == "Open"][place].click()
    return run(app)


def test_without_an_archive_nothing_of_it_shows(app: AppTest) -> None:
    assert "From PACS" not in [each.label for each in app.expander]
    upload(app, film=film(0.4))
    assert "Send results" not in button_labels(app)


def test_settings_that_are_wrong_are_named(app: AppTest, workspace: Path) -> None:
    workspace.mkdir(exist_ok=True)
    (workspace / "pacs.toml").write_text('[archives.main]\nurl = "ftp://pacs"\n')
    run(app)
    assert "expected an address such as" in visible_text(app)
    upload(app, film=film(0.4))
    assert "Send results" not in button_labels(app)


def test_a_study_is_found_opened_and_read_like_uploads(pacs: AppTest, reader: FakeReader) -> None:
    search(pacs, patient=PATIENT)
    shown = visible_text(pacs)
    assert "2 studies, newest first" in shown
    assert "**2026-11-01** · Chest PA · DX · 2 images" in shown
    assert f"Geheim Secret · {PATIENT} · accession ACC4711" in shown
    open_study(pacs)
    state = state_of(pacs)
    assert [entry.name for entry in state.entries.values()] == [
        "Film 1 of 2026-11-01",
        "Film 2 of 2026-11-01",
    ]
    assert state.chosen_key == next(iter(state.entries))
    assert not [word for word in IDENTITY if word in repr(list(state.entries))]
    assert state.pacs.fetch is None
    assert state.pacs.studies is None
    find_button(pacs, "Send results")  # both came as DICOM


def test_a_ct_cannot_be_opened(pacs: AppTest) -> None:
    search(pacs, patient="OTHER1")
    (button,) = [each for each in pacs.button if each.label == "Open"]
    assert button.disabled


def test_an_earlier_study_is_set_beside_the_film_with_one_click(pacs: AppTest) -> None:
    open_study(search(pacs, patient=PATIENT))
    state = state_of(pacs)
    current = state.chosen_key
    (priors,) = [each for each in pacs.expander if each.label.startswith("Earlier studies")]
    assert priors.label == "Earlier studies of this patient (1)"
    pacs.session_state[state.widget_key("pacs-priors")] = True
    run(pacs)
    find_button(pacs, "Compare").click()
    run(pacs)
    assert state.chosen_key == current
    assert state.entries[state.prior_key or ""].name == "Film 1 of 2025-03-01"
    assert "Prior: Film 1 of 2025-03-01" in visible_text(pacs)


def test_a_study_that_is_opened_again_is_not_read_again(
    pacs: AppTest, archive: FakeArchive, reader: FakeReader
) -> None:
    open_study(search(pacs, patient=PATIENT))
    fetched = archive.fetched
    open_study(search(open_search(pacs), patient=PATIENT))
    assert (archive.fetched, len(state_of(pacs).entries)) == (fetched, 2)


@pytest.mark.parametrize("error", [ArchiveRefused, ArchiveUnreachable])
def test_an_archive_that_does_not_answer_is_told(
    pacs: AppTest, archive: FakeArchive, error: type[ArchiveError]
) -> None:
    archive.fails = error("pacs is away. Try again later.")
    search(pacs, patient=PATIENT)
    assert "pacs is away. Try again later." in visible_text(pacs)
    archive.fails = None
    search(pacs, patient=PATIENT)
    assert "pacs is away" not in visible_text(pacs)


def test_a_search_for_nothing_or_a_pattern_asks_nobody(pacs: AppTest) -> None:
    assert "Nothing to search by" in visible_text(search(pacs))
    assert "is searched for as it is" in visible_text(search(pacs, accession="A*"))
    assert "No study matches." in visible_text(search(pacs, patient="NOBODY", accession=""))


def test_films_that_came_before_the_archive_went_away_are_kept(
    pacs: AppTest, archive: FakeArchive
) -> None:
    search(pacs, patient=PATIENT)
    archive.fails, archive.fails_after = ArchiveUnreachable("pacs went away."), 1
    open_study(pacs)
    assert [entry.name for entry in state_of(pacs).entries.values()] == ["Film 1 of 2026-11-01"]
    assert "pacs went away." in visible_text(pacs)


def test_clearing_the_study_lets_go_of_what_was_found(pacs: AppTest) -> None:
    state = state_of(pacs)
    open_study(search(pacs, patient=PATIENT))
    search(open_search(pacs), patient=PATIENT)
    assert state.pacs.studies
    find_button(pacs, "Clear this study").click()
    run(pacs)
    assert state.pacs.studies is None
    state.drop_undo()
    assert (state.open_studies, state.headers, state.sent) == ({}, {}, {})


def test_the_archive_is_asked_for_no_more_films_than_are_read(archive: FakeArchive) -> None:
    archive.films = {
        key: data
        for number in range(1, 9)
        for key, data in FakeArchive(films=[make_film(number=number)]).films.items()
    }
    fetch = StudyFetch(settings(), STUDIES[0])
    first = take(fetch)
    wait_until(lambda: archive.fetched == FILMS_WAITING + 2)  # taken, two waiting, one in hand
    time.sleep(2 * study_fetch.POLL_S)
    assert archive.fetched == FILMS_WAITING + 2
    assert take(fetch) is first  # until it has been read
    fetch.cancel()
    wait_until(lambda: not fetch._task.is_running)


def take(fetch: StudyFetch) -> object:
    films = []
    wait_until(lambda: bool(films.append(fetch.take_film()) or films[-1]))
    return films[-1]


def settings() -> PacsSettings:
    archives = {"main": DicomwebSettings(url="http://127.0.0.1:9/dicom-web")}
    return PacsSettings(archives=archives, search="main", results="main")


def make_entry(
    monkeypatch: pytest.MonkeyPatch, data: bytes
) -> tuple[ReadPageState, StudyEntry, Reading]:
    """A DICOM film that was read in a study."""
    reader, state = DicomReader(), ReadPageState()
    monkeypatch.setattr(cache, "load_reader", lambda: reader)
    examination = reader.examine(data)
    entry = uploads.make_entry(state, "key", "film.dcm", data, examination)
    state.add_entry(entry)
    return state, entry, interpret(entry.examination, Patient(age_years=60, view="PA"))


def test_results_of_an_uploaded_film_are_sent_and_confirmed(
    archive: FakeArchive, monkeypatch: pytest.MonkeyPatch, workspace: Path, caplog
) -> None:
    caplog.set_level("DEBUG")
    workspace.mkdir()
    data = make_film(pixels=draw_film_pixels())
    state, entry, reading = make_entry(monkeypatch, data)
    sent = sending.send_results(state, entry, reading, settings(), ("sr", "image", "pdf"))
    assert sent.is_held
    objects = [dcmread(BytesIO(each)) for each in archive.sent]
    assert [each.Modality for each in objects] == ["SR", "OT", "DOC"]
    assert {(each.PatientID, each.StudyInstanceUID) for each in objects} == {(PATIENT, STUDY)}
    assert sent.verdicts == tuple(sending.describe_verdicts(reading))
    audit = "".join(path.read_text() for path in (workspace / "audit").rglob("*.jsonl"))
    assert '"results sent"' in audit
    kept = b"".join(path.read_bytes() for path in workspace.rglob("*") if path.is_file())
    for word in IDENTITY:
        assert word.encode() not in kept, word
        assert word not in caplog.text + repr(sent), word


def test_what_the_archive_does_not_hold_is_told(
    archive: FakeArchive, monkeypatch: pytest.MonkeyPatch, workspace: Path
) -> None:
    data = make_film(pixels=draw_film_pixels())
    state, entry, reading = make_entry(monkeypatch, data)
    sent = sending.send_results(state, entry, reading, settings(), ("sr", "pdf"))
    archive.loses = {sent.objects[0].instance_uid}
    state.sent["key"] = sent
    sending._ask_again(state, "key", settings())
    assert (state.sent["key"].missing, state.sent["key"].is_held) == (1, False)
    archive.fails = ArchiveUnreachable("away")
    sending._ask_again(state, "key", settings())
    assert state.sent["key"].missing is None
    with pytest.raises(ArchiveUnreachable, match="away"):
        sending.send_results(state, entry, reading, settings(), ("sr",))


def test_a_film_of_which_a_copy_is_kept_has_its_header(
    archive: FakeArchive, monkeypatch: pytest.MonkeyPatch, workspace: Path
) -> None:
    workspace.mkdir()
    (workspace / "pacs.toml").write_text(SETTINGS)
    monkeypatch.setattr("pages.components.read.page_state.BYTES_IN_MEMORY", 10)
    data = make_film(pixels=draw_film_pixels())
    state, entry, reading = make_entry(monkeypatch, data)
    assert entry.compressed
    assert not is_dicom(entry.data)
    sending.send_results(state, entry, reading, settings(), ("sr", "image"))
    assert dcmread(BytesIO(archive.sent[0])).PatientID == PATIENT
    state.remove_entries({"key"})
    assert state.headers == {}


def test_a_film_without_a_study_is_refused(
    archive: FakeArchive, monkeypatch: pytest.MonkeyPatch, workspace: Path
) -> None:
    data = make_film(pixels=draw_film_pixels(), StudyInstanceUID=None)
    state, entry, reading = make_entry(monkeypatch, data)
    with pytest.raises(FilmRefused, match="does not say which study"):
        sending.send_results(state, entry, reading, settings(), ("sr",))
    assert archive.sent == []


def test_films_that_cannot_be_sent_say_why(pacs: AppTest) -> None:
    upload(pacs, film=film(0.4))
    button = find_button(pacs, "Send results")
    assert button.disabled
    assert button.help == sending.OF_ANOTHER_FORM


def test_a_try_that_failed_is_repeated_with_the_same_objects(
    archive: FakeArchive, monkeypatch: pytest.MonkeyPatch, workspace: Path
) -> None:
    data = make_film(pixels=draw_film_pixels())
    state, entry, reading = make_entry(monkeypatch, data)
    archive.fails = ArchiveUnreachable("away")
    with pytest.raises(ArchiveUnreachable):
        sending.send_results(state, entry, reading, settings(), ("sr",))
    made = state.unsent["key"].files
    archive.fails = None
    sent = sending.send_results(state, entry, reading, settings(), ("sr",))
    assert tuple(archive.sent) == made
    assert state.unsent == {}
    again = sending.send_results(state, entry, reading, settings(), ("sr",))
    assert again.objects != sent.objects


@pytest.mark.parametrize(
    "patient", [Patient(age_years=35, view="PA"), Patient(age_years=60, view="AP")]
)
def test_after_a_failed_try_a_corrected_reading_is_sent_as_it_is_now(
    archive: FakeArchive, monkeypatch: pytest.MonkeyPatch, workspace: Path, patient: Patient
) -> None:
    state, entry, reading = make_entry(monkeypatch, make_film(pixels=draw_film_pixels()))
    corrected = interpret(entry.examination, patient)
    assert [*sending.describe_verdicts(corrected)] == [*sending.describe_verdicts(reading)]
    report = _fail_then_send(archive, state, entry, (reading, corrected))
    assert f"age_years={patient.age_years}'" in report
    assert f"view={patient.view}'" in report


def test_after_a_failed_try_diameters_are_sent_where_they_have_been_moved_to(
    archive: FakeArchive, monkeypatch: pytest.MonkeyPatch, workspace: Path
) -> None:
    state, entry, reading = make_entry(monkeypatch, make_film(pixels=draw_film_pixels()))
    measured = Measurement(value=0.5, heart=((60, 90), (110, 90)), thorax=((30, 95), (130, 95)))
    moved = replace(measured, heart=((60, 80), (110, 80)))
    before, now = (replace(reading, measurements=(each,)) for each in (measured, moved))
    assert [*sending.describe_verdicts(now)] == [*sending.describe_verdicts(before)]
    report = _fail_then_send(archive, state, entry, (before, now))
    assert "[60.0, 80.0, 110.0, 80.0]" in report


def _fail_then_send(
    archive: FakeArchive,
    state: ReadPageState,
    entry: StudyEntry,
    readings: tuple[Reading, Reading],
) -> str:
    """Send one reading to an archive that is away, and the other once it is back: the report that it then has."""
    before, now = readings
    archive.fails = ArchiveUnreachable("away")
    with pytest.raises(ArchiveUnreachable):
        sending.send_results(state, entry, before, settings(), ("sr",))
    archive.fails = None
    sending.send_results(state, entry, now, settings(), ("sr",))
    return str(dcmread(BytesIO(archive.sent[0])))


def test_a_film_of_another_patient_than_the_list_said_is_not_sent(
    archive: FakeArchive, monkeypatch: pytest.MonkeyPatch, workspace: Path
) -> None:
    data = make_film(pixels=draw_film_pixels())
    state, entry, reading = make_entry(monkeypatch, data)
    state.open_studies["key"] = OpenStudy(study=replace(STUDIES[0], patient_id="OTHER1"))
    with pytest.raises(FilmRefused, match="another study or patient") as caught:
        sending.send_results(state, entry, reading, settings(), ("sr",))
    assert not [word for word in IDENTITY if word in str(caught.value)]
    assert archive.sent == []
