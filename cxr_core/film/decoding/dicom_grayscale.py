"""Applies DICOM's greyscale pipeline (PS3.3 C.11 and PS3.4 N.2): stored value, modality value, VOI (window), display.

Every step maps one stored value to one other, so the pipeline runs once per possible value (at most 65,536) and not
once per pixel.
"""

from dataclasses import dataclass

import numpy as np
from pydicom import Dataset

from cxr_core.errors import UndecodableFilm
from cxr_core.film.decoding.raster import smallest_full_scale


@dataclass(frozen=True, kw_only=True)
class Stored:
    """How a value lies in its pixel cell (PS3.5 8.1.1).

    allocated: bits per cell.  bits: of the value.  high: its highest bit, counted from 0.
    """

    allocated: int
    bits: int
    high: int
    signed: bool

    @classmethod
    def from_dataset(cls, dataset: Dataset) -> "Stored":
        """What the Image Pixel module says (PS3.3 C.7.6.3)."""
        bits = int(dataset.BitsStored)
        high = dataset.get("HighBit")
        return cls(
            allocated=int(dataset.BitsAllocated),
            bits=bits,
            high=bits - 1 if high is None else int(high),
            signed=int(dataset.get("PixelRepresentation") or 0) == 1,
        )

    @property
    def lowest(self) -> int:
        """The smallest value that the bits can hold."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def highest(self) -> int:
        """The largest value that the bits can hold."""
        return self.lowest + (1 << self.bits) - 1

    def all_values(self) -> np.ndarray:
        """Every possible value, (2^bits,) float64, ascending."""
        return np.arange(self.lowest, self.lowest + (1 << self.bits), dtype=np.float64)


def stored_values(samples: np.ndarray, stored: Stored, native: bool) -> np.ndarray:
    """Positions of the stored values in `stored.all_values()`: (H, W) uint16.

    native: the cells are as in the file, so bits outside the value (old overlays) are cut off; a codec has already
    returned values.
    """
    if not native:
        clipped = np.clip(samples.astype(np.int32), stored.lowest, stored.highest)
        return (clipped - stored.lowest).astype(np.uint16)
    cells: np.ndarray = samples.view(np.uint8 if samples.dtype.itemsize == 1 else np.uint16)
    low = stored.high - stored.bits + 1
    if not 0 <= low <= stored.allocated - stored.bits:
        raise UndecodableFilm(
            "This DICOM file says its pixels lie outside their cells. Export the film again."
        )
    values = (cells >> low) & ((1 << stored.bits) - 1)
    if stored.signed:
        # Two's complement, shifted so that the smallest value has position 0.
        values = values ^ (1 << (stored.bits - 1))
    return values.astype(np.uint16)


def presentation_table(dataset: Dataset, stored: Stored, values: np.ndarray) -> np.ndarray:
    """The brightness of each possible stored value: (2^bits,) float32 in [0, 1], 1 = bright.

    values: (H, W), as `stored_values` returns them; used only where the file does not say which range is in use.
    """
    domain = stored.all_values()
    padding = _find_padding(dataset, stored, domain)
    modality = _apply_modality(dataset, domain)  # PS3.3 C.11.1
    shown = _apply_voi(dataset, modality)  # PS3.3 C.11.2
    if shown is None:
        low, high = _range_in_use(stored, values, padding)
        ends = _apply_modality(dataset, np.array([low, high], np.float64))
        bottom, top = _modality_range(dataset, ends)
        shown = (modality - bottom) / (top - bottom)
    # Inversion comes last: PS3.3 C.7.6.3.1.2 (MONOCHROME1 shows the least value white) and C.11.6. A DX file says it
    # twice (C.8.11.3: MONOCHROME1 goes with INVERSE), which is one inversion, not two.
    if (
        dataset.PhotometricInterpretation == "MONOCHROME1"
        or dataset.get("PresentationLUTShape") == "INVERSE"
    ):
        shown = 1.0 - shown
    shown = np.where(padding, 0.0, shown)
    if not np.isfinite(shown).all():
        raise UndecodableFilm(
            "This DICOM file's grey tables give no numbers. Export the film again."
        )
    table: np.ndarray = np.clip(shown, 0.0, 1.0).astype(np.float32)
    return table


def _find_padding(dataset: Dataset, stored: Stored, domain: np.ndarray) -> np.ndarray:
    """Which stored values only pad the picture (PS3.3 C.7.5.1.1.2), bool; they are shown as background, black."""
    first = dataset.get("PixelPaddingValue")
    if first is None or isinstance(first, (bytes, str)):
        return np.zeros(domain.shape, bool)
    last = dataset.get("PixelPaddingRangeLimit")
    ends = [_in_sign_of_pixels(int(first), stored)]
    if last is not None:
        ends.append(_in_sign_of_pixels(int(last), stored))
    return (domain >= min(ends)) & (domain <= max(ends))


def _in_sign_of_pixels(value: int, stored: Stored) -> int:
    """A padding value as a pixel's; it may be written as US or SS, whichever the pixels are."""
    span = 1 << stored.allocated
    if not stored.signed:
        return value % span
    return value - span if value >= span // 2 else value


def _apply_modality(dataset: Dataset, values: np.ndarray) -> np.ndarray:
    """Modality LUT, else rescale slope and intercept, else the values as they are (PS3.3 C.11.1)."""
    if dataset.get("ModalityLUTSequence"):
        table, first, _ = _read_lut(
            dataset, dataset.ModalityLUTSequence[0], signed=values.min() < 0
        )
        return _look_up(values, table, first)
    slope, intercept = (
        _first_number(dataset, "RescaleSlope", 1.0),
        _first_number(dataset, "RescaleIntercept", 0.0),
    )
    if not slope:
        raise UndecodableFilm(
            "This DICOM file rescales every pixel to the same value. Export the film again."
        )
    return values * slope + intercept


def _modality_range(dataset: Dataset, ends: np.ndarray) -> tuple[float, float]:
    """The modality values of black and white where no window says so; ends: those of the range in use."""
    if dataset.get("ModalityLUTSequence"):
        _, _, bits = _read_lut(dataset, dataset.ModalityLUTSequence[0], signed=False)
        return 0.0, float((1 << bits) - 1)
    return float(ends.min()), float(ends.max())


def _range_in_use(stored: Stored, values: np.ndarray, padding: np.ndarray) -> tuple[int, int]:
    """The stored values that stand for black and white when the file names no window.

    Where BitsStored is 8 or leaves bits of the cell free, it says the range, as sBIT does for PNG; the same picture as
    an 8-bit PNG then has the same pixels. 16 bits in a 16-bit cell say nothing (often 10 to 14 are used): there the
    smallest power of two that holds the pixels is taken, as for a 16-bit PNG. Never minimum to maximum: the same
    tissue would change its grey from film to film.
    """
    if stored.bits < stored.allocated or stored.bits <= 8:
        return stored.lowest, stored.highest
    used = np.bincount(values.ravel(), minlength=1 << stored.bits) > 0
    present = np.flatnonzero(used & ~padding) + stored.lowest
    if present.size == 0:
        return 0, 1
    if present[0] >= 0:
        return 0, smallest_full_scale(int(present[-1]))
    if present[0] < -1:
        above = smallest_full_scale(int(present[-1]))
        half = max(above, smallest_full_scale(-int(present[0]) - 1))
    else:
        half = smallest_full_scale(max(int(present[-1]), 1))
    return -half - 1, half


def _apply_voi(dataset: Dataset, modality: np.ndarray) -> np.ndarray | None:
    """VOI LUT, else window, as [0, 1]; None when there is neither (PS3.3 C.11.2). Of several, the first."""
    if dataset.get("VOILUTSequence"):
        table, first, bits = _read_lut(
            dataset, dataset.VOILUTSequence[0], signed=modality.min() < 0
        )
        return _look_up(modality, table, first) / ((1 << bits) - 1)
    centre, width = (
        _first_number(dataset, "WindowCenter", np.nan),
        _first_number(dataset, "WindowWidth", np.nan),
    )
    function = str(dataset.get("VOILUTFunction") or "LINEAR").strip().upper()
    if not np.isfinite(centre) or not np.isfinite(width):
        return None
    if function == "SIGMOID" and width > 0:  # C.11.2.1.3.1
        return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (modality - centre) / width, -700.0, 700.0)))
    if function == "LINEAR_EXACT" and width > 0:  # C.11.2.1.3.2
        return np.clip((modality - centre) / width + 0.5, 0.0, 1.0)
    if function == "LINEAR" and width > 1:  # C.11.2.1.2.1
        return np.clip((modality - (centre - 0.5)) / (width - 1) + 0.5, 0.0, 1.0)
    if function == "LINEAR" and width == 1:  # the same section: a step
        return (modality > centre - 0.5).astype(np.float64)
    if function not in ("SIGMOID", "LINEAR_EXACT", "LINEAR"):
        raise UndecodableFilm(
            "This DICOM file asks for a window of a kind that DICOM does not define. Export it again."
        )
    # A width that the standard forbids is a placeholder; the film is shown over its entire range.
    return None


def _read_lut(dataset: Dataset, item: Dataset, signed: bool) -> tuple[np.ndarray, int, int]:
    """A look-up table (N,) float64, the value its first entry is for, and its bits (PS3.3 C.11.1.1, C.11.2.1.1)."""
    count, first, bits = (int(value) for value in item.LUTDescriptor)
    count = count or 1 << 16
    if signed and first >= 1 << 15:
        first -= 1 << 16
    entries = item.LUTData
    if isinstance(entries, bytes):
        order = "<" if dataset.original_encoding[1] is not False else ">"
        if len(entries) >= 2 * count:
            entries = np.frombuffer(entries[: 2 * count], f"{order}u2")
        else:
            entries = np.frombuffer(entries[:count], np.uint8)
    table = np.atleast_1d(np.asarray(entries, np.float64))[:count]
    if table.size != count or not 8 <= bits <= 16:
        raise UndecodableFilm("This DICOM file's grey table is incomplete. Export the film again.")
    return table, first, bits


def _look_up(values: np.ndarray, table: np.ndarray, first: int) -> np.ndarray:
    """Values below the table take its first entry, above it its last (PS3.3 C.11.1.1)."""
    places = np.clip(np.rint(values) - first, 0, table.size - 1).astype(np.int64)
    entries: np.ndarray = table[places]
    return entries


def _first_number(dataset: Dataset, keyword: str, otherwise: float) -> float:
    """The first number of an element, or `otherwise` when it is absent or empty."""
    value = dataset.get(keyword)
    if value is None or value == "":
        return otherwise
    if isinstance(value, (int, float, str)):
        return float(value)
    return float(value[0])
