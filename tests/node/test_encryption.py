"""A node with a certificate takes films by TLS only, by dcmtk and pynetdicom, and from nobody whom it cannot check."""

import gc
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.presentation import build_context

from cxr_core.dicom_io.pacs.certificates import accept_encrypted
from cxr_core.errors import SettingsError
from tests.node.bench import CR, PEER, TITLE, make_film
from tests.node.test_receiver import WITHIN_S, Bench, run_dcmtk, serve, store
from tests.pacs.certificate import write_certificate

pytestmark = [
    pytest.mark.process,
    # pynetdicom leaves the socket of a connection that failed to be collected.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates of a node, a modality and a stranger, each signed by itself."""
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("node", "modality", "stranger"):
        write_certificate(folder, name)
    return folder


@pytest.fixture
def film(tmp_path: Path) -> str:
    path = tmp_path / "film.dcm"
    path.write_bytes(make_film(1))
    return str(path)


@contextmanager
def serve_encrypted(tmp_path: Path, folder: Path, **settings: str) -> Iterator[Bench]:
    own = {"certificate_file": str(folder / "node.pem"), "key_file": str(folder / "node.key")}
    with serve(tmp_path, **own, **settings) as bench:
        yield bench


@contextmanager
def associate(bench: Bench, folder: Path, own: str = "") -> Iterator[Association]:
    """An encrypted association, accepted or not. own: the name of our certificate."""
    context = ssl.create_default_context(cafile=folder / "node.pem")
    if own:
        context.load_cert_chain(folder / f"{own}.pem", folder / f"{own}.key")
    entity = ApplicationEntity(PEER)
    entity.connection_timeout = entity.acse_timeout = WITHIN_S
    entity.dimse_timeout = entity.network_timeout = WITHIN_S
    association = entity.associate(
        "127.0.0.1",
        bench.receiver.port,
        [build_context(CR)],
        TITLE,
        tls_args=(context, "127.0.0.1"),
    )
    try:
        yield association
    finally:
        if association.is_established:
            association.release()
        del association
        gc.collect()


def test_films_come_encrypted_and_plain_connections_are_refused(
    tmp_path: Path, folder: Path, film: str
) -> None:
    with serve_encrypted(tmp_path, folder) as bench:
        assert run_dcmtk("echoscu", bench, "-aet", PEER, "-ta", "5").returncode != 0
        with associate(bench, folder) as association:
            assert association.is_established
            assert store(association, make_film(2)) == 0
        trusting = ("+tla", "+cf", str(folder / "node.pem"))
        sent = run_dcmtk("storescu", bench, "-aet", PEER, *trusting, files=[film])
        assert sent.returncode == 0, sent.stderr
        assert len(bench.names) == 2


def test_a_sender_shows_a_certificate_where_one_is_demanded(
    tmp_path: Path, folder: Path, film: str
) -> None:
    with serve_encrypted(tmp_path, folder, client_ca_file=str(folder / "modality.pem")) as bench:
        for own in ("", "stranger"):
            with associate(bench, folder, own) as association:
                assert not association.is_established
        with associate(bench, folder, "modality") as association:
            assert store(association, make_film(2)) == 0
        for own, accepted in (("stranger", False), ("modality", True)):
            shown = ("+tls", str(folder / f"{own}.key"), str(folder / f"{own}.pem"))
            trusting = ("+cf", str(folder / "node.pem"))
            sent = run_dcmtk("storescu", bench, "-aet", PEER, *shown, *trusting, files=[film])
            assert (sent.returncode == 0) == accepted, sent.stderr
        assert len(bench.names) == 2


def test_a_silent_connection_keeps_nobody_waiting(tmp_path: Path, folder: Path) -> None:
    with (
        serve_encrypted(tmp_path, folder) as bench,
        socket.create_connection(("127.0.0.1", bench.receiver.port)),
        associate(bench, folder) as association,
    ):
        assert association.is_established


@pytest.mark.parametrize(
    ("certificate", "key", "clients", "said"),
    [
        ("nowhere.pem", "node.key", "", r"certificate_file: \S+nowhere\.pem cannot be opened"),
        ("node.pem", "nowhere.key", "", r"key_file: \S+nowhere\.key cannot be opened"),
        ("node.key", "node.key", "", r"certificate_file \S+ holds no certificate in PEM"),
        ("node.pem", "node.pem", "", r"key_file \S+ holds no private key in PEM"),
        ("node.pem", "modality.key", "", r"modality\.key is not the key of the first certificate"),
        ("locked.pem", "locked.key", "", r"locked\.key is protected by a password"),
        ("damaged.pem", "node.key", "", r"damaged\.pem or key_file \S+ is damaged"),
        ("node.pem", "node.key", "node.key", r"client_ca_file \S+ holds no certificate"),
        ("node.pem", "node.key", "damaged.pem", r"client_ca_file \S+ holds a damaged certificate"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_and_no_key(
    folder: Path, certificate: str, key: str, clients: str, said: str
) -> None:
    write_certificate(folder, "locked", password=b"hush")
    whole = (folder / "node.pem").read_text()
    (folder / "damaged.pem").write_text(whole.replace("M", "N"))
    paths = [str(folder / name) if name else "" for name in (certificate, key)]
    ca_file = str(folder / clients) if clients else ""
    with pytest.raises(SettingsError, match=said) as caught:
        accept_encrypted(*paths, "client_ca_file", ca_file)
    secret = (folder / "node.key").read_text().splitlines()[1]
    assert secret not in str(caught.value)
