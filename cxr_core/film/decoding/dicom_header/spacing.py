"""Reads the pixel spacing of a DICOM film, and where it holds."""

from dataclasses import dataclass

from pydicom import Dataset

from cxr_core.film.decoding.dicom_header.values import read_number, read_numbers, read_text
from cxr_core.film.radiograph import SpacingSource

TAGS = (
    "PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelSpacingCalibrationType",
    "EstimatedRadiographicMagnificationFactor", "ConversionType",
)  # fmt: skip
# Two spacings that differ by less are the same number, rounded.
SAME_WITHIN = 0.005
# Below 1 a film would be smaller than the patient; above 2 the focus would be nearer than the detector.
MAGNIFICATIONS = (1.0, 2.0)

Pair = tuple[float, float]


@dataclass(frozen=True)
class Spacing:
    """The distance between pixels. mm: (row, column).  source: where it holds."""

    mm: Pair
    source: SpacingSource

    def exchanged(self) -> "Spacing":
        """The spacing of the film after its rows have become columns."""
        return Spacing((self.mm[1], self.mm[0]), self.source)


def read_spacing(dataset: Dataset) -> Spacing | None:
    """The spacing at the patient where the file states it, else at the detector or on the scanned sheet.

    Pixel Spacing is calibrated where it says so, or differs from Imager Pixel Spacing; where both are the same, or it
    stands alone, it is the detector's (PS3.3 10.7.1.1, 10.7.1.3). At the detector, it is divided by the Estimated
    Radiographic Magnification Factor, if the file has one (C.8.7.10, C.8.11.7). A digitised film has its scanner's
    spacing (C.8.6.2, and conversion type DF).
    """
    pixel = _read_pair(dataset, "PixelSpacing")
    imager = _read_pair(dataset, "ImagerPixelSpacing")
    factor = _read_magnification(dataset)
    calibration = read_text(dataset, "PixelSpacingCalibrationType")
    if pixel is not None and calibration == "FIDUCIAL":
        return Spacing(pixel, "calibrated")
    if pixel is not None and calibration == "GEOMETRY":
        return Spacing(pixel, "magnification")
    if pixel is not None and imager is not None and not _are_same(pixel, imager):
        divided = _are_same(pixel, _divide(imager, factor))
        return Spacing(pixel, "magnification" if divided else "calibrated")
    detector = pixel or imager
    if detector is None:
        scanned = _read_pair(dataset, "NominalScannedPixelSpacing")
        return None if scanned is None else Spacing(scanned, "scanner")
    if read_text(dataset, "ConversionType") == "DF":
        return Spacing(detector, "scanner")
    if factor > 1:
        return Spacing(_divide(detector, factor), "magnification")
    return Spacing(detector, "detector")


def _are_same(one: Pair, other: Pair) -> bool:
    """Whether two spacings are the same number; otherwise somebody has calibrated one of them."""
    shares = [abs(first / second - 1) for first, second in zip(one, other, strict=True)]
    return max(shares) <= SAME_WITHIN


def _divide(spacing: Pair, factor: float) -> Pair:
    return spacing[0] / factor, spacing[1] / factor


def _read_magnification(dataset: Dataset) -> float:
    """The Estimated Radiographic Magnification Factor; 1 where there is none, or an impossible one."""
    factor = read_number(dataset, "EstimatedRadiographicMagnificationFactor")
    possible = factor is not None and MAGNIFICATIONS[0] <= factor <= MAGNIFICATIONS[1]
    return factor if factor is not None and possible else 1.0


def _read_pair(dataset: Dataset, keyword: str) -> Pair | None:
    """Two positive lengths in mm; anything else (zeros are common) is None."""
    numbers = read_numbers(dataset, keyword)
    if len(numbers) != 2 or min(numbers) <= 0:
        return None
    return numbers[0], numbers[1]
