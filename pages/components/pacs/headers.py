"""Reads where the results of a film belong, from its own file."""

from cxr_core.dicom_io.header import FilmHeader, HeaderReader
from cxr_core.errors import FilmRefused
from pages.components.read.page_state import ReadPageState, StudyEntry


def keep_header(state: ReadPageState, key: str, data: bytes) -> None:
    """Keep the header of a film whose file is not kept. Where it cannot be used, sending says so."""
    with HeaderReader() as headers:
        try:
            state.headers[key] = headers.read(data)
        except FilmRefused:
            state.headers.pop(key, None)


def find_header(state: ReadPageState, entry: StudyEntry) -> FilmHeader:
    """The header of a film. Raises FilmRefused for a film that no result can belong to."""
    if entry.compressed and entry.key in state.headers:
        return state.headers[entry.key]
    with HeaderReader() as headers:
        return headers.read(entry.data)
