"""Opens an association with a DICOM archive, and puts into sentences what kept it from being opened."""

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext, build_context, build_role

from cxr_core.dicom_io.pacs.certificates import trust_authority
from cxr_core.dicom_io.pacs.settings import DimseSettings
from cxr_core.errors import ArchiveRefused, ArchiveUnreachable, SettingsError

CONNECT_S, ASSOCIATE_S, ANSWER_S, SILENCE_S = 10.0, 20.0, 60.0, 60.0
SETTLE_S = 5.0
SUCCESS = 0x0000
VERIFICATION = UID("1.2.840.10008.1.1")  # PS3.4 A.4
# Why an association is rejected, by who says so and which of his reasons (PS3.8 table 9-21).
CALLED_UNKNOWN, CALLING_UNKNOWN = (1, 7), (1, 3)
TRANSIENT = 2


class DimsePeer:
    """The archive at the other end. One association at a time."""

    def __init__(self, settings: DimseSettings, our_ae_title: str):
        """Raises SettingsError for certificates that cannot be used."""
        self.address = settings.address
        self._settings, self._our_ae_title = settings, our_ae_title
        self._prepare_tls()

    @contextmanager
    def associate(
        self,
        contexts: Sequence[PresentationContext],
        *,
        receives: Sequence[str] = (),
        handlers: Sequence[Any] = (),
    ) -> Iterator[Association]:
        """An open association; released at the end, and aborted after an error.

        contexts: what is proposed.  receives: classes of objects that the archive may send to us on it.  handlers: of
        pynetdicom's events. Raises ArchiveUnreachable or ArchiveRefused.
        """
        entity = ApplicationEntity(self._our_ae_title)
        entity.connection_timeout = CONNECT_S
        entity.acse_timeout, entity.dimse_timeout = ASSOCIATE_S, ANSWER_S
        entity.network_timeout = SILENCE_S
        # With C-ECHO, which every archive offers: a connection on which nothing is offered would be none.
        proposed = [build_context(VERIFICATION), *contexts]
        association = self._request(entity, proposed, receives, handlers)
        if not association.is_established and not association.is_rejected:
            # An archive that rejects us and hangs up at once can reset the connection before its reason is read.
            association = self._request(entity, proposed, receives, handlers)
        if not association.is_established:
            raise self._explain_failure(association)
        try:
            yield association
            association.release()
        finally:
            if association.is_established:
                association.abort()

    def _request(
        self,
        entity: ApplicationEntity,
        contexts: Sequence[PresentationContext],
        receives: Sequence[str],
        handlers: Sequence[Any],
    ) -> Association:
        """An association as it stands once the archive has accepted it, rejected it or hung up."""
        try:
            encryption = self._prepare_tls()
        except SettingsError as error:  # of a certificate that is being renewed
            raise ArchiveUnreachable(f"{self.address} cannot be asked for now. {error}.") from error
        try:
            association = entity.associate(
                self._settings.host,
                self._settings.port,
                contexts=list(contexts),
                ae_title=self._settings.ae_title,
                ext_neg=[build_role(uid, scp_role=True) for uid in receives],
                tls_args=encryption,
                evt_handlers=list(handlers),
            )
        except OSError as error:  # of a name that is looked up
            raise ArchiveUnreachable(
                f"{self.address} does not answer: there is no machine of that name. Correct host, or try again later."
            ) from error
        if not association.is_established and association.is_alive():
            association.join(SETTLE_S)
        return association

    def offers(self, association: Association, uid: str) -> bool:
        """Whether the archive offers a service on this connection."""
        return uid in [context.abstract_syntax for context in association.accepted_contexts]

    def require_accepted(self, association: Association, uid: str, what: str) -> None:
        """Refuse an archive that does not offer a service. what: the service, as it is called in a sentence."""
        if not self.offers(association, uid):
            raise ArchiveRefused(
                f"{self.address} does not offer {what} to us. Ask its administrator to allow it for our AE title "
                f"{self._our_ae_title}."
            )

    def require_success(self, status: Dataset | None, what: str) -> None:
        """Raise for an answer that is neither success nor a warning. what: that was to be done, for a sentence.

        Statuses 0xA7.. and 0x0122 and 0x0124 are of PS3.7 C and PS3.4 tables B.2-1, C.4-1.
        """
        if status is None or "Status" not in status:
            raise ArchiveUnreachable(
                f"{self.address} ended the connection before it could {what}. Does it know our AE title "
                f"{self._our_ae_title}? Try again later."
            )
        code = int(status.Status)
        if code == SUCCESS or code >> 12 == 0xB:
            return
        if code >> 8 == 0xA7 and code != 0xA702:
            raise ArchiveUnreachable(
                f"{self.address} has no room or time left to {what} (status 0x{code:04X}). Try again later."
            )
        raise ArchiveRefused(f"{self.address} refused to {what} (status 0x{code:04X}).")

    def _prepare_tls(self) -> tuple[ssl.SSLContext, str] | None:
        """The files are read for each association, so that a renewed certificate is used from the next one on."""
        if not self._settings.tls:
            return None
        own = (self._settings.certificate_file, self._settings.key_file)
        return trust_authority(self._settings.ca_file, *own), self._settings.host

    def _explain_failure(self, association: Association) -> Exception:
        answer = association.acceptor.primitive
        if answer is None or not association.is_rejected:
            return ArchiveUnreachable(
                f"{self.address} does not answer as a DICOM archive. Is it running, are host and port right, and does "
                "it want TLS, or our certificate? Try again later."
            )
        reason = (answer.result_source, answer.diagnostic)
        if reason == CALLED_UNKNOWN:
            return ArchiveRefused(
                f"{self.address} is not called {self._settings.ae_title}. Correct ae_title of this archive."
            )
        if reason == CALLING_UNKNOWN:
            return ArchiveRefused(
                f"{self.address} does not know our AE title {self._our_ae_title}. Ask its administrator to add it."
            )
        if answer.result == TRANSIENT:
            return ArchiveUnreachable(f"{self.address} has no time for us now. Try again later.")
        return ArchiveRefused(
            f"{self.address} rejected us. Ask its administrator to allow our AE title {self._our_ae_title}."
        )
