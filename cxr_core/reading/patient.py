"""What is known of the patient, and nothing that tells who it is."""

from dataclasses import dataclass

from cxr_core.film.radiograph import View


@dataclass(frozen=True, kw_only=True)
class Patient:
    """What is known of the patient; None is unknown. What the user says overrides what the file says."""

    age_years: float | None = None
    view: View | None = None
