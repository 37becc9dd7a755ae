"""Reads what an archive answers to a search; anything it may have written there is taken as text, or left out."""

import re
from collections.abc import Collection, Iterable
from datetime import date, datetime
from io import BytesIO

from pydicom import Dataset, dcmread
from pydicom.valuerep import PersonName

from cxr_core.dicom_io.pacs.archive import FILM_MODALITIES, ObjectReference, Study
from cxr_core.film.decoding.dicom import silence_libraries
from cxr_core.film.decoding.dicom_header.values import read_value
from cxr_core.film.vocabulary import parse_view
from cxr_core.workspace.paths import printable

# What is asked for in a search, by level (PS3.4 C.6.2.1, PS3.18 10.6.3).
STUDY_KEYWORDS = (
    "StudyInstanceUID", "PatientID", "IssuerOfPatientID", "PatientName", "AccessionNumber", "StudyDate",
    "StudyDescription", "ModalitiesInStudy", "NumberOfStudyRelatedInstances",
)  # fmt: skip
SERIES_KEYWORDS = ("SeriesInstanceUID", "Modality")
IMAGE_KEYWORDS = ("SOPInstanceUID", "SOPClassUID", "ViewPosition")
MAX_TEXT = 128  # characters of a text that an archive answers
UID = re.compile(r"[0-9.]{1,64}")  # also one that is not well formed, as old devices made them


def read_studies(answers: Iterable[Dataset]) -> tuple[Study, ...]:
    """The studies of a search, newest first; an answer without a UID is left out."""
    with silence_libraries():
        studies = [_read_study(each) for each in answers]
    found = {study.uid: study for study in studies if study.uid}
    return tuple(sorted(found.values(), key=lambda study: study.made or date.min, reverse=True))


def _read_study(answer: Dataset) -> Study:
    return Study(
        uid=_read_uid(answer, "StudyInstanceUID"),
        patient_id=read_first_text(answer, "PatientID"),
        issuer=read_first_text(answer, "IssuerOfPatientID"),
        patient=read_first_text(answer, "PatientName"),
        accession_number=read_first_text(answer, "AccessionNumber"),
        made=_read_date(answer, "StudyDate"),
        description=read_first_text(answer, "StudyDescription"),
        modalities=read_text_lines(answer, "ModalitiesInStudy"),
        images=_read_count(answer, "NumberOfStudyRelatedInstances"),
    )


def read_film_series(
    answers: Iterable[Dataset], modalities: Collection[str] = FILM_MODALITIES
) -> list[str]:
    """The UIDs of the series that hold films of these modalities."""
    with silence_libraries():
        return [
            uid
            for each in answers
            if read_first_text(each, "Modality") in modalities
            and (uid := _read_uid(each, "SeriesInstanceUID"))
        ]


def read_films(
    study_uid: str, series_uid: str, answers: Iterable[Dataset]
) -> list[ObjectReference]:
    """The films of a series but for those that it states to be lateral."""
    with silence_libraries():
        return [
            ObjectReference(
                study_uid=study_uid,
                series_uid=series_uid,
                class_uid=_read_uid(each, "SOPClassUID"),
                instance_uid=uid,
            )
            for each in answers
            if (uid := _read_uid(each, "SOPInstanceUID"))
            and parse_view(read_first_text(each, "ViewPosition")).kind != "lateral"
        ]


def parse_dicom_object(data: bytes) -> Dataset:
    """A DICOM file that is to be sent."""
    with silence_libraries():
        return dcmread(BytesIO(data))


def read_first_text(answer: Dataset, keyword: str) -> str:
    """The first text of an element as one line; empty where there is none."""
    return next(iter(read_text_lines(answer, keyword)), "")


def read_text_lines(answer: Dataset, keyword: str) -> tuple[str, ...]:
    """The texts of an element, each as one line."""
    value = read_value(answer, keyword)
    if isinstance(value, PersonName):
        value = str(value).rstrip("^=")
    values = [value] if isinstance(value, str | int) else value
    if not isinstance(values, Iterable) or isinstance(values, bytes):
        return ()
    texts = (printable(str(each).strip(" \0")) for each in values if each is not None)
    return tuple(text[:MAX_TEXT] for text in texts if text)


def _read_uid(answer: Dataset, keyword: str) -> str:
    text = read_first_text(answer, keyword)
    return text if UID.fullmatch(text) else ""


def _read_date(answer: Dataset, keyword: str) -> date | None:
    try:
        return datetime.strptime(read_first_text(answer, keyword), "%Y%m%d").date()
    except ValueError:
        return None


def _read_count(answer: Dataset, keyword: str) -> int | None:
    text = read_first_text(answer, keyword)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
