"""Situations: the depth, place and sign of values in compressed and native pixels."""

import numpy as np
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSLossless,
    RLELossless,
)

from tests.film.codestreams import (
    encode_jpeg_2000,
    encode_jpeg_dct,
)
from tests.film.corpus import Situation, base_pixels, base_values
from tests.film.dicom_files import write_dicom
from tests.film.situations.compressed_films import (
    AS_IT_IS,
    AS_NATIVE,
    LOSSLESS,
    TWELVE_OF_SIXTEEN,
    compressed,
    eight_bits,
    grey_jpeg,
    opened,
    scaled,
)


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


SITUATIONS: tuple[Situation, ...] = (*_uncompressed(), *_each_codec(), *SIGNS, *LOSSY)
