"""The ratio as a score: AUROC as scikit-learn has it, and a combination that knows more than either."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cxr_core.errors import DataError
from cxr_core.evaluation.segmentation.ratio import by_view, figures_of_scores, fit_combination


def two_halves(seed: int, count: int = 600) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits and ratios of which each tells half of the truth, with noise of its own."""
    chance = np.random.default_rng(seed)
    one, other = chance.normal(size=count), chance.normal(size=count)
    labels = (one + other > 0.8).astype(float)
    return (
        one + chance.normal(0, 0.3, count),
        0.45 + 0.05 * (other + chance.normal(0, 0.3, count)),
        labels,
    )


def scored(logits, ratios, labels, combination):
    scores = {
        "ratio": ratios,
        "classifier": logits,
        "combined": combination.log_odds(logits, ratios),
    }
    return figures_of_scores(scores, labels, np.arange(len(labels)))


def test_combining_helps_where_each_knows_half():
    combination = fit_combination(*two_halves(1), "other films")
    logits, ratios, labels = two_halves(2)
    found = scored(logits, ratios, labels, combination)["on_measured"]
    for name, score in (("ratio", ratios), ("classifier", logits)):
        assert found["auroc"][name]["value"] == pytest.approx(
            roc_auc_score(labels, score), abs=1e-6
        )
        gain = found["difference"][f"combined - {name}"]
        assert gain["value"] == pytest.approx(
            found["auroc"]["combined"]["value"] - found["auroc"][name]["value"], abs=2e-6
        )
        assert gain["low"] > 0.05


def test_what_says_nothing_adds_nothing():
    logits, _, labels = two_halves(1)
    noise = np.random.default_rng(0).normal(0.45, 0.05, len(labels))
    combination = fit_combination(logits, noise, labels, "other films")
    unseen, _, truth = two_halves(2)
    gain = scored(
        unseen, np.random.default_rng(9).normal(0.45, 0.05, len(truth)), truth, combination
    )
    difference = gain["on_measured"]["difference"]["combined - classifier"]
    assert difference["low"] < 0.01
    assert abs(difference["value"]) < 0.02


def test_a_paired_interval_is_narrower_than_that_of_two_apart():
    _, ratios, labels = two_halves(3)
    scores = {
        "ratio": ratios,
        "classifier": ratios + np.random.default_rng(0).normal(0, 0.002, len(labels)),
    }
    found = figures_of_scores(scores, labels, np.arange(len(labels)))["on_measured"]
    pair, alone = found["difference"]["classifier - ratio"], found["auroc"]["ratio"]
    assert pair["high"] - pair["low"] < (alone["high"] - alone["low"]) / 3


def test_a_film_without_a_ratio_keeps_the_classifiers_answer():
    logits, ratios, labels = two_halves(1)
    ratios[::5] = np.nan
    combination = fit_combination(logits, ratios, labels, "films")
    assert (combination.films, combination.measured) == (600, 480)
    answers = combination.log_odds(logits, ratios)
    assert np.isfinite(answers).all()
    missed = np.isnan(ratios)
    assert np.array_equal(np.argsort(answers[missed]), np.argsort(logits[missed]))
    assert np.corrcoef(answers[~missed], ratios[~missed])[0, 1] > 0.5
    # On one scale: both say as many positives as there are.
    said = 1 / (1 + np.exp(-answers))
    for chosen in (missed, ~missed):
        assert said[chosen].mean() == pytest.approx(labels[chosen].mean(), abs=0.05)


def test_films_that_could_not_be_measured_are_counted_and_left_out_of_the_ratio():
    logits, ratios, labels = two_halves(2)
    ratios[:60] = np.nan
    found = scored(logits, ratios, labels, fit_combination(*two_halves(1), "films"))
    assert found["unmeasured"] == {"films": 60, "share": 0.1, "positives": int(labels[:60].sum())}
    assert found["on_measured"]["auroc"]["classifier"]["n"] == 540
    assert found["on_measured"]["auroc"]["ratio"]["value"] == pytest.approx(
        roc_auc_score(labels[60:], ratios[60:])
    )
    assert set(found["on_all"]["auroc"]) == {"classifier", "combined"}
    assert found["on_all"]["auroc"]["classifier"]["value"] == pytest.approx(
        roc_auc_score(labels, logits), abs=1e-6
    )


def test_views_are_told_apart_and_what_is_undefined_stays_so():
    _, ratios, labels = two_halves(2)
    views = np.where(np.arange(600) % 3 == 0, "AP", np.where(np.arange(600) % 3 == 1, "PA", ""))
    labels[views == "AP"] = 0
    found = by_view({"ratio": ratios}, labels, np.arange(600), views)
    assert [found[name]["films"] for name in ("all", "PA", "AP")] == [600, 200, 200]
    chosen = views == "PA"
    value = found["PA"]["on_measured"]["auroc"]["ratio"]["value"]
    assert value == pytest.approx(roc_auc_score(labels[chosen], ratios[chosen]), abs=1e-6)
    assert found["AP"]["on_measured"]["auroc"]["ratio"]["value"] is None
    assert found["AP"]["on_all"] is None
    nobody = by_view({"ratio": ratios}, labels, np.arange(600), np.full(600, ""))["PA"]
    assert (nobody["films"], nobody["unmeasured"]["share"]) == (0, None)


def test_each_among_its_view_counts_pairs_of_one_view_alone():
    _, ratios, labels = two_halves(2)
    views = np.where(np.arange(600) % 3 == 0, "AP", np.where(np.arange(600) % 3 == 1, "PA", ""))
    ratios[5:40] = np.nan
    wider = ratios + np.where(views == "AP", 0.1, 0.0)  # as hearts are on AP films
    seen = ~np.isnan(ratios)

    def share_of_controls(case: int) -> float:
        controls = wider[seen & (views == views[case]) & (labels == 0)]
        return float(np.mean((controls < wider[case]) + (controls == wider[case]) / 2))

    cases = np.flatnonzero(seen & (labels == 1) & (views != ""))
    as_they_are, shifted = (
        by_view({"ratio": each}, labels, np.arange(600), views) for each in (ratios, wider)
    )
    found = shifted["within"]["on_measured"]["auroc"]["ratio"]
    assert found["value"] == pytest.approx(
        np.mean([share_of_controls(case) for case in cases]), abs=1e-6
    )
    assert found["low"] < found["value"] < found["high"]
    assert (found["n"], found["positives"]) == (int((seen & (views != "")).sum()), len(cases))
    assert found["value"] == as_they_are["within"]["on_measured"]["auroc"]["ratio"]["value"]
    assert shifted["all"]["on_measured"]["auroc"]["ratio"]["value"] < found["value"] - 0.05


def test_a_view_without_both_classes_takes_no_part():
    _, ratios, labels = two_halves(2)
    views = np.where(np.arange(600) % 2 == 0, "AP", "PA")
    labels[views == "AP"] = 1
    found = by_view({"ratio": ratios}, labels, np.arange(600), views)
    assert found["within"]["on_measured"]["auroc"]["ratio"]["value"] == pytest.approx(
        found["PA"]["on_measured"]["auroc"]["ratio"]["value"], abs=1e-6
    )
    nobody = by_view({"ratio": ratios}, labels, np.arange(600), np.full(600, ""))["within"]
    assert nobody["on_measured"]["auroc"]["ratio"]["value"] is None


def test_one_class_cannot_be_fitted_on():
    logits, ratios, labels = two_halves(1)
    with pytest.raises(DataError, match=r"600 films .* not of both classes"):
        fit_combination(logits, ratios, np.zeros(600), "films")
    with pytest.raises(DataError, match="measured films"):
        fit_combination(logits, np.where(labels == 1, np.nan, ratios), labels, "films")
