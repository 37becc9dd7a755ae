"""The form in which a film travels through the program: pixels and the few facts that a reading needs, no identity."""

from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np

from cxr_core.workspace.json_files import Json, JsonObject

View = Literal["PA", "AP", "LATERAL"]
Sex = Literal["F", "M"]
Container = Literal["png", "jpeg", "webp", "tiff", "bmp", "dicom", "drawing"]
# Where a spacing holds: calibrated at the patient, estimated there from the magnification, at the detector, or on the
# sheet of film that a scanner digitised.
SpacingSource = Literal["calibrated", "magnification", "detector", "scanner"]

ADULT_FROM_YEARS = 18


@dataclass(frozen=True, kw_only=True, eq=False)
class Radiograph:
    """One film, upright as its file says, dense tissue bright. Holds no name, number, date or UID.

    pixels: (H, W) float32 in [0, 1], C-contiguous.
    spacing_mm: (row, column); None when the file does not say.  spacing_source: where it holds; None without a spacing.
    conflicting_age_years: by birth and study date, where that is more than a year from age_years.
    modality, body_part: DICOM's codes, such as "DX" and "CHEST"; None for a picture.
    bits: bits per sample that the file says it uses.
    colour: mean over pixels of (max - min) of the colour channels, in [0, 1]; 0 is grey.
    irregularities: codes of irregularities.py: what the decoder had to correct, or could not trust.
    """

    pixels: np.ndarray
    spacing_mm: tuple[float, float] | None = None
    spacing_source: SpacingSource | None = None
    view: View | None = None
    age_years: float | None = None
    conflicting_age_years: float | None = None
    sex: Sex | None = None
    modality: str | None = None
    body_part: str | None = None
    container: Container = "png"
    bits: int = 8
    colour: float = 0.0
    irregularities: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the film's own grid."""
        height, width = self.pixels.shape
        return height, width

    def facts_to_json(self) -> JsonObject:
        """Every field but the pixels, as JSON."""
        content = {field.name: getattr(self, field.name) for field in fields(self)}
        del content["pixels"]
        if self.spacing_mm is not None:
            content["spacing_mm"] = list(self.spacing_mm)
        content["irregularities"] = list(self.irregularities)
        return content

    @classmethod
    def from_facts(cls, content: Json, pixels: np.ndarray) -> "Radiograph":
        """The film of these pixels with the facts of `facts_to_json`. Raises TypeError for anything else."""
        if not isinstance(content, dict):
            raise TypeError(f"{content!r} is no object with the facts of a film")
        arguments: dict[str, Any] = dict(content)
        if arguments.get("spacing_mm") is not None:
            arguments["spacing_mm"] = tuple(arguments["spacing_mm"])
        arguments["irregularities"] = tuple(arguments.get("irregularities") or ())
        return cls(pixels=pixels, **arguments)
