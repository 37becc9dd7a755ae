"""Takes what an archive sends of its own accord while it is asked for something: films, and reports of commitment."""

import ssl
import threading
from collections.abc import Sequence
from typing import Any, cast

from filelock import FileLock, Timeout
from pydicom import Dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)
from pynetdicom import _config, evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.presentation import StoragePresentationContexts
from pynetdicom.transport import AssociationSocket

from cxr_core.dicom_io.pacs.answers import read_first_text
from cxr_core.dicom_io.pacs.archive import MAX_FILM_BYTES
from cxr_core.dicom_io.pacs.certificates import accept_encrypted
from cxr_core.dicom_io.pacs.settings import DimseSettings
from cxr_core.errors import ArchiveUnreachable, SettingsError
from cxr_core.film.decoding.dicom import silence_libraries
from cxr_core.workspace.outside_files import read_outside_file
from cxr_core.workspace.paths import workspace

# Each is offered by itself, so that an archive can send a film as it keeps it.
SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    *JPEGTransferSyntaxes,
    *JPEGLSTransferSyntaxes,
    *JPEG2000TransferSyntaxes,
)
COMMITMENT = UID("1.2.840.10008.1.20.1")  # storage commitment, push model (PS3.4 J.3)
REPORT_S = 60.0  # how long an archive may take to report what it keeps
WAIT_S = 60.0  # for others that are receiving
ACCEPTED = 0x0000


class FilmReceiver:
    """Keeps the films that arrive in memory, at most MAX_FILM_BYTES of each. films: by their instance UIDs."""

    def __init__(self) -> None:
        self.films: dict[str, bytes] = {}
        self.is_too_large = False
        self._received = 0

    @property
    def handlers(self) -> list[Any]:
        """What pynetdicom calls."""
        return [(evt.EVT_C_STORE, self._keep), (evt.EVT_DATA_RECV, self._count)]

    def _keep(self, event: evt.Event) -> int:
        self._received = 0
        if _config.STORE_RECV_CHUNKED_DATASET:  # as the receiving node sets it for this process
            data = read_outside_file(event.dataset_path, MAX_FILM_BYTES)
        else:
            data = event.encoded_dataset()
        request = cast(C_STORE, event.request)
        self.films[str(request.AffectedSOPInstanceUID)] = data
        return ACCEPTED

    def _count(self, event: evt.Event) -> None:
        """End a connection on which more bytes come in than a film has."""
        self._received += len(event.data)
        limit = MAX_FILM_BYTES + (MAX_FILM_BYTES >> 4)  # with what frames its pieces
        if self._received > limit and not self.is_too_large:
            self.is_too_large = True
            cast(AssociationSocket, event.assoc.dul.socket).close()


class CommitmentReport:
    """Waits for an archive's report on which objects it keeps (PS3.4 J.3.3)."""

    def __init__(self, transaction: str):
        """transaction: UID of the request."""
        self.transaction = transaction
        self._committed: set[str] = set()
        self._has_arrived = threading.Event()

    @property
    def handlers(self) -> list[Any]:
        """What pynetdicom calls."""
        return [(evt.EVT_N_EVENT_REPORT, self._keep)]

    def wait(self) -> set[str] | None:
        """The UIDs of the instances that the archive keeps; None when it has not reported in time."""
        return self._committed if self._has_arrived.wait(REPORT_S) else None

    def _keep(self, event: evt.Event) -> tuple[int, None]:
        with silence_libraries():
            report: Dataset = event.event_information
            if read_first_text(report, "TransactionUID") == self.transaction:
                items = report.get("ReferencedSOPSequence") or ()
                self._committed = {
                    read_first_text(item, "ReferencedSOPInstanceUID") for item in items
                }
                self._has_arrived.set()
        return ACCEPTED, None


class Receiver:
    """Listens at the receiving port during a `with` block, for this one archive.

    The port is one for all tabs and processes of a workspace, so they wait for one another.
    """

    def __init__(self, settings: DimseSettings, our_ae_title: str, handlers: Sequence[Any]):
        """handlers: of pynetdicom's events. Raises ArchiveUnreachable for certificates that cannot be used."""
        self._settings, self._handlers = settings, list(handlers)
        self._encryption: ssl.SSLContext | None = None
        if settings.receive_tls:
            own = (settings.certificate_file, settings.key_file)
            try:
                self._encryption = accept_encrypted(*own, "ca_file", settings.ca_file)
            except SettingsError as error:  # of a certificate that is being renewed
                raise ArchiveUnreachable(
                    f"{settings.address} cannot call back for now. {error}."
                ) from error
        self._lock = FileLock(workspace() / f".receive-{settings.receive_port}.lock")
        self._entity = ApplicationEntity(our_ae_title)
        self._entity.require_called_aet = True
        self._entity.require_calling_aet = [settings.ae_title]
        self._entity.supported_contexts = StoragePresentationContexts
        for context in self._entity.supported_contexts:
            context.transfer_syntax = list(SYNTAXES)
        self._entity.add_supported_context(COMMITMENT, scu_role=True, scp_role=True)

    def __enter__(self) -> "Receiver":
        address = (self._settings.receive_address, self._settings.receive_port or 0)
        workspace().mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=WAIT_S)
        except Timeout as error:
            raise ArchiveUnreachable(
                f"Others have been receiving from {self._settings.address} for {WAIT_S:.0f} seconds. Try again later."
            ) from error
        try:
            self._entity.start_server(
                address, block=False, evt_handlers=self._handlers, ssl_context=self._encryption
            )
        except OSError as error:
            self._lock.release()
            raise ArchiveUnreachable(
                f"The port {address[1]}, at which the archive is to call back, cannot be opened ({error.strerror}). "
                "Is another program using it? Try again later, or set another receive_port."
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._entity.shutdown()
        self._lock.release()
