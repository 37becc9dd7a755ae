"""Decodes DICOM files to films through pydicom: CR, DX and secondary captures with one frame.

Identity is dropped at once: only the tags named here and in dicom_tags are read, and no text of pydicom's, which may
quote a value, is passed on, warned or logged.
"""

import logging
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_frames
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array
from pydicom.tag import Tag
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)

from cxr_core.errors import OversizedFilm, UndecodableFilm
from cxr_core.film.decoding import dicom_tags, jpeg
from cxr_core.film.decoding.dicom_grayscale import Stored, presentation_table, stored_values
from cxr_core.film.decoding.raster import GreyPicture, to_pixels
from cxr_core.film.limits import MAX_BYTES, require_pixels
from cxr_core.film.radiograph import Radiograph

PIXEL_TAGS = (
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue",
    "PixelPaddingRangeLimit", "ModalityLUTSequence", "RescaleSlope", "RescaleIntercept", "VOILUTSequence",
    "WindowCenter", "WindowWidth", "VOILUTFunction", "PresentationLUTShape",
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData", "BluePaletteColorLookupTableData",
    "SegmentedRedPaletteColorLookupTableData", "SegmentedGreenPaletteColorLookupTableData",
    "SegmentedBluePaletteColorLookupTableData", "PixelData",
)  # fmt: skip

NATIVE = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
HTJ2K = ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203")
JPEG_2000 = (*JPEG2000TransferSyntaxes[:2], *HTJ2K)

# The codec to prefer, where pydicom's own first choice is slow (RLE) or cannot do 16 bits (JPEG 2000).
PLUGINS = {RLELossless: "pylibjpeg", **dict.fromkeys(JPEG_2000, "pylibjpeg")}

# What pydicom, its codecs and the parsing of broken values raise; `decode_film` handles MemoryError.
BROKEN = (
    InvalidDicomError,
    BytesLengthException,
    AttributeError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    OSError,
    EOFError,
    struct.error,
    zlib.error,
)

DAMAGED = "This DICOM file is damaged or cut short: {}. Export the film again."

# pydicom warns and logs through the process's global state; two threads must not restore each other's.
_QUIET = threading.RLock()
_LOGGERS = (
    "pydicom",
    "pydicom.pixels.decoders.base",
    "pydicom.pixels.utils",
    "pylibjpeg",
    "openjpeg",
    "jpeg_ls",
)


def decode_dicom(data: bytes) -> Radiograph:
    """One DICOM file as a film. Raises UndecodableFilm or OversizedFilm; no message quotes the file."""
    with _silence_libraries():
        try:
            return _decode_dataset(data)
        except BROKEN:
            pass
    # Raised here, the refusal carries no error (with its frames) that knows the patient.
    raise UndecodableFilm(
        DAMAGED.format("its pixels or the tags that describe them cannot be read")
    )


def _decode_dataset(data: bytes) -> Radiograph:
    dataset = _read_dataset(data)
    _require_one_frame(dataset)
    _require_fitting_codestream(dataset)
    grey = _convert_pixels(dataset)
    tags = dicom_tags.read_dicom_facts(dataset)
    return Radiograph(
        pixels=grey.pixels,
        container="dicom",
        bits=int(dataset.BitsStored),
        colour=grey.colour,
        irregularities=grey.irregularities,
        **vars(tags),
    )


@contextmanager
def _silence_libraries() -> Iterator[None]:
    """Silence warnings and log lines of pydicom and its codecs, which may quote values of tags."""
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loggers = [logging.getLogger(name) for name in _LOGGERS]
        before = [logger.disabled for logger in loggers]
        for logger in loggers:
            logger.disabled = True
        try:
            yield
        finally:
            for logger, disabled in zip(loggers, before, strict=True):
                logger.disabled = disabled


def _read_dataset(data: bytes) -> Dataset:
    """Read the tags that are used, and the transfer syntax; nothing else of the file is kept."""
    syntax, start = _transfer_syntax(data)
    if syntax == DeflatedExplicitVRLittleEndian:
        # pydicom would inflate everything at once, however much that is (PS3.5 A.5).
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        data, start = inflater.decompress(data[start:], MAX_BYTES + 1), 0
        if len(data) > MAX_BYTES:
            raise OversizedFilm(
                f"This DICOM file unpacks to more than {MAX_BYTES // 2**20} MB. Export the film as a single picture."
            )
        if not inflater.eof:
            raise UndecodableFilm(DAMAGED.format("it ends inside its compressed part"))
    wanted = [Tag(keyword) for keyword in (*PIXEL_TAGS, *dicom_tags.TAGS)]
    dataset = dcmread(BytesIO(data), force=True, specific_tags=wanted)
    if syntax is None:
        implicit, little = dataset.original_encoding
        plain = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        syntax = ImplicitVRLittleEndian if implicit else plain
    dataset.file_meta.TransferSyntaxUID = syntax
    if "PixelData" not in dataset:
        raise UndecodableFilm(
            "This DICOM file holds no picture, or only part of one. Export the film itself."
        )
    if syntax not in (
        *NATIVE,
        RLELossless,
        *JPEGTransferSyntaxes,
        *JPEGLSTransferSyntaxes,
        *JPEG_2000,
    ):
        raise UndecodableFilm(
            "This DICOM file is compressed in a way that is not read here. Export it uncompressed, or as JPEG, "
            "JPEG-LS, JPEG 2000 or RLE."
        )
    return dataset


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


def _require_one_frame(dataset: Dataset) -> None:
    """Refuse anything but one picture of 8 or 16 bits, from the header only."""
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    samples = int(dataset.get("SamplesPerPixel") or 1)
    require_pixels(columns, rows)
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames != 1:
        raise UndecodableFilm(
            f"This DICOM file holds {frames} frames; a chest film has one. Export a single image."
        )
    allocated = int(dataset.BitsAllocated)
    if (
        allocated not in (8, 16)
        or samples not in (1, 3)
        or not 1 <= int(dataset.BitsStored) <= allocated
    ):
        raise UndecodableFilm(
            f"This DICOM file holds {samples} channels of {allocated} bits; a chest film has 1 or 3 of 8 or 16 bits. "
            "Export the film itself."
        )


def _require_fitting_codestream(dataset: Dataset) -> None:
    """Refuse compressed pixels that are cut short, or whose own header says another size than the DICOM header."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax in (*NATIVE, RLELossless):
        return
    stream = next(generate_frames(dataset.PixelData, number_of_frames=1))
    try:
        size = _j2k_size(stream) if syntax in JPEG_2000 else _jpeg_size(stream)
    except OversizedFilm:
        raise
    except UndecodableFilm:
        raise UndecodableFilm(DAMAGED.format("its compressed pixels are not complete")) from None
    if size != (int(dataset.Columns), int(dataset.Rows)):
        raise UndecodableFilm(
            DAMAGED.format("its compressed pixels have another size than its header says")
        )


def _jpeg_size(stream: bytes) -> tuple[int, int]:
    markers = jpeg.read_markers(stream)
    return markers.width, markers.height


def _j2k_size(stream: bytes) -> tuple[int, int]:
    """(width, height) from the SIZ segment of a JPEG 2000 codestream (ITU-T T.800, A.5.1) that ends in EOC.

    A JP2 file in place of the codestream, which PS3.5 A.4.4 does not allow, is refused: pydicom may search it for ever.
    """
    if not stream.startswith(b"\xff\x4f\xff\x51") or not stream.rstrip(b"\x00").endswith(
        b"\xff\xd9"
    ):
        raise UndecodableFilm(DAMAGED.format("its compressed pixels are not complete"))
    right, bottom, left, top = struct.unpack(">4I", stream[8:24])
    require_pixels(right - left, bottom - top)
    return right - left, bottom - top


def _convert_pixels(dataset: Dataset) -> GreyPicture:
    """The film as grey: pixels (H, W) float32 in [0, 1], dense tissue bright."""
    syntax = dataset.file_meta.TransferSyntaxUID
    native = syntax in (*NATIVE, RLELossless)
    # Of native cells `stored_values` takes the right bits itself, as pydicom ignores HighBit.
    samples = pixel_array(
        dataset, decoding_plugin=PLUGINS.get(syntax, ""), correct_unused_bits=not native
    )
    samples = samples.astype(samples.dtype.newbyteorder("="), copy=False)
    size = (int(dataset.Rows), int(dataset.Columns))
    if samples.shape not in (size, (*size, 3)):
        raise UndecodableFilm(
            DAMAGED.format("it holds another number of pixels than its header says")
        )
    photometric = str(dataset.PhotometricInterpretation)
    if photometric == "PALETTE COLOR":
        # PS3.3 C.7.6.3.1.5 and C.7.9: the stored value is an index into three tables.
        samples = apply_color_lut(samples, dataset)
        return to_pixels(samples[..., :3], float(np.iinfo(samples.dtype).max))
    if samples.ndim == 3:
        # pydicom has converted YBR to RGB (PS3.3 C.7.6.3.1.2). Colour takes no window (C.11.2.1.2 is for grey only).
        return to_pixels(samples, float((1 << int(dataset.BitsStored)) - 1))
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise UndecodableFilm(
            "This DICOM picture is neither grey nor RGB. Export the film as a grey image."
        )
    stored = Stored.from_dataset(dataset)
    values = stored_values(samples, stored, native)
    table = presentation_table(dataset, stored, values)
    return GreyPicture(table[values])
