"""A dataset's numbers, against scikit-learn, scipy and counts made by hand."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix

from cxr_core.data import summary
from cxr_core.data.charts.draw import draw_charts
from cxr_core.data.checks.issue import Issue
from cxr_core.data.manifest import Manifest, build_table
from cxr_core.data.selection import (
    DIMENSIONS,
    EVERY_FILM,
    FilmIndex,
    Selection,
    join_selections,
)
from cxr_core.data.summary import FILMS_PER_PATIENT, Summary, summarise_films

NAN = float("nan")


def manifest(**columns: object) -> Manifest:
    """Six films of four patients; columns given replace those below."""
    facts = {
        "image": [f"/films/{name}.png" for name in "abcdef"],
        "patient": ["1", "1", "2", "3", "4", "4"],
        "split": ["train", "train", "train", "test", "test", "test"],
        "source": ["x", "x", "y", "y", "y", "y"],
        "view": ["PA", "AP", None, "AP", "AP", "PA"],
        "age": [40, 41, NAN, 0, 95, 119],
        "sex": ["F", "F", "M", None, "M", "M"],
        "cardiomegaly": [1, 0, NAN, 1, 1, 0],
        "effusion": [1, 1, NAN, NAN, 0, 0],
        "width": [129, 128, NAN, 60, NAN, NAN],
        "height": [256, 9, NAN, 5000, NAN, NAN],
    }
    return Manifest(build_table(facts | columns), "csv", "free")


def random_manifest(n: int = 400) -> Manifest:
    rng = np.random.default_rng(3)
    return Manifest(
        build_table(
            {
                "image": [f"/f/{i}.png" for i in range(n)],
                "patient": rng.integers(0, 90, n).astype(str),
                "split": rng.choice(["train", "val", "test", None], n),
                "source": "s",
                "view": rng.choice(["PA", "AP", None], n),
                "age": rng.choice([*range(100), NAN], n),
                "sex": rng.choice(["F", "M", None], n),
                "cardiomegaly": rng.choice([0, 1, NAN], n),
                "pneumonia": rng.choice([0, 1, NAN], n),
                "mass": rng.choice([0, 1], n),
            }
        ),
        "csv",
        "free",
    )


def summarise_manifest(found: Manifest, selection: Selection = EVERY_FILM) -> Summary:
    return summarise_films(FilmIndex(found), selection)


def test_prevalence_ignores_unknown_labels() -> None:
    train, test, *_ = summarise_manifest(manifest()).prevalence
    assert (train.split, train.positives, train.known, train.unknown, train.share) == (
        "train",
        1,
        2,
        1,
        0.5,
    )
    assert (test.split, test.positives, test.known, test.unknown) == ("test", 2, 3, 0)


@given(st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_agrees_with_scipy(counts: tuple[int, int]) -> None:
    expected = binomtest(*counts).proportion_ci(method="wilson")
    assert summary.wilson_interval(*counts) == pytest.approx(
        (expected.low, expected.high), abs=1e-9
    )


def test_no_known_label_gives_nan_share_and_full_interval() -> None:
    found = summarise_manifest(manifest(effusion=[1, 0, 0, NAN, NAN, NAN])).prevalence[-1]
    assert math.isnan(found.share)
    assert found.interval == (0.0, 1.0)


def test_co_occurrence_agrees_with_scikit_learn() -> None:
    dataset = random_manifest()
    found = summarise_manifest(dataset).co_occurrence
    for row, first in enumerate(found.findings):
        for column, second in enumerate(found.findings):
            both = dataset.table[[first, second]].set_axis(["row", "column"], axis=1).dropna()
            matrix = confusion_matrix(both["row"], both["column"], labels=[0, 1])
            assert (found.together[row, column], found.known[row, column]) == (
                matrix[1, 1],
                matrix[1].sum(),
            )


def test_ages_sexes_and_views_count_unknown_separately() -> None:
    found = summarise_manifest(manifest())
    assert found.ages.levels == ("0-17", "18-39", "40-59", "60-79", "80+", "unknown")
    assert found.ages.counts == {"train": (0, 0, 2, 0, 0, 1), "test": (1, 0, 0, 0, 2, 0)}
    sexes, views = found.levels["sex"], found.levels["view"]
    assert (sexes.levels, sexes.counts) == (
        ("F", "M", "unknown"),
        {"train": (2, 1, 0), "test": (0, 2, 1)},
    )
    assert views.counts == {"train": (1, 1, 1), "test": (1, 2, 0)}


def test_films_per_patient_and_splits_add_up() -> None:
    found = summarise_manifest(random_manifest())
    table = random_manifest().table
    sizes = table.groupby("patient").size()
    for (low, high), count in zip(FILMS_PER_PATIENT, found.films_per_patient, strict=True):
        assert count == sizes.between(low, high or 10**9).sum()
    assert sum(films for films, _ in found.splits.values()) == found.films == 400
    assert found.splits["undivided"][1] == table[table["split"].isna()]["patient"].nunique()


@pytest.mark.parametrize(
    ("selection", "films"),
    [
        (Selection(), "abcdef"),
        (Selection(finding="cardiomegaly"), "ade"),
        (Selection(finding="cardiomegaly", label="negative"), "bf"),
        (Selection(finding="cardiomegaly", label="unknown"), "c"),
        (Selection(finding="cardiomegaly", also="effusion"), "a"),
        (Selection(finding="hernia"), ""),
        (Selection(split=("test",), view=("AP",)), "de"),
        (Selection(view=("unknown",)), "c"),
        (Selection(sex=("unknown",)), "d"),
        (Selection(sex=("unknown", "F")), "abd"),
        (Selection(size=("129–256 px",)), "a"),
        (Selection(size=("up to 128 px", "over 4096 px")), "bd"),
        (Selection(size=("unknown",)), "cef"),
        (Selection(split=("val",)), ""),
        (Selection(source=("x",)), "ab"),
        (Selection(status=("present",), age_min=40, age_max=40), "a"),
        (Selection(age_min=95), "ef"),
        (Selection(age_max=0), "d"),
        (Selection(age_unknown=True), "c"),
        (Selection(films_min=2, films_max=2), "abef"),
        (Selection(patient="4"), "ef"),
        (Selection(patient="nobody"), ""),
        (Selection(issue="turned"), "bf"),
        (Selection(issue="turned", split=("test",)), "f"),
        (Selection(issue="mirrored"), ""),
    ],
)
def test_selection_finds_its_films(selection: Selection, films: str) -> None:
    issue = Issue(
        code="turned",
        message="Two.",
        count=2,
        images=("/films/f.png", "/films/b.png", "/films/gone.png"),
    )
    rows = FilmIndex(manifest(), (issue,)).find_rows(selection)
    assert "".join("abcdef"[row] for row in rows) == films
    assert bool(selection) == (selection != Selection())
    assert bool(selection.describe()) == bool(selection)


def test_a_range_of_one_number_is_in_the_singular_and_0_is_an_end() -> None:
    assert Selection(films_min=1, films_max=1).describe() == {"films": "1 film of the patient"}
    assert Selection(age_min=1, age_max=1).describe() == {"age": "1 year"}
    assert Selection(age_min=60, age_max=69).describe() == {"age": "60 to 69 years"}
    newborns = Selection(age_max=0)
    assert not newborns.includes(Selection(age_min=60, age_max=69), "age")
    assert newborns.includes(Selection(age_min=0, age_max=9), "age")


def test_every_bar_selects_as_many_films_as_it_shows() -> None:
    dataset = random_manifest()
    index = FilmIndex(dataset)
    found = summarise_films(index)
    drawn = draw_charts(found)

    def films(name: str) -> list[list[int]]:
        return [
            [len(index.find_rows(selection)) for selection in trace]
            for trace in drawn[name].selections
        ]

    positives = {entry.finding: 0 for entry in found.prevalence}
    for entry in found.prevalence:
        positives[entry.finding] += entry.positives
    for trace in drawn["How often each finding is"].selections:
        for selection in trace:
            assert len(index.find_rows(selection)) == positives[selection.finding or ""]
    assert films("Splits")[0] == [count for count, _ in found.splits.values()]
    in_bands = np.sum(list(found.ages.counts.values()), axis=0).tolist()
    assert films("Ages")[0] == in_bands
    for name, column in (("Sex", "sex"), ("View", "view")):
        counts = np.sum(list(found.levels[column].counts.values()), axis=0)
        assert [trace[0] for trace in films(name)] == counts.tolist()
    sizes = dataset.table.groupby("patient").size()
    expected = [
        int(sizes[sizes.between(low, high or 10**9)].sum()) for low, high in FILMS_PER_PATIENT
    ]
    assert films("Films per patient")[0] == expected[: len(films("Films per patient")[0])]
    together = found.co_occurrence.together
    assert films("Findings on the same film")[0] == [
        int(n) for n in together[~np.eye(len(together), dtype=bool)]
    ]


selections = st.builds(
    Selection,
    finding=st.sampled_from([None, "cardiomegaly", "mass"]),
    label=st.sampled_from(["positive", "negative", "unknown"]),
    also=st.sampled_from([None, "pneumonia"]),
    split=st.sampled_from([(), ("train",), ("val", "test")]),
    view=st.sampled_from([(), ("PA",), ("unknown",)]),
    sex=st.sampled_from([(), ("F",), ("F", "M")]),
    age_min=st.sampled_from([None, 20]),
    age_max=st.sampled_from([None, 70]),
    films_min=st.sampled_from([None, 3]),
)


@settings(deadline=None, max_examples=30)
@given(selections)
def test_charts_count_the_films_that_the_other_filters_leave(selection: Selection) -> None:
    dataset = random_manifest()
    index = FilmIndex(dataset)
    found = summarise_films(index, selection)

    def table(dimension: str) -> pd.DataFrame:
        """The films that pass every filter but that of one dimension."""
        return dataset.table.iloc[index.find_rows(selection.without(dimension))]

    rows = index.find_rows(selection)
    assert found.films == len(rows)
    assert found.patients == dataset.table["patient"].iloc[rows].nunique()
    splits = table("split")["split"].fillna("undivided").value_counts()
    assert {name: films for name, (films, _) in found.splits.items() if films} == splits.to_dict()
    by_view = table("view")["view"].fillna("unknown").value_counts()
    counts = np.sum(list(found.levels["view"].counts.values()), axis=0)
    shown = dict(zip(found.levels["view"].levels, counts.tolist(), strict=True))
    assert {level: films for level, films in shown.items() if films} == by_view.to_dict()
    known = table("finding")
    for entry in found.prevalence:
        labels = known.loc[known["split"].fillna("undivided") == entry.split, entry.finding]
        assert (entry.positives, entry.known) == ((labels == 1).sum(), labels.notna().sum())
    films = dataset.table.groupby("patient").size()[table("films")["patient"].unique()]
    assert sum(found.films_per_patient) == len(films)


@settings(deadline=None, max_examples=30)
@given(selections)
def test_a_selection_keeps_the_bars_of_every_chart(selection: Selection) -> None:
    index = FilmIndex(random_manifest())
    everything = summarise_films(index)
    all_charts = draw_charts(everything)
    drawn = draw_charts(summarise_films(index, selection), everything, selection)
    assert {name: chart.selections for name, chart in drawn.items()} == {
        name: chart.selections for name, chart in all_charts.items()
    }
    sexes = [trace.marker.opacity for trace in drawn["Sex"].figure.data]
    if selection.sex == ("F",):
        assert [set(opacity) for opacity in sexes] == [{1.0}, {0.35}, {0.35}]
    else:
        assert selection.sex or sexes == [None] * 3


@pytest.mark.parametrize(
    ("dimension", "parts", "joined"),
    [
        ("sex", [Selection(sex=("F",)), Selection(sex=("M",))], Selection(sex=("F", "M"))),
        ("age", [Selection(age_min=40, age_max=59), Selection(age_min=18, age_max=39)],
         Selection(age_min=18, age_max=59)),
        ("age", [Selection(age_min=80), Selection(age_unknown=True)], Selection(age_min=80)),
        ("age", [Selection(age_unknown=True)], Selection(age_unknown=True)),
        ("films", [Selection(films_min=1, films_max=1), Selection(films_min=51)],
         Selection(films_min=1)),
        ("finding", [Selection(finding="mass"), Selection(finding="mass")],
         Selection(finding="mass")),
        ("finding", [Selection(finding="mass"), Selection(finding="edema")],
         Selection(finding="mass", also="edema")),
    ],
)  # fmt: skip
def test_bars_selected_together_are_one_selection(
    dimension: str, parts: list[Selection], joined: Selection
) -> None:
    assert join_selections(parts, dimension) == joined
    for part in parts:
        assert joined.includes(part, dimension) or part.age_unknown


def test_every_field_of_a_selection_has_one_dimension() -> None:
    names = [name for names in DIMENSIONS.values() for name in names]
    assert sorted(names) == sorted(field.name for field in dataclasses.fields(Selection))


def test_position_outside_a_chart_has_no_films() -> None:
    chart = draw_charts(summarise_manifest(manifest()))["Sex"]
    assert chart.selection_at([(0, 0), (9, 9)]) == Selection(sex=("F",))
    assert chart.selection_at([(-1, 0), (99, 0), (0, -1), (0, 99)]) is None


def test_charts_without_labels_or_ages_still_draw() -> None:
    bare = manifest(age=[NAN] * 6, sex=[None] * 6, view=[None] * 6, split=[None] * 6)
    without = Manifest(bare.table.drop(columns=["cardiomegaly", "effusion"]), "csv", "free")
    drawn = draw_charts(summarise_manifest(without))
    assert list(drawn) == ["Splits", "Ages", "Sex", "View", "Sources", "Sizes", "Films per patient"]
    assert drawn["Sex"].selections == ((Selection(sex=("unknown",)),),)


def test_a_source_named_like_html_is_text() -> None:
    hostile = manifest(source=["<b>x</b>"] * 3 + ["y" * 99] * 3)
    bars = draw_charts(summarise_manifest(hostile))["Sources"].figure.data[0]
    assert bars.y[0] == "&lt;b&gt;x&lt;/b&gt;"
    assert len(bars.y[1]) < 40
