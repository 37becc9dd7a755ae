"""An archive that is reached by DICOM's own protocol: C-ECHO, C-FIND, C-GET or C-MOVE, C-STORE (PS3.7, PS3.4 B, C, J).

Films are fetched on the connection that asks for them (C-GET). Many archives can only call back (C-MOVE): for those
`receive_port` is set, and storage commitment, which calls back too, confirms what was sent.
"""

from collections.abc import Iterable, Iterator, Sequence

from pydicom import Dataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
    generate_uid,
)
from pynetdicom.presentation import build_context

from cxr_core.dicom_io.pacs.answers import (
    IMAGE_KEYWORDS,
    SERIES_KEYWORDS,
    STUDY_KEYWORDS,
    parse_dicom_object,
    read_film_series,
    read_films,
    read_studies,
    read_text_lines,
)
from cxr_core.dicom_io.pacs.archive import (
    MAX_STUDIES,
    ObjectReference,
    Study,
    StudyQuery,
    require_few_films,
    require_few_studies,
)
from cxr_core.dicom_io.pacs.association import VERIFICATION, DimsePeer
from cxr_core.dicom_io.pacs.receiver import (
    COMMITMENT,
    SYNTAXES,
    CommitmentReport,
    FilmReceiver,
    Receiver,
)
from cxr_core.dicom_io.pacs.settings import DimseSettings
from cxr_core.errors import ArchiveRefused, ArchiveUnreachable
from cxr_core.film.decoding.dicom import silence_libraries

# Of the model whose root is the study (PS3.4 C.6.2.3).
FIND = UID("1.2.840.10008.5.1.4.1.2.2.1")
MOVE = UID("1.2.840.10008.5.1.4.1.2.2.2")
GET = UID("1.2.840.10008.5.1.4.1.2.2.3")
COMMITMENT_INSTANCE = UID("1.2.840.10008.1.20.1.1")  # the only one of its class (PS3.4 J.3.5)
# What a film may be where an archive does not say, which it need not (PS3.4 table C.6-4).
FILM_CLASSES = [
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
]
REQUEST_COMMITMENT = 1  # the only action of the class (PS3.4 J.3.2)
PENDING = (0xFF00, 0xFF01)  # more answers follow (PS3.4 table C.4-1)
MAX_ANSWERS = 2000  # of a search below a study


class DimseArchive:
    """An archive with DICOM's own protocol. See `Archive`."""

    def __init__(self, settings: DimseSettings, our_ae_title: str):
        """Raises SettingsError for certificates that cannot be used."""
        self._settings, self._our_ae_title = settings, our_ae_title
        self._peer = DimsePeer(settings, our_ae_title)

    def check(self) -> None:
        """C-ECHO."""
        with self._peer.associate([]) as association:
            self._peer.require_accepted(association, VERIFICATION, "C-ECHO")
            self._peer.require_success(association.send_c_echo(), "answer a C-ECHO")

    def find_studies(self, query: StudyQuery) -> tuple[Study, ...]:
        """See `Archive.find_studies`."""
        matched = {
            "PatientID": query.patient_id,
            "AccessionNumber": query.accession_number,
            "StudyDate": query.date_range,
        }
        answers = self._find("STUDY", STUDY_KEYWORDS, matched, at_most=MAX_STUDIES + 1)
        studies = read_studies(answers)
        require_few_studies(studies)
        return studies

    def list_films(self, study_uid: str) -> tuple[ObjectReference, ...]:
        """See `Archive.list_films`."""
        films: list[ObjectReference] = []
        series = self._find("SERIES", SERIES_KEYWORDS, {"StudyInstanceUID": study_uid})
        for uid in read_film_series(series):
            matched = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": uid}
            films += read_films(study_uid, uid, self._find("IMAGE", IMAGE_KEYWORDS, matched))
        require_few_films(films)
        return tuple(films)

    def fetch_films(self, films: Sequence[ObjectReference]) -> Iterator[bytes]:
        """See `Archive.fetch_films`. A connection for each film: who takes them may take his time."""
        for film in films:
            data = self._move(film) if self._settings.receive_port else self._get(film)
            if data is None:
                raise ArchiveRefused(
                    f"{self._peer.address} did not send a film that it has listed. It may send in a format or to a "
                    "port that is not ours; ask its administrator."
                )
            yield data

    def send(self, objects: Sequence[bytes]) -> None:
        """See `Archive.send`."""
        datasets = [parse_dicom_object(each) for each in objects]
        kinds = {(each.SOPClassUID, each.file_meta.TransferSyntaxUID) for each in datasets}
        contexts = [build_context(uid, syntax) for uid, syntax in sorted(kinds)]
        with self._peer.associate(contexts) as association:
            for dataset in datasets:
                uid = UID(dataset.SOPClassUID)
                self._peer.require_accepted(association, uid, f"storage of objects ({uid.name})")
                with silence_libraries():
                    status = association.send_c_store(dataset)
                self._peer.require_success(status, "store an object")

    def find_missing(self, objects: Sequence[ObjectReference]) -> tuple[ObjectReference, ...]:
        """See `Archive.find_missing`. By storage commitment where it can call back and offers it, else by C-FIND."""
        committed = self._request_commitment(objects) if self._settings.receive_port else None
        if committed is None:
            return tuple(each for each in objects if not self._holds(each))
        return tuple(each for each in objects if each.instance_uid not in committed)

    def _find(
        self,
        level: str,
        keywords: Iterable[str],
        matched: dict[str, str],
        at_most: int = MAX_ANSWERS,
    ) -> list[Dataset]:
        """The answers of a search. matched: what is searched by; an empty text asks for the value."""
        identifier = _describe_identifier(level, dict.fromkeys(keywords, "") | matched)
        with self._peer.associate([build_context(FIND)]) as association:
            self._peer.require_accepted(association, FIND, "searches (C-FIND)")
            answers: list[Dataset] = []
            for status, answer in association.send_c_find(identifier, FIND):
                if status.get("Status") not in PENDING:
                    self._peer.require_success(status, "search")
                    break
                if answer is not None:
                    answers.append(answer)
                if len(answers) > at_most:
                    association.abort()
                    break
        return answers

    def _holds(self, each: ObjectReference) -> bool:
        matched = {
            "StudyInstanceUID": each.study_uid,
            "SeriesInstanceUID": each.series_uid,
            "SOPInstanceUID": each.instance_uid,
        }
        answers = self._find("IMAGE", (), matched)
        return any(
            read_text_lines(answer, "SOPInstanceUID") == (each.instance_uid,) for answer in answers
        )

    def _get(self, film: ObjectReference) -> bytes | None:
        """A film that the archive sends on the connection that asks for it (C-GET)."""
        receiver = FilmReceiver()
        classes = [film.class_uid] if film.class_uid else FILM_CLASSES
        stored = [build_context(uid, syntax) for uid in classes for syntax in SYNTAXES]
        with self._peer.associate(
            [build_context(GET), *stored], receives=classes, handlers=receiver.handlers
        ) as association:
            self._peer.require_accepted(association, GET, "films (C-GET)")
            identifier = _describe_film(film)
            self._follow(association.send_c_get(identifier, GET), receiver)
        return receiver.films.pop(film.instance_uid, None)

    def _move(self, film: ObjectReference) -> bytes | None:
        """A film that the archive sends to our receiving port (C-MOVE)."""
        receiver = FilmReceiver()
        with (
            Receiver(self._settings, self._our_ae_title, receiver.handlers),
            self._peer.associate([build_context(MOVE)]) as association,
        ):
            self._peer.require_accepted(association, MOVE, "films (C-MOVE)")
            responses = association.send_c_move(_describe_film(film), self._our_ae_title, MOVE)
            self._follow(responses, receiver)
        return receiver.films.pop(film.instance_uid, None)

    def _follow(
        self,
        responses: Iterator[tuple[Dataset, Dataset | None]],
        receiver: FilmReceiver,
    ) -> None:
        """Wait for the end of a C-GET or C-MOVE."""
        status = None
        for status, _ in responses:
            if status.get("Status") not in PENDING:
                break
        if receiver.is_too_large:
            raise ArchiveRefused(
                f"{self._peer.address} sent a film that is larger than what is taken."
            )
        self._peer.require_success(status, "send a film")

    def _request_commitment(self, objects: Sequence[ObjectReference]) -> set[str] | None:
        """The instances that the archive commits itself to keep (PS3.4 J); None where it does not offer that."""
        report = CommitmentReport(generate_uid())
        request = Dataset()
        request.TransactionUID = report.transaction
        request.ReferencedSOPSequence = [_refer(each) for each in objects]
        contexts = [build_context(COMMITMENT)]
        with (
            Receiver(self._settings, self._our_ae_title, report.handlers),
            self._peer.associate(contexts, handlers=report.handlers) as association,
        ):
            if not self._peer.offers(association, COMMITMENT):
                return None
            status, _ = association.send_n_action(
                request,
                REQUEST_COMMITMENT,
                COMMITMENT,
                COMMITMENT_INSTANCE,
            )
            self._peer.require_success(status, "commit itself to keep the objects")
            committed = report.wait()
        if committed is None:
            raise ArchiveUnreachable(
                f"{self._peer.address} has not reported whether it keeps the objects. Does it know our AE title with "
                "this machine's address and port? Try again later."
            )
        return committed


def _describe_film(film: ObjectReference) -> Dataset:
    return _describe_identifier(
        "IMAGE",
        {
            "StudyInstanceUID": film.study_uid,
            "SeriesInstanceUID": film.series_uid,
            "SOPInstanceUID": film.instance_uid,
        },
    )


def _describe_identifier(level: str, values: dict[str, str]) -> Dataset:
    """What a C-FIND, C-GET or C-MOVE is about (PS3.4 C.4.1.1.3)."""
    identifier = Dataset()
    identifier.SpecificCharacterSet = "ISO_IR 192"
    identifier.QueryRetrieveLevel = level
    for keyword, text in values.items():
        setattr(identifier, keyword, text)
    return identifier


def _refer(each: ObjectReference) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = each.class_uid
    item.ReferencedSOPInstanceUID = each.instance_uid
    return item
