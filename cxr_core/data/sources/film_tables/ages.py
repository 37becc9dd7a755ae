"""Computes ages from dates of birth, where a table gives no age."""

import re

import numpy as np
import pandas as pd

# 1927, 1927.0, 19270513, 1927-05-13
DATE = re.compile(r"(\d{4})(?:\.0|[-/.]?(\d{2})[-/.]?(\d{2}).*)?")


def ages_from_dates(births: pd.Series, studies: pd.Series) -> pd.Series:
    """(N,) years between birth and study; NaN where a date is missing. To the year where only years are given."""
    years = [_years_between(birth, study) for birth, study in zip(births, studies, strict=True)]
    return pd.Series(years, births.index, dtype=np.float64)


def _years_between(birth: str, study: str) -> float:
    born, examined = DATE.fullmatch(birth), DATE.fullmatch(study)
    if born is None or examined is None:
        return float("nan")
    years = int(examined[1]) - int(born[1])
    has_days = born[2] is not None and examined[2] is not None
    if has_days and (examined[2], examined[3]) < (born[2], born[3]):
        years -= 1
    return float(years)
