"""Archives that offer less than Orthanc does, or say less: each is one server of pynetdicom's on loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    DigitalXRayImageStorageForPresentation,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    Verification,
)

from cxr_core.dicom_io.pacs.archive import ObjectReference, StudyQuery
from cxr_core.dicom_io.pacs.dimse import DimseArchive
from cxr_core.dicom_io.pacs.settings import DimseSettings
from cxr_core.errors import ArchiveRefused, ArchiveUnreachable, SettingsError
from tests.free_ports import find_free_port
from tests.pacs.certificate import write_certificate
from tests.pacs.films import PATIENT, STUDY, make_film
from tests.pacs.orthanc import OUR_AE_TITLE

pytestmark = pytest.mark.process
FILM = ObjectReference(
    study_uid=STUDY, series_uid=f"{STUDY}.1", class_uid="", instance_uid=f"{STUDY}.1.1"
)


@contextmanager
def serve(handlers: list[Any], *services: Any, **changes: Any) -> Iterator[DimseArchive]:
    """An archive that offers C-ECHO and these services. changes: of the settings of its client."""
    server = AE("SMALL")
    server.add_supported_context(Verification)
    for service in services:
        server.add_supported_context(service, scu_role=True, scp_role=True)
    running = server.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    port = running.socket.getsockname()[1]
    settings = DimseSettings(host="127.0.0.1", port=port, ae_title="SMALL", **changes)
    try:
        yield DimseArchive(settings, OUR_AE_TITLE)
    finally:
        server.shutdown()


def find_the_film(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
    answer = Dataset()
    answer.QueryRetrieveLevel = event.identifier.QueryRetrieveLevel
    answer.SOPInstanceUID = FILM.instance_uid
    yield 0xFF00, answer


def test_a_service_that_is_not_offered_is_named():
    with serve([]) as archive:
        archive.check()
        with pytest.raises(ArchiveRefused, match=r"does not offer searches \(C-FIND\) to us"):
            archive.find_studies(StudyQuery(patient_id=PATIENT))
        with pytest.raises(ArchiveRefused, match=r"does not offer films \(C-GET\) to us"):
            list(archive.fetch_films([FILM]))
        with pytest.raises(ArchiveRefused, match="does not offer storage of objects"):
            archive.send([make_film()])


def test_a_certificate_file_that_is_missing_is_told_before_anything_is_sent():
    settings = DimseSettings(
        host="127.0.0.1", port=104, ae_title="SMALL", tls=True, ca_file="nowhere.pem"
    )
    with pytest.raises(SettingsError, match=r"ca_file: nowhere\.pem cannot be opened"):
        DimseArchive(settings, OUR_AE_TITLE)


def test_an_archive_whose_certificate_file_is_gone_for_a_while_is_asked_again(tmp_path):
    public, _ = write_certificate(tmp_path)
    settings = DimseSettings(
        host="127.0.0.1", port=find_free_port(), ae_title="SMALL", tls=True, ca_file=str(public)
    )
    archive = DimseArchive(settings, OUR_AE_TITLE)
    public.unlink()
    with pytest.raises(ArchiveUnreachable, match=r"ca_file: \S+ cannot be opened"):
        archive.check()


def test_nor_does_it_call_back_while_our_certificate_is_gone(tmp_path, workspace):
    public, private = map(str, write_certificate(tmp_path))
    settings = DimseSettings(
        host="127.0.0.1", port=find_free_port(), ae_title="SMALL", receive_port=find_free_port(),
        tls=True, receive_tls=True, ca_file=public, certificate_file=public, key_file=private,
    )  # fmt: skip
    archive = DimseArchive(settings, OUR_AE_TITLE)
    Path(private).unlink()
    with pytest.raises(ArchiveUnreachable, match=r"key_file: \S+ cannot be opened"):
        archive.find_missing([FILM])


def test_without_storage_commitment_a_search_confirms():
    back = find_free_port()
    handlers = [(evt.EVT_C_FIND, find_the_film)]
    with serve(handlers, StudyRootQueryRetrieveInformationModelFind, receive_port=back) as archive:
        assert archive.find_missing([FILM]) == ()


def test_a_film_of_an_unnamed_class_is_fetched():
    data = make_film()

    def send_the_film(event: evt.Event) -> Iterator[Any]:
        yield 1
        yield 0xFF00, dcmread(BytesIO(data))

    services = (StudyRootQueryRetrieveInformationModelGet, DigitalXRayImageStorageForPresentation)
    with serve([(evt.EVT_C_GET, send_the_film)], *services) as archive:
        (fetched,) = archive.fetch_films([FILM])
    assert dcmread(BytesIO(fetched)).PatientID == PATIENT


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (0xA700, ArchiveUnreachable, r"no room or time left to search \(status 0xA700\)"),
        (0xC001, ArchiveRefused, r"refused to search \(status 0xC001\)"),
    ],
)
def test_a_status_is_put_into_a_sentence(status, error, said):
    def fail(event: evt.Event) -> Iterator[Any]:
        yield status, None

    handlers = [(evt.EVT_C_FIND, fail)]
    with (
        serve(handlers, StudyRootQueryRetrieveInformationModelFind) as archive,
        pytest.raises(error, match=said),
    ):
        archive.find_studies(StudyQuery(patient_id=PATIENT))


def test_a_connection_that_breaks_off_may_be_tried_again():
    def break_off(event: evt.Event) -> Iterator[Any]:
        event.assoc.abort()
        yield 0xFF00, None

    handlers = [(evt.EVT_C_FIND, break_off)]
    with (
        serve(handlers, StudyRootQueryRetrieveInformationModelFind) as archive,
        pytest.raises(ArchiveUnreachable, match="ended the connection before it could search"),
    ):
        archive.find_studies(StudyQuery(patient_id=PATIENT))
