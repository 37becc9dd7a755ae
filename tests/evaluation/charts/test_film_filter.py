"""The films behind a point, against the same question asked of pandas in its own words."""

import numpy as np
import pandas as pd
import pytest

from cxr_core.data.age_bands import AGE_BANDS
from cxr_core.evaluation.charts.film_filter import UNKNOWN, Pick
from cxr_core.evaluation.charts.groups import group_pick

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
    ("pick", "asked"),
    [
        (Pick(), "label >= 0"),
        (Pick(outcome="false_positive"), "label == 0 and probability >= 0.4"),
        (Pick(outcome="false_negative"), "label == 1 and probability < 0.4"),
        (Pick(outcome="true_positive"), "label == 1 and probability >= 0.4"),
        (Pick(outcome="true_negative"), "label == 0 and probability < 0.4"),
        (Pick(outcome="false_positive", threshold=0.75), "label == 0 and probability >= 0.75"),
        (Pick(low=0.2, high=0.3), "0.2 <= probability < 0.3"),
        (Pick(low=0.9, high=1.0, label=1), "0.9 <= probability <= 1 and label == 1"),
        (Pick(sex="F", view="PA"), "sex == 'F' and view == 'PA'"),
        (Pick(sex=UNKNOWN), "sex.isna()"),
        (Pick(source="there", patient="7"), "source == 'there' and patient == '7'"),
        (Pick(age_min=40, age_max=59), "40 <= age <= 59"),
        (Pick(age_min=60), "age >= 60"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_pick_is_what_was_asked_and_the_worst_come_first(pick: Pick, asked: str) -> None:
    rows = pick.rows(FILMS, 0.4)
    assert sorted(rows) == FILMS.query(asked).index.tolist()
    gap = (FILMS["probability"] - FILMS["label"]).abs().to_numpy()[rows]
    assert (np.diff(gap) <= 0).all()


def test_the_outcomes_share_out_the_films_of_a_group_whichever_is_open() -> None:
    group = Pick(sex="M", outcome="false_negative")
    counts = group.counts(FILMS, 0.4)
    assert sum(counts.values()) == (FILMS["sex"] == "M").sum()
    assert counts["false_negative"] == len(group.rows(FILMS, 0.4))


def test_the_age_bands_of_the_forest_plot_leave_no_film_out_and_none_twice() -> None:
    rows = [group_pick({"by": "age", "name": band.name}).rows(FILMS, 0.4) for band in AGE_BANDS]
    assert sorted(np.concatenate(rows)) == FILMS.index[FILMS["age"].notna()].tolist()
    assert list(group_pick({"by": "sex", "name": "female"}).rows(FILMS, 0.4)) == list(
        Pick(sex="F").rows(FILMS, 0.4)
    )


def test_what_is_asked_is_said() -> None:
    assert Pick(low=0.25, high=0.275, label=1).words() == (
        "probability 25 % to 27.5 %",
        "labelled present",
    )
    assert Pick(threshold=0.41, age_min=75).words() == ("threshold 0.41", "75 years and over")
    assert not Pick()
    assert Pick(label=0)
