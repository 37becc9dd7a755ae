"""Groups are found, measured as scikit-learn does, held to the floor, and their differences found where built in."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn import metrics as sk

from cxr_core.evaluation.metrics.delong import compute_delong_auroc
from cxr_core.evaluation.metrics.multiple_testing import adjust_by_holm, adjust_for_multiple_testing
from cxr_core.evaluation.metrics.subgroups import MIN_PATIENTS, compute_subgroups
from cxr_core.evaluation.report.subgroups import build_subgroup_blocks
from cxr_core.models.card import OperatingPoint
from tests.evaluation.report_pages import render_blocks

POINT = OperatingPoint(name="youden", threshold=0.4, source="a test")


def rows(seed: int, count: int = 1200, worse: str = "") -> pd.DataFrame:
    """Two films a patient; the probabilities are right, but those of the sex that `worse` names say nothing."""
    chance = np.random.default_rng(seed)
    patient = np.repeat(np.arange(count // 2), 2)
    sex = np.where(patient % 2, "F", "M")
    probability = chance.beta(1, 2, count)
    label = (chance.random(count) < probability).astype(float)
    label[sex == worse] = chance.random((sex == worse).sum()) < 1 / 3
    return pd.DataFrame(
        {
            "patient": [f"p{n}" for n in patient],
            "label": label,
            "probability": probability,
            "age": np.where(patient < 5, 90, 20 + patient % 60),
            "sex": sex,
            "view": chance.choice(["PA", "AP"], count),
            "source": "one",
        }
    )


def test_every_group_has_scikit_learns_figures_and_its_counts():
    films = rows(0)
    found = compute_subgroups(films, POINT, resamples=50)
    assert {group.by for group in found.groups} == {
        "sex",
        "age",
        "view",
    }  # one source is no kind of group
    for group in found.groups:
        if group.by == "age":
            continue
        chosen = films[films[group.by] == {"female": "F", "male": "M"}.get(group.name, group.name)]
        called = chosen["probability"] >= 0.4
        expected = {
            "auroc": sk.roc_auc_score(chosen["label"], chosen["probability"]),
            "sensitivity": sk.recall_score(chosen["label"], called),
            "specificity": sk.recall_score(chosen["label"], called, pos_label=0),
            "calibration": (chosen["probability"] - chosen["label"]).mean(),
        }
        for name, value in expected.items():
            assert group.figures[name].value == pytest.approx(value), name
            assert group.figures[name].n == group.n == len(chosen)
        assert (group.positives, group.patients) == (
            chosen["label"].sum(),
            chosen["patient"].nunique(),
        )


def test_a_group_below_the_floor_has_no_figures_and_is_not_compared():
    found = compute_subgroups(rows(1), POINT, resamples=20)
    old = next(group for group in found.groups if group.name == "80+")
    assert (old.patients, old.enough, old.figures, old.differences) == (5, False, {}, {})
    assert (
        found.compared
        == len([group for group in found.groups if group.enough])
        == len(found.groups) - 1
    )
    told = found.to_json()
    assert told["least_patients_of_each_class"] == MIN_PATIENTS
    assert "auroc" not in next(group for group in told["groups"] if group["name"] == "80+")


def test_a_difference_that_is_built_in_is_found_and_others_are_not():
    worse = {
        group.name: group.differences
        for group in compute_subgroups(rows(2, worse="F"), POINT, resamples=200).groups
    }
    assert worse["female"]["auroc"].p_adjusted < 0.001
    assert worse["female"]["auroc"].high < -0.1
    assert worse["female"]["auroc"].value == pytest.approx(-worse["male"]["auroc"].value)
    alike = {
        group.name: group.differences
        for group in compute_subgroups(rows(2), POINT, resamples=200).groups
    }
    assert alike["female"]["auroc"].p_adjusted > 0.05
    assert alike["female"]["auroc"].low < 0 < alike["female"]["auroc"].high


def test_the_error_of_a_difference_is_that_of_independent_groups_where_they_are():
    """One film a patient: the variances of both sexes' AUROC by DeLong add up."""
    films = rows(3).assign(patient=np.arange(1200), age=np.nan, view="PA")
    found = {group.name: group for group in compute_subgroups(films, POINT, resamples=1000).groups}
    assert found["female"].differences["auroc"].p == pytest.approx(
        found["male"].differences["auroc"].p
    )
    errors = []
    for sex in "FM":
        chosen = films[films["sex"] == sex]
        each = compute_delong_auroc(chosen["probability"].to_numpy(), chosen["label"].to_numpy())
        errors.append((each.high - each.low) / 2 / norm.ppf(0.975))
    difference = found["female"].differences["auroc"]
    width = norm.ppf(1 - 0.025 / 2)  # two groups were compared
    assert (difference.high - difference.low) / 2 / width == pytest.approx(
        np.hypot(*errors), rel=0.1
    )


def test_holm_raises_as_its_source_says():
    assert adjust_by_holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx(
        [0.03, 0.06, 0.06, 0.02]
    )
    assert adjust_by_holm(np.array([0.6, 0.7])) == pytest.approx([1, 1])
    found = adjust_for_multiple_testing(
        {"a": (0.2, 0.1), "b": (0.1, float("nan")), "c": (float("nan"), float("nan"))}
    )
    assert found["a"].p == found["a"].p_adjusted == pytest.approx(2 * norm.sf(2))
    assert (found["b"].value, found["b"].low, found["b"].p) == (0.1, None, None)
    assert found["c"].value is None


def test_films_that_do_not_say_are_in_no_group():
    films = rows(4)
    films.loc[:99, "sex"] = None
    found = compute_subgroups(films, POINT, resamples=20)
    assert found.unknown["sex"] == 100
    assert sum(group.n for group in found.groups if group.by == "sex") == 1100


def test_the_table_shows_each_group_and_says_where_cases_are_too_few():
    found = compute_subgroups(rows(5, worse="F"), POINT, resamples=50)
    shown = render_blocks(build_subgroup_blocks(found))
    female = next(group for group in found.groups if group.name == "female")
    assert (
        f"Sex: female</th><td>{female.positives:,} of {female.n:,}</td><td>{female.figures['auroc'].value:.3f}"
        in shown
    )
    assert shown.count("not enough cases") == 1
    assert "&lt; 0.001" in shown
    assert f"adjusted for {found.compared} groups" in shown
    assert "In no group" not in shown
