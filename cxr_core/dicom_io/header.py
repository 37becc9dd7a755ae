"""Holds what a result repeats of its film's header: patient, study, and where the film lies on the stored pixels.

A header is read in a process of its own, stays in memory, and goes into DICOM objects only. It is never printed: its
text form names nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from pydicom import Dataset

from cxr_core.dicom_io import header_process
from cxr_core.dicom_io.header_values import IDENTIFIER, LISTS, OPTIONAL, REFUSED, UIDS
from cxr_core.errors import FilmRefused
from cxr_core.film.decoding.dicom_header.display import Turn
from cxr_core.film.decoding.sandbox import FORGETFUL, MEMORY_LIMIT_BYTES, TIME_LIMIT_S
from cxr_core.film.limits import require_bytes
from cxr_core.workspace.child_process import CLOCK_FACTOR, ONE_THREAD, ChildEnded, ChildProcess
from cxr_core.workspace.json_files import Json, JsonObject

# Type 2 attributes (PS3.3 C.7.1.1, C.7.2.1): written empty where nothing is known.
ALWAYS_THERE = (
    IDENTIFIER, "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate", "StudyTime",
    "ReferringPhysicianName",
)  # fmt: skip


@dataclass(frozen=True, repr=False, eq=False)
class FilmHeader:
    """What a result repeats of one film's header.

    texts: values by keyword, each allowed by the standard.  rows, columns: of the stored pixels.  turn: what the
    decoder does to set them upright.  is_orientation_stated: whether the header says how a frontal film lies.
    """

    texts: Mapping[str, str]
    rows: int
    columns: int
    turn: Turn | None
    is_orientation_stated: bool

    def to_dataset(self) -> Dataset:
        """The film as highdicom wants to see it: its identity and size, without pixels; texts in UTF-8."""
        dataset = Dataset()
        dataset.SpecificCharacterSet = "ISO_IR 192"
        for keyword in ALWAYS_THERE:
            setattr(dataset, keyword, self.texts.get(keyword, ""))
        for keyword in (*UIDS, "IssuerOfPatientID", "LossyImageCompression", *LISTS):
            if keyword in self.texts:
                setattr(dataset, keyword, self.texts[keyword])
        dataset.Rows, dataset.Columns = self.rows, self.columns
        return dataset


class HeaderReader:
    """Reads headers in a process of its own, within the decoder's limits. One thread at a time may use it."""

    def __init__(self, memory_limit: int = MEMORY_LIMIT_BYTES, time_limit_s: float = TIME_LIMIT_S):
        """memory_limit: bytes of the process's own data.  time_limit_s: of computing, for one file."""
        self._limits = [str(memory_limit), str(time_limit_s)]
        self._patience_s = CLOCK_FACTOR * time_limit_s
        self._child: ChildProcess | None = None

    def __enter__(self) -> "HeaderReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process; a later read starts another."""
        if self._child is not None:
            self._child.end()
            self._child = None

    def read(self, data: bytes) -> FilmHeader:
        """The header of a DICOM file. Raises FilmRefused for a file that no result can belong to."""
        require_bytes(len(data))
        try:
            if self._child is None:
                environment = ONE_THREAD | FORGETFUL
                self._child = ChildProcess(
                    header_process.__name__, self._limits, environment=environment
                )
            self._child.send({"bytes": len(data)}, data)
            answer = self._child.receive(time_limit_s=self._patience_s)
            return parse_answer(answer)
        except (OSError, ChildEnded, KeyError, TypeError, ValueError):
            self.close()
        # Raised here, the refusal carries no error that knows the patient.
        raise FilmRefused(header_process.DAMAGED, REFUSED)


def parse_answer(answer: JsonObject) -> FilmHeader:
    """The header of an answer. Raises FilmRefused for a refusal, and TypeError, KeyError or ValueError for nonsense."""
    if "refused" in answer:
        raise FilmRefused(str(answer["refused"]), str(answer["code"]))
    texts, rows, columns = answer["texts"], answer["rows"], answer["columns"]
    if not isinstance(texts, dict) or not isinstance(rows, int) or not isinstance(columns, int):
        raise TypeError("not the values of a header")
    known = {*UIDS, IDENTIFIER, *OPTIONAL, *LISTS}
    checked = {key: str(text) for key, text in texts.items() if key in known}
    if not set(UIDS) <= set(checked):
        raise ValueError("not the values of a header")
    turn, stated = _parse_turn(answer["turn"]), bool(answer["orientation"])
    return FilmHeader(checked, rows, columns, turn, stated)


def _parse_turn(content: Json) -> Turn | None:
    if content is None:
        return None
    if not isinstance(content, dict):
        raise TypeError("no turn")
    return Turn(**{field.name: bool(content[field.name]) for field in fields(Turn)})
