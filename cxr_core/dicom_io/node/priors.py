"""Looks for a prior film of the same patient in the archive, reads it, and says how the ratio has changed since."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from cxr_core.access.audit import record_reading
from cxr_core.decisions import DEFAULT_DECISION
from cxr_core.dicom_io.header import FilmHeader, HeaderReader
from cxr_core.dicom_io.pacs.archive import Archive, find_priors
from cxr_core.errors import ArchiveRefused, ArchiveUnreachable, FilmRefused
from cxr_core.presentation.wording import format_ratio
from cxr_core.reading.cardiothoracic.change import compare_ratios
from cxr_core.reading.cardiothoracic.ratio import Measurement
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.report.measurement import list_prior_limitations
from cxr_core.reading.results import Examination, Reading

MOST_STUDIES = 3  # that are looked into for a film with a ratio, newest first
MOST_FILMS = 2  # of each of them
NOT_REACHED = "Prior films could not be looked for: the archive did not answer."
NOT_OBTAINED = "Prior films could not be obtained from the archive."


class FilmExaminer(Protocol):
    """What reads films: `reading.reader.Reader`."""

    def examine(self, data: bytes) -> Examination:
        """What all models compute from one film."""

    def examine_many(self, files: Iterator[bytes]) -> Iterator[Examination]:
        """The same for many, in their order."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class PriorFilm:
    """A prior film with a measured ratio. made: the day of its study."""

    made: date
    reading: Reading
    measurement: Measurement


class PriorFilms:
    """The prior films that an archive has. One thread uses it."""

    def __init__(self, archive: Archive):
        self._archive = archive
        self._headers = HeaderReader()

    def close(self) -> None:
        """End the process that reads headers."""
        self._headers.close()

    def describe_change(
        self, header: FilmHeader, reading: Reading, reader: FilmExaminer
    ) -> tuple[str, ...]:
        """Sentences on the newest prior film with a ratio, and how the ratio has changed since; none without one."""
        measurement = next(iter(reading.measurements), None)
        if measurement is None or measurement.value is None:
            return ()
        try:
            prior = next(self._find_priors(header, reader), None)
        except ArchiveUnreachable:
            return (NOT_REACHED,)
        except ArchiveRefused:
            return (NOT_OBTAINED,)
        if prior is None:
            return ()
        return tuple(_describe(prior, reading, measurement))

    def _find_priors(self, header: FilmHeader, reader: FilmExaminer) -> Iterator[PriorFilm]:
        """Prior films with a ratio, newest first; of this patient, as their own headers say too."""
        before = _parse_date(header.texts.get("StudyDate", ""))
        patient_id, issuer = _identify(header)
        if before is None or not patient_id:
            return
        studies = find_priors(self._archive, patient_id, issuer, before)
        for study in studies[:MOST_STUDIES]:
            films = self._archive.list_films(study.uid)
            for data in self._archive.fetch_films(films[:MOST_FILMS]):
                prior = self._read_prior(data, header, reader)
                if prior is not None:
                    yield prior

    def _read_prior(
        self, data: bytes, header: FilmHeader, reader: FilmExaminer
    ) -> PriorFilm | None:
        try:
            prior_header = self._headers.read(data)
        except FilmRefused:
            return None
        made = _parse_date(prior_header.texts.get("StudyDate", ""))
        if made is None or _identify(prior_header) != _identify(header):
            return None
        examination = reader.examine(data)
        cards = [output.card for output in examination.outputs]
        record_reading(examination.sha256, cards, who="node")
        reading = interpret(examination, Patient(), DEFAULT_DECISION)
        measurement = next(iter(reading.measurements), None)
        if measurement is None or measurement.value is None:
            return None
        return PriorFilm(made=made, reading=reading, measurement=measurement)


def _describe(prior: PriorFilm, reading: Reading, measurement: Measurement) -> Iterator[str]:
    assert prior.measurement.value is not None
    change = compare_ratios(prior.measurement, measurement)
    text = change.describe() if change else format_ratio(prior.measurement.value)
    yield f"Prior film of {prior.made:%Y-%m-%d}: cardiothoracic ratio {text}."
    yield from list_prior_limitations(reading, prior.reading)


def _identify(header: FilmHeader) -> tuple[str, str]:
    """Whose film it is."""
    return header.texts.get("PatientID", ""), header.texts.get("IssuerOfPatientID", "")


def _parse_date(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%Y%m%d").date()
    except ValueError:
        return None
