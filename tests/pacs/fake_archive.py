"""An archive in memory, for tests of what is built on archives."""

from collections.abc import Iterator, Sequence
from io import BytesIO

from pydicom import dcmread

from cxr_core.dicom_io.pacs.archive import ObjectReference, Study, StudyQuery
from cxr_core.errors import ArchiveError


class FakeArchive:
    """Holds studies and films; takes what is sent. fails: the error that the next call raises."""

    def __init__(self, studies: Sequence[Study] = (), films: Sequence[bytes] = ()):
        self.studies = tuple(studies)
        self.films = {ObjectReference.of_dataset(dcmread(BytesIO(f))): f for f in films}
        self.sent: list[bytes] = []
        self.fetched = 0
        self.loses: set[str] = set()  # instance UIDs that were sent and are not held
        self.fails: ArchiveError | None = None
        self.fails_after: int | None = None  # films

    def check(self) -> None:
        self._fail()

    def find_studies(self, query: StudyQuery) -> tuple[Study, ...]:
        self._fail()
        return tuple(
            study
            for study in self.studies
            if query.patient_id in ("", study.patient_id)
            and query.accession_number in ("", study.accession_number)
        )

    def list_films(self, study_uid: str) -> tuple[ObjectReference, ...]:
        self._fail()
        return tuple(each for each in self.films if each.study_uid == study_uid)

    def fetch_films(self, films: Sequence[ObjectReference]) -> Iterator[bytes]:
        for film in films:
            if self.fails_after is not None and self.fetched >= self.fails_after:
                self._fail()
            self.fetched += 1
            yield self.films[film]

    def send(self, objects: Sequence[bytes]) -> None:
        self._fail()
        self.sent += objects

    def find_missing(self, objects: Sequence[ObjectReference]) -> tuple[ObjectReference, ...]:
        self._fail()
        held = {dcmread(BytesIO(each)).SOPInstanceUID for each in self.sent} - self.loses
        return tuple(each for each in objects if each.instance_uid not in held)

    def _fail(self) -> None:
        if self.fails is not None and self.fails_after in (None, self.fetched):
            raise self.fails
