"""The heart measured: outlines of heart and lungs -> two transverse diameters -> the cardiothoracic ratio.

The ratio is the heart's greatest transverse diameter over that of the thorax, from the outer border of one lung to that
of the other (Danzer 1919). Points are (x, y) in the film's own pixels, continuous: the first pixel's middle is 0.5. The
first end of a diameter is the one on the left of the film, on the patient's right.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cxr_core.film.concern import Concern
from cxr_core.film.radiograph import ADULT_FROM_YEARS, Radiograph
from cxr_core.reading.cardiothoracic.contours import Anatomy, Line
from cxr_core.reading.patient import Patient

RATIO = "cardiothoracic_ratio"
# Above it a heart is called enlarged, on PA films of adults (Danzer 1919).
ENLARGED = 0.5
# A thorax narrower than this share of the film cannot be told from a mistake of the hand.
LEAST_THORAX = 0.02


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The cardiothoracic ratio of one film, or the reasons why there is none.

    low, high: a 95 % interval; None when edited by hand, as a hand states none.  reasons: why it is not to be trusted,
    or why there is none.  lasting: what holds whoever measures, program or hand: of the patient and of how the film
    lies.  spacing_mm: (row, column) of the film, None when unknown.  automatic: what the program itself measured, kept
    when a hand has changed it.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    heart: Line | None = None
    thorax: Line | None = None
    reasons: tuple[str, ...] = ()
    lasting: tuple[str, ...] = ()
    model: str = ""
    version: str = ""
    spacing_mm: tuple[float, float] | None = None
    edited: bool = False
    automatic: "Measurement | None" = None

    @property
    def trusted(self) -> bool:
        """Whether there is a ratio and nothing speaks against it."""
        return self.value is not None and not self.reasons

    @property
    def unit(self) -> str:
        """Of the diameters: mm where the film's spacing is known, else px."""
        return "px" if self.spacing_mm is None else "mm"

    @property
    def diameters(self) -> tuple[float, float] | None:
        """Of heart and thorax, in `unit`."""
        if self.heart is None or self.thorax is None:
            return None
        scale = self.spacing_mm[1] if self.spacing_mm else 1.0
        return across(self.heart) * scale, across(self.thorax) * scale

    def to_json(self) -> dict[str, Any]:
        """The entry of `read --json`."""
        heart, thorax = self.diameters or (None, None)
        found: dict[str, Any] = {
            "name": RATIO,
            "value": _rounded(self.value, 4),
            "low": _rounded(self.low, 4),
            "high": _rounded(self.high, 4),
            "unit": self.unit,
            "heart_diameter": _rounded(heart, 2),
            "thorax_diameter": _rounded(thorax, 2),
            "heart": _points(self.heart),
            "thorax": _points(self.thorax),
            "trusted": self.trusted,
            "reasons": list(self.reasons),
            "edited": self.edited,
            "model": self.model,
            "version": self.version,
        }
        return found | ({"automatic": self.automatic.to_json()} if self.automatic else {})


def measure(
    anatomy: Anatomy, film: Radiograph, patient: Patient, concerns: Sequence[Concern] = ()
) -> Measurement:
    """The ratio of an outlined film, and what speaks against it for this patient.

    patient: what is known or was said, which overrides the film's own age and view.  concerns: those of the film.
    """
    facts: dict[str, Any] = {
        "model": anatomy.model,
        "version": anatomy.version,
        "spacing_mm": film.spacing_mm,
        "lasting": (*_doubts_about(patient), *_doubts_from(concerns, LASTING)),
    }
    if anatomy.failures or anatomy.ratio is None:
        return Measurement(value=None, reasons=anatomy.failures, **facts)
    reasons = (*anatomy.doubts, *_doubts_about(patient), *_doubts_from(concerns, TOUCHING))
    half = anatomy.half_width
    return Measurement(
        value=anatomy.ratio,
        low=max(0.0, anatomy.ratio - half),
        high=anatomy.ratio + half,
        heart=anatomy.heart,
        thorax=anatomy.thorax,
        reasons=reasons,
        **facts,
    )


def edited(
    automatic: Measurement, heart: Line, thorax: Line, film_shape: tuple[int, int]
) -> Measurement:
    """The measurement with end points that a person has set; the automatic one is kept beside it.

    automatic: what the program measured, even if it found nothing.  film_shape: (H, W).  Points outside the film, ends
    that are crossed, or a thorax of no width give a sentence and no ratio.
    """
    wrong = _wrong_points(heart, thorax, film_shape)
    return replace(
        automatic,
        value=None if wrong else across(heart) / across(thorax),
        low=None,
        high=None,
        heart=heart,
        thorax=thorax,
        reasons=(wrong,) if wrong else automatic.lasting,
        edited=True,
        automatic=automatic.automatic or automatic,
    )


def suggested(film_shape: tuple[int, int]) -> tuple[Line, Line]:
    """Heart and thorax to begin with where nothing could be measured: two lines across the film, (H, W)."""
    height, width = film_shape
    return (
        ((0.4 * width, 0.62 * height), (0.65 * width, 0.62 * height)),
        ((0.2 * width, 0.72 * height), (0.8 * width, 0.72 * height)),
    )


def across(line: Line) -> float:
    """The transverse (horizontal) extent of a line, in film pixels."""
    return line[1][0] - line[0][0]


VIEW_AP = (
    "The view is AP: the heart lies farther from the detector and appears larger than on a PA film."
)
VIEW_UNKNOWN = "The view is unknown: on an AP film the heart appears larger than on a PA film."
VIEW_LATERAL = "The view is lateral; the ratio is one of frontal films."
CHILD = f"The patient is younger than {ADULT_FROM_YEARS}: the limit of 0.5 holds for adults."
# Doubts that make a heart look wider than it is, never narrower; the ratio is still one of heart and thorax.
WIDENING = (VIEW_AP, VIEW_UNKNOWN, CHILD)
# Concerns of a film (film/quality.py, reading.py) that touch what a program measures, and what a hand measures too.
TOUCHING = ("turned", "mirrored", "inverted", "low_resolution")
LASTING = ("turned",)


def _doubts_about(patient: Patient) -> tuple[str, ...]:
    views = {"AP": VIEW_AP, "LATERAL": VIEW_LATERAL, None: VIEW_UNKNOWN}
    found = [views[patient.view]] if patient.view in views else []
    if patient.age_years is not None and patient.age_years < ADULT_FROM_YEARS:
        found.append(CHILD)
    return tuple(found)


def _doubts_from(concerns: Sequence[Concern], codes: Sequence[str]) -> tuple[str, ...]:
    return tuple(concern.message for concern in concerns if concern.code in codes)


def _wrong_points(heart: Line, thorax: Line, film_shape: tuple[int, int]) -> str | None:
    """What is wrong with points set by hand, in a sentence; None when nothing is."""
    height, width = film_shape
    for name, line in (("heart", heart), ("thorax", thorax)):
        for x, y in line:
            if not (0 <= x <= width and 0 <= y <= height):
                return (
                    f"A point of the {name} lies at ({x:.0f}, {y:.0f}), outside the film of {width} × {height} px. "
                    "Move it back onto the film."
                )
        if across(line) <= 0:
            return f"The two ends of the {name} are crossed. Put the first one to the left of the second."
    if across(thorax) < LEAST_THORAX * width:
        return "The thorax has hardly any width. Put its ends on the outer borders of the lungs."
    if across(heart) > across(thorax):
        return "The heart is wider than the thorax. Check both pairs of points."
    return None


def _points(line: Line | None) -> list[list[float]] | None:
    return None if line is None else [[round(x, 2), round(y, 2)] for x, y in line]


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
