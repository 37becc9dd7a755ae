"""The one form in which a film travels: pixels and the few facts that a reading needs, no identity."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

View = Literal["PA", "AP", "LATERAL"]
Sex = Literal["F", "M"]
Container = Literal["png", "jpeg", "dicom", "drawing"]

ADULT_FROM_YEARS = 18
# Body parts, as DICOM names them (PS3.16 annex L) and as sites spell them, that a chest film shows.
CHEST_PARTS = (
    "CHEST",
    "THORAX",
    "THORA",
    "LUNG",
    "HEART",
    "TORAX",
    "TORAC",
    "PULM",
    "CARDIAC",
    "MEDIASTINUM",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Radiograph:
    """One film, upright as its file says, dense tissue bright. Holds no name, number, date or UID."""

    pixels: np.ndarray  # (H, W) float32 in [0, 1], C-contiguous
    spacing_mm: tuple[float, float] | None = None  # (row, column); None when the file does not say
    view: View | None = None
    age_years: float | None = None
    sex: Sex | None = None
    modality: str | None = None  # DICOM's code, such as "DX"; None for PNG and JPEG
    body_part: str | None = None  # DICOM's code, such as "CHEST"
    container: Container = "png"
    bits: int = 8  # bits per sample that the file says it uses
    colour: float = (
        0.0  # mean over pixels of (max - min) of the colour channels, in [0, 1]; 0 = grey
    )

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the film's own grid."""
        height, width = self.pixels.shape
        return height, width
