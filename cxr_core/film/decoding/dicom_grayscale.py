"""Applies DICOM's greyscale pipeline (PS3.3 C.11 and PS3.4 N.2): stored value, modality value, VOI (window), display.

Every step maps one stored value to one other, so the pipeline runs once per possible value (at most 65,536) and not
once per pixel.
"""

import numpy as np
from pydicom import Dataset

from cxr_core.errors import UndecodableFilm
from cxr_core.film.decoding.dicom_pixels.stored_values import (
    Stored,
    StoredPicture,
    read_stored_values,
)
from cxr_core.film.decoding.grey_range import GreyRange, find_full_scale, find_grey_range
from cxr_core.film.decoding.lookup_tables import LookupTable, read_lookup_table, read_palette
from cxr_core.film.decoding.raster import GreyPicture, to_pixels

# A window that shows a whole film within less than this share of all brightness was made for other values.
FLAT_BELOW = 0.3
WINDOW_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")  # C.11.2.1.3


def show_grey(dataset: Dataset, cells: np.ndarray, stored: Stored) -> GreyPicture:
    """A MONOCHROME1 or MONOCHROME2 picture as it is displayed.

    cells: (H, W) integers of 8 or 16 bits.  stored: how the header says that values lie in them.
    """
    picture = read_stored_values(cells, stored)
    table, irregularities = presentation_table(dataset, picture.stored, picture.positions)
    codes = dict.fromkeys((*picture.irregularities, *irregularities))
    return GreyPicture(table[picture.positions], irregularities=tuple(codes))


def show_palette(dataset: Dataset, cells: np.ndarray, stored: Stored) -> GreyPicture:
    """A PALETTE COLOR picture: its values are places in three tables (PS3.3 C.7.6.3.1.5, C.7.9). Arguments as above."""
    picture = read_stored_values(cells, stored)
    possible = picture.stored.all_values()
    used = possible[_find_present(picture.positions, possible.size)]
    colours, top, irregularities = read_palette(dataset, _is_little(dataset), possible, used)
    shown = to_pixels(colours[picture.positions], float(top))
    codes = (*picture.irregularities, *irregularities, *shown.irregularities)
    return shown._replace(irregularities=codes)


def find_white(picture: StoredPicture) -> GreyRange:
    """Black and white of a colour picture. 16 bits say nothing, as for `_find_range`; fewer say the range."""
    if picture.stored.bits == 16:
        return find_full_scale(picture.positions)
    return GreyRange(low=0, high=picture.stored.highest, marks=False)


def presentation_table(
    dataset: Dataset, stored: Stored, positions: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The brightness of each possible stored value, (2^bits,) float32 in [0, 1], 1 = bright; and irregularities.

    positions: (H, W) of the film's values. They are looked at only where the file does not say which range is in use,
    or has tables.
    """
    domain = stored.all_values()
    padding = _find_padding(dataset, stored, domain)
    needs_used = dataset.get("ModalityLUTSequence") or dataset.get("VOILUTSequence")
    used = np.zeros(domain.shape, bool)
    if needs_used:
        used = _find_present(positions, domain.size) & ~padding
    irregularities: list[str] = []
    modality_lut = _read_lut(dataset, "ModalityLUTSequence", domain, used, irregularities)
    modality = _apply_modality(dataset, domain, modality_lut)  # PS3.3 C.11.1
    voi_lut = _read_lut(dataset, "VOILUTSequence", modality, used, irregularities)
    shown = _apply_voi(dataset, modality, voi_lut)  # PS3.3 C.11.2
    scaling = voi_lut
    if shown is None and modality_lut is not None:
        shown, scaling = modality / modality_lut.full_scale, modality_lut
    if scaling is not None and scaling.wrong_depth:
        irregularities.append("lut_depth")
    if shown is None:
        grey_range, codes = _find_range(stored, positions, padding)
        irregularities += codes
        ends = np.array([grey_range.low, grey_range.high], np.float64)
        ends = _apply_modality(dataset, ends, None)
        shown = (modality - ends.min()) / (ends.max() - ends.min())
    elif scaling is None and _leaves_flat(shown, stored, positions, padding):
        irregularities.append("wide_window")
    # Inversion comes last: PS3.3 C.7.6.3.1.2 (MONOCHROME1 shows the least value white) and C.11.6. A DX file says it
    # twice (C.8.11.3: MONOCHROME1 goes with INVERSE), which is one inversion, not two.
    if (
        dataset.PhotometricInterpretation == "MONOCHROME1"
        or _first_code(dataset, "PresentationLUTShape") == "INVERSE"
    ):
        shown = 1.0 - shown
    shown = np.where(padding, 0.0, shown)
    if not np.isfinite(shown).all():
        raise UndecodableFilm(
            "This DICOM file's grey tables give no numbers. Export the film again."
        )
    table: np.ndarray = np.clip(shown, 0.0, 1.0).astype(np.float32)
    return table, tuple(dict.fromkeys(irregularities))


def _find_present(positions: np.ndarray, size: int) -> np.ndarray:
    """Which possible values a film holds: (size,) bool."""
    present: np.ndarray = np.bincount(positions.ravel(), minlength=size) > 0
    return present


def _is_little(dataset: Dataset) -> bool:
    """Whether words in the file have their low byte first."""
    return dataset.original_encoding[1] is not False


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


def _read_lut(
    dataset: Dataset,
    keyword: str,
    inputs: np.ndarray,
    used: np.ndarray,
    irregularities: list[str],
) -> LookupTable | None:
    """The first table of a sequence, None when there is none. A wrong length is added to the irregularities.

    inputs: the values that may be looked up.  used: which of them the film holds.
    """
    items = dataset.get(keyword)
    if not items:
        return None
    table = read_lookup_table(items[0], _is_little(dataset), inputs, np.rint(inputs[used]))
    if table.wrong_length:
        irregularities.append("lut_length")
    return table


def _apply_modality(dataset: Dataset, values: np.ndarray, table: LookupTable | None) -> np.ndarray:
    """Modality LUT, else rescale slope and intercept, else the values as they are (PS3.3 C.11.1)."""
    if table is not None:
        return table.look_up(values)
    slope = read_first_number(dataset, "RescaleSlope", 1.0)
    intercept = read_first_number(dataset, "RescaleIntercept", 0.0)
    if not slope:
        raise UndecodableFilm(
            "This DICOM file rescales every pixel to the same value. Export the film again."
        )
    return values * slope + intercept


def _find_range(
    stored: Stored, positions: np.ndarray, padding: np.ndarray
) -> tuple[GreyRange, tuple[str, ...]]:
    """The stored values that stand for black and white when the file names no window, and irregularities.

    Where BitsStored is 8 or leaves bits of the cell free, it says the range, as sBIT does for PNG; the same picture as
    an 8-bit PNG then has the same pixels. 16 bits in a 16-bit cell say nothing (often 10 to 14 are used): there the
    smallest power of two that holds the film is taken, as for a 16-bit PNG, and also where the film uses a quarter of
    the stated range or less.
    """
    stated = GreyRange(low=stored.lowest, high=stored.highest, marks=False)
    if stored.bits <= 8:
        return stated, ()
    used = find_grey_range(positions, stored.lowest, padding)
    if stored.bits == stored.allocated:
        return used, used.irregularities
    if used.states_too_many_bits(stored.bits):
        return used, used.irregularities or ("stored_depth",)
    return stated, ()


def _leaves_flat(
    shown: np.ndarray, stored: Stored, positions: np.ndarray, padding: np.ndarray
) -> bool:
    """Whether a window is so wide, or lies so far off, that it leaves the film only a small part of all brightness.

    shown: the brightness of each possible value, (2^bits,).
    """
    film = find_grey_range(positions, stored.lowest, padding)
    ends = np.array([film.low, film.high]) - stored.lowest
    inside = np.clip(ends, 0, shown.size - 1)
    return float(np.ptp(shown[inside])) < FLAT_BELOW


def _apply_voi(
    dataset: Dataset, modality: np.ndarray, table: LookupTable | None
) -> np.ndarray | None:
    """VOI LUT, else window, as [0, 1]; None when there is neither (PS3.3 C.11.2)."""
    if table is not None:
        return table.look_up(modality) / table.full_scale
    centre, width, function = find_window(dataset)
    if centre is None:
        return None
    if function == "SIGMOID":  # C.11.2.1.3.1
        return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (modality - centre) / width, -700.0, 700.0)))
    if function == "LINEAR_EXACT":  # C.11.2.1.3.2
        return np.clip((modality - centre) / width + 0.5, 0.0, 1.0)
    if width == 1:  # C.11.2.1.2.1: a step
        return (modality > centre - 0.5).astype(np.float64)
    return np.clip((modality - (centre - 0.5)) / (width - 1) + 0.5, 0.0, 1.0)


def find_window(dataset: Dataset) -> tuple[float | None, float, str]:
    """Centre, width and function of the first window that the standard allows; a centre of None when there is none.

    An empty centre or width, or a width that the standard forbids (below 1 for LINEAR, else 0 and less), is a
    placeholder; if there is no other, the film is shown over its entire range.
    """
    centres, widths = _numbers(dataset, "WindowCenter"), _numbers(dataset, "WindowWidth")
    windows = [
        (centre, width)
        for centre, width in zip(centres, widths, strict=False)
        if np.isfinite(centre) and np.isfinite(width)
    ]
    function = _first_code(dataset, "VOILUTFunction") or "LINEAR"
    if windows and function not in WINDOW_FUNCTIONS:
        raise UndecodableFilm(
            "This DICOM file asks for a window of a kind that DICOM does not define. Export it again."
        )
    for centre, width in windows:
        if width >= 1 or (width > 0 and function != "LINEAR"):
            return centre, width, function
    return None, 0.0, function


def _first_code(dataset: Dataset, keyword: str) -> str:
    """The first code of an element in capitals, words joined by "_"; empty when there is none."""
    value = dataset.get(keyword)
    codes = [value] if isinstance(value, str) else list(value or ())
    words = [str(code).strip().upper().replace("-", "_").replace(" ", "_") for code in codes]
    return next((word for word in words if word), "")


def _numbers(dataset: Dataset, keyword: str) -> list[float]:
    """The numbers of an element, NaN for each that is left empty.

    Raises UndecodableFilm for a word in their place; it does not quote it. A decimal comma is read as a point.
    """
    value = dataset.get(keyword)
    parts = [value] if value is None or isinstance(value, (str, int, float)) else list(value)
    numbers = [_parse_number(part) for part in parts]
    if None in numbers:
        raise UndecodableFilm(
            "This DICOM file has a window or a rescale that is no number. Export the film again."
        )
    return [number for number in numbers if number is not None]


def _parse_number(part: object) -> float | None:
    """A number, NaN when it is empty, None when it is none."""
    text = str("" if part is None else part).strip().replace(",", ".")
    try:
        return float(text) if text else np.nan
    except ValueError:
        return None


def read_first_number(dataset: Dataset, keyword: str, otherwise: float) -> float:
    """The first number of an element, or `otherwise` when it is absent or empty."""
    number = _numbers(dataset, keyword)[0]
    return otherwise if np.isnan(number) else number
