"""Films with something wrong in their structure: an element, chunk, marker, tag or length of a sound file is changed.

A file is split into its pieces, a few of them are changed, and it is put together again with lengths and checksums that
fit, so that the fault reaches the code behind the first check. Some lengths and checksums are made wrong on purpose.
"""

import re
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random

from pydicom.uid import AllTransferSyntaxes

UNDEFINED = 0xFFFFFFFF
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
LONG_VRS = b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split()
NUMBERS = (
    0, 1, 2, 3, 7, 8, 9, 12, 15, 16, 17, 31, 32, 64, 127, 128, 255, 256, 4095, 32767, 32768, 65535,
)  # fmt: skip
LARGE = (65536, 1 << 20, (1 << 24) - 1, (1 << 31) - 1, 1 << 31, UNDEFINED - 1, UNDEFINED)
TEXTS = (
    b"", b"0", b"-1", b"1.5", b"nan", b"inf", b"-inf", b"1e999", b"1e-320", b"9" * 40, b"1\\2\\3", b"\\\\", b"x",
    b"MONOCHROME1", b"RGB", b"PALETTE COLOR", b"YBR_FULL_422", b"SIGMOID", b"POLYGONAL", b"R\\F", b"CHEST", b"PA",
    b"\xff\xfe", b"\x1b$B\x1b", b"\x00" * 9, b"A" * 70_000, b"1\\" * 3000, "ü".encode(), b"034Y", b"999Y", b"-01Y",
)  # fmt: skip
# A JPEG or JPEG-LS marker behind entropy-coded data, which holds stuffed bytes and restart markers; one of JPEG 2000.
MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
TILE_MARKER = re.compile(rb"\xff[\x90\xd9]")
LARGEST_REPEAT_BYTES = 1 << 20
WITHOUT_LENGTH = (0x4F, 0x93, 0xD8, 0xD9)


@dataclass(frozen=True)
class Piece:
    """A part of a file.

    head: what names it.  body: what it holds.  declared: its length as written; None for the true one.
    framed: whether its format writes a length (and a checksum) for it.
    """

    head: bytes = b""
    body: bytes = b""
    declared: int | None = None
    framed: bool = True


def raw(body: bytes) -> Piece:
    """A piece that is written as it is."""
    return Piece(body=body, framed=False)


def with_rest(pieces: list[Piece], rest: bytes) -> list[Piece]:
    """The pieces, and what follows the last of them if anything does."""
    return [*pieces, raw(rest)] if rest else pieces


def length_of(piece: Piece, bits: int = 32) -> int:
    """The length to write for a piece, cut to a field of so many bits."""
    length = len(piece.body) if piece.declared is None else piece.declared
    return length & ((1 << bits) - 1)


def split_png(data: bytes) -> list[Piece]:
    pieces, at = [], len(PNG_SIGNATURE)
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        pieces.append(Piece(data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    return with_rest(pieces, data[at:])


def join_png(pieces: Sequence[Piece]) -> bytes:
    return PNG_SIGNATURE + b"".join(map(_png_chunk, pieces))


def _png_chunk(piece: Piece) -> bytes:
    if not piece.framed:
        return piece.body
    checked = piece.head + piece.body
    return length_of(piece).to_bytes(4, "big") + checked + zlib.crc32(checked).to_bytes(4, "big")


def split_markers(data: bytes) -> list[Piece]:
    """A JPEG, JPEG-LS or JPEG 2000 codestream."""
    pieces, at = [], 0
    while at < len(data):
        if data[at] != 0xFF or at + 2 > len(data):
            return [*pieces, raw(data[at:])]
        marker = data[at + 1]
        if marker in WITHOUT_LENGTH:
            pieces.append(raw(data[at : at + 2]))
            at += 2
        else:
            size = max(int.from_bytes(data[at + 2 : at + 4], "big"), 2)
            pieces.append(Piece(data[at : at + 2], data[at + 4 : at + 2 + size]))
            at += 2 + size
        if marker in (0xDA, 0x93):
            found = (MARKER if marker == 0xDA else TILE_MARKER).search(data, at)
            end = found.start() if found else len(data)
            pieces.append(raw(data[at:end]))
            at = end
    return pieces


def join_markers(pieces: Sequence[Piece]) -> bytes:
    return b"".join(
        piece.head + ((length_of(piece) + 2) & 0xFFFF).to_bytes(2, "big") + piece.body
        if piece.framed
        else piece.body
        for piece in pieces
    )


def split_riff(data: bytes) -> list[Piece]:
    pieces, at = [raw(data[:12])], 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        pieces.append(Piece(data[at : at + 4], data[at + 8 : at + 8 + size]))
        at += 8 + size + size % 2
    return with_rest(pieces, data[at:])


def join_riff(pieces: Sequence[Piece]) -> bytes:
    head, *chunks = pieces
    stream = b"".join(
        piece.head
        + length_of(piece).to_bytes(4, "little")
        + piece.body
        + bytes(len(piece.body) % 2)
        if piece.framed
        else piece.body
        for piece in chunks
    )
    return head.body[:4] + (4 + len(stream)).to_bytes(4, "little") + head.body[8:] + stream


def cut_at(data: bytes, widths: Sequence[int]) -> list[Piece]:
    """The file as fields of these widths and what follows them; all are written as they are."""
    pieces, at = [], 0
    for width in widths:
        pieces.append(raw(data[at : at + width]))
        at += width
    return [*pieces, raw(data[at:])]


def split_bmp(data: bytes) -> list[Piece]:
    start = max(int.from_bytes(data[10:14], "little") - 54, 0)
    return cut_at(data, (2, 4, 2, 2, 4, 4, 4, 4, 2, 2, *[4] * 6, start))


def split_tiff(data: bytes) -> list[Piece]:
    """The fields of the header and of the first directory; `data` is cut around them."""
    order = "little" if data[:2] == b"II" else "big"
    big = int.from_bytes(data[2:4], order) == 43
    word = 8 if big else 4
    start = int.from_bytes(data[8:16] if big else data[4:8], order)
    count = int.from_bytes(data[start : start + (8 if big else 2)], order)
    header = (2, 2, 2, 2, 8) if big else (2, 2, 4)
    if not sum(header) <= start < len(data) or count > 100:
        raise ValueError("no directory")
    entry = (2, 2, word, word)
    return cut_at(data, (*header, start - sum(header), 8 if big else 2, *entry * count, word))


def split_rle(data: bytes) -> list[Piece]:
    """A frame of DICOM's run lengths (PS3.5, annex G): the number of segments, their starts, the segments."""
    return cut_at(data, [4] * 16)


def join_raw(pieces: Sequence[Piece]) -> bytes:
    return b"".join(piece.body for piece in pieces)


@dataclass(frozen=True)
class DicomForm:
    """How the elements of a DICOM file are written (PS3.5, annex A)."""

    order: str = "<"
    explicit: bool = True
    deflated: bool = False


FORMS = {
    b"1.2.840.10008.1.2": DicomForm(explicit=False),
    b"1.2.840.10008.1.2.2": DicomForm(order=">"),
    b"1.2.840.10008.1.2.1.99": DicomForm(deflated=True),
}
META_FORM = DicomForm()


@dataclass
class DicomReader:
    """Cuts a data set into a flat list of elements; sequences and items become ones of undefined length."""

    data: bytes
    form: DicomForm
    at: int = 0

    def read_until(self, end: int) -> list[Piece]:
        pieces: list[Piece] = []
        while self.at + 8 <= end:
            pieces += self._read_element(end)
        return pieces

    def _read_element(self, end: int) -> list[Piece]:
        order = self.form.order
        head, size = self.data[self.at : self.at + 4], 8
        group, vr = struct.unpack_from(order + "H", head)[0], self.data[self.at + 4 : self.at + 6]
        if not self.form.explicit or group == 0xFFFE:
            (length,) = struct.unpack_from(order + "I", self.data, self.at + 4)
            vr = b""
        elif vr in LONG_VRS:
            (length,), size = struct.unpack_from(order + "I", self.data, self.at + 8), 12
        else:
            (length,) = struct.unpack_from(order + "H", self.data, self.at + 6)
        self.at += size
        if length == UNDEFINED or (vr == b"SQ" and length):
            return self._open(Piece(head + vr, declared=UNDEFINED), length, end)
        body = self.data[self.at : self.at + length]
        self.at += length
        return [Piece(head + vr, body)]

    def _open(self, opening: Piece, length: int, end: int) -> list[Piece]:
        """A sequence, or what has no length: its items follow as pieces of the same list."""
        if length == UNDEFINED:
            return [opening]
        stop, pieces = min(self.at + length, end), [opening]
        while self.at + 8 <= stop:
            tag = self.data[self.at : self.at + 4]
            (size,) = struct.unpack_from(self.form.order + "I", self.data, self.at + 4)
            self.at += 8
            last = stop if size == UNDEFINED else min(self.at + size, stop)
            pieces += [
                Piece(tag, declared=UNDEFINED),
                *self.read_until(last),
                self._delimiter(0xE00D),
            ]
        return [*pieces, self._delimiter(0xE0DD)]

    def _delimiter(self, element: int) -> Piece:
        return Piece(struct.pack(self.form.order + "HH", 0xFFFE, element))


def split_dicom(data: bytes) -> list[Piece]:
    if data[128:132] != b"DICM":
        raise ValueError("no preamble")
    end = _end_of_meta(data)
    meta = DicomReader(data[:end], META_FORM, 132).read_until(end)
    form = _form_of(meta)
    body = zlib.decompress(data[end:], -15) if form.deflated else data[end:]
    return [raw(data[:132]), *meta, *DicomReader(body, form).read_until(len(body))]


def _end_of_meta(data: bytes) -> int:
    reader = DicomReader(data, META_FORM, 132)
    while data[reader.at : reader.at + 2] == b"\x02\x00":
        reader._read_element(len(data))
    return reader.at


def _form_of(pieces: Sequence[Piece]) -> DicomForm:
    uids = [piece.body.rstrip(b"\x00") for piece in pieces if piece.head[:4] == b"\x02\x00\x10\x00"]
    return FORMS.get(uids[0], META_FORM) if uids else META_FORM


def join_dicom(pieces: Sequence[Piece], form: DicomForm) -> bytes:
    """The file in the form that it was read in, whatever transfer syntax it names by now."""
    meta = b"".join(_element(p, META_FORM) for p in pieces if p.head[:2] == b"\x02\x00")
    body = b"".join(_element(p, form) for p in pieces if p.framed and p.head[:2] != b"\x02\x00")
    if form.deflated:
        packer = zlib.compressobj(1, wbits=-15)
        body = packer.compress(body) + packer.flush()
    return join_raw([piece for piece in pieces if not piece.framed]) + meta + body


def _element(piece: Piece, form: DicomForm) -> bytes:
    body = piece.body + bytes(len(piece.body) % 2)
    length = length_of(replace(piece, body=body))
    tag, vr = piece.head[:4], piece.head[4:6]
    if not vr:
        return tag + struct.pack(form.order + "I", length) + body
    if vr in LONG_VRS:
        return tag + vr + bytes(2) + struct.pack(form.order + "I", length) + body
    return tag + vr + struct.pack(form.order + "H", length & 0xFFFF) + body


# How a format is cut into pieces, and how they are joined.
LAYOUTS: dict[str, tuple[Callable[[bytes], list[Piece]], Callable[[Sequence[Piece]], bytes]]] = {
    "png": (split_png, join_png),
    "jpeg": (split_markers, join_markers),
    "webp": (split_riff, join_riff),
    "bmp": (split_bmp, join_raw),
    "tiff": (split_tiff, join_raw),
    "rle": (split_rle, join_raw),
}
SIGNATURES = {
    PNG_SIGNATURE: "png",
    b"\xff\xd8": "jpeg",
    b"RIFF": "webp",
    b"BM": "bmp",
    b"II": "tiff",
    b"MM": "tiff",
}


def name_format(data: bytes) -> str:
    """The key of LAYOUTS for a file; "other" for one that is changed byte by byte."""
    if data[128:132] == b"DICM":
        return "dicom"
    return next((name for magic, name in SIGNATURES.items() if data.startswith(magic)), "other")


@lru_cache(4096)
def split(data: bytes) -> tuple[Piece, ...]:
    """The pieces of a file; none where it has another structure than its beginning says."""
    name = name_format(data)
    try:
        if name == "dicom":
            return tuple(split_dicom(data))
        return tuple(LAYOUTS[name][0](data)) if name in LAYOUTS else ()
    except (ValueError, IndexError, struct.error, zlib.error):
        return ()


def join(original: bytes, pieces: Sequence[Piece]) -> bytes:
    """The pieces of a file, put together in the form that it has."""
    name = name_format(original)
    return (
        join_dicom(pieces, _form_of(split(original)))
        if name == "dicom"
        else LAYOUTS[name][1](pieces)
    )


def mutate(data: bytes, donor: bytes, chance: Random) -> bytes:
    """A film with one to four changes. donor: a film whose pieces may be put in."""
    name, pieces = name_format(data), list(split(data))
    if len(pieces) < 3 or chance.random() < 0.05:
        return change_bytes(data, chance)
    gifts = split(donor) if name_format(donor) == name else ()
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4))):
        change_pieces(pieces, gifts, name, chance)
    mutated = join(data, pieces)
    return change_bytes(mutated, chance) if chance.random() < 0.05 else mutated


def change_pieces(pieces: list[Piece], gifts: Sequence[Piece], name: str, chance: Random) -> None:
    """Change the list in place by one mutation."""
    at = chance.randrange(len(pieces))
    # A field at a fixed place is rather changed where it is: moved, it shifts all that follow.
    shifts = not pieces[at].framed and chance.random() < 0.8
    action = "body" if shifts else chance.choice(ACTIONS)
    if action == "drop" and len(pieces) > 3:
        del pieces[at]
    elif action == "repeat":
        pieces[at:at] = repeat_some(pieces[at : at + chance.choice((1, 2))], chance)
    elif action == "swap":
        other = chance.randrange(len(pieces))
        pieces[at], pieces[other] = pieces[other], pieces[at]
    elif action == "give" and gifts:
        start = chance.randrange(len(gifts))
        pieces[at:at] = gifts[start : start + chance.choice((1, 1, 2, 8))]
    elif action == "nest" and name == "dicom":
        pieces[at:at] = nested_sequences(chance)
    elif action == "syntax" and name == "dicom":
        swap_syntax(pieces, chance)
    elif action == "size":
        claim_size(pieces, name, chance)
    elif action == "head":
        pieces[at] = change_head(pieces[at], pieces, gifts, chance)
    elif action == "length" and pieces[at].framed:
        pieces[at] = replace(pieces[at], declared=odd_length(pieces[at], chance))
    else:
        pieces[at] = replace(pieces[at], body=change_body(pieces[at].body, name, chance))


ACTIONS = (
    "drop", "repeat", "swap", "give", "give", "nest", "syntax", "syntax", "head", "length", "size", *["body"] * 8
)  # fmt: skip


def repeat_some(pieces: list[Piece], chance: Random) -> list[Piece]:
    """The pieces once more, or so often that a decoder which does not count them takes its time."""
    size = sum(len(piece.body) + 16 for piece in pieces)
    return pieces * min(chance.choice((1, 1, 1, 2, 40, 4000)), 1 + LARGEST_REPEAT_BYTES // size)


def nested_sequences(chance: Random) -> list[Piece]:
    """Sequences in sequences, as deep as no device writes them; some are closed."""
    depth = chance.choice((1, 3, 50, 1500))
    opened = [
        Piece(b"\x08\x00\x40\x11SQ", declared=UNDEFINED),
        Piece(b"\xfe\xff\x00\xe0", declared=UNDEFINED),
    ]
    closed = [Piece(b"\xfe\xff\x0d\xe0"), Piece(b"\xfe\xff\xdd\xe0")]
    return opened * depth + closed * chance.choice((0, depth, depth))


def swap_syntax(pieces: list[Piece], chance: Random) -> None:
    """Say another transfer syntax than the file is written in."""
    uid = chance.choice((*AllTransferSyntaxes, "1.2.3", "")).encode()
    for at, piece in enumerate(pieces):
        if piece.head[:4] == b"\x02\x00\x10\x00":
            pieces[at] = replace(piece, body=uid + bytes(len(uid) % 2))


def claim_size(pieces: list[Piece], name: str, chance: Random) -> None:
    """Say another height and width, which may be as large as the limits allow."""
    order, width, start = SIZE_FIELDS.get(name, SIZE_FIELDS["stream"])
    sides = chance.choice(((8000, 8000), (64_000, 1000), (1, 60_000), (4000, 5000), (300, 200)))
    field = b"".join((side & ((1 << 8 * width) - 1)).to_bytes(width, order) for side in sides)
    for at, piece in enumerate(pieces):
        if piece.head in SIZE_HEADS:
            body = piece.body[:start] + field + piece.body[start + len(field) :]
            pieces[at] = replace(piece, body=body)
        elif piece.head[:4] in DICOM_SIDES:
            pieces[at] = replace(piece, body=struct.pack("<H", chance.choice(sides)))


# Where height and width lie in the pieces that hold them both: byte order, bytes of a side, offset.
SIZE_FIELDS = {"png": ("big", 4, 0), "jpeg": ("big", 2, 1), "stream": ("big", 2, 1)}
SIZE_HEADS = (b"IHDR", b"\xff\xc0", b"\xff\xc1", b"\xff\xc2", b"\xff\xc3", b"\xff\xf7")
DICOM_SIDES = (b"\x28\x00\x10\x00", b"\x28\x00\x11\x00")


def change_head(
    piece: Piece, pieces: Sequence[Piece], gifts: Sequence[Piece], chance: Random
) -> Piece:
    """Name a piece as another one is named, or with a byte changed."""
    heads = [other.head for other in (*pieces, *gifts) if len(other.head) == len(piece.head)]
    if chance.random() < 0.7 or not piece.head:
        return replace(piece, head=chance.choice(heads))
    return replace(piece, head=flip_bytes(piece.head, 1, chance))


def odd_length(piece: Piece, chance: Random) -> int:
    """A length that is wrong by little or by much."""
    near = [max(len(piece.body) + step, 0) for step in (-2, -1, 1, 2, 4)]
    return chance.choice((*near, *NUMBERS, *LARGE))


def change_body(body: bytes, name: str, chance: Random) -> bytes:
    """Change what a piece holds: as a codestream, as numbers, as a text, or as compressed bytes."""
    if name == "dicom" and len(body) > 64 and chance.random() < 0.7:
        return change_stream(body, chance)
    if body[:1] == b"\x78" and len(body) > 64 and chance.random() < 0.6:
        return change_inflated(body, chance)
    if name == "dicom" and len(body) < 200 and chance.random() < 0.4:
        return chance.choice(TEXTS)
    if len(body) in (1, 2, 4, 8):
        return odd_number(len(body), chance)
    return change_bytes(body, chance)


def change_stream(body: bytes, chance: Random) -> bytes:
    """Change the structure of a fragment: a codestream with markers, or run lengths."""
    if body[:2] in (b"\xff\xd8", b"\xff\x4f"):
        divide, rejoin = LAYOUTS["jpeg"]
    elif body[1:4] == bytes(3) and 1 <= body[0] <= 15:
        divide, rejoin = LAYOUTS["rle"]
    else:
        return change_bytes(body, chance)
    parts = divide(body)
    change_pieces(parts, parts, "stream", chance)
    return rejoin(parts)


def change_inflated(body: bytes, chance: Random) -> bytes:
    """Change bytes under the compression, so that its checksum fits."""
    try:
        return zlib.compress(change_bytes(zlib.decompress(body), chance), 1)
    except zlib.error:
        return change_bytes(body, chance)


def odd_number(width: int, chance: Random) -> bytes:
    number = chance.choice((*NUMBERS, *NUMBERS, *LARGE)) & ((1 << 8 * width) - 1)
    return number.to_bytes(width, chance.choice(("little", "big")))


def change_bytes(data: bytes, chance: Random) -> bytes:
    """Change bytes anywhere: flipped, set, cut off, put in, taken out, filled."""
    at = chance.randrange(len(data) + 1)
    size = chance.choice((1, 2, 4, 16, 300))
    action = chance.randrange(7)
    if action == 0:
        return data[:at]
    if action == 1:
        return data[:at] + chance.randbytes(size) + data[at:]
    if action == 2:
        return data[:at] + data[at + size :]
    if action == 3:
        return data[:at] + chance.choice((b"\x00", b"\xff")) * size + data[at + size :]
    if action == 4:
        return data[:at] + odd_number(4, chance) + data[at + 4 :]
    return flip_bytes(data, size, chance)


def flip_bytes(data: bytes, count: int, chance: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(count if changed else 0):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)
