"""Evaluations are paired film by film; differences are DeLong's or the bootstrap's; what speaks against it is said."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from cxr_core.errors import DataError
from cxr_core.evaluation.compare import (
    BOOTSTRAP,
    DELONG,
    ComparedEvaluation,
    FindingComparison,
    PairDifference,
    compare_evaluations,
)
from cxr_core.evaluation.metrics.delong import compare_aurocs_by_delong
from cxr_core.evaluation.metrics.metrics import auroc, brier_score
from cxr_core.evaluation.store.provenance import read_training_hashes, write_training_hashes
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


def difference_of(finding: FindingComparison, first: str, second: str) -> PairDifference:
    (difference,) = (
        one for one in finding.differences if (one.first, one.second) == (first, second)
    )
    return difference


def test_of_one_film_a_patient_the_difference_is_delongs():
    one, other = table(1.0), table(2.0, seed=1)
    found = compare_evaluations(
        [
            ComparedEvaluation(name="a", table=one),
            ComparedEvaluation(name="b", table=other.sample(frac=1, random_state=0)),
        ]
    )
    finding = found.findings["pneumonia"]
    expected = compare_aurocs_by_delong(
        one["probability"].to_numpy(), other["probability"].to_numpy(), one["label"].to_numpy()
    )
    apart = difference_of(finding, "a", "b").figures["auroc"]
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
    finding = compare_evaluations(
        [ComparedEvaluation(name="a", table=one), ComparedEvaluation(name="b", table=other)]
    ).findings["pneumonia"]
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
            for m in (auroc, brier_score)
            for each in (one, other)
        ]
        draws.append([pairs[0] - pairs[1], pairs[2] - pairs[3]])
    errors = np.std(draws, axis=0, ddof=1)
    for name, error in zip(("auroc", "brier"), errors, strict=True):
        apart = difference_of(finding, "a", "b").figures[name]
        assert (apart.high - apart.low) / 2 == pytest.approx(1.959964 * error)


def test_several_pairs_are_adjusted_for_one_another():
    two = [
        ComparedEvaluation(name=name, table=table(noise, seed=seed))
        for name, noise, seed in (("a", 1, 0), ("b", 1.3, 1))
    ]
    alone = compare_evaluations(two, resamples=50).findings["pneumonia"]
    pair = difference_of(alone, "a", "b").figures["auroc"]
    more = [*two, ComparedEvaluation(name="c", table=table(3, seed=2))]
    together = compare_evaluations(more, resamples=50).findings["pneumonia"]
    assert len(together.differences) == 3
    adjusted = difference_of(together, "a", "b").figures["auroc"]
    assert adjusted.p == pytest.approx(pair.p)
    aurocs = [difference.figures["auroc"] for difference in together.differences]
    clearest = min(aurocs, key=lambda difference: difference.p)
    assert clearest.p_adjusted == pytest.approx(min(1, 3 * clearest.p))
    assert adjusted.high - adjusted.low > pair.high - pair.low


def test_only_shared_films_count_and_that_is_said():
    one, other = table(1.0), table(1.0).iloc[50:]
    found = compare_evaluations(
        [ComparedEvaluation(name="a", table=one), ComparedEvaluation(name="b", table=other)],
        resamples=20,
    )
    assert found.shared == found.findings["pneumonia"].n == 250
    assert any(
        "The test sets differ: a has 300, b has 250" in warning for warning in found.warnings
    )
    with pytest.raises(DataError, match="share no film"):
        compare_evaluations(
            [
                ComparedEvaluation(name="a", table=one.iloc[:50]),
                ComparedEvaluation(name="b", table=other),
            ]
        )


def test_a_model_trained_on_test_films_is_recognised_by_hashes():
    films = table(1.0)
    evaluations = [
        ComparedEvaluation(
            name="a", table=films, training_hashes=frozenset({"hash3", "hash7", "elsewhere"})
        ),
        ComparedEvaluation(name="b", table=films, training_hashes=frozenset({"elsewhere"})),
        ComparedEvaluation(name="c", table=films),
    ]
    warnings = compare_evaluations(evaluations, resamples=20).warnings
    assert [warning for warning in warnings if warning.startswith("a was")] == [
        "a was trained or tuned on 2 of its own 300 test films.",
        "a was trained or tuned on 2 of b's 300 test films.",
        "a was trained or tuned on 2 of c's 300 test films.",
    ]
    assert not [warning for warning in warnings if warning.startswith("b was")]
    assert [warning for warning in warnings if "is unknown" in warning] == [warnings[-1]]
    assert warnings[-1].startswith("Whether c was trained on these films is unknown: no list")


def test_films_of_one_patient_with_one_name_are_all_looked_up_among_the_training_films():
    films = table(1.0, films_a_patient=3).assign(image="frontal.jpg")
    evaluations = [
        ComparedEvaluation(name="a", table=films, training_hashes=frozenset({"hash1", "hash2"})),
        ComparedEvaluation(name="b", table=films, training_hashes=frozenset()),
    ]
    assert compare_evaluations(evaluations, resamples=20).warnings == (
        "a was trained or tuned on 2 of its own 300 test films.",
        "a was trained or tuned on 2 of b's 300 test films.",
    )


def test_without_hashes_films_are_identified_by_name_and_labels_must_agree():
    one = table(1.0).drop(columns="sha256")
    other = one.assign(label=one["label"].where(one.index > 4, 1 - one["label"]))
    found = compare_evaluations(
        [ComparedEvaluation(name="a", table=one), ComparedEvaluation(name="b", table=other)],
        resamples=20,
    )
    assert found.shared == COUNT - 5
    assert any("5 labels are not the same" in warning for warning in found.warnings)
    assert found.warnings[0].startswith(
        "Not all films have a hash of their pixels: a lacks 300 of its 300, b lacks 300 of its 300. So films are "
        "identified by patient and name alone"
    )


def test_the_one_that_lacks_hashes_is_named_and_hashes_decide_where_they_are():
    whole = table(1.0)
    partly = whole.assign(sha256=whole["sha256"].where(whole.index >= 40))
    training_hashes = frozenset({"hash3", "hash299"})  # the first has no hash in b
    evaluations = [
        ComparedEvaluation(name="a", table=whole, training_hashes=training_hashes),
        ComparedEvaluation(name="b", table=partly, training_hashes=training_hashes),
    ]
    assert list(compare_evaluations(evaluations, resamples=20).warnings)[1:] == [
        "a was trained or tuned on 2 of its own 300 test films.",
        "a was trained or tuned on 1 of b's 300 test films.",
        "Whether a was trained on 40 of b's 300 test films is unknown: they have no hashes.",
        "b was trained or tuned on 2 of a's 300 test films.",
        "b was trained or tuned on 1 of its own 300 test films.",
        "Whether b was trained on 40 of its own 300 test films is unknown: they have no hashes.",
    ]
    assert (
        "hash of their pixels: b lacks 40 of its 300. So"
        in compare_evaluations(evaluations, resamples=20).warnings[0]
    )


def test_the_same_films_without_some_labels_are_not_called_different():
    one = table(1.0)
    other = one.assign(label=one["label"].where(one.index >= 10))
    training_hashes: frozenset[str] = frozenset()
    evaluations = [
        ComparedEvaluation(name=name, table=each, training_hashes=training_hashes)
        for name, each in (("a", one), ("b", other))
    ]
    assert compare_evaluations(evaluations, resamples=20).warnings == (
        "Of the 300 films in all of them, 290 have the same label in all; only those count.",
    )


@pytest.mark.parametrize("names", [[], ["a"], ["a", "a"], list("abcdef")])
def test_too_few_too_many_or_twice_the_same_is_refused(names):
    with pytest.raises(DataError, match="two to 5"):
        compare_evaluations([ComparedEvaluation(name=name, table=table(1.0)) for name in names])


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
    assert write_training_hashes(one, learnt) == one / "learnt.csv"
    assert read_training_hashes(one) == read_training_hashes(one / "evaluation") == {"hash1", "x"}
    assert read_training_hashes(other) is None
    assert main([str(one), str(other / "evaluation"), "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert f"{one} was trained or tuned on 1 of its own 300 test films." in told
    found = json.loads((tmp_path / "out" / "comparison.json").read_text())
    apart = found["findings"]["pneumonia"]["differences"][0]
    assert (apart["first"], apart["second"]) == (str(one), str(other / "evaluation"))
    assert f"auroc {apart['auroc']['value']:.3f}" in told
    assert main([str(one), str(tmp_path / "nothing")]) == 3
    assert "holds no evaluation" in capsys.readouterr().err


def test_an_evaluation_without_probabilities_is_said_to_be_none_of_a_classifier(tmp_path, capsys):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.json").write_text('{"schema": 1}')
        (tmp_path / name / "predictions.csv").write_text("image,patient,ratio\na.png,1,0.5\n")
    assert main([str(tmp_path / "one"), str(tmp_path / "other")]) == 3
    error = capsys.readouterr().err
    assert (
        "has no column finding, label, probability, so it is no evaluation of a classifier" in error
    )
