"""Reads the samples of a DICOM file, compressed or not, and settles what its tags and its pixels say differently."""

from dataclasses import replace

import numpy as np
from pydicom import Dataset
from pydicom.pixels.processing import convert_color_space
from pydicom.pixels.utils import get_expected_length, pixel_array
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from cxr_core.errors import UndecodableFilm
from cxr_core.film.decoding.dicom_pixels.codestreams import DecodedStream, decode_codestream
from cxr_core.film.decoding.dicom_pixels.file import DicomFile, read_codestream, read_native_pixels

GREY = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")
# PS3.3 C.7.6.3.1.2. YBR_ICT and YBR_RCT name transforms inside a codestream, which its decoder undoes.
LUMA_FIRST = ("YBR_FULL", "YBR_FULL_422")
COLOUR = ("RGB", *LUMA_FIRST, "YBR_ICT", "YBR_RCT")

# Codes of film/irregularities.py.
COLOUR_FORM, COMPRESSION, STORED_DEPTH = "colour_form", "compression", "stored_depth"


def read_samples(file: DicomFile) -> tuple[DecodedStream, tuple[str, ...]]:
    """The samples, (H, W) or (H, W, 3) RGB, and irregularities. What the tags say of channels is corrected in the file.

    Raises UndecodableFilm for pixels that are not one whole picture of this size.
    """
    stated_compressed = file.syntax.is_encapsulated
    if _is_compressed(file, stated_compressed):
        size = (int(file.dataset.Rows), int(file.dataset.Columns))
        decoded = decode_codestream(read_codestream(file), size)
        if decoded.cells:
            _require_bits_in_cells(int(file.dataset.BitsStored), decoded.precision)
        codes = () if stated_compressed else (COMPRESSION,)
        return _settle_channels(decoded, file.dataset, codes + decoded.irregularities)
    codes = (COMPRESSION,) if stated_compressed else ()
    return _read_native(file, codes)


def _is_compressed(file: DicomFile, stated: bool) -> bool:
    """Whether the pixels are compressed, whatever the transfer syntax says: fragments are, an exact length is not."""
    if file.length is None:
        return True
    exact = file.length - get_expected_length(file.dataset) in (0, 1)
    if file.starts_with_item():
        return stated or not exact
    return stated and not exact


def _read_native(file: DicomFile, codes: tuple[str, ...]) -> tuple[DecodedStream, tuple[str, ...]]:
    dataset = file.dataset
    codes += _correct_native_cells(file)
    allocated, samples = int(dataset.BitsAllocated), int(dataset.get("SamplesPerPixel") or 1)
    if allocated not in (8, 16) or samples not in (1, 3):
        raise UndecodableFilm(
            f"This DICOM file holds {samples} channels of {allocated} bits; a chest film has 1 or 3 of 8 or 16 bits. "
            "Export the film itself."
        )
    codes += _correct_native_channels(file, samples)
    pixels, irregularities = read_native_pixels(file, get_expected_length(dataset))
    dataset.PixelData = pixels + bytes(len(pixels) % 2)
    dataset["PixelData"].VR = file.vr
    dataset.file_meta.TransferSyntaxUID = _plain_syntax(file)
    # The bits of the cells are taken apart later, as pydicom ignores High Bit. It turns YBR_FULL into RGB.
    cells = pixel_array(dataset, correct_unused_bits=False)
    cells = cells.astype(cells.dtype.newbyteorder("="), copy=False)
    if dataset.PhotometricInterpretation == "RGB":
        cells, found = _settle_planes(cells, bool(dataset.PlanarConfiguration))
        codes += found
    decoded = DecodedStream(
        samples=cells,
        precision=allocated,
        colour="grey" if cells.ndim == 2 else "rgb",
        cells=True,
    )
    return decoded, codes + irregularities


def _correct_native_cells(file: DicomFile) -> tuple[str, ...]:
    """Where Bits Allocated contradicts both Bits Stored and the length, these two hold. Raises UndecodableFilm."""
    dataset = file.dataset
    stated, bits = int(dataset.BitsAllocated), int(dataset.BitsStored)
    length = file.length or 0
    expected = get_expected_length(dataset)
    if stated == 16 and bits <= 8 and length in (expected // 2, expected // 2 + 1):
        dataset.BitsAllocated = 8
    elif stated == 8 and 8 < bits <= 16 and length in (2 * expected, 2 * expected + 1):
        dataset.BitsAllocated = 16
    else:
        _require_bits_in_cells(bits, stated)
    return () if dataset.BitsAllocated == stated else (STORED_DEPTH,)


def _require_bits_in_cells(bits: int, allocated: int) -> None:
    if not 1 <= bits <= allocated:
        raise UndecodableFilm(
            f"This DICOM file says its values have {bits} bits in cells of {allocated}. Export the film again."
        )


def _plain_syntax(file: DicomFile) -> UID:
    if not file.explicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if file.little else ExplicitVRBigEndian


def _correct_native_channels(file: DicomFile, samples: int) -> tuple[str, ...]:
    """Where Samples per Pixel contradicts both the photometric interpretation and the length, these two hold."""
    dataset = file.dataset
    photometric = str(dataset.PhotometricInterpretation)
    plane = int(dataset.Rows) * int(dataset.Columns) * int(dataset.BitsAllocated) // 8
    channels = {plane: 1, plane + plane % 2: 1, 3 * plane: 3, 3 * plane + plane % 2: 3}
    found = channels.get(file.length or 0)
    if samples == 1 and photometric in COLOUR:
        if found == 3:
            dataset.SamplesPerPixel = 3
        else:
            dataset.PhotometricInterpretation = "MONOCHROME2"
        return (COLOUR_FORM,)
    if samples == 3 and found == 1 and photometric in GREY:
        dataset.SamplesPerPixel = 1
        return (COLOUR_FORM,)
    return ()


def _settle_planes(cells: np.ndarray, planar: bool) -> tuple[np.ndarray, tuple[str, ...]]:
    """Grey kept as RGB has three equal channels; where the other Planar Configuration gives them, it holds.

    cells: (H, W, 3), read with the configuration that the file states.
    """
    height, width, channels = cells.shape
    if planar:
        other = cells.transpose(2, 0, 1).reshape(height, width, channels)
    else:
        other = cells.reshape(channels, height, width).transpose(1, 2, 0)
    if _is_grey(cells) or not _is_grey(other):
        return cells, ()
    return np.ascontiguousarray(other), (COLOUR_FORM,)


def _is_grey(cells: np.ndarray) -> bool:
    """Whether three channels are equal. cells: (H, W, 3)."""
    return bool((cells[..., 0] == cells[..., 1]).all() and (cells[..., 1] == cells[..., 2]).all())


def _settle_channels(
    decoded: DecodedStream, dataset: Dataset, codes: tuple[str, ...]
) -> tuple[DecodedStream, tuple[str, ...]]:
    """A codestream's channels as grey or RGB; the codestream is right about their number and their colours."""
    photometric = str(dataset.PhotometricInterpretation)
    stated = int(dataset.get("SamplesPerPixel") or 1)
    if decoded.samples.ndim == 2:
        if photometric in COLOUR:
            dataset.PhotometricInterpretation = "MONOCHROME2"
        if photometric in COLOUR or stated != 1:
            codes += (COLOUR_FORM,)
        return decoded, codes
    if photometric in GREY or stated != 3:
        codes += (COLOUR_FORM,)
    if _is_luma_first(decoded, photometric):
        rgb = _luma_to_rgb(decoded.samples, decoded.precision)
        decoded = replace(decoded, samples=rgb, colour="rgb")
    return decoded, codes


def _is_luma_first(decoded: DecodedStream, photometric: str) -> bool:
    """Whether three channels are one of brightness and two of colour: as the codestream says, else the tag."""
    if decoded.colour != "unsaid":
        return decoded.colour == "ybr"
    if photometric in COLOUR:
        return photometric in LUMA_FIRST
    # The tag says grey: colour channels without any colour lie at half of their range.
    half = 1 << (decoded.precision - 1)
    return bool((np.abs(decoded.samples[..., 1:].astype(np.int32) - half) <= half // 64).all())


def _luma_to_rgb(samples: np.ndarray, precision: int) -> np.ndarray:
    """YBR_FULL as RGB (PS3.3 C.7.6.3.1.2), rounded. samples: (H, W, 3) unsigned."""
    if precision == 8:
        converted: np.ndarray = convert_color_space(samples, "YBR_FULL", "RGB")
        return converted
    luma = samples[..., 0].astype(np.float64)
    blue, red = (samples[..., channel] - float(1 << (precision - 1)) for channel in (1, 2))
    channels = (luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue)
    rgb = np.rint(np.stack(channels, axis=-1))
    return np.clip(rgb, 0, (1 << precision) - 1).astype(samples.dtype)
