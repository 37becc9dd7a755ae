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
from dataclasses import replace

import numpy as np
from pydicom import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)

from cxr_core.errors import UndecodableFilm
from cxr_core.film.decoding import dicom_tags
from cxr_core.film.decoding.dicom_grayscale import (
    find_white,
    find_window,
    read_first_number,
    show_grey,
    show_palette,
)
from cxr_core.film.decoding.dicom_header import display
from cxr_core.film.decoding.dicom_header.functional_groups import lift_frame_values
from cxr_core.film.decoding.dicom_pixels.cells import to_cells
from cxr_core.film.decoding.dicom_pixels.file import DAMAGED, DicomFile, take_apart
from cxr_core.film.decoding.dicom_pixels.header import complete_header
from cxr_core.film.decoding.dicom_pixels.samples import read_samples
from cxr_core.film.decoding.dicom_pixels.stored_values import Stored, read_stored_values
from cxr_core.film.decoding.raster import GreyPicture, to_pixels
from cxr_core.film.limits import require_pixels
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
    "SegmentedBluePaletteColorLookupTableData",
)  # fmt: skip

NATIVE = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
HTJ2K = ("1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203")
# Retired processes of JPEG, among them the progressive ones (PS3.5 10.4 of 2004).
RETIRED_JPEG = tuple(f"1.2.840.10008.1.2.4.{process}" for process in range(52, 67) if process != 57)
COMPRESSED = (
    RLELossless,
    *RETIRED_JPEG,
    *JPEGTransferSyntaxes,
    *JPEGLSTransferSyntaxes,
    *JPEG2000TransferSyntaxes[:2],
    *HTJ2K,
)

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
    with silence_libraries():
        try:
            return _decode_dataset(data)
        except BROKEN:
            pass
    # Raised here, the refusal carries no error (with its frames) that knows the patient.
    raise UndecodableFilm(
        DAMAGED.format("its pixels or the tags that describe them cannot be read")
    )


def _decode_dataset(data: bytes) -> Radiograph:
    file = take_apart(data, (*PIXEL_TAGS, *dicom_tags.TAGS))
    lifted = lift_frame_values(file.dataset)
    _require_known_syntax(file)
    completed = complete_header(file.dataset)
    _require_one_frame(file.dataset)
    decoded, irregularities = read_samples(file)
    cells, stored, codes = to_cells(decoded, Stored.from_dataset(file.dataset))
    if stored.bits < int(file.dataset.BitsStored):
        _drop_unfitting_window(file.dataset, stored)
    shuttered, shutter_codes = display.find_shuttered(file.dataset)
    grey = _show(file.dataset, display.fill_shuttered(cells, shuttered), stored)
    turn = display.find_turn(display.read_orientation(file.dataset))
    stated, contradictions = dicom_tags.read_dicom_facts(file.dataset, turn)
    found = (
        *completed,
        *irregularities,
        *codes,
        *grey.irregularities,
        *lifted,
        *shutter_codes,
        *contradictions,
    )
    return Radiograph(
        pixels=display.show_as_stated(grey.pixels, shuttered, turn),
        container="dicom",
        bits=stored.bits,
        colour=grey.colour,
        irregularities=tuple(dict.fromkeys(found)),
        **vars(stated),
    )


@contextmanager
def silence_libraries() -> Iterator[None]:
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


def _require_known_syntax(file: DicomFile) -> None:
    if file.syntax not in (*NATIVE, *COMPRESSED):
        raise UndecodableFilm(
            "This DICOM file is compressed in a way that is not read here. Export it uncompressed, or as JPEG, "
            "JPEG-LS, JPEG 2000 or RLE."
        )


def _require_one_frame(dataset: Dataset) -> None:
    """Refuse anything but one picture of a film's size, from the header only."""
    channels = int(dataset.get("SamplesPerPixel") or 1)
    require_pixels(int(dataset.Columns), int(dataset.Rows), channels)
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames != 1:
        raise UndecodableFilm(
            f"This DICOM file holds {frames} frames; a chest film has one. Export a single image."
        )


def _drop_unfitting_window(dataset: Dataset, stored: Stored) -> None:
    """Remove a window or table that was made before the film was reduced to fewer bits.

    A window does not fit when its centre lies above every value; a table when it has entries for more values.
    """
    centre, _, _ = find_window(dataset)
    if centre is not None:
        slope = read_first_number(dataset, "RescaleSlope", 1.0)
        intercept = read_first_number(dataset, "RescaleIntercept", 0.0)
        ends = (stored.lowest * slope + intercept, stored.highest * slope + intercept)
        if centre > max(ends):
            del dataset.WindowCenter, dataset.WindowWidth
    tables = dataset.get("VOILUTSequence")
    if tables and int(tables[0].LUTDescriptor[0] or 1 << 16) > 1 << stored.bits:
        del dataset.VOILUTSequence


def _show(dataset: Dataset, cells: np.ndarray, stored: Stored) -> GreyPicture:
    """The film as grey. cells: (H, W), or (H, W, 3) RGB."""
    photometric = str(dataset.PhotometricInterpretation)
    monochrome = photometric in ("MONOCHROME1", "MONOCHROME2")
    if cells.ndim == 2:
        if photometric == "PALETTE COLOR":
            return show_palette(dataset, cells, stored)
        if not monochrome:
            raise UndecodableFilm(
                "This DICOM picture is neither grey nor RGB. Export the film as a grey image."
            )
        return show_grey(dataset, cells, stored)
    # Colour takes no window (PS3.3 C.11.2.1.2 is for grey only).
    unsigned = replace(stored, signed=False)
    picture = read_stored_values(cells, unsigned)
    white = find_white(picture)
    coloured = to_pixels(picture.positions, float(white.high))
    if monochrome:
        luma = np.rint(coloured.pixels * white.high).astype(np.uint16)
        shown = show_grey(dataset, luma, picture.stored)
        coloured = shown._replace(colour=coloured.colour)
    codes = (*picture.irregularities, *white.irregularities, *coloured.irregularities)
    return coloured._replace(irregularities=codes)
