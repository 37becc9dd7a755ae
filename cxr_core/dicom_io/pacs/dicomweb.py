"""An archive that is reached by DICOMweb: QIDO-RS searches, WADO-RS fetches, STOW-RS stores (PS3.18 10.4 to 10.6)."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from http import HTTPStatus
from io import BytesIO
from typing import Any

import requests
from dicomweb_client import DICOMwebClient
from pydicom import Dataset
from requests.auth import AuthBase, HTTPBasicAuth

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
    FILM_MODALITIES,
    MAX_FILM_BYTES,
    MAX_STUDIES,
    ObjectReference,
    Study,
    StudyQuery,
    require_few_films,
    require_few_studies,
)
from cxr_core.dicom_io.pacs.certificates import trust_authority
from cxr_core.dicom_io.pacs.settings import DicomwebSettings
from cxr_core.errors import ArchiveRefused, ArchiveUnreachable
from cxr_core.film.decoding.dicom import BROKEN, silence_libraries

CONNECT_S, SILENCE_S = 10.0, 60.0  # to be reached, and between two pieces of an answer
ANSWER_S = 300.0  # for all of an answer
OVERHEAD_BYTES = 1 << 20  # of what surrounds a film in an answer
MAX_SEARCH_BYTES = 16 << 20
STUDIES_OF_A_PAGE = 500  # of all those of a day
# Of a status that may be another one later.
PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
NO_DICOMWEB = (
    "{} answered, but not as DICOMweb does. Is it the address of the service, such as "
    "https://pacs.example.org/dicom-web, or that of a web page?"
)


class DicomwebArchive:
    """An archive with a DICOMweb service. See `Archive`."""

    def __init__(self, settings: DicomwebSettings):
        """Raises SettingsError for a password or token that is not there, or certificates that cannot be read."""
        self._address = settings.address
        self._max_bytes = MAX_SEARCH_BYTES
        secret = settings.find_secret()
        if settings.ca_file:
            trust_authority(
                settings.ca_file
            )  # the library would say nothing of a file that it cannot read
        session = ArchiveSession()
        session.verify = settings.ca_file or True
        if settings.user:
            session.auth = HTTPBasicAuth(settings.user.encode(), secret.encode())
        elif secret:
            session.auth = BearerToken(secret)
        self._client = DICOMwebClient(
            settings.url.rstrip("/"),
            session=session,
            callback=self._limit_answer,
            chunk_size=MAX_FILM_BYTES,  # a body of known length: not every server takes one in chunks
            permissive_uid=True,  # of objects that are in the archive already
            timeout=(CONNECT_S, SILENCE_S),
        )
        self._client.set_http_retry_params(retry=False)

    def check(self) -> None:
        """Search for one study."""
        with self._explain_errors():
            answer = self._client.search_for_studies(limit=1)
            if not isinstance(answer, list):
                raise ValueError("not the answer of a search")

    def find_studies(self, query: StudyQuery) -> tuple[Study, ...]:
        """See `Archive.find_studies`."""
        studies = self._search_studies(query, MAX_STUDIES + 1)
        require_few_studies(studies)
        return studies

    def list_films(self, study_uid: str) -> tuple[ObjectReference, ...]:
        """See `Archive.list_films`."""
        films = self._list_films(study_uid, FILM_MODALITIES)
        require_few_films(films)
        return tuple(films)

    def find_films_of_day(self, day: date, modalities: Sequence[str]) -> Iterator[ObjectReference]:
        """The films of all studies that were made on a day, however many, but for those stated to be lateral.

        modalities: some of FILM_MODALITIES. Raises what the methods of `Archive` raise.
        """
        for study in self._list_studies(StudyQuery(date_from=day, date_to=day)):
            if not study.modalities or set(study.modalities) & set(modalities):
                yield from self._list_films(study.uid, modalities)

    def _list_studies(self, query: StudyQuery) -> Iterator[Study]:
        """All studies that fit. An archive may give fewer at once than asked for, so pages end where nothing is new."""
        known: set[str] = set()
        while page := self._search_studies(query, STUDIES_OF_A_PAGE, len(known)):
            new = [study for study in page if study.uid not in known]
            if not new and len(page) >= STUDIES_OF_A_PAGE:
                raise ArchiveRefused(
                    f"{self._address} gives the first {len(page)} studies again and again instead of the next ones. "
                    "Ask its administrator to support offset in searches."
                )
            if not new:
                return
            yield from new
            known |= {study.uid for study in new}

    def _search_studies(self, query: StudyQuery, limit: int, offset: int = 0) -> tuple[Study, ...]:
        filters = {
            "PatientID": query.patient_id,
            "AccessionNumber": query.accession_number,
            "StudyDate": query.date_range,
        }
        with self._explain_errors():
            answers = self._client.search_for_studies(
                limit=limit,
                offset=offset or None,
                fields=list(STUDY_KEYWORDS),
                search_filters={key: text for key, text in filters.items() if text},
            )
            return read_studies(_parse_answers(answers))

    def _list_films(self, study_uid: str, modalities: Sequence[str]) -> list[ObjectReference]:
        films: list[ObjectReference] = []
        with self._explain_errors():
            series = self._client.search_for_series(study_uid, fields=list(SERIES_KEYWORDS))
            for uid in read_film_series(_parse_answers(series), modalities):
                answers = self._client.search_for_instances(
                    study_uid, uid, fields=list(IMAGE_KEYWORDS)
                )
                films += read_films(study_uid, uid, _parse_answers(answers))
        return films

    def fetch_films(self, films: Sequence[ObjectReference]) -> Iterator[bytes]:
        """See `Archive.fetch_films`."""
        for film in films:
            yield self._fetch(film)

    def send(self, objects: Sequence[bytes]) -> None:
        """See `Archive.send`."""
        for each in objects:
            with self._explain_errors():
                dataset = parse_dicom_object(each)
                answer = self._client.store_instances([dataset])
                stored = _list_stored(answer)
            if dataset.SOPInstanceUID not in stored:
                raise ArchiveRefused(
                    f"{self._address} did not take an object ({dataset.SOPClassUID.name}). Ask its administrator "
                    "whether it accepts this kind."
                )

    def find_missing(self, objects: Sequence[ObjectReference]) -> tuple[ObjectReference, ...]:
        """See `Archive.find_missing`."""
        return tuple(each for each in objects if not self._holds(each))

    def _holds(self, each: ObjectReference) -> bool:
        with self._explain_errors():
            try:
                answers = self._client.search_for_instances(
                    each.study_uid, search_filters={"SOPInstanceUID": each.instance_uid}
                )
            except requests.HTTPError as error:
                # Of a study that it does not have, an archive may say so or answer with nothing.
                if error.response is None or error.response.status_code != HTTPStatus.NOT_FOUND:
                    raise
                answers = []
            found = [
                read_text_lines(answer, "SOPInstanceUID") for answer in _parse_answers(answers)
            ]
        return (each.instance_uid,) in found

    def _fetch(self, film: ObjectReference) -> bytes:
        self._max_bytes = MAX_FILM_BYTES + OVERHEAD_BYTES
        try:
            with self._explain_errors():
                dataset = self._client.retrieve_instance(
                    film.study_uid, film.series_uid, film.instance_uid
                )
                with silence_libraries():
                    buffer = BytesIO()
                    dataset.save_as(buffer)
        finally:
            self._max_bytes = MAX_SEARCH_BYTES
        return buffer.getvalue()

    def _limit_answer(
        self, response: requests.Response, *_: object, **__: object
    ) -> requests.Response:
        """Before an answer is read: let it end where it becomes too large or takes too long."""
        response.raw = LimitedBody(response.raw, self._max_bytes, time.monotonic() + ANSWER_S)
        return response

    @contextmanager
    def _explain_errors(self) -> Iterator[None]:
        """Turn what the libraries raise into a sentence, which quotes nothing of theirs: they name patients."""
        try:
            yield
        except AnswerTooLarge:
            limit = self._max_bytes >> 20
            problem: Exception = ArchiveRefused(
                f"{self._address} answered with more than {limit} MB, which is the most that is taken."
            )
        except requests.exceptions.SSLError:
            problem = ArchiveRefused(
                f"The certificate of {self._address} cannot be trusted. Give the file of the authority that has "
                "issued it as ca_file."
            )
        except requests.HTTPError as error:
            problem = self._explain_status(error.response)
        except requests.exceptions.JSONDecodeError:
            problem = ArchiveRefused(NO_DICOMWEB.format(self._address))
        except requests.RequestException:
            problem = ArchiveUnreachable(
                f"{self._address} does not answer. Is it running, and is the address right? Try again later."
            )
        except BROKEN:
            problem = ArchiveRefused(NO_DICOMWEB.format(self._address))
        else:
            return
        raise problem from None

    def _explain_status(self, response: requests.Response | None) -> Exception:
        status = HTTPStatus.BAD_GATEWAY if response is None else response.status_code
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return ArchiveRefused(
                f"{self._address} does not let us in (status {status}). Check user and password, or the token."
            )
        if status == HTTPStatus.NOT_FOUND:
            return ArchiveRefused(
                f"{self._address} has nothing at this place (status {status}). Check the address of the service; if it "
                "is right, the study is no longer there."
            )
        if status in PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return ArchiveUnreachable(
                f"{self._address} cannot answer now (status {status}). Try again later."
            )
        return ArchiveRefused(f"{self._address} refused the request (status {status}).")


class ArchiveSession(requests.Session):
    """A session whose own certificates count: the library prefers REQUESTS_CA_BUNDLE of the environment."""

    def merge_environment_settings(self, *arguments: Any, **named: Any) -> Any:
        """Proxies and certificates of the environment, but for certificates that the settings name."""
        merged = super().merge_environment_settings(*arguments, **named)
        return merged if self.verify is True else {**merged, "verify": self.verify}


class BearerToken(AuthBase):
    """Signs every request with a token (RFC 6750), which is not passed on to another host."""

    def __init__(self, token: str):
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """The request with the token."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class AnswerTooLarge(requests.RequestException):
    """An answer with more bytes than are taken."""


class LimitedBody:
    """The body of an answer that ends with an error once it is too large or has taken too long."""

    def __init__(self, body: Any, max_bytes: int, deadline: float):
        """body: as urllib3 gives it.  deadline: on the monotonic clock."""
        self._body, self._max_bytes, self._deadline = body, max_bytes, deadline

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)

    def stream(self, size: int, decode_content: bool = True) -> Iterator[bytes]:
        """The body in pieces."""
        received = 0
        for piece in self._body.stream(max(size, 1 << 16), decode_content=decode_content):
            received += len(piece)
            if received > self._max_bytes:
                raise AnswerTooLarge("too many bytes")
            if time.monotonic() > self._deadline:
                raise requests.exceptions.ReadTimeout("too slow")
            yield piece


def _parse_answers(answers: Any) -> list[Dataset]:
    """The data sets of a search. Raises what pydicom raises for nonsense."""
    if not isinstance(answers, list):
        raise ValueError("not the answer of a search")
    with silence_libraries():
        return [Dataset.from_json(each) for each in answers]


def _list_stored(answer: Dataset) -> set[str]:
    """The UIDs of the objects that a STOW-RS answer says are stored (PS3.18 table I.2-1)."""
    with silence_libraries():
        items: Iterable[Dataset] = answer.get("ReferencedSOPSequence") or ()
        return {str(item.ReferencedSOPInstanceUID) for item in items}
