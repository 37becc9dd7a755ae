"""What is known of the patient, and nothing that tells who it is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cxr_core.film.radiograph import ADULT_FROM_YEARS, View
from cxr_core.presentation.wording import format_age

AgeGroup = Literal["adult", "child_1_to_5"]
# The youngest and the oldest of a group, in completed years, and its name.
AGE_GROUPS: Mapping[AgeGroup, tuple[float, float]] = {
    "adult": (ADULT_FROM_YEARS, math.inf),
    "child_1_to_5": (1, 5),
}
AGE_GROUP_NAMES: Mapping[AgeGroup, str] = {
    "adult": "adult",
    "child_1_to_5": "child of 1 to 5 years",
}


@dataclass(frozen=True, kw_only=True)
class Patient:
    """What is known of the patient; None is unknown. What the user says overrides what the file says.

    age_group: what is known where the exact age is not; it has no meaning beside `age_years`.
    """

    age_years: float | None = None
    age_group: AgeGroup | None = None
    view: View | None = None

    @property
    def age_range(self) -> tuple[float, float]:
        """The youngest and the oldest that the patient may be, in completed years."""
        if self.age_years is not None:
            return self.age_years, self.age_years
        return (0, math.inf) if self.age_group is None else AGE_GROUPS[self.age_group]

    @property
    def youngest_years(self) -> float | None:
        """The youngest that the patient may be, by the age or the age group; None where neither is known."""
        return None if self.is_age_unknown else self.age_range[0]

    @property
    def is_age_unknown(self) -> bool:
        """Whether neither an age nor an age group is known."""
        return self.age_years is None and self.age_group is None

    def describe_age(self) -> str:
        """The age in words: `45 years`, `adult`, `age unknown`."""
        if self.age_years is not None:
            return format_age(self.age_years)
        return "age unknown" if self.age_group is None else AGE_GROUP_NAMES[self.age_group]
