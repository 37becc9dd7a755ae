"""Age bands: every age lies in exactly one, and the ends belong to the band that names them."""

import numpy as np
import pandas as pd
import pytest

from cxr_core.data.age_bands import AGE_BANDS, AgeBand, assign_age_bands


def test_unknown_and_impossible_ages_have_no_band() -> None:
    bands = assign_age_bands(pd.Series([0, 17.9, 18, 79, 80, np.nan, 411]))
    assert bands.tolist()[:5] == ["0-17", "0-17", "18-39", "60-79", "80+"]
    assert bands[5:].isna().all()


@pytest.mark.parametrize("band", AGE_BANDS, ids=lambda band: band.name)
def test_a_band_contains_its_first_and_last_year(band: AgeBand) -> None:
    last = band.first + 0.5 if band.last is None else band.last
    ages = pd.Series([band.first, last, band.first - 1])
    assert list(assign_age_bands(ages)[:2]) == [band.name, band.name]
    assert assign_age_bands(ages)[2] != band.name


def test_every_age_lies_in_one_band() -> None:
    years = np.arange(0, 120, 0.5)
    assert (np.sum([band.contains(years) for band in AGE_BANDS], axis=0) == 1).all()
