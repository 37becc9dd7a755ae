"""Encrypted connections to a real archive, what it commits itself to, and what does not leave a process by mistake."""

import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from cxr_core.dicom_io.pacs.archive import ObjectReference
from cxr_core.dicom_io.pacs.dimse import DimseArchive
from cxr_core.dicom_io.pacs.settings import DicomwebSettings, DimseSettings, PacsSettings
from cxr_core.errors import ArchiveRefused, ArchiveUnreachable, SettingsError
from tests.pacs.certificate import write_certificate
from tests.pacs.films import make_film
from tests.pacs.orthanc import AE_TITLE, OUR_AE_TITLE, Orthanc, run_orthanc
from tests.pacs.test_archives import open_as

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory, certificate) -> Iterator[Orthanc]:
    """An archive whose DICOM protocol is encrypted."""
    public, private = certificate
    with run_orthanc(
        tmp_path_factory.mktemp("orthanc"),
        DicomTlsEnabled=True,
        DicomTlsCertificate=str(public),
        DicomTlsPrivateKey=str(private),
        DicomTlsTrustedCertificates=str(public),
        DicomTlsRemoteCertificateRequired=False,
    ) as archive:
        yield archive


def reach(orthanc: Orthanc, **tls) -> DimseSettings:
    return DimseSettings(host="127.0.0.1", port=orthanc.port, ae_title=AE_TITLE, **tls)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # see test_archives
def test_a_connection_is_encrypted_and_the_archive_s_certificate_checked(orthanc, certificate):
    trusted = open_as(reach(orthanc, tls=True, ca_file=str(certificate[0])))
    trusted.check()
    with pytest.raises(ArchiveUnreachable, match="does it want TLS"):
        open_as(reach(orthanc, tls=True)).check()  # the system does not know who signed it
    with pytest.raises(SettingsError, match=r"ca_file: nowhere\.pem cannot be opened"):
        open_as(reach(orthanc, tls=True, ca_file="nowhere.pem"))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # see test_archives
def test_an_archive_may_demand_our_certificate_and_calls_back_encrypted(tmp_path, certificate):
    public, private = map(str, certificate)
    with run_orthanc(
        tmp_path,
        calls_back_encrypted=True,
        DicomTlsEnabled=True,
        DicomTlsCertificate=public,
        DicomTlsPrivateKey=private,
        DicomTlsTrustedCertificates=public,
        DicomTlsRemoteCertificateRequired=True,
    ) as orthanc:
        back = {"receive_port": orthanc.back_port}
        tls = {"tls": True, "ca_file": public}
        own = {"certificate_file": public, "key_file": private}
        with pytest.raises(ArchiveUnreachable, match="our certificate"):
            open_as(reach(orthanc, **tls)).check()
        data = make_film()
        film = ObjectReference.of_dataset(dcmread(BytesIO(data)))
        archive = open_as(reach(orthanc, **tls, **own, **back, receive_tls=True))
        archive.send([data])
        (fetched,) = archive.fetch_films([film])
        assert dcmread(BytesIO(fetched)).SOPInstanceUID == film.instance_uid
        assert archive.find_missing([film]) == ()
        with pytest.raises(ArchiveRefused):  # it calls back encrypted, and we do not expect that
            list(open_as(reach(orthanc, **tls, **own, **back)).fetch_films([film]))


class EmptyArchive(BaseHTTPRequestHandler):
    """Answers every search with nothing."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"[]")

    def log_message(self, *_):
        pass


@pytest.fixture
def https(certificate) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server = ThreadingHTTPServer(("127.0.0.1", 0), EmptyArchive)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_https_is_checked_by_the_given_authority(https, certificate):
    open_as(DicomwebSettings(url=https, ca_file=str(certificate[0]))).check()
    with pytest.raises(ArchiveRefused, match=r"certificate of https\S+ cannot be trusted"):
        open_as(DicomwebSettings(url=https)).check()
    with pytest.raises(SettingsError, match=r"ca_file: nowhere\.pem cannot be opened"):
        open_as(DicomwebSettings(url=https, ca_file="nowhere.pem"))


def test_an_archive_that_can_call_back_commits_itself(tmp_path, monkeypatch):
    """By storage commitment alone: a search would be another answer."""
    monkeypatch.setattr(DimseArchive, "_holds", lambda *_: pytest.fail("it was searched"))
    with run_orthanc(tmp_path) as orthanc:
        settings = reach(orthanc, receive_port=orthanc.back_port)
        archive = open_as(settings)
        data = make_film()
        film = ObjectReference.of_dataset(dcmread(BytesIO(data)))
        assert archive.find_missing([film]) == (film,)
        archive.send([data])
        assert archive.find_missing([film]) == ()


def test_settings_of_archives_show_no_secret(monkeypatch):
    monkeypatch.setenv("PACS_TOKEN", "hush")
    settings = DicomwebSettings(url="https://pacs", token_variable="PACS_TOKEN")
    all_settings = PacsSettings(archives={"a": settings}, search="a", results="a")
    assert "hush" not in repr((all_settings, open_as(settings).__dict__))
    assert all_settings.ae_title == OUR_AE_TITLE
