"""Writes the DICOM objects of films that are read one after another; their headers wait in memory until then."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cxr_core.dicom_io.header import FilmHeader, HeaderReader
from cxr_core.dicom_io.results import build_objects, write_objects
from cxr_core.errors import FilmRefused
from cxr_core.reading.report.report import Report
from cxr_core.reading.results import Examination, Reading
from cxr_core.version import VERSION

FILM_NAME = (
    "Film of this study"  # in the report, instead of a file name that an archive does not know
)


class ResultWriter:
    """Takes the bytes of films in order, and then their readings in the same order."""

    def __init__(self, folder: Path, kinds: Sequence[str], *, with_heatmaps: bool = False):
        """folder: where objects are written.  kinds: of KINDS.  with_heatmaps: as key images too."""
        self._folder, self._kinds, self._with_heatmaps = folder, kinds, with_heatmaps
        self._headers = HeaderReader()
        self._waiting: deque[FilmHeader | FilmRefused] = deque()

    def __enter__(self) -> "ResultWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._headers.close()
        self._waiting.clear()

    def take_film(self, data: bytes) -> None:
        """Read the header of the next film, or why no result can belong to it."""
        try:
            self._waiting.append(self._headers.read(data))
        except FilmRefused as refusal:
            self._waiting.append(refusal)

    def write_next(self, examination: Examination, reading: Reading) -> list[Path]:
        """Write the objects of the next film; none for one that was not read.

        Raises FilmRefused for a film that no result can belong to, ReadingError where film and header do not agree,
        and SilhouetteError where a file cannot be written.
        """
        header = self._waiting.popleft()
        if reading.status != "read":
            return []
        if isinstance(header, FilmRefused):
            raise header
        report = describe_result(examination, reading)
        objects = build_objects(report, header, self._kinds, with_heatmaps=self._with_heatmaps)
        return write_objects(objects, self._folder)


def describe_result(examination: Examination, reading: Reading) -> Report:
    """What the objects of a film are made from: its reading and the time, without the name of its file."""
    return Report(
        reading=reading,
        examination=examination,
        file=FILM_NAME,
        made=datetime.now().astimezone(),
        software_version=VERSION,
    )
