"""Encodes objects as DICOM files, in Explicit VR Little Endian and UTF-8 (PS3.5 7.1, PS3.10 7.1).

An object is a dict: its values by keyword, where a sequence is a list of such dicts. pydicom can write the same, but
checks and converts each element by itself, which for a structured report takes longer than a network needs for a film.
Values are encoded as they are given: whoever makes an object sees to it that they fit their value representation.
"""

import struct
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.uid import ExplicitVRLittleEndian

Item = Mapping[str, Any]

IMPLEMENTATION_UID = "2.25.320885437819678666687605000287442123047"  # of what writes these files
WITH_LONG_LENGTH = ("OB", "OW", "SQ", "UC", "UT")  # of those that occur here (PS3.5 7.1.2)
NUMBERS = {"US": "H", "UL": "I", "FL": "f", "FD": "d"}
PADDED_BY_ZERO = ("UI", "OB")


def encode_file(content: Item) -> bytes:
    """An object as the bytes of a DICOM file; it has a class and an instance UID."""
    meta = encode_item(
        {
            "FileMetaInformationVersion": b"\0\1",
            "MediaStorageSOPClassUID": content["SOPClassUID"],
            "MediaStorageSOPInstanceUID": content["SOPInstanceUID"],
            "TransferSyntaxUID": ExplicitVRLittleEndian,
            "ImplementationClassUID": IMPLEMENTATION_UID,
            "ImplementationVersionName": "SILHOUETTE",
        }
    )
    length = encode_item({"FileMetaInformationGroupLength": len(meta)})
    return b"".join((b"\0" * 128, b"DICM", length, meta, *_encode_elements(content)))


def encode_item(content: Item) -> bytes:
    """The elements of an object, or of an item of a sequence, in the order of their tags."""
    return b"".join(_encode_elements(content))


def _encode_elements(content: Item) -> list[bytes]:
    parts: list[bytes] = []
    for keyword in sorted(content, key=_find_tag):
        head, pack_length, encode = _describe_element(keyword)
        value = encode(content[keyword])
        parts += (head, pack_length(len(value)), value)
    return parts


@cache
def _find_tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(f"{keyword} is no keyword of the standard")
    return tag


@cache
def _describe_element(
    keyword: str,
) -> tuple[bytes, Callable[[int], bytes], Callable[[Any], bytes]]:
    """What stands before an element's length, how that is packed, and how its value is encoded."""
    tag, representation = _find_tag(keyword), dictionary_VR(keyword)
    if representation == "OB or OW":  # pixels
        representation = "OB"
    is_long = representation in WITH_LONG_LENGTH
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + representation.encode() + b"\0\0" * is_long
    return head, struct.Struct("<I" if is_long else "<H").pack, _find_encoder(representation)


def _find_encoder(representation: str) -> Callable[[Any], bytes]:
    if representation == "SQ":
        return _encode_sequence
    if representation in NUMBERS:
        return lambda value: _encode_numbers(NUMBERS[representation], value)
    padding = b"\0" if representation in PADDED_BY_ZERO else b" "
    if representation in ("OB", "OW"):
        return lambda value: value + padding * (len(value) % 2)
    return lambda value: _encode_text(value, padding)


def _encode_sequence(items: list[Item]) -> bytes:
    parts: list[bytes] = []
    for item in map(encode_item, items):
        parts += (b"\xfe\xff\x00\xe0", struct.pack("<I", len(item)), item)
    return b"".join(parts)


def _encode_numbers(code: str, value: Any) -> bytes:
    numbers = value if isinstance(value, list | tuple) else (value,)
    return struct.pack(f"<{len(numbers)}{code}", *numbers)


def _encode_text(value: Any, padding: bytes) -> bytes:
    """One value, or a list of several."""
    text = "\\".join(value) if isinstance(value, list | tuple) else str(value)
    encoded = text.encode()
    return encoded + padding * (len(encoded) % 2)
