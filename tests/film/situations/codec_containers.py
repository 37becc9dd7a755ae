"""Situations: fragments, JP2 files and codestreams that are no film."""

import numpy as np
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGLSLossless,
)

from tests.film.codestreams import (
    encode_jpeg_2000,
    encode_jpeg_ls,
    wrap_in_jp2,
)
from tests.film.corpus import Situation, base_pixels, base_values
from tests.film.dicom_files import write_dicom
from tests.film.situations.compressed_films import (
    TWELVE_OF_SIXTEEN,
    compressed,
    eight_bits,
)


def fragmented(stream: bytes, table: bytes | None, pieces: int = 3) -> bytes:
    """A film whose codestream lies in several fragments. table: the offset table; None leaves it out."""
    data = compressed(stream, JPEGLSLossless, **TWELVE_OF_SIXTEEN)
    whole = encapsulate([stream])
    step = len(stream) // pieces & ~1
    parts = [stream[at : at + step] for at in range(0, step * (pieces - 1), step)]
    parts.append(stream[step * (pieces - 1) :])
    parts[-1] += bytes(len(parts[-1]) % 2)
    items = [] if table is None else [table]
    value = b"".join(_item(part) for part in [*items, *parts])
    assert data.count(whole) == 1
    return data.replace(whole, value)


def _item(body: bytes) -> bytes:
    return b"\xfe\xff\x00\xe0" + len(body).to_bytes(4, "little") + body


def _jpeg_ls() -> bytes:
    return encode_jpeg_ls(base_values(), 12)


CONTAINERS = (
    Situation(
        name="A codestream in three fragments",
        build=lambda: fragmented(_jpeg_ls(), bytes(4)),
        answer="The fragments are put together.",
        expected=base_pixels,
    ),
    Situation(
        name="Three fragments with an empty offset table",
        build=lambda: fragmented(_jpeg_ls(), b""),
        answer="The fragments are put together.",
        expected=base_pixels,
    ),
    Situation(
        name="Three fragments with a wrong offset table",
        build=lambda: fragmented(_jpeg_ls(), bytes(4) + (77).to_bytes(4, "little")),
        answer="The fragments are put together; the table is not needed for one picture.",
        expected=base_pixels,
    ),
    Situation(
        name="Three fragments without an offset table",
        build=lambda: fragmented(_jpeg_ls(), None),
        answer="The fragments are put together.",
        expected=base_pixels,
    ),
    Situation(
        name="A JP2 file in place of the codestream",
        build=lambda: compressed(
            wrap_in_jp2(encode_jpeg_2000(base_values(), 12)), JPEG2000Lossless, **TWELVE_OF_SIXTEEN
        ),
        answer="The codestream is taken out and read.",
        expected=base_pixels,
    ),
    Situation(
        name="A JP2 file without a codestream",
        build=lambda: compressed(
            wrap_in_jp2(encode_jpeg_2000(base_values(), 12)).replace(b"jp2c", b"free"),
            JPEG2000Lossless,
            **TWELVE_OF_SIXTEEN,
        ),
        answer="Refused: no codestream is inside.",
        refused="a JP2 file without a codestream",
    ),
    Situation(
        name="Two pictures in the fragments of one frame",
        build=lambda: compressed(_jpeg_ls() * 2, JPEGLSLossless, **TWELVE_OF_SIXTEEN),
        answer="Refused: a film is one picture.",
        refused="more than one picture",
    ),
    Situation(
        name="A codestream of another size than the file says",
        build=lambda: compressed(
            encode_jpeg_ls(base_values()[:-1], 12), JPEGLSLossless, **TWELVE_OF_SIXTEEN
        ),
        answer="Refused: both sizes are named.",
        refused="another size (224 × 255) than its header says (224 × 256)",
    ),
    Situation(
        name="A codestream of four channels",
        build=lambda: compressed(
            encode_jpeg_2000(np.dstack([eight_bits()] * 4), 8), JPEG2000Lossless
        ),
        answer="Refused: a film has one or three.",
        refused="4 channels",
    ),
    Situation(
        name="A codestream that begins with something else",
        build=lambda: compressed(
            b"\x00\x00" + encode_jpeg_2000(base_values(), 12), JPEG2000Lossless, **TWELVE_OF_SIXTEEN
        ),
        answer="Refused: its form is not known.",
        refused="in no form that is read here",
    ),
    Situation(
        name="High Bit 3 over 12 bits",
        build=lambda: write_dicom(base_values(), BitsStored=12, HighBit=3),
        answer="The values fill the lowest 12 bits, which no other reading explains; the film is flagged.",
        expected=base_pixels,
        flags=frozenset({"stored_depth"}),
    ),
)


SITUATIONS: tuple[Situation, ...] = CONTAINERS
