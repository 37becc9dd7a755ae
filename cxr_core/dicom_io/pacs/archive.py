"""What is asked of a picture archive, whichever way it is reached, and what it answers.

Texts of a `Study` identify a patient: they stay in memory, and no repr shows them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from pydicom import Dataset

from cxr_core.errors import ArchiveRefused
from cxr_core.film.limits import MAX_BYTES

MAX_STUDIES = 100  # that a search gives
MAX_FILMS = 40  # of one study
MAX_FILM_BYTES = MAX_BYTES
# What films of the chest are filed as: computed and digital radiography, and radiographs of older devices.
FILM_MODALITIES = ("CR", "DX", "DR", "RG")
ID_LENGTH, ACCESSION_LENGTH = 64, 16  # of the value representations LO and SH (PS3.5 6.2)


@dataclass(frozen=True, kw_only=True, repr=False)
class StudyQuery:
    """What studies are searched by; at least one field. Raises ArchiveRefused.

    patient_id, accession_number: exact.  date_from, date_to: of the study, both included; None leaves that end open.
    """

    patient_id: str = ""
    accession_number: str = ""
    date_from: date | None = None
    date_to: date | None = None

    def __post_init__(self) -> None:
        _require_exact("patient ID", self.patient_id, ID_LENGTH)
        _require_exact("accession number", self.accession_number, ACCESSION_LENGTH)
        if not (self.patient_id or self.accession_number or self.date_from or self.date_to):
            raise ArchiveRefused(
                "Nothing to search by. Give a patient ID, an accession number or a date."
            )
        if self.date_from and self.date_to and self.date_from > self.date_to:
            raise ArchiveRefused("The first date is after the last one. Swap them.")

    @property
    def date_range(self) -> str:
        """The dates as DICOM writes them (PS3.4 C.2.2.2.5); empty for any."""
        if self.date_from is None and self.date_to is None:
            return ""
        ends = [f"{each:%Y%m%d}" if each else "" for each in (self.date_from, self.date_to)]
        return ends[0] if ends[0] == ends[1] else "-".join(ends)


@dataclass(frozen=True, kw_only=True, repr=False)
class Study:
    """A study as an archive describes it; empty or None is what it does not say.

    patient: the name as the archive writes it.  modalities: of its series.  images: how many objects it has.
    """

    uid: str
    patient_id: str = ""
    issuer: str = ""
    patient: str = ""
    accession_number: str = ""
    made: date | None = None
    description: str = ""
    modalities: tuple[str, ...] = ()
    images: int | None = None

    @property
    def may_hold_films(self) -> bool:
        """Whether there may be films in it: also where the archive does not say of what kind its series are."""
        return not self.modalities or bool(set(self.modalities) & set(FILM_MODALITIES))


@dataclass(frozen=True, kw_only=True)
class ObjectReference:
    """Which object is meant, by the UIDs of study, series, class and instance."""

    study_uid: str
    series_uid: str
    class_uid: str
    instance_uid: str

    @classmethod
    def of_dataset(cls, dataset: Dataset) -> "ObjectReference":
        """The reference to an object that is at hand."""
        return cls(
            study_uid=str(dataset.StudyInstanceUID),
            series_uid=str(dataset.SeriesInstanceUID),
            class_uid=str(dataset.SOPClassUID),
            instance_uid=str(dataset.SOPInstanceUID),
        )


class Archive(Protocol):
    """A picture archive. Every method may take seconds, and raises ArchiveUnreachable or ArchiveRefused.

    Unreachable is what may be different a minute later; refused is what will not. Neither names a patient. One thread
    at a time may use an archive.
    """

    def check(self) -> None:
        """Ask for a sign of life, with the credentials that are used for everything else."""

    def find_studies(self, query: StudyQuery) -> tuple[Study, ...]:
        """The studies that fit, newest first. Refused where there are more than MAX_STUDIES."""

    def list_films(self, study_uid: str) -> tuple[ObjectReference, ...]:
        """The films of a study but for lateral ones, as far as the archive says. Refused beyond MAX_FILMS."""

    def fetch_films(self, films: Sequence[ObjectReference]) -> Iterator[bytes]:
        """Each of these films as a DICOM file, in this order. Refused where one has more than MAX_FILM_BYTES."""

    def send(self, objects: Sequence[bytes]) -> None:
        """Send DICOM files, and return once the archive has accepted all of them. Sending one again changes nothing."""

    def find_missing(self, objects: Sequence[ObjectReference]) -> tuple[ObjectReference, ...]:
        """Those of the objects that the archive does not hold."""


def require_few_studies(studies: Sequence[Study]) -> None:
    """Refuse more studies than somebody can look through."""
    if len(studies) > MAX_STUDIES:
        raise ArchiveRefused(
            f"More than {MAX_STUDIES} studies match. Narrow the search: give a patient ID, or fewer days."
        )


def require_few_films(films: Sequence[ObjectReference]) -> None:
    """Refuse a study with more films than a study of the chest has."""
    if len(films) > MAX_FILMS:
        raise ArchiveRefused(
            f"This study has {len(films)} films, and at most {MAX_FILMS} are fetched. Upload the ones that you need."
        )


def find_priors(archive: Archive, patient_id: str, issuer: str, before: date) -> tuple[Study, ...]:
    """Studies of this patient from before a date that may hold films, newest first; none without a patient ID.

    issuer: of the ID; a study whose archive names another issuer is another patient's, and left out. An archive may
    match an ID without regard to case or as a pattern, so it is compared again here. Where several issuers use the ID
    and ours is not known, nobody can tell which of them is meant. Raises ArchiveUnreachable or ArchiveRefused.
    """
    if not patient_id:
        return ()
    studies = archive.find_studies(StudyQuery(patient_id=patient_id, date_to=before))
    same = [study for study in studies if study.patient_id == patient_id]
    issuers = {study.issuer for study in same if study.issuer}
    if not issuer and len(issuers) > 1:
        return ()
    return tuple(
        study
        for study in same
        if (not issuer or study.issuer in ("", issuer))
        and study.made is not None
        and study.made < before
        and study.may_hold_films
    )


def _require_exact(name: str, text: str, length: int) -> None:
    """Refuse what is no such number, or what an archive would take for a pattern (PS3.4 C.2.2.2.4)."""
    if len(text) > length:
        raise ArchiveRefused(f"A {name} has at most {length} characters; this one has {len(text)}.")
    if any(char in "*?\\" or not char.isprintable() for char in text):
        raise ArchiveRefused(
            f"A {name} is searched for as it is: leave out *, ? and \\, and signs that cannot be seen."
        )
