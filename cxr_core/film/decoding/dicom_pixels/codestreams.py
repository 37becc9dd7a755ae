"""Decodes the compressed pixels of a DICOM file, and says what the codestream itself knows about them (PS3.5, 8.2).

A codestream is recognised by its own first bytes, checked to be complete, and decoded by one decoder. The tags of the
file are not asked: where one says another thing than the codestream, the codestream is what was decoded.
"""

from dataclasses import dataclass
from typing import Literal

import jpeg_ls
import libjpeg
import numpy as np
import openjpeg
from rle.utils import decode_segment

from cxr_core.errors import OversizedFilm, UndecodableFilm
from cxr_core.film.decoding import jpeg
from cxr_core.film.decoding.dicom_pixels import jpeg2000
from cxr_core.film.decoding.jpeg_scans import is_torn

ColourForm = Literal["grey", "rgb", "ybr", "unsaid"]

DCT_FRAMES = (0xC0, 0xC1, 0xC2)
RGB_IDENTIFIERS = (b"RGB", b"rgb")
# Adobe's colour transforms (T.872, 6.5.3).
UNTRANSFORMED, YCBCR = 0, 1
MAX_PRECISION = 16
# What the four decoders raise for a stream that they cannot follow to its end.
CODEC_ERRORS = (RuntimeError, ValueError)

INCOMPLETE = (
    "This DICOM file is damaged or cut short: its compressed pixels are not complete, or hold more than one picture. "
    "Export the film again."
)
# RLE: segments of a picture, and the channels and bytes per sample that they stand for (PS3.5 G.2).
RLE_FORMS = {1: (1, 1), 2: (1, 2), 3: (3, 1), 6: (3, 2)}
RLE_HEADER_BYTES = 64


@dataclass(frozen=True, kw_only=True)
class DecodedStream:
    """What a codestream holds.

    samples: (H, W) or (H, W, 3) integers.  precision: bits per sample.
    signed: whether the samples have a sign; None when the codestream does not say.
    colour: what three channels mean, as far as the codestream says.
    cells: whether the samples are whole pixel cells, in which the value may lie anywhere (native pixels and RLE).
    irregularities: codes of film/irregularities.py.
    """

    samples: np.ndarray
    precision: int
    signed: bool | None = None
    colour: ColourForm = "unsaid"
    cells: bool = False
    irregularities: tuple[str, ...] = ()


def decode_codestream(stream: bytes, size: tuple[int, int]) -> DecodedStream:
    """The samples of one compressed picture.

    size: (H, W) as the tags say. Raises UndecodableFilm for a stream that is damaged, of another size, or of a form
    that no film has, and OversizedFilm from its header alone.
    """
    stream = jpeg2000.unwrap_jp2(stream)
    try:
        if stream.startswith(jpeg.SIGNATURE):
            decoded = _decode_jpeg(stream, size)
        elif stream.startswith(jpeg2000.MAGIC):
            decoded = _decode_jpeg_2000(stream, size)
        else:
            decoded = _decode_rle(stream, size)
    except CODEC_ERRORS:
        raise UndecodableFilm(INCOMPLETE) from None
    if decoded.samples.shape not in (size, (*size, 3)) or decoded.precision > MAX_PRECISION:
        raise UndecodableFilm(INCOMPLETE)
    return decoded


def _require_form(found: tuple[int, int], size: tuple[int, int], channels: int) -> None:
    """Refuse another size than the tags say, and other channels than grey or colour. found, size: (H, W)."""
    if found != size:
        raise UndecodableFilm(
            f"This DICOM file is damaged: its compressed pixels have another size ({found[1]} × {found[0]}) than its "
            f"header says ({size[1]} × {size[0]}). Export the film again."
        )
    if channels not in (1, 3):
        raise UndecodableFilm(
            f"The compressed pixels of this DICOM file have {channels} channels; a film has 1 or 3. "
            "Export the film itself, in grey."
        )


def _decode_jpeg(stream: bytes, size: tuple[int, int]) -> DecodedStream:
    """JPEG (T.81) of every process that is in use, and JPEG-LS (T.87)."""
    try:
        markers = jpeg.read_markers(stream)
    except OversizedFilm:
        raise
    except UndecodableFilm:
        raise UndecodableFilm(INCOMPLETE) from None
    _require_form((markers.height, markers.width), size, markers.components)
    if markers.frame == jpeg.JPEG_LS_FRAME:
        samples = jpeg_ls.jlsread(stream)
    elif markers.frame in jpeg.HUFFMAN_CODED:
        samples = _decode_huffman_jpeg(stream, markers)
    else:
        raise UndecodableFilm(
            "The compressed pixels of this DICOM file are a JPEG of a kind that is not in use (arithmetic or "
            "hierarchical coding). Export the film as baseline or lossless JPEG, or uncompressed."
        )
    torn = markers.frame in DCT_FRAMES and is_torn(samples, markers.unit, 1 << markers.precision)
    return DecodedStream(
        samples=samples,
        precision=markers.precision,
        colour=_find_jpeg_colours(markers),
        irregularities=(jpeg.TORN,) if torn else (),
    )


def _decode_huffman_jpeg(stream: bytes, markers: jpeg.Markers) -> np.ndarray:
    """Samples without any colour transform; libjpeg by itself would fill up what is missing."""
    try:
        jpeg.require_sound_scans(markers)
    except UndecodableFilm:
        raise UndecodableFilm(INCOMPLETE) from None
    samples: np.ndarray = libjpeg.decode(stream, colour_transform=0)
    return samples


def _find_jpeg_colours(markers: jpeg.Markers) -> ColourForm:
    """What the markers say about three channels: identifiers, Adobe's marker, JFIF's (T.871, 7), in this order."""
    if markers.components == 1:
        return "grey"
    if markers.identifiers in RGB_IDENTIFIERS or markers.transform == UNTRANSFORMED:
        return "rgb"
    if markers.transform == YCBCR or markers.jfif:
        return "ybr"
    return "unsaid"


def _decode_jpeg_2000(stream: bytes, size: tuple[int, int]) -> DecodedStream:
    """JPEG 2000 (T.800) and its high-throughput form (T.814); a colour transform is undone by the decoder."""
    header = jpeg2000.read_jpeg_2000_header(stream)
    _require_form((header.height, header.width), size, header.components)
    colour: ColourForm = "grey" if header.components == 1 else "unsaid"
    if header.transformed and header.components == 3:
        colour = "rgb"
    return DecodedStream(
        samples=openjpeg.decode(stream, j2k_format=0),
        precision=header.precision,
        signed=header.signed,
        colour=colour,
    )


def _decode_rle(stream: bytes, size: tuple[int, int]) -> DecodedStream:
    """RLE (PS3.5 annex G): a header with the places of the segments, each one byte of every sample of a channel."""
    header = np.frombuffer(stream[:RLE_HEADER_BYTES], "<u4")
    if header.size != RLE_HEADER_BYTES // 4:
        raise UndecodableFilm(INCOMPLETE)
    count = int(header[0])
    places = [int(place) for place in header[1 : 1 + count]]
    if places[:1] != [RLE_HEADER_BYTES] or places != sorted(set(places)):
        raise UndecodableFilm(
            "The compressed pixels of this DICOM file are in no form that is read here (JPEG, JPEG-LS, JPEG 2000, "
            "RLE), or their beginning is damaged. Export the film again."
        )
    if count not in RLE_FORMS:
        raise UndecodableFilm(
            f"The compressed pixels of this DICOM file have {count} RLE segments; a chest film has 1 or 3 channels of "
            "8 or 16 bits, which are 1, 2, 3 or 6. Export the film itself."
        )
    channels, width = RLE_FORMS[count]
    octets = np.empty((channels, width, *size), np.uint8)
    for index, (start, end) in enumerate(zip(places, [*places[1:], len(stream)], strict=True)):
        octets[index // width, index % width] = _decode_segment(stream[start:end], size)
    # The most significant byte comes first.
    planes = octets[:, 0] if width == 1 else octets[:, 0] * np.uint16(256) + octets[:, 1]
    samples = planes[0] if channels == 1 else np.ascontiguousarray(planes.transpose(1, 2, 0))
    return DecodedStream(
        samples=samples,
        precision=8 * width,
        colour="grey" if channels == 1 else "unsaid",
        cells=True,
    )


def _decode_segment(segment: bytes, size: tuple[int, int]) -> np.ndarray:
    """One byte of every sample: (H, W) uint8. A segment is padded to an even length (PS3.5 G.3.1), no more."""
    octets = np.frombuffer(decode_segment(segment), np.uint8)
    pixels = size[0] * size[1]
    if not pixels <= octets.size <= pixels + 2 or octets[pixels:].any():
        raise UndecodableFilm(INCOMPLETE)
    return octets[:pixels].reshape(size)
