"""JSON as this program keeps it on disk: one object per file, read back as plain values."""

import json
from pathlib import Path

from cxr_core.workspace.atomic import atomic_write

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
JsonObject = dict[str, Json]


def read_json_object(path: Path) -> JsonObject | None:
    """The object that a file holds; None when there is no file, no JSON or no object in it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def write_json(path: Path, content: JsonObject, *, durable: bool = False) -> Path:
    """Write an object, indented, as `atomic_write` does. Raises OSError, and ValueError for NaN."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    return atomic_write(path, escape_surrogates(text) + "\n", durable=durable)


def escape_surrogates(text: str) -> str:
    """JSON text that UTF-8 can hold: bytes of a file name that are not UTF-8 become escapes, which JSON reads back."""
    return text.encode("utf-8", "backslashreplace").decode()
