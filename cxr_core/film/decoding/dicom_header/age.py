"""Decides a patient's age from a DICOM file: as the file states it, else from the dates of birth and examination.

The dates themselves go no further than this module.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import date

from pydicom import Dataset

from cxr_core.film.decoding.dicom_header.values import read_text
from cxr_core.film.vocabulary import parse_age

# The date of the examination is the first of these that is a date.
EXAMINATION_DATES = ("StudyDate", "AcquisitionDate", "ContentDate")
TAGS = ("PatientAge", "PatientBirthDate", *EXAMINATION_DATES)

MAX_AGE_YEARS = 120
# What programs write where they do not know, or must not say, when a patient was born.
PLACEHOLDERS = frozenset({date(1800, 1, 1), date(1900, 1, 1)})
# YYYYMMDD (PS3.5 6.2), with dots in files before DICOM, with hyphens in those of some devices.
DATE = re.compile(r"(\d{4})[-./]?(\d{2})[-./]?(\d{2})")


@dataclass(frozen=True, kw_only=True)
class StatedAge:
    """years: None where the file leaves it open.  conflicting_years: by the dates, where they contradict `years`."""

    years: float | None
    conflicting_years: float | None = None
    irregularities: tuple[str, ...] = ()


def decide_age(dataset: Dataset) -> StatedAge:
    """The age as Patient's Age states it, else as birth and examination date give it.

    An age below 0 or above 120 years says nothing, nor does a birth after the examination; a file that says no more is
    irregular.
    """
    text = read_text(dataset, "PatientAge")
    stated, by_dates = parse_age(text), _compute_age(dataset)
    sound_stated, sound_by_dates = _keep_possible(stated), _keep_possible(by_dates)
    if sound_stated is None:
        impossible = sound_by_dates is None and (stated is not None or by_dates is not None)
        return StatedAge(
            years=sound_by_dates, irregularities=("impossible_age",) if impossible else ()
        )
    if sound_by_dates is None or _agree(sound_stated, sound_by_dates):
        return StatedAge(years=sound_stated)
    return StatedAge(years=sound_stated, conflicting_years=sound_by_dates)


def _compute_age(dataset: Dataset) -> float | None:
    """Age in years at the examination, rounded down as Patient's Age is; below 0 for a birth after it.

    None without both dates, and for a date of birth that only fills its place.
    """
    birth = _read_date(dataset, "PatientBirthDate")
    examinations = [_read_date(dataset, keyword) for keyword in EXAMINATION_DATES]
    examination = next((day for day in examinations if day is not None), None)
    if birth is None or examination is None or birth in PLACEHOLDERS:
        return None
    if birth == examination and (birth.month, birth.day) == (1, 1):
        return None  # de-identified: every date is the first of January of the same year
    days = (examination - birth).days
    months = 12 * (examination.year - birth.year) + examination.month - birth.month
    last_day = calendar.monthrange(examination.year, examination.month)[1]
    months -= examination.day < min(birth.day, last_day)  # born on the 31st: of age on the 30th
    if months >= 24:
        return float(months // 12)
    if months >= 3:
        return months / 12
    return (days if days < 14 else days // 7 * 7) / 365.25


def _read_date(dataset: Dataset, keyword: str) -> date | None:
    match = DATE.fullmatch(read_text(dataset, keyword))
    if match is None:
        return None
    try:
        return date(*(int(number) for number in match.groups()))
    except ValueError:
        return None


def _keep_possible(years: float | None) -> float | None:
    return years if years is not None and 0 <= years <= MAX_AGE_YEARS else None


def _agree(stated: float, by_dates: float) -> bool:
    """Whether two ages differ by a year at most. Both are rounded down: 45 and 46 whole years may be a day apart."""
    return abs(stated - by_dates) <= 1
