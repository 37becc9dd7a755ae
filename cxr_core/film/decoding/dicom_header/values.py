"""Reads single values of a DICOM data set; one that is absent, broken or of another form is None or empty."""

import math
import struct
from collections.abc import Iterable
from typing import Any

from pydicom import DataElement, Dataset
from pydicom.errors import BytesLengthException
from pydicom.tag import BaseTag

# What pydicom raises for values that it cannot convert.
BROKEN_VALUE = (
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    OSError,
    EOFError,
    BytesLengthException,
    struct.error,
)


def read_element(dataset: Dataset, tag: BaseTag | str) -> DataElement | None:
    """An element; None when it is absent or cannot be understood (a fact may be missing, a film may not)."""
    try:
        return dataset[tag]
    except BROKEN_VALUE:
        return None


def read_value(dataset: Dataset, keyword: str) -> Any:
    """An element's value; None when it is absent or cannot be understood."""
    element = read_element(dataset, keyword)
    return None if element is None else element.value


def read_texts(dataset: Dataset, keyword: str) -> list[str]:
    """An element's texts, upper-case and trimmed; those that are empty are left out."""
    value = read_value(dataset, keyword)
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, Iterable) or isinstance(values, bytes):
        return []
    texts = [_repair_utf8(text).strip().upper() for text in values if isinstance(text, str)]
    return [text for text in texts if text]


def read_text(dataset: Dataset, keyword: str) -> str:
    """All texts of an element, joined by a space."""
    return " ".join(read_texts(dataset, keyword))


def read_numbers(dataset: Dataset, keyword: str) -> list[float]:
    """An element's numbers; empty when it has none, or one of them is not finite."""
    value = read_value(dataset, keyword)
    if value is None or isinstance(value, (str, bytes)):
        return []
    try:
        numbers = [float(number) for number in (value if isinstance(value, Iterable) else [value])]
    except (ValueError, TypeError, OverflowError):
        return []
    return numbers if all(math.isfinite(number) for number in numbers) else []


def read_number(dataset: Dataset, keyword: str) -> float | None:
    """An element's only number."""
    numbers = read_numbers(dataset, keyword)
    return numbers[0] if len(numbers) == 1 else None


def read_item(dataset: Dataset, tag: BaseTag | str) -> Dataset | None:
    """The first item of a sequence; None when it has none."""
    element = read_element(dataset, tag)
    items = None if element is None else element.value
    if isinstance(items, (str, bytes)) or not isinstance(items, Iterable):
        return None
    for item in items:
        return item if isinstance(item, Dataset) else None
    return None


def _repair_utf8(text: str) -> str:
    """A code string that was written in UTF-8, which pydicom has read as Latin-1: "TÃ“RAX" -> "TÓRAX"."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return text
