"""Groups ages into the bands that the Data page, the evaluation and the promotion gate all use."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

MAX_AGE = 200  # years; an age of this or more is an error in the data and falls into no band


@dataclass(frozen=True)
class AgeBand:
    """A range of ages in whole years, both ends included. last: None for the oldest band."""

    first: int
    last: int | None

    @property
    def name(self) -> str:
        """As metrics.json and the charts write it: "18-39" or "80+"."""
        return f"{self.first}+" if self.last is None else f"{self.first}-{self.last}"

    @property
    def in_words(self) -> str:
        """As a sentence writes it: "18 to 39" or "80 and over"."""
        if self.last is None:
            return f"{self.first} and over"
        return f"{self.first} to {self.last}"

    def contains(self, years: np.ndarray) -> np.ndarray:
        """(N,) bool: which ages lie in the band.  years: (N,) float, NaN when unknown."""
        end = MAX_AGE if self.last is None else self.last + 1
        inside: np.ndarray = (years >= self.first) & (years < end)
        return inside


AGE_BANDS = (
    AgeBand(0, 17),
    AgeBand(18, 39),
    AgeBand(40, 59),
    AgeBand(60, 79),
    AgeBand(80, None),
)
AGE_BAND_OF_NAME = {band.name: band for band in AGE_BANDS}


def assign_age_bands(years: pd.Series) -> pd.Series:
    """The name of each age's band; missing for an unknown or impossible age."""
    names = pd.Series(None, years.index, dtype="object")
    for band in AGE_BANDS:
        names[band.contains(years.to_numpy(np.float64))] = band.name
    return names
