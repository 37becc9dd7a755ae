"""The films behind a point, against the same question asked of pandas in its own words."""

import numpy as np
import pandas as pd
import pytest

from cxr_core.data.age_bands import AGE_BANDS
from cxr_core.evaluation.charts.film_filter import UNKNOWN, FilmFilter
from cxr_core.evaluation.charts.groups import filter_of_subgroup
from cxr_core.evaluation.metrics.results import Subgroup

CHANCE = np.random.default_rng(11)
COUNT = 200
FILMS = pd.DataFrame(
    {
        "patient": [str(number // 2) for number in range(COUNT)],
        "label": (CHANCE.random(COUNT) < 0.3).astype(float),
        "probability": np.round(
            CHANCE.random(COUNT), 2
        ),  # with ties, and with 0 and 1 put in below
        "view": CHANCE.choice(["PA", "AP"], COUNT),
        "sex": CHANCE.choice(["F", "M", None], COUNT),
        "source": CHANCE.choice(["here", "there"], COUNT),
        "age": np.where(CHANCE.random(COUNT) < 0.1, np.nan, CHANCE.integers(0, 95, COUNT)),
    }
)
FILMS.loc[:1, "probability"] = [0.0, 1.0]


@pytest.mark.parametrize(
    ("film_filter", "query"),
    [
        (FilmFilter(), "label >= 0"),
        (FilmFilter(outcome="false_positive"), "label == 0 and probability >= 0.4"),
        (FilmFilter(outcome="false_negative"), "label == 1 and probability < 0.4"),
        (FilmFilter(outcome="true_positive"), "label == 1 and probability >= 0.4"),
        (FilmFilter(outcome="true_negative"), "label == 0 and probability < 0.4"),
        (
            FilmFilter(outcome="false_positive", threshold=0.75),
            "label == 0 and probability >= 0.75",
        ),
        (FilmFilter(low=0.2, high=0.3), "0.2 <= probability < 0.3"),
        (FilmFilter(low=0.9, high=1.0, label=1), "0.9 <= probability <= 1 and label == 1"),
        (FilmFilter(sex="F", view="PA"), "sex == 'F' and view == 'PA'"),
        (FilmFilter(sex=UNKNOWN), "sex.isna()"),
        (FilmFilter(source="there", patient="7"), "source == 'there' and patient == '7'"),
        (FilmFilter(age_min=40, age_max=59), "40 <= age <= 59"),
        (FilmFilter(age_min=60), "age >= 60"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_filter_selects_its_films_the_worst_first(film_filter: FilmFilter, query: str) -> None:
    rows = film_filter.select_rows(FILMS, 0.4)
    assert sorted(rows) == FILMS.query(query).index.tolist()
    gap = (FILMS["probability"] - FILMS["label"]).abs().to_numpy()[rows]
    assert (np.diff(gap) <= 0).all()


def test_the_outcomes_share_out_the_films_of_a_group_whichever_is_open() -> None:
    group = FilmFilter(sex="M", outcome="false_negative")
    counts = group.count_outcomes(FILMS, 0.4)
    assert sum(counts.values()) == (FILMS["sex"] == "M").sum()
    assert counts["false_negative"] == len(group.select_rows(FILMS, 0.4))


def subgroup(by: str, name: str) -> Subgroup:
    return Subgroup(
        by=by,
        name=name,
        n=0,
        positives=0,
        patients=0,
        enough=False,
        figures={},
        differences={},
    )


def test_the_age_bands_of_the_forest_plot_leave_no_film_out_and_none_twice() -> None:
    rows = [
        filter_of_subgroup(subgroup("age", band.name)).select_rows(FILMS, 0.4) for band in AGE_BANDS
    ]
    assert sorted(np.concatenate(rows)) == FILMS.index[FILMS["age"].notna()].tolist()
    assert list(filter_of_subgroup(subgroup("sex", "female")).select_rows(FILMS, 0.4)) == list(
        FilmFilter(sex="F").select_rows(FILMS, 0.4)
    )


def test_conditions_are_described() -> None:
    assert FilmFilter(low=0.25, high=0.275, label=1).describe() == (
        "probability 25 % to 27.5 %",
        "labelled present",
    )
    assert FilmFilter(threshold=0.41, age_min=75).describe() == (
        "threshold 0.41",
        "75 years and over",
    )
    assert not FilmFilter()
    assert FilmFilter(label=0)
