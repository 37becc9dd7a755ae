"""Evaluations are paired film by film; differences are DeLong's or the bootstrap's; what speaks against it is said."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from cxr_core.errors import DataError
from cxr_core.evaluation.compare import BOOTSTRAP, DELONG, Contender, compare
from cxr_core.evaluation.metrics.delong import auroc_difference
from cxr_core.evaluation.metrics.metrics import auroc, brier
from cxr_core.evaluation.store.provenance import read_learnt, write_learnt
from train.compare import main

COUNT = 300


def table(noise: float, films_a_patient: int = 1, seed: int = 0) -> pd.DataFrame:
    """One set of films and labels whatever the noise; the more of it, the worse the probabilities."""
    labels = (np.random.default_rng(99).random(COUNT) < 0.3).astype(float)
    scores = labels + np.random.default_rng(seed).normal(0, noise, COUNT)
    return pd.DataFrame(
        {
            "image": [f"{n}.png" for n in range(COUNT)],
            "patient": [f"p{n // films_a_patient}" for n in range(COUNT)],
            "finding": "pneumonia",
            "label": labels,
            "probability": 1 / (1 + np.exp(-scores)),
            "sha256": [f"hash{n}" for n in range(COUNT)],
        }
    )


def test_of_one_film_a_patient_the_difference_is_delongs():
    one, other = table(1.0), table(2.0, seed=1)
    found = compare(
        [
            Contender(name="a", table=one),
            Contender(name="b", table=other.sample(frac=1, random_state=0)),
        ]
    )
    finding = found.findings["pneumonia"]
    expected = auroc_difference(
        one["probability"].to_numpy(), other["probability"].to_numpy(), one["label"].to_numpy()
    )
    apart = finding.differences["a", "b"]["auroc"]
    assert (apart.value, apart.low, apart.high) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )
    assert apart.p == apart.p_adjusted == pytest.approx(expected.p)
    assert finding.auroc_by == DELONG
    assert finding.figures["b"]["average_precision"].value == pytest.approx(
        sk.average_precision_score(other["label"], other["probability"])
    )
    assert (found.shared, found.films) == (COUNT, {"a": COUNT, "b": COUNT})


def test_of_several_films_a_patient_it_is_the_bootstraps_on_the_same_resamples():
    one, other = table(1.0, 3), table(1.5, 3, seed=1)
    finding = compare([Contender(name="a", table=one), Contender(name="b", table=other)]).findings[
        "pneumonia"
    ]
    assert finding.auroc_by == BOOTSTRAP
    labels = one["label"].to_numpy()
    names = np.unique(one["patient"])
    place = np.searchsorted(names, one["patient"])
    chance, draws = np.random.default_rng(0), []
    for _ in range(1000):
        weights = np.bincount(chance.integers(0, len(names), len(names)), minlength=len(names))[
            place
        ].astype(float)
        pairs = [
            (m(each["probability"].to_numpy(), labels, weights))
            for m in (auroc, brier)
            for each in (one, other)
        ]
        draws.append([pairs[0] - pairs[1], pairs[2] - pairs[3]])
    errors = np.std(draws, axis=0, ddof=1)
    for name, error in zip(("auroc", "brier"), errors, strict=True):
        apart = finding.differences["a", "b"][name]
        assert (apart.high - apart.low) / 2 == pytest.approx(1.959964 * error)


def test_several_pairs_are_corrected_for_one_another():
    two = [
        Contender(name=name, table=table(noise, seed=seed))
        for name, noise, seed in (("a", 1, 0), ("b", 1.3, 1))
    ]
    pair = compare(two, resamples=50).findings["pneumonia"].differences["a", "b"]["auroc"]
    more = [*two, Contender(name="c", table=table(3, seed=2))]
    corrected = compare(more, resamples=50).findings["pneumonia"].differences
    assert len(corrected) == 3
    assert corrected["a", "b"]["auroc"].p == pytest.approx(pair.p)
    clearest = min((apart["auroc"] for apart in corrected.values()), key=lambda each: each.p)
    assert clearest.p_adjusted == pytest.approx(min(1, 3 * clearest.p))
    assert (
        corrected["a", "b"]["auroc"].high - corrected["a", "b"]["auroc"].low > pair.high - pair.low
    )


def test_only_shared_films_count_and_that_is_said():
    one, other = table(1.0), table(1.0).iloc[50:]
    found = compare(
        [Contender(name="a", table=one), Contender(name="b", table=other)], resamples=20
    )
    assert found.shared == found.findings["pneumonia"].n == 250
    assert any(
        "The test sets differ: a has 300, b has 250" in warning for warning in found.warnings
    )
    with pytest.raises(DataError, match="share no film"):
        compare([Contender(name="a", table=one.iloc[:50]), Contender(name="b", table=other)])


def test_who_has_learnt_from_test_films_is_told_by_hashes():
    films = table(1.0)
    contenders = [
        Contender(name="a", table=films, learnt=frozenset({"hash3", "hash7", "elsewhere"})),
        Contender(name="b", table=films, learnt=frozenset({"elsewhere"})),
        Contender(name="c", table=films),
    ]
    warnings = compare(contenders, resamples=20).warnings
    assert [warning for warning in warnings if warning.startswith("a was")] == [
        "a was trained or tuned on 2 of its own 300 test films.",
        "a was trained or tuned on 2 of b's 300 test films.",
        "a was trained or tuned on 2 of c's 300 test films.",
    ]
    assert not [warning for warning in warnings if warning.startswith("b was")]
    assert [warning for warning in warnings if "cannot be told" in warning] == [warnings[-1]]
    assert warnings[-1].startswith("Whether c has learnt from these films cannot be told: no list")


def test_without_hashes_films_are_told_by_name_and_labels_must_agree():
    one = table(1.0).drop(columns="sha256")
    other = one.assign(label=one["label"].where(one.index > 4, 1 - one["label"]))
    found = compare(
        [Contender(name="a", table=one), Contender(name="b", table=other)], resamples=20
    )
    assert found.shared == COUNT - 5
    assert any("5 labels are not the same" in warning for warning in found.warnings)
    assert found.warnings[0].startswith(
        "Not all films have a hash of their pixels: a lacks 300 of its 300, b lacks 300 of its 300. So films are told "
        "by patient and name alone"
    )


def test_the_one_that_lacks_hashes_is_named_and_hashes_decide_where_they_are():
    whole = table(1.0)
    partly = whole.assign(sha256=whole["sha256"].where(whole.index >= 40))
    learnt = frozenset({"hash3", "hash299"})  # the first has no hash in b
    contenders = [
        Contender(name="a", table=whole, learnt=learnt),
        Contender(name="b", table=partly, learnt=learnt),
    ]
    assert list(compare(contenders, resamples=20).warnings)[1:] == [
        "a was trained or tuned on 2 of its own 300 test films.",
        "a was trained or tuned on 1 of b's 300 test films.",
        "Whether a has learnt from 40 of b's 300 test films cannot be told: they have no hashes.",
        "b was trained or tuned on 2 of a's 300 test films.",
        "b was trained or tuned on 1 of its own 300 test films.",
        "Whether b has learnt from 40 of its own 300 test films cannot be told: they have no hashes.",
    ]
    assert (
        "hash of their pixels: b lacks 40 of its 300. So"
        in compare(contenders, resamples=20).warnings[0]
    )


def test_the_same_films_without_some_labels_are_not_called_different():
    one = table(1.0)
    other = one.assign(label=one["label"].where(one.index >= 10))
    learnt: frozenset[str] = frozenset()
    contenders = [
        Contender(name=name, table=each, learnt=learnt) for name, each in (("a", one), ("b", other))
    ]
    assert compare(contenders, resamples=20).warnings == (
        "Of the 300 films in all of them, 290 have the same label in all; only those count.",
    )


@pytest.mark.parametrize("names", [[], ["a"], ["a", "a"], list("abcdef")])
def test_too_few_too_many_or_twice_the_same_is_refused(names):
    with pytest.raises(DataError, match="two to 5"):
        compare([Contender(name=name, table=table(1.0)) for name in names])


def evaluated(run: Path, films: pd.DataFrame) -> Path:
    (run / "evaluation").mkdir(parents=True)
    films.to_csv(run / "evaluation" / "predictions.csv", index=False)
    (run / "evaluation" / "metrics.json").write_text(json.dumps({"schema": 1}))
    return run


def test_the_command_compares_runs_and_writes_it_down(tmp_path, workspace, capsys):
    one, other = (
        evaluated(tmp_path / "one", table(1.0)),
        evaluated(tmp_path / "other", table(2.0, seed=1)),
    )
    learnt = pd.DataFrame(
        {"split": ["train", "val"], "sha256": ["hash1", "x"], "image": ["1", "2"]}
    )
    assert write_learnt(one, learnt) == one / "learnt.csv"
    assert read_learnt(one) == read_learnt(one / "evaluation") == {"hash1", "x"}
    assert read_learnt(other) is None
    assert main([str(one), str(other / "evaluation"), "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert f"{one} was trained or tuned on 1 of its own 300 test films." in told
    found = json.loads((tmp_path / "out" / "comparison.json").read_text())
    apart = found["findings"]["pneumonia"]["differences"][0]
    assert (apart["first"], apart["second"]) == (str(one), str(other / "evaluation"))
    assert f"auroc {apart['auroc']['value']:.3f}" in told
    assert main([str(one), str(tmp_path / "nothing")]) == 3
    assert "holds no evaluation" in capsys.readouterr().err
