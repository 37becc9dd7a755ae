"""Makes the structured report of a film for a client that asks for DICOM. Nothing of it is kept or written.

highdicom is imported as the service starts: what its import leaves behind refers to whoever caused it, and a request
would stay in memory with its film.
"""

import threading

from cxr_core.dicom_io.header import HeaderReader
from cxr_core.dicom_io.result_writer import describe_result
from cxr_core.dicom_io.results import build_objects, encode_object
from cxr_core.reading.results import Examination, Reading


class ReportMaker:
    """Makes structured reports, one at a time. The process that reads a header ends with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def make_report(self, data: bytes, examination: Examination, reading: Reading) -> bytes:
        """The bytes of the structured report of a DICOM film.

        Raises FilmRefused for a film that no report can belong to, ReadingError where film and header do not agree.
        """
        with self._lock:
            with HeaderReader() as headers:
                header = headers.read(data)
            (report,) = build_objects(describe_result(examination, reading), header, ["sr"])
            return encode_object(report)
