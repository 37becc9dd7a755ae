"""Measures the cardiothoracic ratio of a film from the contours of heart and lungs.

The ratio is the heart's greatest transverse diameter over that of the thorax, from the outer border of one lung to that
of the other (Danzer 1919). Points are (x, y) in the film's own pixels, continuous: the first pixel's middle is 0.5. The
first end of a diameter is the one on the left of the film, on the patient's right.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cxr_core.film.quality_flag import QualityFlag
from cxr_core.film.radiograph import ADULT_FROM_YEARS, Radiograph, SpacingSource
from cxr_core.film.spacing import describe_spacing_source, is_plausible_chest
from cxr_core.findings import RATIO_LIMIT
from cxr_core.presentation.wording import format_diameters, format_ratio_interval
from cxr_core.reading.cardiothoracic.contours import NORMAL_QUANTILE, Line, SegmentationResult
from cxr_core.reading.patient import Patient
from cxr_core.workspace.json_files import Json, JsonObject

RATIO = "cardiothoracic_ratio"  # the measurement's name in JSON and in model cards
MEASURED_FINDING = "cardiomegaly"  # the finding that the ratio is about
# Half the width of an interval that says next to nothing: normal ratios of adults lie within as much of each other.
MAX_HALF_WIDTH = 0.15
CLEAR_HALF_WIDTH = 0.1  # up to here the limit on the interval does not reduce the ratio's weight
# Standard deviation of the ratio's error that a flag of severity 1 adds, measured on films of heart_ctr that were
# changed on purpose (docs/experiments/heart_ratio.md): films of 64 px after JPEG of quality 75, mirrored, inverted and
# turned ones. Photographs and screenshots are not here: the interval as it is holds the error on them.
FLAG_ERRORS = {"low_resolution": 0.015, "mirrored": 0.07, "inverted": 0.13, "turned": 0.25}
# Standard deviation between two readers who set the ends by hand, as a share of the ratio.
# Source: Saiviroonporn et al. 2021, BMC Medical Imaging, doi 10.1186/s12880-021-00625-0, coefficient of variation.
READER_ERROR = 0.0213
MIN_THORAX_SHARE = 0.02  # of the film's width: a narrower thorax can only be a slip of the hand

VIEW_AP = (
    "The view is AP: the heart lies farther from the detector and appears larger than on a PA film."
)
VIEW_UNKNOWN = "The view is unknown: on an AP film the heart appears larger than on a PA film."
VIEW_LATERAL = "The view is lateral; the ratio is one of frontal films."
CHILD = (
    f"The patient is younger than {ADULT_FROM_YEARS}: the limit of {RATIO_LIMIT} holds for adults."
)
# With these the heart may appear wider than it is, never narrower; the ratio is still one of heart and thorax.
WIDENING_REASONS = (VIEW_AP, VIEW_UNKNOWN, CHILD)
# Codes of quality flags (film/quality.py) that affect an automatic measurement, and those that affect a manual one too.
MEASUREMENT_FLAGS = (
    "turned",
    "mirrored",
    "inverted",
    "low_resolution",
    "photographed",
    "screenshot",
)
PERSISTENT_FLAGS = ("turned", "photographed")


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The cardiothoracic ratio of one film, or the reasons why there is none.

    low, high: a 95 % interval; None for diameters set by hand.  standard_error: of the value, as that interval implies,
    or of a person's; None without a value.  taper: a further factor on the ratio's weight in a probability, in [0, 1];
    it is 0 where a limit is reached beyond which there is no ratio.  reasons: why the ratio is not to be trusted, or
    why there is none.  persistent_reasons: those that hold for automatic and manual diameters alike, as they come from
    the patient and from how the film lies.  spacing_mm: (row, column) of the film, None when unknown.
    spacing_source: where it holds.  age_years: the youngest that the patient may be, for whom a width in mm must be
    plausible; None when unknown.
    automatic: what the program measured, kept when a person has moved the ends.
    disagreements: sentences on calls of classifiers that the ratio contradicts; `interpret` fills them in.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    standard_error: float | None = None
    taper: float = 1.0
    heart: Line | None = None
    thorax: Line | None = None
    reasons: tuple[str, ...] = ()
    persistent_reasons: tuple[str, ...] = ()
    model: str = ""
    version: str = ""
    spacing_mm: tuple[float, float] | None = None
    spacing_source: SpacingSource | None = None
    age_years: float | None = None
    edited: bool = False
    automatic: "Measurement | None" = None
    disagreements: tuple[str, ...] = ()

    @property
    def trusted(self) -> bool:
        """Whether there is a ratio and no reason against it."""
        return self.value is not None and not self.reasons

    @property
    def has_implausible_spacing(self) -> bool:
        """Whether the film's spacing would make the thorax wider or narrower than one can be."""
        if self.spacing_mm is None or self.thorax is None:
            return False
        width_mm = measure_width(self.thorax) * self.spacing_mm[1]
        return not is_plausible_chest(width_mm, self.age_years)

    @property
    def unit(self) -> str:
        """Unit of the diameters: mm where the film's pixel spacing is known and plausible, else px."""
        return "px" if self.spacing_mm is None or self.has_implausible_spacing else "mm"

    @property
    def diameters(self) -> tuple[float, float] | None:
        """Transverse diameters of heart and thorax in `unit`; None where there are none."""
        if self.heart is None or self.thorax is None:
            return None
        scale = self.spacing_mm[1] if self.spacing_mm and self.unit == "mm" else 1.0
        return measure_width(self.heart) * scale, measure_width(self.thorax) * scale

    def to_json(self) -> JsonObject:
        """The measurement as `read --json` has it, without its disagreements."""
        heart, thorax = self.diameters or (None, None)
        record: JsonObject = {
            "name": RATIO,
            "value": _round(self.value, 4),
            "low": _round(self.low, 4),
            "high": _round(self.high, 4),
            "unit": self.unit,
            "spacing_source": self.spacing_source if self.unit == "mm" else None,
            "heart_diameter": _round(heart, 2),
            "thorax_diameter": _round(thorax, 2),
            "heart": _line_json(self.heart),
            "thorax": _line_json(self.thorax),
            "trusted": self.trusted,
            "reasons": list(self.reasons),
            "edited": self.edited,
            "model": self.model,
            "version": self.version,
        }
        if self.automatic:
            record["automatic"] = self.automatic.to_json()
        return record


@dataclass(frozen=True, kw_only=True)
class RatioEstimate:
    """A ratio with half the width of its 95 % interval, and the taper of the outlines: see `SegmentationResult`."""

    value: float
    half_width: float
    outline_taper: float

    @property
    def low(self) -> float:
        """The lower end of the interval, 0 at least."""
        return max(0.0, self.value - self.half_width)

    @property
    def high(self) -> float:
        """The upper end of the interval."""
        return self.value + self.half_width

    @property
    def standard_error(self) -> float:
        """The standard error that the interval implies."""
        return self.half_width / NORMAL_QUANTILE

    @property
    def taper(self) -> float:
        """The factor on the ratio's weight: that of the outlines, and 0 from an interval of MAX_HALF_WIDTH on."""
        share = (MAX_HALF_WIDTH - self.half_width) / (MAX_HALF_WIDTH - CLEAR_HALF_WIDTH)
        return min(self.outline_taper, max(share, 0.0))


def estimate_ratio(
    segmentation: SegmentationResult, concerns: Sequence[QualityFlag] = ()
) -> RatioEstimate | None:
    """The ratio of outlines, its interval wider by the error that quality flags of the film add; None without one."""
    if segmentation.errors or segmentation.ratio is None:
        return None
    added = sum(FLAG_ERRORS.get(concern.code, 0.0) ** 2 * concern.severity for concern in concerns)
    return RatioEstimate(
        value=segmentation.ratio,
        half_width=math.hypot(segmentation.half_width, NORMAL_QUANTILE * math.sqrt(added)),
        outline_taper=segmentation.taper,
    )


def measure_ratio(
    segmentation: SegmentationResult,
    film: Radiograph,
    patient: Patient,
    concerns: Sequence[QualityFlag] = (),
) -> Measurement:
    """The ratio of a segmented film, and what speaks against it for this patient.

    patient: age and view as the user or the file gives them.  concerns: quality flags of the film.
    """
    patient_reasons = _reasons_of_patient(patient)
    unmeasured = Measurement(
        value=None,
        reasons=segmentation.errors,
        persistent_reasons=(*patient_reasons, *_reasons_of_flags(concerns, PERSISTENT_FLAGS)),
        model=segmentation.model,
        version=segmentation.version,
        spacing_mm=film.spacing_mm,
        spacing_source=film.spacing_source,
        age_years=patient.youngest_years,
    )
    estimate = estimate_ratio(segmentation, concerns)
    if estimate is None:
        return unmeasured
    reasons = (*segmentation.warnings, *_reasons_of_flags(concerns, MEASUREMENT_FLAGS))
    if estimate.half_width > MAX_HALF_WIDTH:
        problem = (
            f"The outlines are too uncertain: the ratio may lie anywhere from {estimate.low:.2f} to "
            f"{estimate.high:.2f}."
        )
        return replace(unmeasured, reasons=(problem, *reasons))
    return replace(
        unmeasured,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        standard_error=estimate.standard_error,
        taper=estimate.taper,
        heart=segmentation.heart,
        thorax=segmentation.thorax,
        reasons=(
            *segmentation.warnings,
            *patient_reasons,
            *_reasons_of_flags(concerns, MEASUREMENT_FLAGS),
        ),
    )


def edit_diameters(
    measurement: Measurement, heart: Line, thorax: Line, film_shape: tuple[int, int]
) -> Measurement:
    """The measurement with diameters whose ends a person has set; the automatic one is kept beside it.

    film_shape: (H, W).  Points outside the film, crossed ends and a thorax of no width give a sentence and no ratio.
    """
    problem = _find_problem(heart, thorax, film_shape)
    edited = replace(
        measurement,
        value=None,
        low=None,
        high=None,
        standard_error=None,
        taper=1.0,
        heart=heart,
        thorax=thorax,
        edited=True,
        automatic=measurement.automatic or measurement,
        disagreements=(),
    )
    if problem is not None:
        return replace(edited, reasons=(problem,))
    ratio = measure_width(heart) / measure_width(thorax)
    return replace(
        edited,
        value=ratio,
        standard_error=READER_ERROR * ratio,
        reasons=measurement.persistent_reasons,
    )


def suggest_diameters(film_shape: tuple[int, int]) -> tuple[Line, Line]:
    """Heart and thorax to start from where nothing could be measured: two lines across a film of (H, W)."""
    height, width = film_shape
    return (
        ((0.4 * width, 0.62 * height), (0.65 * width, 0.62 * height)),
        ((0.2 * width, 0.72 * height), (0.8 * width, 0.72 * height)),
    )


def measure_width(line: Line) -> float:
    """The transverse (horizontal) extent of a line, in film pixels."""
    return line[1][0] - line[0][0]


def describe_ratio(measurement: Measurement) -> str:
    """The ratio with its interval in words, or why there is none."""
    if measurement.value is None:
        return f"cannot be measured: {' '.join(measurement.reasons)}"
    ratio = format_ratio_interval(measurement.value, measurement.low, measurement.high)
    return f"{ratio}, edited by hand" if measurement.edited else ratio


def describe_diameters(measurement: Measurement) -> str | None:
    """Both diameters in words, to the whole px, or to the whole mm and where these hold; None without a ratio."""
    if measurement.diameters is None or measurement.value is None:
        return None
    heart, thorax = measurement.diameters
    widths = format_diameters(heart, thorax, measurement.unit)
    if measurement.unit == "px":
        return widths
    return f"{widths} ({describe_spacing_source(measurement.spacing_source)})"


def _reasons_of_patient(patient: Patient) -> tuple[str, ...]:
    view_reasons = {"AP": VIEW_AP, "LATERAL": VIEW_LATERAL, None: VIEW_UNKNOWN}
    reasons = []
    if patient.view in view_reasons:
        reasons.append(view_reasons[patient.view])
    if patient.age_range[1] < ADULT_FROM_YEARS:
        reasons.append(CHILD)
    return tuple(reasons)


def _reasons_of_flags(concerns: Sequence[QualityFlag], codes: Sequence[str]) -> tuple[str, ...]:
    return tuple(concern.message for concern in concerns if concern.code in codes)


def _find_problem(heart: Line, thorax: Line, film_shape: tuple[int, int]) -> str | None:
    """What is wrong with points set by hand, in a sentence; None when nothing is."""
    height, width = film_shape
    for name, line in (("heart", heart), ("thorax", thorax)):
        for x, y in line:
            if not (0 <= x <= width and 0 <= y <= height):
                return (
                    f"A point of the {name} lies at ({x:.0f}, {y:.0f}), outside the film of {width} × {height} px. "
                    "Move it back onto the film."
                )
        if measure_width(line) <= 0:
            return f"The two ends of the {name} are crossed. Put the first one to the left of the second."
    if measure_width(thorax) < MIN_THORAX_SHARE * width:
        return "The thorax has hardly any width. Put its ends on the outer borders of the lungs."
    if measure_width(heart) > measure_width(thorax):
        return "The heart is wider than the thorax. Check both pairs of points."
    return None


def _line_json(line: Line | None) -> Json:
    return None if line is None else [[round(x, 2), round(y, 2)] for x, y in line]


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
