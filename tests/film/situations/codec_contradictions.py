"""Situations: tags that contradict the pixels beside them."""

from io import BytesIO

import numpy as np
from PIL import Image
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from tests.film.codestreams import (
    encode_jpeg_2000,
    encode_jpeg_lossless,
    encode_jpeg_ls,
)
from tests.film.corpus import Situation, base_pixels, base_values
from tests.film.dicom_files import write_dicom
from tests.film.situations.compressed_films import (
    AS_IT_IS,
    TWELVE_OF_SIXTEEN,
    compressed,
    eight_bits,
    grey_jpeg,
    opened,
    scaled,
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


SITUATIONS: tuple[Situation, ...] = (*_colour_situations(), *CONTRADICTIONS)
