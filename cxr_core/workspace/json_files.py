"""JSON as this program keeps it on disk: one object per file, read back as plain values.

Numbers are finite and whole numbers below 10^18, an object names each key once, and a file has a greatest size. All
else ends in a RecordError.
"""

import json
import math
import os
import stat
from functools import cache
from pathlib import Path
from typing import NoReturn

from cxr_core.errors import RecordError
from cxr_core.workspace.atomic import atomic_write
from cxr_core.workspace.outside_files import OPEN_FLAGS

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
JsonObject = dict[str, Json]

MAX_BYTES = 256 * 2**20  # of a JSON file
MAX_DEPTH = 64  # of objects and lists in one another
MAX_DIGITS = 18  # of a whole number; more is no count of anything


def read_json_object(path: Path) -> JsonObject | None:
    """The object that a file holds; None when there is no file, no JSON or no object in it."""
    try:
        return read_object(path)
    except (OSError, RecordError):
        return None


def read_object(
    path: str | os.PathLike[str], limit: int = MAX_BYTES, *, finite: bool = True
) -> JsonObject:
    """The object that a file holds. Raises OSError when it cannot be opened, and RecordError for anything else in it.

    limit: bytes that the file may have.  finite: as in `parse_json`.
    """
    content = parse_json(read_bounded(path, limit), finite=finite)
    if not isinstance(content, dict):
        raise RecordError("it holds no JSON object")
    return content


def read_bounded(path: str | os.PathLike[str], limit: int = MAX_BYTES) -> bytes:
    """The bytes of a regular file. Raises OSError when it cannot be read, RecordError when it has more than `limit`."""
    descriptor = os.open(path, OPEN_FLAGS)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise RecordError("it is no regular file")
        content = b""
        if status.st_size <= limit:
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                # Asked for no more than it holds: the server fills memory that it takes or frees.
                content = file.read(status.st_size + 1)
                if len(content) > status.st_size:  # it has grown meanwhile
                    content += file.read(limit + 1 - len(content))
    finally:
        os.close(descriptor)
    if max(status.st_size, len(content)) > limit:
        raise RecordError(f"it has more than {limit // 2**20} MiB")
    return content


def parse_json(text: str | bytes, *, finite: bool = True) -> Json:
    """The value of a JSON text. Raises RecordError that says what is wrong with it.

    finite: refuse NaN and infinite numbers, which only the progress and the checkpoints of a run may hold.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode(json.detect_encoding(text), "surrogatepass")
        content: Json = _decoder(finite).decode(text)
    except RecursionError:
        raise RecordError("it is no JSON of this program: too deeply nested") from None
    except ValueError as error:
        raise RecordError(f"it is no JSON of this program: {error}") from error
    # A text with few brackets cannot be deep.
    if text.count("{") + text.count("[") > MAX_DEPTH and _is_deeper(content, MAX_DEPTH):
        raise RecordError("it is no JSON of this program: too deeply nested")
    return content


def write_json(path: Path, content: JsonObject, *, durable: bool = False) -> Path:
    """Write an object, indented, as `atomic_write` does. Raises OSError, and ValueError for NaN."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    return atomic_write(path, escape_surrogates(text) + "\n", durable=durable)


def escape_surrogates(text: str) -> str:
    """JSON text that UTF-8 can hold: bytes of a file name that are not UTF-8 become escapes, which JSON reads back."""
    return text.encode("utf-8", "backslashreplace").decode()


@cache
def _decoder(finite: bool) -> json.JSONDecoder:
    return json.JSONDecoder(
        parse_float=_parse_number if finite else float,
        parse_int=_parse_whole_number,
        parse_constant=_refuse_number if finite else float,
        object_pairs_hook=_make_object,
    )


def _is_deeper(content: Json, depth: int) -> bool:
    """Whether objects and lists lie in one another to more than a depth."""
    level = [content]
    for _ in range(depth + 1):
        holders = [each for each in level if isinstance(each, dict | list)]
        if not holders:
            return False
        level = [
            entry
            for each in holders
            for entry in (each.values() if isinstance(each, dict) else each)
        ]
    return True


def _parse_number(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _refuse_number(digits)


def _parse_whole_number(digits: str) -> int:
    return int(digits) if len(digits) <= MAX_DIGITS else _refuse_number(digits)


def _refuse_number(digits: str) -> NoReturn:
    raise ValueError(f"found the number {digits[:20]}, expected a finite one below 10^{MAX_DIGITS}")


def _make_object(pairs: list[tuple[str, Json]]) -> JsonObject:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("found a key twice in one object")
    return content
