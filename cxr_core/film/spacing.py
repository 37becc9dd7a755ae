"""Judges whether a pixel spacing can be right for a chest film, and says where its millimetres hold.

A wrong spacing (a printer's dots, a screen's, micrometres, the old value of a copy that was resized) would put a wrong
width of the heart into a report. It is found by what it would make of the film and of the chest.
"""

from cxr_core.film.radiograph import ADULT_FROM_YEARS, SpacingSource

# The largest detectors and sheets are 43 cm a side; sheets that were scanned with their frame are a little larger.
LARGEST_FILM_MM = 500.0
# The film of a premature newborn, cropped to the chest.
SMALLEST_FILM_MM = 60.0
# Between the inner borders of the ribs, as the installed segmenter finds them on 140 NIH films of adults: 215 to 368 mm
# on the detector (0.5 and 99.5 %: 230 and 367).
ADULT_CHEST_MM = (210.0, 420.0)
# A premature newborn, and a grown child.
CHILD_CHEST_MM = (40.0, 420.0)

PLACES: dict[SpacingSource, str] = {
    "calibrated": "calibrated at the patient",
    "magnification": "at the patient, estimated from the magnification",
    "detector": "at the detector",
    "scanner": "on the scanned sheet of film",
}


def describe_spacing_source(source: SpacingSource | None) -> str:
    """Where millimetres hold, as a phrase that follows them."""
    return "of unknown origin" if source is None else PLACES[source]


def is_plausible_film(
    shape: tuple[int, int], spacing_mm: tuple[float, float], age_years: float | None
) -> bool:
    """Whether a film can have this size. shape: (H, W) px.  spacing_mm: (row, column).

    An adult's film holds an adult's chest; without an age it may be a child's.
    """
    height_mm, width_mm = shape[0] * spacing_mm[0], shape[1] * spacing_mm[1]
    adult = age_years is not None and age_years >= ADULT_FROM_YEARS
    narrowest_mm = ADULT_CHEST_MM[0] if adult else SMALLEST_FILM_MM
    if width_mm < narrowest_mm or height_mm < SMALLEST_FILM_MM:
        return False
    return max(height_mm, width_mm) <= LARGEST_FILM_MM


def is_plausible_chest(width_mm: float, age_years: float | None) -> bool:
    """Whether a chest can be as wide as measured. Without an age an adult's limits hold."""
    child = age_years is not None and age_years < ADULT_FROM_YEARS
    narrowest_mm, widest_mm = CHILD_CHEST_MM if child else ADULT_CHEST_MM
    return narrowest_mm <= width_mm <= widest_mm
