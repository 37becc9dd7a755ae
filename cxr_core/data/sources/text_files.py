"""Reads text files that other programs wrote, whatever their encoding and line ends."""

import codecs
import gzip
import io
import os
import re
import zlib

from cxr_core.data.checks.issue import Issue
from cxr_core.errors import DataError, FileRefused
from cxr_core.workspace.outside_files import read_outside_file
from cxr_core.workspace.paths import printable

MAX_TABLE_BYTES = 256 << 20  # the largest table in use, MIMIC-CXR's, has 60 MB

# UTF-32 first: its little-endian mark begins with that of UTF-16.
MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
    (codecs.BOM_UTF8, "UTF-8"),
)
# What files that are no text begin with.
OTHER_FILES = {
    b"PK\x03\x04": "an Excel workbook or an archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"%PDF": "a PDF",
}
GZIP_MARK = b"\x1f\x8b"
OLD_ENCODING = "cp1252"  # what Excel on Windows writes in western countries
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def read_text_file(path: str) -> tuple[str, list[Issue]]:
    """A file's text with "\\n" at the end of each line, and notes about its encoding.

    Text that is not UTF-8 is read as Windows-1252, with a warning, unless it cannot be that. Raises DataError that
    names the file, the line where there is one, and what the file is instead of text.
    """
    try:
        data = read_outside_file(path, MAX_TABLE_BYTES)
    except FileRefused as refusal:
        raise DataError(
            f"{printable(path)} cannot be read ({refusal.reason}); correct that, or move it away"
        ) from refusal
    if data.startswith(GZIP_MARK):
        data = _decompress(path, data)
    for start, kind in OTHER_FILES.items():
        if data.startswith(start):
            raise DataError(
                f"{printable(path)} is {kind}, not CSV or text; save it as CSV in UTF-8"
            )
    text, issues = _decode(path, data)
    if "\0" in text:
        raise DataError(
            f"{printable(path)} holds NUL bytes, so it is damaged, not text, or UTF-16 without its mark; "
            "save it as CSV in UTF-8"
        )
    return text.replace("\r\n", "\n").replace("\r", "\n"), issues


def _decompress(path: str, data: bytes) -> bytes:
    """The contents of a gzip file, as PadChest and MIMIC-CXR come."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            content = file.read(MAX_TABLE_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{printable(path)} is a gzip file that is damaged or not whole; copy it again"
        ) from error
    if len(content) > MAX_TABLE_BYTES:
        raise DataError(
            f"{printable(path)} holds more than {MAX_TABLE_BYTES >> 20} MB of text; divide it, or move it away"
        )
    return content


def _decode(path: str, data: bytes) -> tuple[str, list[Issue]]:
    name = printable(os.path.basename(path))
    for mark, encoding in MARKS:
        if data.startswith(mark):
            text = _decode_strictly(path, data, encoding)
            message = f"{name} begins with a byte-order mark ({encoding})."
            return text, [Issue(code="byte_order_mark", message=message, count=1)]
    if not _is_old_encoding(data):
        return _decode_strictly(path, data, "UTF-8"), []
    message = f"{name} is not in UTF-8; it was read as Windows-1252."
    return data.decode(OLD_ENCODING), [Issue(code="other_encoding", message=message, count=1)]


def _decode_strictly(path: str, data: bytes, encoding: str) -> str:
    """The text without its mark. Raises DataError that names the line."""
    try:
        return data.decode("utf-8-sig" if encoding == "UTF-8" else encoding)
    except UnicodeDecodeError as error:
        line = len(re.findall(rb"\r\n|\r|\n", data[: error.start])) + 1
        raise DataError(
            f"{printable(path)}, line {line}: not written in {encoding}; save it as UTF-8"
        ) from error


def _is_old_encoding(data: bytes) -> bool:
    """Whether bytes are not UTF-8, and Windows-1252 instead: without control characters, and with no sign of UTF-8.

    Text with some sound sequences of UTF-8 is UTF-8 that was damaged.
    """
    escaped = data.decode("utf-8", "surrogateescape")
    undecoded = re.search("[\udc80-\udcff]", escaped)
    if not undecoded or re.search("[^\0-\x7f\udc80-\udcff]", escaped):
        return False
    try:
        text = data.decode(OLD_ENCODING)
    except UnicodeDecodeError:
        return False
    return not CONTROL.search(text)
