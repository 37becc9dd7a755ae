"""Both clients against Debian's Orthanc: search, fetch, send, confirm, and what each says when something is wrong."""

import re
import subprocess
import threading
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO

import numpy as np
import pytest
from highdicom.sr import Comprehensive3DSR
from pydicom import dcmread
from pydicom.sr.codedict import codes

from cxr_core.dicom_io.pacs import archive as limits
from cxr_core.dicom_io.pacs.archive import Archive, ObjectReference, StudyQuery, find_priors
from cxr_core.dicom_io.pacs.open_archive import open_archive
from cxr_core.dicom_io.pacs.settings import (
    ArchiveSettings,
    DicomwebSettings,
    DimseSettings,
    PacsSettings,
)
from cxr_core.dicom_io.results import build_objects, encode_object
from cxr_core.errors import ArchiveError, ArchiveRefused, ArchiveUnreachable
from cxr_core.film.decoding.dicom import decode_dicom
from tests.dicom_io.bench import draw_film_pixels, examine, header_of, report_of
from tests.free_ports import find_free_port
from tests.pacs.films import (
    CT,
    IDENTITY,
    OTHER,
    PATIENT,
    PICTURE,
    PRIOR,
    STUDY,
    make_archive_content,
    make_film,
)
from tests.pacs.orthanc import (
    AE_TITLE,
    OUR_AE_TITLE,
    PASSWORD,
    USER,
    Orthanc,
    run_orthanc,
    serve_for_module,
)
from tests.system_tools import require_system_tool

pytestmark = pytest.mark.process
orthanc = pytest.fixture(scope="module", name="orthanc")(serve_for_module)

WAYS = ("dicomweb", "get", "move")


@pytest.fixture
def filled(orthanc: Orthanc) -> Orthanc:
    """The archive with five small films of four studies."""
    orthanc.clear()
    for data in make_archive_content():
        orthanc.add(data)
    return orthanc


def settings_of(orthanc: Orthanc, way: str, **changes) -> ArchiveSettings:
    """How the archive is reached, one way or another."""
    if way == "dicomweb":
        return DicomwebSettings(**{"url": orthanc.url} | changes)
    back = orthanc.back_port if way == "move" else None
    reached = {"host": "127.0.0.1", "port": orthanc.port, "ae_title": AE_TITLE}
    return DimseSettings(**reached | {"receive_port": back} | changes)


def open_as(settings: ArchiveSettings, our_ae_title: str = OUR_AE_TITLE) -> Archive:
    archives = {"main": settings}
    return open_archive(
        PacsSettings(archives=archives, search="main", results="main", ae_title=our_ae_title),
        "main",
    )


@pytest.fixture(params=WAYS)
def archive(request: pytest.FixtureRequest, filled: Orthanc) -> Archive:
    return open_as(settings_of(filled, request.param))


def test_studies_are_found_by_patient_accession_and_date(archive):
    archive.check()
    mine = archive.find_studies(StudyQuery(patient_id=PATIENT))
    assert [study.uid for study in mine] == [STUDY, PRIOR]  # newest first
    assert mine[0].patient == "Geheim^Secret"
    assert mine[0].made == date(2026, 11, 1)
    assert (mine[0].description, mine[0].modalities, mine[0].images) == ("Chest PA", ("DX",), 2)
    (other,) = archive.find_studies(StudyQuery(accession_number="B2"))
    assert (other.uid, other.patient_id) == (OTHER, "OTHER1")
    year = StudyQuery(date_from=date(2025, 1, 1), date_to=date(2025, 12, 31))
    assert [study.uid for study in archive.find_studies(year)] == [PRIOR]
    assert archive.find_studies(StudyQuery(patient_id="NOBODY")) == ()
    (ct,) = archive.find_studies(StudyQuery(accession_number="B3"))
    assert not ct.may_hold_films
    assert archive.list_films(CT) == ()
    assert not [word for word in IDENTITY if word in repr(mine)]


def run_dcmtk(tool: str, *arguments: object) -> str:
    """What a tool of dcmtk says. Without it the test is skipped, with CI set it fails."""
    path = require_system_tool(tool, "dcmtk")
    titles = ["-aet", OUR_AE_TITLE, "-aec", AE_TITLE]
    command = [path, *titles, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout + done.stderr


@pytest.mark.parametrize("way", ["dicomweb", "get"])
def test_dcmtk_stores_and_finds_the_same_studies(filled, way, tmp_path):
    film = tmp_path / "film.dcm"
    film.write_bytes(make_film("1.2.826.0.1.99.8.12"))
    run_dcmtk("storescu", "127.0.0.1", filled.port, film)
    keys = ["QueryRetrieveLevel=STUDY", f"PatientID={PATIENT}", "StudyInstanceUID"]
    named = [part for key in keys for part in ("-k", key)]
    answered = run_dcmtk("findscu", "-S", *named, "127.0.0.1", filled.port)
    theirs = set(re.findall(r"\(0020,000d\) UI \[([0-9.]+)", answered))
    ours = open_as(settings_of(filled, way)).find_studies(StudyQuery(patient_id=PATIENT))
    assert {study.uid for study in ours} == theirs == {STUDY, PRIOR, "1.2.826.0.1.99.8.12"}


def test_priors_are_of_this_very_patient_and_earlier(archive, filled):
    found = find_priors(archive, PATIENT, "", date(2026, 11, 1))
    assert [study.uid for study in found] == [PRIOR]
    assert find_priors(archive, "", "", date(2026, 11, 1)) == ()
    assert find_priors(archive, PATIENT, "", date(2025, 3, 1)) == ()
    # Orthanc takes no notice of case; an ID in other letters may be another patient's.
    assert find_priors(archive, PATIENT.lower(), "", date(2026, 11, 1)) == ()


def test_films_are_fetched_as_they_are_kept_without_lateral_ones(archive):
    films = archive.list_films(STUDY)
    assert [film.instance_uid for film in films] == [f"{STUDY}.1.1"]
    (data,) = archive.fetch_films(films)
    kept = dcmread(BytesIO(data))
    assert (kept.PatientID, kept.AccessionNumber) == (PATIENT, "ACC4711")
    assert np.array_equal(kept.pixel_array, PICTURE)


def test_a_compressed_film_is_fetched_too(archive, filled):
    dataset = dcmread(BytesIO(make_film("1.2.826.0.1.99.8.9")))
    dataset.compress("1.2.840.10008.1.2.5")
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.826.0.1.99.8.9.1.1"
    buffer = BytesIO()
    dataset.save_as(buffer)
    filled.add(buffer.getvalue())
    (data,) = archive.fetch_films(archive.list_films("1.2.826.0.1.99.8.9"))
    assert np.array_equal(dcmread(BytesIO(data)).pixel_array, PICTURE)


def test_results_are_in_the_film_s_study_with_the_numbers_of_the_json(archive, filled):
    data = make_film(pixels=draw_film_pixels())
    report = report_of(examine(data))
    objects = build_objects(report, header_of(data), ("sr", "image", "pdf"))
    references = [ObjectReference.of_dataset(each) for each in objects]
    assert archive.find_missing(references) == tuple(references)
    archive.send([encode_object(each) for each in objects])
    assert archive.find_missing(references) == ()
    archive.send([encode_object(each) for each in objects])  # once more changes nothing
    found = filled.find(STUDY)
    assert {kind: len(uids) for kind, uids in found.items()} == {
        "DX": 2,
        "SR": 1,
        "OT": 1,
        "DOC": 1,
    }
    written = Comprehensive3DSR.from_dataset(dcmread(BytesIO(filled.read(found["SR"][0]))))
    assert (written.PatientID, written.AccessionNumber) == (PATIENT, "ACC4711")
    groups = {
        group.tracking_identifier: group for group in written.content.get_image_measurement_groups()
    }
    for finding in report.reading.to_json("film")["findings"]:
        numbers = {m.name: m.value for m in groups[finding["finding"]].get_measurements()}
        assert numbers.get(codes.DCM.Probability) == finding["probability"]
    elsewhere = ObjectReference(
        study_uid=STUDY, series_uid=STUDY, class_uid=references[0].class_uid, instance_uid="1.2.3"
    )
    assert archive.find_missing([references[0], elsewhere]) == (elsewhere,)


def test_an_object_of_some_megabytes_is_sent_and_fetched(archive):
    study = "1.2.826.0.1.99.8.11"
    pixels = np.random.default_rng(3).integers(0, 4096, (1100, 1100)).astype(np.uint16)
    archive.send([make_film(study, pixels=pixels)])
    (data,) = archive.fetch_films(archive.list_films(study))
    assert np.array_equal(dcmread(BytesIO(data)).pixel_array, pixels)


def test_too_many_studies_or_films_are_refused(archive, filled, monkeypatch):
    for number in range(3, 8):
        filled.add(make_film(number=number))
    for module in ("archive", "dicomweb", "dimse"):
        monkeypatch.setattr(f"cxr_core.dicom_io.pacs.{module}.MAX_STUDIES", 2, raising=False)
    monkeypatch.setattr(limits, "MAX_FILMS", 5)
    with pytest.raises(ArchiveRefused, match="More than 2 studies match"):
        archive.find_studies(StudyQuery(date_from=date(2020, 1, 1)))
    with pytest.raises(ArchiveRefused, match="has 6 films, and at most 5 are fetched"):
        archive.list_films(STUDY)


def test_a_film_that_is_too_large_is_refused(archive, monkeypatch):
    films = archive.list_films(STUDY)
    for module in ("receiver", "dicomweb"):
        monkeypatch.setattr(f"cxr_core.dicom_io.pacs.{module}.MAX_FILM_BYTES", 4096)
    monkeypatch.setattr("cxr_core.dicom_io.pacs.dicomweb.OVERHEAD_BYTES", 0)
    with pytest.raises(ArchiveRefused, match=r"than what is taken|most that is taken"):
        list(archive.fetch_films(films))


# pynetdicom leaves a socket that could not be connected to garbage collection.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("way", WAYS)
def test_an_archive_that_is_away_may_be_back_later(way, orthanc):
    port = find_free_port()
    settings = settings_of(orthanc, way, **{"port": port} if way != "dicomweb" else {})
    if way == "dicomweb":
        settings = DicomwebSettings(url=f"http://127.0.0.1:{port}/dicom-web")
    archive = open_as(settings)
    for ask in (
        archive.check,
        lambda: archive.find_studies(StudyQuery(patient_id=PATIENT)),
        lambda: archive.list_films(STUDY),
        lambda: archive.send([make_film()]),
    ):
        with pytest.raises(ArchiveUnreachable, match="does not answer") as caught:
            ask()
        assert not [word for word in IDENTITY if word in str(caught.value)]


ANSWERS = {
    "html": (200, "text/html", b"<html>Sign in</html>"),
    "text": (200, "application/dicom+json", b"[1, 2"),
    "numbers": (200, "application/dicom+json", b"[1, 2]"),
    "later": (503, "text/plain", b"no time"),
    "forbidden": (403, "text/plain", b"no"),
    "bad": (400, "text/plain", b"no"),
}


def test_a_machine_that_nobody_knows_is_named():
    archive = open_as(DimseSettings(host="pacs.invalid", port=104, ae_title=AE_TITLE))
    with pytest.raises(ArchiveUnreachable, match="no machine of that name"):
        archive.check()


class Nonsense(BaseHTTPRequestHandler):
    """A web server that is no archive."""

    def do_GET(self):
        status, kind, body = ANSWERS[self.path.split("/")[1]]
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def nonsense():
    server = HTTPServer(("127.0.0.1", 0), Nonsense)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("path", "error", "said"),
    [
        ("html", ArchiveRefused, "not as DICOMweb does"),
        ("text", ArchiveRefused, "not as DICOMweb does"),
        ("numbers", ArchiveRefused, "not as DICOMweb does"),
        ("later", ArchiveUnreachable, r"cannot answer now \(status 503\)"),
        ("forbidden", ArchiveRefused, r"does not let us in \(status 403\)"),
        ("bad", ArchiveRefused, r"refused the request \(status 400\)"),
    ],
)
def test_what_is_no_archive_is_called_so(nonsense, path, error, said):
    archive = open_as(DicomwebSettings(url=f"http://127.0.0.1:{nonsense}/{path}"))
    with pytest.raises(error, match=said) as caught:
        archive.find_studies(StudyQuery(patient_id=PATIENT))
    assert PATIENT not in str(caught.value)


def test_a_web_server_is_no_dicom_archive(nonsense, monkeypatch):
    monkeypatch.setattr("cxr_core.dicom_io.pacs.association.ASSOCIATE_S", 0.5)
    archive = open_as(DimseSettings(host="127.0.0.1", port=nonsense, ae_title=AE_TITLE))
    with pytest.raises(ArchiveUnreachable, match="does not answer as a DICOM archive"):
        archive.check()


def test_a_wrong_address_of_the_service_is_named(orthanc):
    with pytest.raises(ArchiveRefused, match=r"nothing at this place \(status 404\)"):
        open_as(DicomwebSettings(url=f"{orthanc.base}/elsewhere")).check()


def test_a_wrong_ae_title_is_named(orthanc):
    wrong = open_as(settings_of(orthanc, "get", ae_title="WRONG"))
    with pytest.raises(ArchiveRefused, match=r"is not called WRONG\. Correct ae_title"):
        wrong.check()
    stranger = open_as(settings_of(orthanc, "get"), our_ae_title="STRANGER")
    with pytest.raises(ArchiveError, match="our AE title STRANGER"):
        stranger.find_studies(StudyQuery(patient_id=PATIENT))


def test_a_password_is_used_and_a_wrong_one_named(tmp_path, monkeypatch):
    with run_orthanc(tmp_path, with_password=True) as orthanc:
        asked = {"url": orthanc.url, "user": USER, "password_variable": "PACS_PASSWORD"}
        monkeypatch.setenv("PACS_PASSWORD", PASSWORD)
        open_as(DicomwebSettings(**asked)).check()
        monkeypatch.setenv("PACS_PASSWORD", "wrong")
        with pytest.raises(ArchiveRefused, match=r"let us in \(status 401\)\. Check user and"):
            open_as(DicomwebSettings(**asked)).check()
        with pytest.raises(ArchiveRefused, match="status 401"):
            open_as(DicomwebSettings(url=orthanc.url)).check()


def test_nothing_of_a_patient_is_logged(filled, caplog, capfd):
    """On every level, by the network's libraries too, and in no warning."""
    caplog.set_level("DEBUG")
    for way in WAYS:
        archive = open_as(settings_of(filled, way))
        (study,) = archive.find_studies(StudyQuery(accession_number="B2"))
        find_priors(archive, PATIENT, "", date(2026, 11, 1))
        (data,) = archive.fetch_films(archive.list_films(study.uid))
        archive.send([data])
    assert decode_dicom(data)
    written = caplog.text + "".join(capfd.readouterr())
    assert not [word for word in (*IDENTITY, "OTHER1", "Other^One") if word in written]
