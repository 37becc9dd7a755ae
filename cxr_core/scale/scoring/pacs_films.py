"""Films of an archive (PACS) that is reached by DICOMweb: listed day by day, fetched one by one as they are read.

`pacs://NAME?from=2026-01-01&to=2026-06-30&modality=DX,CR` asks the archive NAME of pacs.toml. A film is called
`pacs://NAME/HASH`, by a hash of its SOP instance UID: nothing that is written names a study or a patient.
"""

import time
from collections.abc import Iterator
from functools import lru_cache

from cxr_core.dicom_io.node.film_queue import hash_uid
from cxr_core.dicom_io.pacs.archive import ObjectReference
from cxr_core.dicom_io.pacs.dicomweb import DicomwebArchive
from cxr_core.dicom_io.pacs.open_archive import silence_network_libraries
from cxr_core.dicom_io.pacs.settings import FILE, DicomwebSettings, read_pacs_settings
from cxr_core.errors import ArchiveRefused, ArchiveUnreachable, FileRefused, ScaleError
from cxr_core.scale.scoring.pacs_query import PACS, PacsQuery
from cxr_core.workspace.paths import printable

WAITS_S = (1.0, 10.0, 60.0)  # before an archive that does not answer is asked for a film again


def list_pacs_films(uri: str) -> Iterator[tuple[str, str]]:
    """Each film of a query: what it is called, and the address that `fetch_pacs_film` takes.

    Lateral films, as far as the archive says, are left out. Raises ScaleError for a query or an archive that cannot be
    used, ArchiveError where the archive does not answer as it should.
    """
    query = PacsQuery.parse(uri)
    archive = _open(query.archive)
    for day in query.days:
        for film in archive.find_films_of_day(day, query.modalities):
            location = f"{PACS}{query.archive}/{hash_uid(film.instance_uid)}"
            uids = (film.study_uid, film.series_uid, film.instance_uid)
            yield location, f"{PACS}{'/'.join((query.archive, *uids))}"


def fetch_pacs_film(address: str) -> bytes:
    """A film as a DICOM file. Raises FileRefused for one that the archive does not give.

    Raises ArchiveUnreachable where the archive does not answer, though it was asked several times.
    """
    name, study, series, instance = address.removeprefix(PACS).split("/")
    film = ObjectReference(study_uid=study, series_uid=series, class_uid="", instance_uid=instance)
    for wait_s in WAITS_S:
        try:
            return _fetch(name, film)
        except ArchiveUnreachable:
            time.sleep(wait_s)
    return _fetch(name, film)


def _fetch(name: str, film: ObjectReference) -> bytes:
    try:
        (data,) = _open(name).fetch_films([film])
    except ArchiveRefused as refusal:
        raise FileRefused("a film", str(refusal).rstrip("."), "look at it in the archive") from None
    return data


def _open(name: str) -> DicomwebArchive:
    """An archive of pacs.toml."""
    settings = read_pacs_settings()
    if settings is None:
        raise ScaleError(
            f"the workspace has no {FILE}, which names the archives that films come from; docs/pacs.md describes it"
        )
    if name not in settings.archives:
        known = ", ".join(sorted(settings.archives))
        raise ScaleError(f"{FILE} names no archive {printable(name)!r:.80}; choose from {known}")
    archive = settings.archives[name]
    if not isinstance(archive, DicomwebSettings):
        raise ScaleError(
            f"films to score come by DICOMweb, and the archive {name} is reached by DICOM's own protocol; add its "
            f"DICOMweb address to {FILE} as another archive"
        )
    return _connect(archive)


@lru_cache(maxsize=8)
def _connect(settings: DicomwebSettings) -> DicomwebArchive:
    """The connection to an archive, which a process keeps."""
    silence_network_libraries()
    return DicomwebArchive(settings)
