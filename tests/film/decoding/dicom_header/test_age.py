"""A patient's age as a DICOM file states it, or as its dates give it, compared with dateutil's calendar."""

import warnings
from datetime import date, timedelta

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.decoding.dicom_header.age import StatedAge, decide_age
from cxr_core.film.quality import find_quality_flags
from cxr_core.presentation.wording import format_age
from tests.film.corpus import base_values
from tests.film.dicom_files import write_dicom

DAYS = 1 / 365.25


def age_of(**tags: str) -> StatedAge:
    dataset = Dataset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # wrong values are written on purpose
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)
    return decide_age(dataset)


def born(birth: str, examined: str, **tags: str) -> StatedAge:
    return age_of(PatientBirthDate=birth, StudyDate=examined, **tags)


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("045Y", 45.0),
        ("006M", 0.5),
        ("012W", 84 * DAYS),
        ("030D", 30 * DAYS),
        ("000D", 0.0),
        ("120Y", 120.0),
        ("58", 58.0),
    ],
)
def test_patients_age_is_read_in_every_unit(text: str, years: float) -> None:
    assert age_of(PatientAge=text).years == pytest.approx(years)


@pytest.mark.parametrize(
    ("birth", "examined", "years"),
    [
        ("19610203", "20100405", 49.0),
        ("19610203", "20100202", 48.0),
        ("20080229", "20110227", 2.0),
        ("20080229", "20110228", 3.0),  # its birthday in years without a 29 February
        ("20100115", "20100715", 0.5),
        ("20100115", "20100714", 5 / 12),
        ("20100115", "20100205", 21 * DAYS),
        ("20100115", "20100120", 5 * DAYS),
        ("20100115", "20100115", 0.0),
        ("1961.02.03", "2010.04.05", 49.0),
        ("20000829", "20010228", 6 / 12),  # there is no 29 February in 2001
    ],
)
def test_without_patients_age_the_dates_give_it(birth: str, examined: str, years: float) -> None:
    assert born(birth, examined) == StatedAge(years=pytest.approx(years))


@given(birth=st.dates(date(1901, 1, 2), date(2020, 1, 1)), days=st.integers(1, 40_000))
def test_computed_ages_are_those_of_the_calendar(birth: date, days: int) -> None:
    examined = birth + timedelta(days)
    elapsed = relativedelta(examined, birth)
    months = 12 * elapsed.years + elapsed.months
    if days < 14:
        words = f"{days} day{'s' if days > 1 else ''}"
    elif months < 3:
        words = f"{days // 7} weeks"
    elif months < 24:
        words = f"{months} months"
    else:
        words = f"{elapsed.years} years"
    years = born(f"{birth:%Y%m%d}", f"{examined:%Y%m%d}").years
    assert years is not None
    assert format_age(years) == words


def test_the_first_date_of_the_examination_that_is_one_counts() -> None:
    birth = {"PatientBirthDate": "19610203"}
    assert age_of(**birth, AcquisitionDate="20000405", ContentDate="20100405").years == 39
    assert age_of(**birth, StudyDate="20001399", ContentDate="20100405").years == 49
    assert age_of(**birth, SeriesDate="20100405").years is None


def test_patients_age_comes_before_the_dates_and_a_contradiction_keeps_both() -> None:
    assert born("19610203", "20100405", PatientAge="049Y") == StatedAge(years=49.0)
    assert born("19610203", "20100405", PatientAge="050Y") == StatedAge(years=50.0)
    contradicted = StatedAge(years=51.0, conflicting_years=49.0)
    assert born("19610203", "20100405", PatientAge="051Y") == contradicted


@pytest.mark.parametrize(
    "tags",
    [
        {"PatientAge": "411Y"},
        {"PatientAge": "-05Y"},
        {"PatientBirthDate": "20110101", "StudyDate": "20100405"},
        {"PatientBirthDate": "18500304", "StudyDate": "20100405"},
        {"PatientAge": "411Y", "PatientBirthDate": "20110101", "StudyDate": "20100405"},
    ],
)
def test_an_impossible_age_is_unknown_and_irregular(tags: dict[str, str]) -> None:
    assert age_of(**tags) == StatedAge(years=None, irregularities=("impossible_age",))


def test_an_impossible_age_beside_a_possible_one_is_ignored() -> None:
    assert born("19610203", "20100405", PatientAge="411Y") == StatedAge(years=49.0)
    assert born("20110101", "20100405", PatientAge="049Y") == StatedAge(years=49.0)


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"PatientAge": "Secret"},
        {"PatientBirthDate": "19610203"},
        {"StudyDate": "20100405"},
        {"PatientBirthDate": "1961", "StudyDate": "20100405"},
        {"PatientBirthDate": "19610230", "StudyDate": "20100405"},
        # Dates of de-identified files, also in pydicom's test files.
        {"PatientBirthDate": "19000101", "StudyDate": "20100405"},
        {"PatientBirthDate": "20000101", "StudyDate": "20000101"},
    ],
)
def test_what_says_no_age_leaves_it_open(tags: dict[str, str]) -> None:
    assert age_of(**tags) == StatedAge(years=None)


def test_the_flag_of_a_contradiction_names_both_ages_and_no_date() -> None:
    film = decode_film(
        write_dicom(base_values(), BitsStored=12, PatientAge="007M", StudyDate="20100405")
    )
    (flag,) = [flag for flag in find_quality_flags(film) if flag.code == "age_conflict"]
    assert "7 months" in flag.message
    assert "49 years" in flag.message
    assert not flag.withholds_call
    assert "1961" not in flag.message
