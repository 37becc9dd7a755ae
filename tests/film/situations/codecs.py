"""Situations: compressed and native pixels of DICOM."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from tests.film.codestreams import (
    encode_jpeg_2000,
    encode_jpeg_dct,
    encode_jpeg_lossless,
    encode_jpeg_ls,
    wrap_in_jp2,
)
from tests.film.corpus import Situation, base_pixels, base_values
from tests.film.dicom_files import write_dicom

HEADING = "Compressed and native pixels of DICOM"

AS_IT_IS = "It is read as it is."
AS_NATIVE = "It is read as the same cells without compression are."
# Name, transfer syntax and encoder of the codecs that keep every bit.
LOSSLESS: tuple[tuple[str, UID, Callable[[np.ndarray, int], bytes]], ...] = (
    ("JPEG 2000", JPEG2000Lossless, encode_jpeg_2000),
    ("JPEG-LS", JPEGLSLossless, encode_jpeg_ls),
    ("JPEG lossless", JPEGLosslessSV1, encode_jpeg_lossless),
)
TWELVE_OF_SIXTEEN: dict[str, Any] = {"BitsAllocated": 16, "BitsStored": 12}


def compressed(stream: bytes, syntax: UID, channels: int = 1, **tags: Any) -> bytes:
    """A film around a codestream. tags: TWELVE_OF_SIXTEEN and others, set last."""
    shape = base_values().shape if channels == 1 else (*base_values().shape, channels)
    return write_dicom(np.zeros(shape, np.uint8), syntax, stream=stream, **tags)


def scaled(values: np.ndarray, bits: int) -> np.ndarray:
    """Stored values as pixels: (H, W) float64 in [0, 1]."""
    pixels: np.ndarray = values / ((1 << bits) - 1)
    return pixels


def grey_jpeg(values: np.ndarray, mode: str = "L", quality: int = 95) -> bytes:
    """A baseline JPEG as Pillow writes it. values: (H, W) uint8."""
    buffer = BytesIO()
    Image.fromarray(values).convert(mode).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def opened(stream: bytes) -> np.ndarray:
    """The picture that Pillow reads, as grey pixels in [0, 1]."""
    return np.asarray(Image.open(BytesIO(stream)).convert("L")) / 255


def eight_bits() -> np.ndarray:
    """The drawn chest of 8 bits, as an encoder that was given 8 of the 12 stores it."""
    return (base_values() >> 4).astype(np.uint8)


def _uncompressed() -> list[Situation]:
    syntaxes = {
        "implicit VR, little endian": ImplicitVRLittleEndian,
        "explicit VR, little endian": ExplicitVRLittleEndian,
        "explicit VR, big endian": ExplicitVRBigEndian,
        "explicit VR, deflated": DeflatedExplicitVRLittleEndian,
        "RLE": RLELossless,
    }
    return [
        Situation(
            name=f"12 bits in cells of 16, {name}",
            build=lambda syntax=syntax: write_dicom(base_values(), syntax, BitsStored=12),
            answer=AS_IT_IS,
            expected=base_pixels,
        )
        for name, syntax in syntaxes.items()
    ]


def _each_codec() -> list[Situation]:
    """What holds for every codec that keeps every bit."""
    situations = []
    for name, syntax, encode in LOSSLESS:
        situations += [
            Situation(
                name=f"12 bits in cells of 16, {name}",
                build=lambda syntax=syntax, encode=encode: compressed(
                    encode(base_values(), 12), syntax, **TWELVE_OF_SIXTEEN
                ),
                answer=AS_IT_IS,
                expected=base_pixels,
            ),
            Situation(
                name=f"High Bit 15 over 12 bits, {name} of the cells",
                build=lambda syntax=syntax, encode=encode: compressed(
                    encode(base_values() << 4, 16), syntax, **TWELVE_OF_SIXTEEN, HighBit=15
                ),
                answer=AS_NATIVE,
                expected=base_pixels,
            ),
            Situation(
                name=f"High Bit 15 over 12 bits, {name} of the values",
                build=lambda syntax=syntax, encode=encode: compressed(
                    encode(base_values(), 12), syntax, **TWELVE_OF_SIXTEEN, HighBit=15
                ),
                answer=AS_NATIVE,
                expected=base_pixels,
            ),
            Situation(
                name=f"A {name} stream of 16 bits that holds 12-bit values, as the file says",
                build=lambda syntax=syntax, encode=encode: compressed(
                    encode(base_values(), 16), syntax, **TWELVE_OF_SIXTEEN
                ),
                answer=AS_NATIVE,
                expected=base_pixels,
            ),
            Situation(
                name=f"An old overlay above 12-bit values, {name}",
                build=lambda syntax=syntax, encode=encode: compressed(
                    encode(base_values() | _overlay(), 16), syntax, **TWELVE_OF_SIXTEEN
                ),
                answer="The overlay is cut off, as without compression.",
                expected=base_pixels,
            ),
            Situation(
                name=f"A {name} stream of 8 bits under Bits Stored 12",
                build=lambda syntax=syntax, encode=encode: compressed(
                    encode(eight_bits(), 8), syntax, **TWELVE_OF_SIXTEEN
                ),
                answer="The stream is right about its bits; the film is flagged.",
                expected=lambda: scaled(eight_bits(), 8),
                flags=frozenset({"stream_depth"}),
            ),
            Situation(
                name=f"A {name} stream of 11 bits under Bits Stored 12",
                build=lambda syntax=syntax, encode=encode: compressed(
                    encode(base_values() >> 1, 11), syntax, **TWELVE_OF_SIXTEEN
                ),
                answer="The stream is right about its bits; the film is flagged.",
                expected=lambda: scaled(base_values() >> 1, 11),
                flags=frozenset({"stream_depth"}),
            ),
            Situation(
                name=f"A {name} stream of 16 bits under Bits Stored 12, all 16 in use",
                build=lambda syntax=syntax, encode=encode: compressed(
                    encode(_sixteen_bits(), 16), syntax, **TWELVE_OF_SIXTEEN
                ),
                answer="The stream is right about its bits; the film is flagged.",
                expected=lambda: scaled(_sixteen_bits(), 16),
                flags=frozenset({"stored_depth"}),
            ),
            Situation(
                name=f"Negative values, {name}",
                build=lambda syntax=syntax, encode=encode: compressed(
                    encode(_signed(syntax), 12), syntax, **TWELVE_OF_SIXTEEN, PixelRepresentation=1
                ),
                answer=AS_IT_IS,
                expected=base_pixels,
            ),
        ]
    return situations


def _sixteen_bits() -> np.ndarray:
    """The chest with values up to 65,535: (H, W) uint16."""
    values: np.ndarray = np.rint(base_pixels() * 65535).astype(np.uint16)
    return values


def _overlay() -> np.ndarray:
    """A drawn frame in bit 12, as overlays were kept before PS3.3 C.9.2 retired it: (H, W) uint16."""
    overlay = np.zeros_like(base_values())
    overlay[20:24, 20:-20] = overlay[-24:-20, 20:-20] = 1 << 12
    return overlay


def _signed(syntax: UID) -> np.ndarray:
    """The chest around zero. JPEG 2000 stores a sign; the others store the 12 bits of two's complement."""
    numbers = base_values().astype(np.int16) - 2048
    if syntax == JPEG2000Lossless:
        return numbers
    return numbers.view(np.uint16) & 0xFFF


SIGNS = (
    Situation(
        name="JPEG 2000 without a sign under Pixel Representation 1, two's complement inside",
        build=lambda: compressed(
            encode_jpeg_2000(_signed(JPEGLSLossless), 12),
            JPEG2000Lossless,
            **TWELVE_OF_SIXTEEN,
            PixelRepresentation=1,
        ),
        answer="The smoother of both readings is taken; the film is flagged.",
        expected=base_pixels,
        flags=frozenset({"pixel_sign"}),
    ),
    Situation(
        name="JPEG 2000 without a sign under Pixel Representation 1, large numbers inside",
        build=lambda: compressed(
            encode_jpeg_2000(base_values(), 12),
            JPEG2000Lossless,
            **TWELVE_OF_SIXTEEN,
            PixelRepresentation=1,
        ),
        answer="The smoother of both readings is taken; the film is flagged.",
        expected=base_pixels,
        flags=frozenset({"pixel_sign"}),
    ),
    Situation(
        name="JPEG 2000 with a sign under Pixel Representation 0",
        build=lambda: compressed(
            encode_jpeg_2000(_signed(JPEG2000Lossless), 12), JPEG2000Lossless, **TWELVE_OF_SIXTEEN
        ),
        answer="The smoother of both readings is taken; the film is flagged.",
        expected=base_pixels,
        flags=frozenset({"pixel_sign"}),
    ),
)

LOSSY = (
    Situation(
        name="JPEG baseline, 8 bits in cells of 8",
        build=lambda: compressed(grey_jpeg(eight_bits()), JPEGBaseline8Bit),
        answer=AS_IT_IS,
        expected=lambda: opened(grey_jpeg(eight_bits())),
        tolerance=1.5 / 255,
    ),
    Situation(
        name="JPEG baseline under Bits Allocated 16",
        build=lambda: compressed(
            grey_jpeg(eight_bits()), JPEGBaseline8Bit, BitsAllocated=16, BitsStored=8
        ),
        answer="It is read as 8 bits.",
        expected=lambda: opened(grey_jpeg(eight_bits())),
        tolerance=1.5 / 255,
    ),
    Situation(
        name="JPEG baseline under Bits Allocated 16 and Bits Stored 12",
        build=lambda: compressed(grey_jpeg(eight_bits()), JPEGBaseline8Bit, **TWELVE_OF_SIXTEEN),
        answer="The stream is right about its bits; the film is flagged.",
        expected=lambda: opened(grey_jpeg(eight_bits())),
        flags=frozenset({"stream_depth"}),
        tolerance=1.5 / 255,
    ),
    Situation(
        name="JPEG extended, 12 bits",
        build=lambda: compressed(
            encode_jpeg_dct(base_values(), 12), JPEGExtended12Bit, **TWELVE_OF_SIXTEEN
        ),
        answer=AS_IT_IS,
        expected=base_pixels,
        tolerance=1.5 / 4095,
    ),
    Situation(
        name="JPEG extended of 12 bits under Bits Stored 16",
        build=lambda: compressed(
            encode_jpeg_dct(base_values(), 12), JPEGExtended12Bit, BitsAllocated=16, BitsStored=16
        ),
        answer="The stream is right about its bits; the film is flagged.",
        expected=base_pixels,
        flags=frozenset({"stream_depth"}),
        tolerance=1.5 / 4095,
    ),
    Situation(
        name="A window for 12 bits left over a film reduced to 8",
        build=lambda: compressed(
            grey_jpeg(eight_bits()),
            JPEGBaseline8Bit,
            **TWELVE_OF_SIXTEEN,
            WindowCenter=2048,
            WindowWidth=4096,
        ),
        answer="The window lies above every value and is left out; the film is flagged.",
        expected=lambda: opened(grey_jpeg(eight_bits())),
        flags=frozenset({"stream_depth"}),
        tolerance=1.5 / 255,
    ),
)


def _colour_situations() -> list[Situation]:
    situations = []
    grey_as_rgb = np.dstack([eight_bits()] * 3)
    for planar in (0, 1):
        situations += [
            Situation(
                name=f"Grey kept as RGB, JPEG 2000, Planar Configuration {planar}",
                build=lambda planar=planar: compressed(
                    encode_jpeg_2000(grey_as_rgb, 8),
                    JPEG2000Lossless,
                    channels=3,
                    PlanarConfiguration=planar,
                ),
                answer="It is read as grey; a codec has its own order of colours.",
                expected=lambda: scaled(eight_bits(), 8),
            ),
            Situation(
                name=f"Grey kept as RGB, RLE, Planar Configuration {planar}",
                build=lambda planar=planar: compressed(
                    _rle_of_bytes(grey_as_rgb), RLELossless, channels=3, PlanarConfiguration=planar
                ),
                answer="It is read as grey; a codec has its own order of colours.",
                expected=lambda: scaled(eight_bits(), 8),
            ),
            Situation(
                name=f"Grey kept in YBR_FULL_422, JPEG baseline, Planar Configuration {planar}",
                build=lambda planar=planar: compressed(
                    grey_jpeg(eight_bits(), "RGB"),
                    JPEGBaseline8Bit,
                    channels=3,
                    PlanarConfiguration=planar,
                    PhotometricInterpretation="YBR_FULL_422",
                ),
                answer="It is read as grey; a codec has its own order of colours.",
                expected=lambda: opened(grey_jpeg(eight_bits(), "RGB")),
                tolerance=2.5 / 255,
            ),
        ]
    return situations


def _rle_of_bytes(samples: np.ndarray) -> bytes:
    """RLE of 8-bit channels (PS3.5 annex G) in literal runs of at most 128 bytes. samples: (H, W, C) uint8."""
    segments = []
    for channel in range(samples.shape[2]):
        plane = samples[..., channel].tobytes()
        runs = [plane[start : start + 128] for start in range(0, len(plane), 128)]
        segment = b"".join(bytes([len(run) - 1]) + run for run in runs)
        segments.append(segment + bytes(len(segment) % 2))
    places = np.zeros(16, "<u4")
    places[0] = len(segments)
    places[1 : 1 + len(segments)] = 64 + np.cumsum([0, *map(len, segments[:-1])])
    return places.tobytes() + b"".join(segments)


CONTRADICTIONS = (
    Situation(
        name="A grey JPEG in a file that says RGB",
        build=lambda: compressed(grey_jpeg(eight_bits()), JPEGBaseline8Bit, channels=3),
        answer="The stream is right: it is read as grey and flagged.",
        expected=lambda: opened(grey_jpeg(eight_bits())),
        flags=frozenset({"colour_form"}),
        tolerance=1.5 / 255,
    ),
    Situation(
        name="A grey JPEG in a file that says YBR_FULL_422 with one channel",
        build=lambda: compressed(
            grey_jpeg(eight_bits()), JPEGBaseline8Bit, PhotometricInterpretation="YBR_FULL_422"
        ),
        answer="The stream is right: it is read as grey and flagged.",
        expected=lambda: opened(grey_jpeg(eight_bits())),
        flags=frozenset({"colour_form"}),
        tolerance=1.5 / 255,
    ),
    Situation(
        name="Grey kept as a colour JPEG in a file that says MONOCHROME2",
        build=lambda: compressed(grey_jpeg(eight_bits(), "RGB"), JPEGBaseline8Bit),
        answer="The stream is right: its brightness is read, and the film is flagged.",
        expected=lambda: opened(grey_jpeg(eight_bits(), "RGB")),
        flags=frozenset({"colour_form"}),
        tolerance=2.5 / 255,
    ),
    Situation(
        name="Grey kept as JPEG 2000 in RGB in a file that says MONOCHROME1",
        build=lambda: compressed(
            encode_jpeg_2000(np.dstack([eight_bits()] * 3), 8),
            JPEG2000Lossless,
            PhotometricInterpretation="MONOCHROME1",
        ),
        answer="The stream is right about its channels, the file about black and white; the film is flagged.",
        expected=lambda: 1 - scaled(255 - (255 - eight_bits()), 8),
        flags=frozenset({"colour_form", "inverted"}),
    ),
    Situation(
        name="An uncompressed grey film that says RGB with one channel",
        build=lambda: write_dicom(eight_bits(), PhotometricInterpretation="RGB"),
        answer="One channel is grey; the film is flagged.",
        expected=lambda: scaled(eight_bits(), 8),
        flags=frozenset({"colour_form"}),
    ),
    Situation(
        name="Photometric Interpretation in small letters, Samples per Pixel missing",
        build=lambda: write_dicom(
            base_values(),
            BitsStored=12,
            PhotometricInterpretation="Monochrome2",
            SamplesPerPixel=None,
        ),
        answer=AS_IT_IS,
        expected=base_pixels,
    ),
    Situation(
        name="No Photometric Interpretation, and no other tag that says what is bright",
        build=lambda: write_dicom(base_values(), BitsStored=12, PhotometricInterpretation=None),
        answer="Refused: the missing tag is named.",
        refused="large values are bright or dark",
    ),
    Situation(
        name="No Bits Stored",
        build=lambda: write_dicom(eight_bits(), BitsStored=None, HighBit=None),
        answer="The whole cell is the value; the film is flagged.",
        expected=lambda: scaled(eight_bits(), 8),
        flags=frozenset({"stored_depth"}),
    ),
    Situation(
        name="Uncompressed cells of 8 bits under Bits Allocated 16 and Bits Stored 8",
        build=lambda: write_dicom(eight_bits(), BitsAllocated=16, BitsStored=8),
        answer="Bits Stored and the length agree and hold; the film is flagged.",
        expected=lambda: scaled(eight_bits(), 8),
        flags=frozenset({"stored_depth"}),
    ),
    Situation(
        name="Uncompressed cells of 16 bits under Bits Allocated 8 and Bits Stored 12",
        build=lambda: write_dicom(base_values(), BitsAllocated=8, BitsStored=12),
        answer="Bits Stored and the length agree and hold; the film is flagged.",
        expected=base_pixels,
        flags=frozenset({"stored_depth"}),
    ),
    Situation(
        name="Uncompressed grey under Samples per Pixel 3 and MONOCHROME2",
        build=lambda: write_dicom(base_values(), BitsStored=12, SamplesPerPixel=3),
        answer="MONOCHROME2 and the length agree and hold; the film is flagged.",
        expected=base_pixels,
        flags=frozenset({"colour_form"}),
    ),
    Situation(
        name="Grey kept as uncompressed RGB under Samples per Pixel 1",
        build=lambda: write_dicom(np.dstack([eight_bits()] * 3), SamplesPerPixel=1),
        answer="RGB and the length agree and hold; the film is flagged.",
        expected=lambda: scaled(eight_bits(), 8),
        flags=frozenset({"colour_form"}),
    ),
    Situation(
        name="Grey kept as uncompressed RGB by pixel under Planar Configuration 1",
        build=lambda: write_dicom(np.dstack([eight_bits()] * 3), PlanarConfiguration=1),
        answer="The order that gives three equal channels holds; the film is flagged.",
        expected=lambda: scaled(eight_bits(), 8),
        flags=frozenset({"colour_form"}),
    ),
    Situation(
        name="Grey kept as uncompressed RGB by plane under Planar Configuration 0",
        build=lambda: write_dicom(
            np.stack([eight_bits()] * 3).reshape(*eight_bits().shape, 3), PlanarConfiguration=0
        ),
        answer="The order that gives three equal channels holds; the film is flagged.",
        expected=lambda: scaled(eight_bits(), 8),
        flags=frozenset({"colour_form"}),
    ),
    Situation(
        name="Uncompressed pixels in a file that says JPEG",
        build=lambda: _relabel(write_dicom(base_values(), BitsStored=12), JPEGLosslessSV1),
        answer="Their length shows that they are not compressed; the film is flagged.",
        expected=base_pixels,
        flags=frozenset({"compression"}),
    ),
    Situation(
        name="JPEG-LS in a file that says its pixels are not compressed",
        build=lambda: compressed(
            encode_jpeg_ls(base_values(), 12), ExplicitVRLittleEndian, **TWELVE_OF_SIXTEEN
        ),
        answer="Fragments are compressed; the film is flagged.",
        expected=base_pixels,
        flags=frozenset({"compression"}),
    ),
    Situation(
        name="A JPEG lossless stream labelled as JPEG baseline",
        build=lambda: compressed(
            encode_jpeg_lossless(base_values(), 12), JPEGBaseline8Bit, **TWELVE_OF_SIXTEEN
        ),
        answer="The stream says what it is.",
        expected=base_pixels,
    ),
    Situation(
        name="Progressive JPEG under its retired transfer syntax",
        build=lambda: compressed(_progressive_jpeg(), UID("1.2.840.10008.1.2.4.55")),
        answer=AS_IT_IS,
        expected=lambda: opened(_progressive_jpeg()),
        tolerance=1.5 / 255,
    ),
    Situation(
        name="A JPEG 2000 stream labelled as JPEG-LS",
        build=lambda: compressed(
            encode_jpeg_2000(base_values(), 12), JPEGLSLossless, **TWELVE_OF_SIXTEEN
        ),
        answer="The stream says what it is.",
        expected=base_pixels,
    ),
    Situation(
        name="A JPEG-LS stream labelled as RLE",
        build=lambda: compressed(
            encode_jpeg_ls(base_values(), 12), RLELossless, **TWELVE_OF_SIXTEEN
        ),
        answer="The stream says what it is.",
        expected=base_pixels,
    ),
)


def _progressive_jpeg() -> bytes:
    buffer = BytesIO()
    Image.fromarray(eight_bits()).save(buffer, "JPEG", quality=95, progressive=True)
    return buffer.getvalue()


def _relabel(data: bytes, syntax: UID) -> bytes:
    """The file with another transfer syntax of its length or shorter, and nothing else changed."""
    stated = str(ExplicitVRLittleEndian).encode() + b"\x00"
    place = data.index(b"\x02\x00\x10\x00UI")
    value = data[place + 8 :][: len(stated)]
    assert value == stated, value
    written = str(syntax).encode()
    written += bytes(len(written) % 2)
    size = len(written).to_bytes(2, "little")
    relabelled = data[: place + 6] + size + written + data[place + 8 + len(stated) :]
    # The group's length counts these bytes (PS3.10 7.1).
    length = int.from_bytes(data[140:144], "little") + len(written) - len(stated)
    return relabelled[:140] + length.to_bytes(4, "little") + relabelled[144:]


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

SITUATIONS: tuple[Situation, ...] = (
    *_uncompressed(),
    *_each_codec(),
    *SIGNS,
    *LOSSY,
    *_colour_situations(),
    *CONTRADICTIONS,
    *CONTAINERS,
)
