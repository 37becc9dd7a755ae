"""The ratio as a score: AUROC as scikit-learn has it, and a fusion that discriminates better than either score."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cxr_core.evaluation.segmentation.ratio import (
    find_fusion,
    fuse_scores,
    score_by_view,
    score_films,
)
from cxr_core.models.card import Calibration
from cxr_core.reading.cardiothoracic.fusion_fit import FusionFilms, fit_fusion
from tests.evaluation.synthetic_films import CARD
from tests.tiny import tiny_card

CALIBRATION = Calibration()
UNKNOWN_VIEWS = np.full(600, "")


def draw_scores(seed: int, count: int = 600) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits and ratios that each carry half of the truth, with noise of their own, and the labels."""
    rng = np.random.default_rng(seed)
    one, other = rng.normal(size=count), rng.normal(size=count)
    labels = (one + other > 0.8).astype(float)
    logits = one + rng.normal(0, 0.3, count)
    return logits, 0.45 + 0.05 * (other + rng.normal(0, 0.3, count)), labels


def fit_on(logits, ratios, labels):
    """The fusion as training fits it, of films with unknown views and ratios without error."""
    films = FusionFilms(
        log_odds=logits,
        ratios=ratios,
        standard_errors=np.zeros(600),
        tapers=np.ones(600),
        labels=labels,
        views=UNKNOWN_VIEWS,
        patients=UNKNOWN_VIEWS,
    )
    return fit_fusion(films, model=f"{CARD.model} {CARD.version}", source="other films")


def score_with_fusion(logits, ratios, labels, fusion):
    fused = fuse_scores(fusion, CALIBRATION, logits, ratios, np.ones(600), UNKNOWN_VIEWS)
    scores = {"ratio": ratios, "classifier": logits, "combined": fused}
    return score_films(scores, labels, np.arange(len(labels)))


def test_fusion_helps_where_each_score_carries_half_of_the_truth():
    fusion = fit_on(*draw_scores(1))
    logits, ratios, labels = draw_scores(2)
    measured = score_with_fusion(logits, ratios, labels, fusion).on_measured
    for name, score in (("ratio", ratios), ("classifier", logits)):
        area = measured.auroc[name].value
        assert area == pytest.approx(roc_auc_score(labels, score), abs=1e-6)
        gain = measured.difference[f"combined - {name}"]
        assert gain.value == pytest.approx(measured.auroc["combined"].value - area, abs=2e-6)
        assert gain.low > 0.05


def test_paired_interval_is_narrower_than_that_of_unpaired_scores():
    _, ratios, labels = draw_scores(3)
    noisy = ratios + np.random.default_rng(0).normal(0, 0.002, len(labels))
    scores = {"ratio": ratios, "classifier": noisy}
    measured = score_films(scores, labels, np.arange(len(labels))).on_measured
    pair, alone = measured.difference["classifier - ratio"], measured.auroc["ratio"]
    assert pair.high - pair.low < (alone.high - alone.low) / 3


def test_film_without_a_ratio_keeps_the_classifiers_calibrated_answer():
    logits, ratios, labels = draw_scores(1)
    ratios[::5] = np.nan
    fusion = fit_on(logits, ratios, labels)
    calibration = Calibration(slope=0.5, intercept=-1.0)
    fused = fuse_scores(fusion, calibration, logits, ratios, np.ones(600), UNKNOWN_VIEWS)
    assert np.isfinite(fused).all()
    missed = np.isnan(ratios)
    assert np.array_equal(fused[missed], 0.5 * logits[missed] - 1.0)
    assert np.corrcoef(fused[~missed], ratios[~missed])[0, 1] > 0.5


def test_unmeasured_films_are_counted_and_left_out_of_the_ratio():
    logits, ratios, labels = draw_scores(2)
    ratios[:60] = np.nan
    group = score_with_fusion(logits, ratios, labels, fit_on(*draw_scores(1)))
    assert group.unmeasured.to_json() == {
        "films": 60,
        "share": 0.1,
        "positives": int(labels[:60].sum()),
    }
    assert group.on_measured.auroc["classifier"].n == 540
    expected = roc_auc_score(labels[60:], ratios[60:])
    assert group.on_measured.auroc["ratio"].value == pytest.approx(expected, abs=1e-6)
    assert set(group.on_all.auroc) == {"classifier", "combined"}
    expected = roc_auc_score(labels, logits)
    assert group.on_all.auroc["classifier"].value == pytest.approx(expected, abs=1e-6)


def test_only_the_fusion_with_this_segmenter_is_scored():
    fusion = fit_on(*draw_scores(1))
    card = tiny_card(findings=("cardiomegaly",), fusion={"cardiomegaly": fusion})
    assert find_fusion(card, CARD) is fusion
    assert find_fusion(card, type(CARD)(**{**vars(CARD), "version": "2.0.0"})) is None
    assert find_fusion(tiny_card(findings=("cardiomegaly",)), CARD) is None


def test_views_are_scored_apart_and_undefined_figures_stay_undefined():
    _, ratios, labels = draw_scores(2)
    index = np.arange(600)
    views = np.array(["AP", "PA", ""])[index % 3]
    labels[views == "AP"] = 0
    groups = score_by_view({"ratio": ratios}, labels, index, views)
    assert [groups[name].films for name in ("all", "PA", "AP")] == [600, 200, 200]
    pa = views == "PA"
    value = groups["PA"].on_measured.auroc["ratio"].value
    assert value == pytest.approx(roc_auc_score(labels[pa], ratios[pa]), abs=1e-6)
    assert groups["AP"].on_measured.auroc["ratio"].value is None
    assert groups["AP"].on_all is None
    nobody = score_by_view({"ratio": ratios}, labels, index, UNKNOWN_VIEWS)["PA"]
    assert (nobody.films, nobody.unmeasured.share) == (0, None)


def test_within_views_only_pairs_of_one_view_count():
    _, ratios, labels = draw_scores(2)
    index = np.arange(600)
    views = np.array(["AP", "PA", ""])[index % 3]
    ratios[5:40] = np.nan
    shifted = ratios + np.where(views == "AP", 0.1, 0.0)  # hearts are wider on AP films
    measured = ~np.isnan(ratios)

    def share_of_controls_below(case: int) -> float:
        controls = shifted[measured & (views == views[case]) & (labels == 0)]
        return float(np.mean((controls < shifted[case]) + (controls == shifted[case]) / 2))

    cases = np.flatnonzero(measured & (labels == 1) & (views != ""))
    original = score_by_view({"ratio": ratios}, labels, index, views)
    groups = score_by_view({"ratio": shifted}, labels, index, views)
    within = groups["within"].on_measured.auroc["ratio"]
    expected = np.mean([share_of_controls_below(case) for case in cases])
    assert within.value == pytest.approx(expected, abs=1e-6)
    assert within.low < within.value < within.high
    assert (within.n, within.positives) == (int((measured & (views != "")).sum()), len(cases))
    assert within.value == original["within"].on_measured.auroc["ratio"].value
    assert groups["all"].on_measured.auroc["ratio"].value < within.value - 0.05


def test_view_without_both_classes_is_left_out():
    _, ratios, labels = draw_scores(2)
    index = np.arange(600)
    views = np.where(index % 2 == 0, "AP", "PA")
    labels[views == "AP"] = 1
    groups = score_by_view({"ratio": ratios}, labels, index, views)
    pa = groups["PA"].on_measured.auroc["ratio"].value
    assert groups["within"].on_measured.auroc["ratio"].value == pytest.approx(pa, abs=1e-6)
    nobody = score_by_view({"ratio": ratios}, labels, index, UNKNOWN_VIEWS)["within"]
    assert nobody.on_measured.auroc["ratio"].value is None
