"""The receiving side, spoken to by dcmtk and by peers that keep no rules: who may send, and what is kept of it."""

import errno
import shutil
import socket
import struct
import subprocess
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, JPEGLSLossless
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.presentation import build_context

from cxr_core.dicom_io.node.film_queue import FilmQueue, State
from cxr_core.dicom_io.node.film_store import (
    CANNOT_UNDERSTAND,
    OUT_OF_RESOURCES,
    SUCCESS,
    FilmStore,
)
from cxr_core.dicom_io.node.receiver import (
    MOST_ASSOCIATIONS,
    NodeReceiver,
    is_known_peer,
    list_contexts,
)
from cxr_core.dicom_io.node.spool import Spool
from cxr_core.dicom_io.pacs.open_archive import silence_network_libraries
from cxr_core.dicom_io.pacs.settings import NodeSettings, PeerSettings
from cxr_core.dicom_io.results import build_objects, encode_object
from cxr_core.errors import NodeError
from tests.dicom_io.bench import examine, header_of, report_of
from tests.node.bench import CR, CT, IDENTITY, PEER, TITLE, arrive, make_film, make_settings
from tests.system_tools import require_system_tool

pytestmark = pytest.mark.process
MEGABYTE = 1 << 20
WITHIN_S, AT_ONCE_S = 60.0, 5.0


class Bench:
    """A node that receives and does nothing else."""

    def __init__(self, folder: Path, settings: NodeSettings):
        self.settings = settings
        self.spool, self.queue = Spool(folder), FilmQueue(folder)
        self.store = FilmStore(settings, self.queue, self.spool)
        self.receiver = NodeReceiver(settings, self.store, lambda: None)

    @property
    def names(self) -> list[str]:
        return [film.name for film in self.queue.list_films([State.RECEIVED])]

    @contextmanager
    def associate(self, ae_title: str = PEER, called: str = TITLE) -> Iterator[Association]:
        """An association by pynetdicom, accepted or not."""
        entity = ApplicationEntity(ae_title)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = WITHIN_S
        contexts = [build_context(uid, ExplicitVRLittleEndian) for uid in (CR, CT)]
        association = entity.associate("127.0.0.1", self.receiver.port, contexts, called)
        try:
            yield association
        finally:
            if association.is_established:
                association.release()

    def wait_for_end(self) -> None:
        """Wait until no association is open."""
        deadline = time.monotonic() + WITHIN_S
        while self.receiver.list_open_associations():
            assert time.monotonic() < deadline
            time.sleep(0.02)


@contextmanager
def serve(folder: Path, **settings: Any) -> Iterator[Bench]:
    silence_network_libraries()
    bench = Bench(folder / "node", make_settings(**settings))
    bench.receiver.start()
    try:
        yield bench
    finally:
        bench.receiver.stop()
        bench.store.close()
        bench.queue.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with serve(tmp_path) as bench:
        yield bench


def store(association: Association, data: bytes) -> int:
    """Send a film by C-STORE; the status of the answer, 0x10000 where there was none."""
    status = association.send_c_store(dcmread(DicomBytesIO(data)))
    return int(status.Status) if "Status" in status else 0x10000


def run_dcmtk(
    tool: str, bench: Bench, *options: str, files: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    path = require_system_tool(tool, "dcmtk")
    command = [path, "-aec", TITLE, *options, "127.0.0.1", str(bench.receiver.port), *files]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=WITHIN_S)


def test_it_answers_a_known_peer_and_takes_its_film(bench: Bench, tmp_path: Path) -> None:
    film = tmp_path / "film.dcm"
    film.write_bytes(make_film(1))
    assert run_dcmtk("echoscu", bench, "-aet", PEER).returncode == 0
    assert run_dcmtk("storescu", bench, "-aet", PEER, files=[str(film)]).returncode == 0
    (name,) = bench.names
    received = dcmread(DicomBytesIO(bench.spool.read_film(name)))
    assert received == dcmread(film)
    bench.wait_for_end()
    assert bench.queue.claim(1000.0, bench.receiver.list_open_associations()) is not None
    for folder in (tmp_path / "node", tmp_path / "node/films", tmp_path / "node/results"):
        assert folder.stat().st_mode & 0o777 == 0o700
    names = [str(path.relative_to(tmp_path)) for path in (tmp_path / "node").rglob("*")]
    assert not [word for word in IDENTITY for name in names if word in name]


@pytest.mark.parametrize(("ae_title", "called"), [("STRANGER", TITLE), (PEER, "ANOTHER")])
def test_it_refuses_strangers_and_what_is_meant_for_others(
    bench: Bench, ae_title: str, called: str
) -> None:
    with bench.associate(ae_title, called) as association:
        assert association.is_rejected
    assert bench.names == []


def test_a_listed_name_from_another_address_is_refused(tmp_path: Path) -> None:
    peers = (PeerSettings(ae_title=PEER, address="192.0.2.1"), PeerSettings(ae_title="OTHER"))
    with serve(tmp_path, peers=peers) as bench:
        with bench.associate(PEER) as association:
            assert association.is_rejected
        with bench.associate("OTHER") as association:
            assert association.is_established


def test_a_connection_from_an_address_that_is_not_listed_is_closed_at_once(tmp_path: Path) -> None:
    peers = (PeerSettings(ae_title=PEER, address="192.0.2.1"),)
    with (
        serve(tmp_path, peers=peers) as bench,
        socket.create_connection(("127.0.0.1", bench.receiver.port), AT_ONCE_S) as stranger,
    ):
        assert stranger.recv(1) == b""


def test_connections_that_ask_for_nothing_keep_no_sender_away(bench: Bench) -> None:
    with ExitStack() as silent:
        for _ in range(2 * MOST_ASSOCIATIONS):
            address = ("127.0.0.1", bench.receiver.port)
            silent.enter_context(socket.create_connection(address, WITHIN_S))
            socket.create_connection(address, WITHIN_S).close()
        with bench.associate() as association:
            assert association.is_established


def test_so_many_associations_are_accepted_at_a_time(bench: Bench) -> None:
    with ExitStack() as others:
        for _ in range(MOST_ASSOCIATIONS):
            assert others.enter_context(bench.associate()).is_established
        with bench.associate() as association:
            assert association.is_rejected
    bench.wait_for_end()
    with bench.associate() as association:
        assert association.is_established


def test_an_address_may_be_written_in_either_family() -> None:
    peers = (PeerSettings(ae_title="A", address="10.0.0.7"),)
    assert is_known_peer(peers, "A", "::ffff:10.0.0.7")
    assert not is_known_peer(peers, "A", "10.0.0.70")
    assert not is_known_peer(peers, "B", "10.0.0.7")


def test_the_same_instance_twice_is_one_film(bench: Bench) -> None:
    for _ in range(2):
        with bench.associate() as association:
            assert [store(association, make_film(1)) for _ in range(2)] == [SUCCESS, SUCCESS]
    assert len(bench.names) == 1


def test_a_scan_is_taken_and_passed_over_without_a_look(bench: Bench) -> None:
    with bench.associate() as association:
        scan = make_film(1, SOPClassUID=CT, Modality="CT")
        assert store(association, scan) == SUCCESS
        assert store(association, make_film(1, SOPInstanceUID="1.2.3")) == SUCCESS
    (passed_over,) = bench.queue.list_films([State.PASSED_OVER])
    assert passed_over.reason == "no_film_class"
    assert len(bench.names) == 1
    assert bench.spool.list_names() == set(bench.names)


def test_a_key_image_that_another_silhouette_has_made_is_no_film(bench: Bench) -> None:
    film = make_film(1)
    (key_image,) = build_objects(report_of(examine(film)), header_of(film), ("image",))
    status = bench.store.store(
        encode_object(key_image),
        class_uid=str(key_image.SOPClassUID),
        instance_uid=str(key_image.SOPInstanceUID),
        association="",
    )
    assert status == SUCCESS
    assert bench.queue.count_states() == {State.OWN_RESULT: 1}
    assert bench.spool.list_names() == set()


def test_an_association_that_breaks_off_leaves_what_was_whole(bench: Bench) -> None:
    with bench.associate() as association:
        assert store(association, make_film(1)) == SUCCESS
        assert len(bench.receiver.list_open_associations()) == 1
        association.abort()
    with bench.associate() as association:
        connection: Any = association.dul.socket
        raw = connection.socket
        raw.sendall(begin_film(1, 1000, 100_000))
        raw.shutdown(socket.SHUT_RDWR)
    raw.close()
    bench.wait_for_end()
    assert len(bench.names) == 1


def test_a_film_that_is_too_large_is_refused_and_the_next_one_taken(tmp_path: Path) -> None:
    with serve(tmp_path, max_film_mb=1) as bench, bench.associate() as association:
        large = make_film(1, EncapsulatedDocument=b"\0" * (3 * MEGABYTE))
        assert store(association, large) == CANNOT_UNDERSTAND
        assert store(association, make_film(2)) == SUCCESS
    assert len(bench.spool.list_names()) == 1


@pytest.mark.parametrize("obstacle", ["reserve", "full", "spool"])
def test_a_full_disk_is_told_to_the_sender(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, obstacle: str
) -> None:
    with serve(tmp_path, max_film_mb=1, max_spool_mb=1) as bench:
        if obstacle == "reserve":
            free = SimpleNamespace(free=MEGABYTE)
            monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
        elif obstacle == "full":
            monkeypatch.setattr(Path, "write_bytes", fail_with_full_disk)
        else:
            bench.queue.add(arrive(make_film(7) + b"\0" * MEGABYTE))
        with bench.associate() as association:
            assert store(association, make_film(1)) == OUT_OF_RESOURCES
            monkeypatch.undo()
            if obstacle != "spool":
                assert store(association, make_film(1)) == SUCCESS


def fail_with_full_disk(*_: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def begin_film(context: int, fragment: int, announced: int | None = None) -> bytes:
    """The command of a C-STORE and the first fragment of its content, as P-DATA (PS3.8 9.3.5)."""
    elements = [
        (0x0002, CR.encode() + b"\0" * (len(CR) % 2)),
        (0x0100, struct.pack("<H", 1)),
        (0x0110, struct.pack("<H", 1)),
        (0x0700, struct.pack("<H", 0)),
        (0x0800, struct.pack("<H", 0)),
        (0x1000, b"1.2.826.0.1.99.7.77\0"),
    ]
    command = b"".join(
        struct.pack("<HHI", 0, element, len(value)) + value for element, value in elements
    )
    command = struct.pack("<HHII", 0, 0, 4, len(command)) + command
    return pack_pdu(context, 3, command) + pack_pdu(context, 0, b"\0" * fragment, announced)


def pack_pdu(context: int, control: int, content: bytes, announced: int | None = None) -> bytes:
    """One P-DATA-TF PDU with one value. announced: its length as it claims, where that is a lie."""
    item = struct.pack(">IBB", len(content) + 2, context, control) + content
    return struct.pack(">BBI", 4, 0, announced or len(item)) + item


def test_a_peer_that_sends_a_gigabyte_is_refused_in_bounded_memory(bench: Bench) -> None:
    tracemalloc.start()
    try:
        with bench.associate() as association:
            connection: Any = association.dul.socket
            association._reactor_checkpoint.clear()  # this test talks instead
            raw = connection.socket
            raw.sendall(begin_film(1, 1000))
            piece = pack_pdu(1, 0, b"\0" * 200_000)
            for _ in range((1 << 30) // 200_000):
                raw.sendall(piece)
            raw.sendall(pack_pdu(1, 2, b"\0" * 1000))
            _, answer = association.dimse.get_msg(block=True)
            association._reactor_checkpoint.set()
            assert answer is not None
            assert answer.Status == CANNOT_UNDERSTAND  # type: ignore[union-attr]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 160 * MEGABYTE
    assert bench.spool.list_names() == set()


def test_a_message_longer_than_agreed_is_not_even_read(bench: Bench) -> None:
    with socket.create_connection(("127.0.0.1", bench.receiver.port), WITHIN_S) as stranger:
        stranger.sendall(struct.pack(">BBI", 1, 0, 1 << 31) + b"\0" * 1000)
        assert stranger.recv(100) == b""


def test_a_port_that_is_taken_is_told(bench: Bench) -> None:
    other = NodeReceiver(bench.settings, bench.store, lambda: None)
    with pytest.raises(NodeError, match=f"port {bench.settings.port}.*another node"):
        other.start()


def test_it_offers_every_form_that_the_decoder_reads() -> None:
    offered = {context.abstract_syntax: context.transfer_syntax for context in list_contexts()}
    assert {CR, CT} <= set(offered)
    assert {DeflatedExplicitVRLittleEndian, JPEGLSLossless} <= set(offered[CR] or [])
    assert "1.2.840.10008.5.1.4.1.1.88.34" not in offered  # structured reports are no films


def test_many_films_at_once_fit_into_memory(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    film = dcmread(DicomBytesIO(make_film(1)))
    for number in range(40):
        film.SOPInstanceUID = film.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        film.save_as(folder / f"{number}.dcm")
    halves = [str(path) for path in sorted(folder.iterdir())]
    tracemalloc.start()
    try:
        with ThreadPoolExecutor(2) as senders:
            sent = [
                senders.submit(run_dcmtk, "storescu", bench, "-aet", PEER, files=half)
                for half in (halves[:20], halves[20:])
            ]
            assert [each.result().returncode for each in sent] == [0, 0]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(bench.names) == 40
    assert peak < 6 * MEGABYTE  # of 13 that came
