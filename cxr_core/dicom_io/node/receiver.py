"""Receives films: the storage and verification services of DICOM (PS3.4 B and A) by pynetdicom, for listed peers only.

An instance is answered with success once the disk has it. What is too large is dropped while it arrives and refused at
its end, so that memory stays bounded; the association goes on. A connection from an address that no peer has is closed
before anything is read.
"""

import secrets
import socket
import ssl
from collections.abc import Callable
from io import BytesIO
from typing import Any

from pydicom.uid import UID
from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import (
    AllStoragePresentationContexts,
    PresentationContext,
    build_context,
)
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from pynetdicom.transport import ThreadedAssociationServer

from cxr_core.dicom_io.node.film_store import CANNOT_UNDERSTAND, FilmStore
from cxr_core.dicom_io.pacs.certificates import accept_encrypted
from cxr_core.dicom_io.pacs.settings import NodeSettings, PeerSettings
from cxr_core.errors import NodeError
from cxr_core.film.decoding.dicom import COMPRESSED, NATIVE

MOST_ASSOCIATIONS = 8
MOST_CONNECTIONS = 64  # associations, and connections that have not asked for one yet
REQUEST_S = 10.0  # in which a connection has to ask for an association
MAX_PDU_BYTES = 1 << 18  # that we ask peers to keep to
MOST_PDU_BYTES = 1 << 20  # that is read of a peer that does not
SILENCE_S = 60.0  # after which an association is ended
# For how long an association is rejected, by whom and why (PS3.8 table 9-21): for good, by the service user, calling AE
# title not recognized; for now, by the service provider, local limit exceeded.
CALLING_UNKNOWN = (0x01, 0x01, 0x03)
TOO_MANY = (0x02, 0x03, 0x02)


class NodeReceiver:
    """Listens for films. start and stop are called once."""

    def __init__(self, settings: NodeSettings, store: FilmStore, notify: Callable[[], None]):
        """store: takes each film.  notify: called after a film has come, and when an association has ended.

        Raises SettingsError for certificates that cannot be used.
        """
        self._settings, self._store, self._notify = settings, store, notify
        self._max_bytes = settings.max_film_mb << 20
        self._names: dict[Association, str] = {}
        self._sockets: dict[Association, socket.socket] = {}
        self._entity = ApplicationEntity(settings.ae_title)
        self._entity.require_called_aet = True
        self._entity.maximum_associations = MOST_CONNECTIONS  # the library counts both
        self._entity.acse_timeout = REQUEST_S
        self._entity.maximum_pdu_size = MAX_PDU_BYTES
        self._entity.network_timeout = SILENCE_S
        self._entity.supported_contexts = list_contexts()
        self._server: ThreadedAssociationServer | None = None
        self._encryption: ssl.SSLContext | None = None
        if settings.certificate_file:
            own = (settings.certificate_file, settings.key_file)
            self._encryption = accept_encrypted(*own, "client_ca_file", settings.client_ca_file)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._settings.port if self._server is None else int(self._server.server_address[1])

    def start(self) -> None:
        """Listen from now on, in threads of its own. Raises NodeError where the port cannot be had."""
        handlers: list[Any] = [
            (evt.EVT_CONN_OPEN, self._bound_messages),
            (evt.EVT_REQUESTED, self._admit_or_reject),
            (evt.EVT_ESTABLISHED, self._begin_association),
            (evt.EVT_PDU_RECV, self._drop_excess),
            (evt.EVT_C_STORE, self._take_film),
            (evt.EVT_CONN_CLOSE, self._end_association),
        ]
        address = (self._settings.address, self._settings.port)
        try:
            server = self._entity.start_server(
                address, block=False, evt_handlers=handlers, ssl_context=self._encryption
            )
        except OSError as error:
            raise NodeError(
                f"the node cannot listen on {address[0]} port {address[1]} ({error.strerror or error}); is another "
                "node running? If not, choose another port, or an address of this machine, in pacs.toml"
            ) from error
        assert server is not None  # as it does not block
        server.verify_request = self._may_connect  # type: ignore[method-assign]
        self._server = server

    def stop(self) -> None:
        """End every association and listen no more."""
        for association in self._entity.active_associations:
            if association.is_established:  # pynetdicom cannot abort one that it is rejecting
                association.abort()
        if self._server is not None:
            self._server.shutdown()
        for each in list(self._sockets.values()):
            each.close()

    def list_open_associations(self) -> list[str]:
        """The names of the associations that may still bring films."""
        names = list(self._names.items())
        return [name for association, name in names if association.is_alive()]

    def _may_connect(self, request: Any, client_address: Any) -> bool:
        return is_known_address(self._settings.peers, str(client_address[0]))

    def _bound_messages(self, event: evt.Event) -> None:
        """Let no peer, known or not, have more read at once than a message may have; a silent one is left."""
        connection: Any = event.assoc.dul.socket
        connection.socket.settimeout(SILENCE_S)
        self._sockets[event.assoc] = connection.socket
        receive = connection.recv

        def receive_bounded(count: int) -> bytearray:
            if count > MOST_PDU_BYTES:
                raise OSError("the message is longer than was agreed")
            received: bytearray = receive(count)
            return received

        connection.recv = receive_bounded

    def _admit_or_reject(self, event: evt.Event) -> None:
        """Reject an association that nobody whom we know asks for, or that would be one too many."""
        requestor: Any = event.assoc.requestor
        title = str(requestor.primitive.calling_ae_title).strip()
        if not is_known_peer(self._settings.peers, title, str(requestor.address)):
            _reject(event.assoc, CALLING_UNKNOWN)
        elif len(self.list_open_associations()) >= MOST_ASSOCIATIONS:
            _reject(event.assoc, TOO_MANY)

    def _begin_association(self, event: evt.Event) -> None:
        self._names[event.assoc] = secrets.token_hex(8)

    def _end_association(self, event: evt.Event) -> None:
        self._names.pop(event.assoc, None)
        if event.assoc in self._sockets:  # pynetdicom leaves one open whose peer was faster
            self._sockets.pop(event.assoc).close()
        self._notify()

    def _drop_excess(self, event: evt.Event) -> None:
        message: Any = event.assoc.dimse.message
        content = None if message is None else message.data_set
        if content is not None and content.tell() > self._max_bytes:
            message.data_set = _Excess(b"\0")

    def _take_film(self, event: evt.Event) -> int:
        request = event.request
        assert isinstance(request, C_STORE)
        if isinstance(request.DataSet, _Excess):
            return CANNOT_UNDERSTAND
        status = self._store.store(
            event.encoded_dataset(),
            class_uid=str(request.AffectedSOPClassUID),
            instance_uid=str(request.AffectedSOPInstanceUID),
            association=self._names.get(event.assoc, ""),
        )
        self._notify()
        return status


class _Excess(BytesIO):
    """Stands for the content of an instance that is too large, and keeps none of it."""

    def write(self, content: Any) -> int:
        """Drop it."""
        return len(content)


def list_contexts() -> list[PresentationContext]:
    """What is offered: a sign of life, and to take any object of an image in any form that the decoder reads.

    Objects that are no images are not taken; images that are no films are, so that a study arrives as a whole.
    """
    syntaxes = list(dict.fromkeys([*NATIVE, *COMPRESSED]))
    kinds = [UID(each.abstract_syntax or "") for each in AllStoragePresentationContexts]
    images = [uid for uid in kinds if "ImageStorage" in uid.keyword]
    return [build_context(Verification), *(build_context(uid, syntaxes) for uid in images)]


def is_known_peer(peers: tuple[PeerSettings, ...], ae_title: str, address: str) -> bool:
    """Whether one of the peers calls itself so and is at this address."""
    return is_known_address(tuple(peer for peer in peers if peer.ae_title == ae_title), address)


def is_known_address(peers: tuple[PeerSettings, ...], address: str) -> bool:
    """Whether one of the peers is at this address, or may be at any. A mapped IPv4 address is an IPv4 address."""
    plain = address.removeprefix("::ffff:")
    return any(peer.address in ("", address, plain) for peer in peers)


def _reject(association: Association, reason: tuple[int, int, int]) -> None:
    association.acse.send_reject(*reason)
    association.is_rejected = True
    association.kill()
