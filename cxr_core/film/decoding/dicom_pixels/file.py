"""Takes a DICOM file apart: its tags, its pixels as they are stored, and whether it ends as it should (PS3.5, PS3.10).

Nothing of the file but the wanted tags and the pixels is kept.
"""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO

from pydicom import DataElement, Dataset, dcmread
from pydicom.datadict import dictionary_has_tag
from pydicom.dataelem import RawDataElement
from pydicom.filereader import data_element_generator
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from cxr_core.errors import OversizedFilm, UndecodableFilm
from cxr_core.film.limits import MAX_BYTES

DAMAGED = "This DICOM file is damaged or cut short: {}. Export the film again."

PIXEL_DATA = 0x7FE00010
# Elements may follow the pixels: private ones, and those of the standard with a higher number, such as digital
# signatures and padding (PS3.3 C.12.1.1.3, PS3.10 7.2).
ITEM, SEQUENCE_END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
UNDEFINED_LENGTH = 0xFFFFFFFF
# Media and archives fill files up to whole blocks of this many bytes, or a multiple of it.
BLOCK_BYTES = 512
# A film that does not end in black has fewer zeros at its end.
FILM_END_BYTES = 16


@dataclass(frozen=True, kw_only=True)
class DicomFile:
    """One file, taken apart.

    dataset: the wanted tags, without the pixels.  syntax: as the file says, or as its tags are written.
    content: the data set, inflated where it was deflated.  start, length: the value of Pixel Data in it; the length is
    None when it is undefined.  vr: "OB" or "OW".  little, explicit: how the elements are written.
    """

    dataset: Dataset
    syntax: UID
    content: bytes
    start: int
    length: int | None
    vr: str
    little: bool
    explicit: bool

    def starts_with_item(self) -> bool:
        """Whether the pixels begin as fragments do (PS3.5 A.4)."""
        return self.content.startswith(ITEM, self.start)


def take_apart(data: bytes, wanted: Iterable[str]) -> DicomFile:
    """The tags with the wanted keywords, and where the pixels are. Raises UndecodableFilm, OversizedFilm."""
    syntax, start = _transfer_syntax(data)
    if syntax == DeflatedExplicitVRLittleEndian:
        data, start = _inflate(data[start:]), 0
    reader = BytesIO(data)
    tags: list[BaseTag | int] = [Tag(keyword) for keyword in wanted]
    dataset = dcmread(reader, force=True, specific_tags=tags, stop_before_pixels=True)
    at = reader.tell()
    if syntax is None:
        implicit, little = dataset.original_encoding
        plain = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        syntax = ImplicitVRLittleEndian if implicit else plain
    little = data[at : at + 4] == b"\xe0\x7f\x10\x00"
    if not little and data[at : at + 4] != b"\x7f\xe0\x00\x10":
        raise UndecodableFilm(
            "This DICOM file holds no picture, or only part of one. Export the film itself."
        )
    explicit = data[at + 4 : at + 6] in (b"OB", b"OW", b"UN")
    place = at + 8 if explicit else at + 4
    length = int.from_bytes(data[place : place + 4], "little" if little else "big")
    return DicomFile(
        dataset=dataset,
        syntax=syntax,
        content=data,
        start=place + 4,
        length=None if length == UNDEFINED_LENGTH else length,
        vr="OB" if data[at + 4 : at + 6] == b"OB" else "OW",
        little=little,
        explicit=explicit,
    )


def _transfer_syntax(data: bytes) -> tuple[UID | None, int]:
    """The transfer syntax of the file's meta group, or None, and where the data set begins.

    The group is always Explicit VR Little Endian (PS3.10 7.1); its length field is not trusted.
    """
    at = 132 if data[128:132] == b"DICM" else 0
    syntax = None
    while data[at : at + 2] == b"\x02\x00":
        if data[at + 4 : at + 6] in (b"OB", b"UN"):
            start, length = at + 12, int.from_bytes(data[at + 8 : at + 12], "little")
        else:
            start, length = at + 8, int.from_bytes(data[at + 6 : at + 8], "little")
        if data[at + 2 : at + 4] == b"\x10\x00":
            syntax = UID(data[start : start + length].rstrip(b"\x00 ").decode("ascii", "replace"))
        at = start + length
    return syntax, at


def _inflate(deflated: bytes) -> bytes:
    """The data set of a deflated file. pydicom would inflate everything at once, however much that is (PS3.5 A.5)."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    data = inflater.decompress(deflated, MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise OversizedFilm(
            f"This DICOM file unpacks to more than {MAX_BYTES // 2**20} MB. Export the film as a single picture."
        )
    if not inflater.eof:
        raise UndecodableFilm(DAMAGED.format("it ends inside its compressed part"))
    if inflater.unused_data.strip(b"\x00"):
        raise UndecodableFilm(
            DAMAGED.format(f"{len(inflater.unused_data)} bytes follow its compressed part")
        )
    return data


def read_native_pixels(file: DicomFile, expected: int) -> tuple[bytes, tuple[str, ...]]:
    """Pixels that are not compressed, and irregularities. expected: their bytes, as rows, columns and bits say.

    Raises UndecodableFilm when there are fewer bytes, or more than padding: a row that is too long moves all that
    follows, and the film would still look like one.
    """
    start, length = file.start, file.length
    if length is None or length < expected or start + length > len(file.content):
        found = (
            len(file.content) - start if length is None else min(length, len(file.content) - start)
        )
        raise UndecodableFilm(
            DAMAGED.format(f"its pixels have {found} bytes where its header says {expected}")
        )
    # With the byte that fills the last word (PS3.5 8.1.1), which trades places with it in a big-endian file.
    padded = expected + expected % 2
    pixels = file.content[start : start + min(length, padded)]
    surplus = file.content[start + padded : start + length]
    if surplus.strip(b"\x00"):
        raise UndecodableFilm(
            DAMAGED.format(f"its pixels have {length} bytes where its header says {expected}")
        )
    zeros = len(surplus) + _require_clean_end(file, start + length)
    if zeros and not _is_padding(file, zeros, pixels):
        return pixels, ("zeros_behind_pixels",)
    return pixels, ()


def _is_padding(file: DicomFile, zeros: int, pixels: bytes) -> bool:
    """Whether zeros behind the pixels only fill up the file.

    Where bytes were put in among the pixels, the zeros are the film's own end, pushed out. That is ruled out when they
    fill up a whole block, or when they are many and the pixels before them do not end in zeros.
    """
    if len(file.content) % BLOCK_BYTES == 0:
        return True
    return (
        zeros % 2 == 0 and zeros >= FILM_END_BYTES and bool(pixels[-FILM_END_BYTES:].strip(b"\x00"))
    )


def read_codestream(file: DicomFile) -> bytes:
    """The compressed picture: all fragments together (PS3.5 A.4), or the value itself when it has no fragments.

    The offset table is not needed for one picture, and may be wrong or absent. Raises UndecodableFilm.
    """
    data, at = file.content, file.start
    end = len(data) if file.length is None else file.start + file.length
    if end > len(data):
        raise UndecodableFilm(DAMAGED.format("it ends inside its pixels"))
    if not file.starts_with_item():
        if file.length is None:
            raise UndecodableFilm(DAMAGED.format("its compressed pixels have no beginning"))
        _require_clean_end(file, end)
        return data[at:end]
    fragments = []
    while data[at : at + 4] == ITEM and at < end:
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + length > end:
            raise UndecodableFilm(DAMAGED.format("it ends inside its compressed pixels"))
        fragments.append(data[at + 8 : at + 8 + length])
        at += 8 + length
    if data[at : at + 8] == SEQUENCE_END + bytes(4):
        at += 8
    elif file.length is None or at != end:
        raise UndecodableFilm(DAMAGED.format("its compressed pixels do not end as they should"))
    _require_clean_end(file, at)
    if fragments and _is_offset_table(fragments[0]):
        del fragments[0]
    return b"".join(fragments)


def _is_offset_table(item: bytes) -> bool:
    """Whether a first item is an offset table: empty, or whole numbers of which the first is 0 (PS3.5 A.4).

    No codestream begins with zeros.
    """
    return len(item) % 4 == 0 and not item[:4].strip(b"\x00")


def _require_clean_end(file: DicomFile, at: int) -> int:
    """How many zeros end the file, after what may follow the pixels. Raises UndecodableFilm for anything else."""
    rest = file.content[at:]
    if not rest.strip(b"\x00"):
        return len(rest)
    reader = BytesIO(rest)
    before = PIXEL_DATA
    for element in data_element_generator(reader, not file.explicit, file.little):
        tag = int(element.tag)
        known = BaseTag(tag).is_private or dictionary_has_tag(tag)
        if tag <= before or not known or _is_cut(element):
            break
        before = tag
        at_end = reader.tell()
        if not rest[at_end:].strip(b"\x00"):
            return len(rest) - at_end
    raise UndecodableFilm(DAMAGED.format(f"{len(rest)} bytes of something else follow its pixels"))


def _is_cut(element: RawDataElement | DataElement) -> bool:
    """Whether the file ends inside an element's value."""
    if not isinstance(element, RawDataElement) or element.length == UNDEFINED_LENGTH:
        return False
    return element.length != len(element.value or b"")
