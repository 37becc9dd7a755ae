"""Situations: damaged files."""

import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import simplejpeg
from PIL import Image
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from tests.film.codestreams import (
    EOI,
    encode_jpeg_2000,
    encode_jpeg_dct,
    encode_jpeg_lossless,
    encode_jpeg_ls,
    truncate_scan,
)
from tests.film.corpus import Situation, base_pixels, base_values
from tests.film.dicom_files import write_dicom
from tests.film.situations.compressed_films import (
    TWELVE_OF_SIXTEEN,
    compressed,
    eight_bits,
    grey_jpeg,
    opened,
    scaled,
)

HEADING = "Damaged files"

NOISE = np.random.default_rng(16).integers(1, 256, 4096, dtype=np.uint8).tobytes()
FOLLOWED = "Refused: something else follows the pixels."
CUT = "Refused: it is cut short, though an end marker was put back."
NOT_COMPLETE = "not complete"


def native(**tags: Any) -> bytes:
    """An uncompressed film, whose pixels end the file."""
    return write_dicom(base_values(), BitsStored=12, **tags)


def put_in(data: bytes, share: float, inserted: bytes) -> bytes:
    """The film with bytes put in behind a share of its pixels. data: a file that ends with them."""
    place = len(data) - int(base_values().nbytes * (1 - share))
    return data[:place] + inserted + data[place:]


def with_pixel_length(data: bytes, extra: bytes) -> bytes:
    """The film with bytes behind its pixels that their length counts."""
    size = base_values().nbytes
    place = len(data) - size - 4
    assert data[place : place + 4] == size.to_bytes(4, "little")
    return data[:place] + (size + len(extra)).to_bytes(4, "little") + data[place + 4 :] + extra


def element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
    """An element in explicit VR, little endian, with a length of four bytes (PS3.5 7.1.2)."""
    tag = group.to_bytes(2, "little") + number.to_bytes(2, "little")
    return tag + vr + bytes(2) + len(value).to_bytes(4, "little") + value


def to_blocks(data: bytes, block: int = 2048) -> bytes:
    """The file filled with zeros up to whole blocks, as media do."""
    return data + bytes(-len(data) % block)


def noisy_corner() -> np.ndarray:
    """The chest with a last row that is not black, so that zeros behind it cannot have come out of it."""
    values = base_values().copy()
    values[-1] = 1000
    return values


NATIVE = (
    Situation(
        name="4,096 bytes put in among uncompressed pixels",
        build=lambda: put_in(native(), 0.4, NOISE),
        answer="Refused: the rest of the film is shifted, and its end lies behind the pixels.",
        refused="4096 bytes of something else follow its pixels",
    ),
    Situation(
        name="Two bytes put in among uncompressed pixels",
        build=lambda: put_in(write_dicom(noisy_corner(), BitsStored=12), 0.4, b"\x07\x01"),
        answer=FOLLOWED,
        refused="2 bytes of something else follow its pixels",
    ),
    Situation(
        name="600 bytes put in among uncompressed pixels that end in black",
        build=lambda: put_in(write_dicom(_black_at_the_end(), BitsStored=12), 0.4, bytes(600)),
        answer="What lies behind the pixels is zeros, as padding is; the film is flagged.",
        expected=lambda: _shifted(600),
        flags=frozenset({"zeros_behind_pixels"}),
    ),
    Situation(
        name="512 bytes missing from uncompressed pixels",
        build=lambda: native()[:-20_000] + native()[-19_488:],
        answer="Refused: bytes found and expected are named.",
        refused=f"its pixels have {base_values().nbytes - 512} bytes where its header says {base_values().nbytes}",
    ),
    Situation(
        name="Uncompressed pixels of more bytes than rows, columns and bits give",
        build=lambda: with_pixel_length(native(), NOISE),
        answer="Refused: bytes found and expected are named.",
        refused=f"its pixels have {base_values().nbytes + 4096} bytes where its header says {base_values().nbytes}",
    ),
    Situation(
        name="Uncompressed pixels with zeros behind them that their length counts",
        build=lambda: with_pixel_length(write_dicom(noisy_corner(), BitsStored=12), bytes(64)),
        answer="It is read as it is.",
        expected=lambda: scaled(noisy_corner(), 12),
    ),
)


def _black_at_the_end() -> np.ndarray:
    """The chest above some black rows."""
    values = base_values().copy()
    values[-5:] = 0
    return values


def _shifted(count: int) -> np.ndarray:
    """The chest with zeros put in behind 40 % of its pixels, and cut to its length."""
    octets = _black_at_the_end().tobytes()
    place = len(octets) - int(len(octets) * 0.6)
    shifted = octets[:place] + bytes(count) + octets[place : len(octets) - count]
    return scaled(np.frombuffer(shifted, "<u2").reshape(base_values().shape), 12)


AFTERWARDS = (
    Situation(
        name="Data set trailing padding behind the pixels",
        build=lambda: native() + element(0xFFFC, 0xFFFC, b"OB", bytes(100)),
        answer="It is read as it is.",
        expected=base_pixels,
    ),
    Situation(
        name="Digital signatures behind the pixels",
        build=lambda: native() + element(0xFFFA, 0xFFFA, b"SQ", b""),
        answer="It is read as it is.",
        expected=base_pixels,
    ),
    Situation(
        name="Private elements behind the pixels",
        build=lambda: (
            native()
            + element(0x7FE1, 0x0010, b"OB", b"MAKER   ")
            + element(0x7FE1, 0x1010, b"OB", NOISE)
        ),
        answer="It is read as it is.",
        expected=base_pixels,
    ),
    Situation(
        name="Zeros up to a whole block of 2,048 bytes",
        build=lambda: to_blocks(native()),
        answer="It is read as it is.",
        expected=base_pixels,
    ),
    Situation(
        name="Text behind the data set",
        build=lambda: native() + b"<html>a page</html>",
        answer=FOLLOWED,
        refused="19 bytes of something else follow its pixels",
    ),
    Situation(
        name="A second DICOM file behind the first",
        build=lambda: native() + native(),
        answer=FOLLOWED,
        refused="bytes of something else follow its pixels",
    ),
    Situation(
        name="An element behind the pixels that ends too early",
        build=lambda: native() + element(0xFFFC, 0xFFFC, b"OB", bytes(100))[:-50],
        answer=FOLLOWED,
        refused="bytes of something else follow its pixels",
    ),
    Situation(
        name="A deflated file with zeros behind it",
        build=lambda: _deflated() + bytes(10),
        answer="It is read as it is.",
        expected=base_pixels,
    ),
    Situation(
        name="A deflated file with something else behind it",
        build=lambda: _deflated() + NOISE,
        answer="Refused: something else follows the compressed part.",
        refused="bytes follow its compressed part",
    ),
    Situation(
        name="Fragments with something else behind their end",
        build=lambda: compressed(_jpeg_ls(), JPEGLSLossless, **TWELVE_OF_SIXTEEN) + NOISE,
        answer=FOLLOWED,
        refused="4096 bytes of something else follow its pixels",
    ),
    Situation(
        name="Fragments without their end",
        build=lambda: compressed(_jpeg_ls(), JPEGLSLossless, **TWELVE_OF_SIXTEEN)[:-8],
        answer="Refused: the end is missing.",
        refused="do not end as they should",
    ),
    Situation(
        name="A PNG with a page behind it",
        build=lambda: _png() + b"<html>",
        answer="Refused: something else follows.",
        refused="followed by 6 bytes",
    ),
    Situation(
        name="A JPEG with an archive behind it",
        build=lambda: grey_jpeg(eight_bits()) + b"PK\x03\x04",
        answer="Refused: something else follows.",
        refused="followed by 4 bytes",
    ),
)


def _deflated() -> bytes:
    return write_dicom(base_values(), DeflatedExplicitVRLittleEndian, BitsStored=12)


def _jpeg_ls() -> bytes:
    return encode_jpeg_ls(base_values(), 12)


def _png() -> bytes:
    buffer = BytesIO()
    Image.fromarray(eight_bits()).save(buffer, "PNG")
    return buffer.getvalue()


CODECS: tuple[tuple[str, UID, Callable[[], bytes], dict[str, Any]], ...] = (
    ("JPEG baseline", JPEGBaseline8Bit, lambda: grey_jpeg(eight_bits()), {}),
    (
        "JPEG extended of 12 bits",
        JPEGExtended12Bit,
        lambda: encode_jpeg_dct(base_values(), 12),
        TWELVE_OF_SIXTEEN,
    ),
    (
        "JPEG lossless",
        JPEGLosslessSV1,
        lambda: encode_jpeg_lossless(base_values(), 12),
        TWELVE_OF_SIXTEEN,
    ),
    ("JPEG-LS", JPEGLSLossless, _jpeg_ls, TWELVE_OF_SIXTEEN),
    (
        "JPEG 2000",
        JPEG2000Lossless,
        lambda: encode_jpeg_2000(base_values(), 12),
        TWELVE_OF_SIXTEEN,
    ),
)


def _cut_codestreams() -> list[Situation]:
    return [
        Situation(
            name=f"A {name} stream in DICOM cut at 90 %, an end marker put back",
            build=lambda syntax=syntax, encode=encode, tags=tags: compressed(
                truncate_scan(encode(), 0.9), syntax, **tags
            ),
            answer=CUT,
            refused=NOT_COMPLETE,
        )
        for name, syntax, encode, tags in CODECS
    ]


def _rle_segments(change: Callable[[bytes], bytes]) -> bytes:
    """An RLE film of 8 bits whose only segment is changed."""
    plane = eight_bits().tobytes()
    runs = [plane[start : start + 128] for start in range(0, len(plane), 128)]
    segment = b"".join(bytes([len(run) - 1]) + run for run in runs)
    header = (1).to_bytes(4, "little") + (64).to_bytes(4, "little") + bytes(56)
    return compressed(header + change(segment), RLELossless)


def _jpeg_2000_tile(change: Callable[[bytes, int], bytes]) -> bytes:
    """A JPEG 2000 film, changed; the second argument is where its tile begins."""
    stream = encode_jpeg_2000(base_values(), 12)
    return compressed(
        change(stream, stream.index(b"\xff\x90")), JPEG2000Lossless, **TWELVE_OF_SIXTEEN
    )


STREAMS = (
    Situation(
        name="An RLE segment with rows missing",
        build=lambda: _rle_segments(lambda segment: segment[: -129 * 20]),
        answer="Refused: the picture is not complete.",
        refused="damaged or cut short",
    ),
    Situation(
        name="An RLE segment with a row more",
        build=lambda: _rle_segments(lambda segment: segment[:1290] + segment),
        answer="Refused: the picture is not complete.",
        refused=NOT_COMPLETE,
    ),
    Situation(
        name="A JPEG 2000 stream with bytes put in",
        build=lambda: _jpeg_2000_tile(
            lambda stream, at: stream[: at + 9000] + NOISE + stream[at + 9000 :]
        ),
        answer="Refused: a tile has another length than it says.",
        refused="a tile is longer or shorter than it says",
    ),
    Situation(
        name="A JPEG 2000 stream without its tiles",
        build=lambda: _jpeg_2000_tile(lambda stream, at: stream[:at] + EOI),
        answer="Refused: the missing tiles are counted.",
        refused="1 of its 1 tiles are missing",
    ),
)


def _colour_jpegs() -> dict[str, bytes]:
    """The chest as a JPEG of every colour form."""
    grey = eight_bits()
    ink = np.ascontiguousarray(np.dstack([np.zeros_like(grey)] * 3 + [255 - grey]))
    files = {
        "grey": grey_jpeg(grey),
        "RGB": grey_jpeg(grey, "RGB"),
        "CMYK": grey_jpeg(grey, "CMYK"),
        "YCCK": simplejpeg.encode_jpeg(ink, quality=95, colorspace="CMYK"),
    }
    for mode in ("L", "RGB", "CMYK"):
        buffer = BytesIO()
        Image.fromarray(grey).convert(mode).save(buffer, "JPEG", progressive=True)
        files[f"progressive {'grey' if mode == 'L' else mode}"] = buffer.getvalue()
    return files


def _cut_jpegs() -> list[Situation]:
    situations = []
    for form in (
        "grey",
        "RGB",
        "CMYK",
        "YCCK",
        *(f"progressive {mode}" for mode in ("grey", "RGB", "CMYK")),
    ):
        situations.append(
            Situation(
                name=f"A {form} JPEG cut at 90 %, an end marker put back",
                build=lambda form=form: truncate_scan(_colour_jpegs()[form], 0.9),
                answer=CUT,
                refused="damaged or cut short",
            )
        )
        if form.startswith("progressive"):
            situations.append(
                Situation(
                    name=f"A {form} JPEG without its last scan",
                    build=lambda form=form: _without_last_scan(_colour_jpegs()[form]),
                    answer="Refused: a scan is missing.",
                    refused="some of its scans are missing",
                )
            )
    return situations


def _without_last_scan(stream: bytes) -> bytes:
    """A progressive JPEG cut between its last two scans: what is left is sound, and coarser than it was."""
    return stream[: stream.rindex(b"\xff\xda")].rsplit(b"\xff\xc4", 1)[0] + EOI


def _torn() -> np.ndarray:
    """The chest of 8 bits with all 8 × 8 blocks from one on brighter, as behind a wrong bit."""
    values = eight_bits() // 2 + np.uint8(60)
    values[8 * 12 : 8 * 13, 8 * 9 :] += 40
    values[8 * 13 :] += 40
    return values


PICTURES = (
    Situation(
        name="A JPEG with a wrong bit that no decoder notices: everything behind it is brighter",
        build=lambda: grey_jpeg(_torn()),
        answer="It is read; the call is withheld, because the step runs along the blocks.",
        expected=lambda: opened(grey_jpeg(_torn())),
        flags=frozenset({"torn_picture"}),
        tolerance=1.5 / 255,
    ),
    Situation(
        name="The same JPEG in DICOM",
        build=lambda: compressed(grey_jpeg(_torn()), JPEGBaseline8Bit),
        answer="It is read; the call is withheld, because the step runs along the blocks.",
        expected=lambda: opened(grey_jpeg(_torn())),
        flags=frozenset({"torn_picture"}),
        tolerance=1.5 / 255,
    ),
    Situation(
        name="A JPEG with arithmetic coding, whose end may be missing without a trace",
        build=lambda: grey_jpeg(eight_bits()).replace(b"\xff\xc0", b"\xff\xc9", 1),
        answer="Refused: no program in use writes it.",
        refused="a kind that is not in use",
    ),
    Situation(
        name="A PNG with a byte changed",
        build=lambda: _png()[:3000] + bytes([_png()[3000] ^ 1]) + _png()[3001:],
        answer="Refused: its checksum does not fit.",
        refused="checksum",
    ),
    Situation(
        name="A PNG cut at 90 %, an end chunk put back",
        build=lambda: _png()[: len(_png()) * 9 // 10] + _png()[-12:],
        answer="Refused: it ends inside a chunk.",
        refused="damaged or cut short",
    ),
    Situation(
        name="A PNG with rows missing, its checksums made to fit",
        build=lambda: _png_of_rows(200),
        answer="Refused: it holds fewer pixels than it says.",
        refused="fewer or more pixels",
    ),
)


def _png_of_rows(rows: int) -> bytes:
    """A PNG of 256 rows whose data hold fewer."""
    lines = b"".join(b"\x00" + row.tobytes() for row in eight_bits()[:rows])
    header = _png()[8:33]
    return _png()[:8] + header + _chunk(b"IDAT", zlib.compress(lines)) + _chunk(b"IEND", b"")


def _chunk(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")


SITUATIONS: tuple[Situation, ...] = (
    *NATIVE,
    *AFTERWARDS,
    *_cut_codestreams(),
    *STREAMS,
    *_cut_jpegs(),
    *PICTURES,
)
