"""The gate on synthetic predictions whose truth is known: better, equal, worse, worse for some, too few."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from cxr_core.errors import DataError
from cxr_core.evaluation.metrics.multiple_testing import adjust_by_holm
from cxr_core.evaluation.metrics.paired import BOOTSTRAP, DELONG, compare_aurocs
from cxr_core.models.card import (
    DecisionThresholds,
    Fusion,
    ModelCard,
    OperatingPoint,
    Population,
)
from cxr_core.presentation.wording import format_count
from cxr_core.promotion.gate.checks import Check
from cxr_core.promotion.gate.gate import LIMITS, PredictionPair, Predictions, check_classifier
from cxr_core.promotion.gate.verdict import Fingerprints, Verdict
from tests.tiny import tiny_card

KEY = "pneumonia"
FILMS = 1500


def card_of(**changes) -> ModelCard:
    """A card as a run writes it: thresholds of its own 90 validation films, a population."""
    card = tiny_card(findings=(KEY,), training={"data": {"parts": {"val": {"films": 90}}}})
    own = tuple(
        replace(point, source="90 validation films carved from train by patient")
        for point in card.operating_points[KEY]
    )
    return replace(card, **{"operating_points": {KEY: own}, **changes})


CARD = card_of()
ACTIVE = card_of(version="0.9")


def films(count: int = FILMS, share: float = 0.3, seed: int = 0) -> pd.DataFrame:
    """Films of as many patients, with a calibrated probability that goes with the label."""
    rng = np.random.default_rng(seed)
    # What could be known of each film; the label is drawn from it, so that this probability is calibrated.
    truth = expit(rng.normal(np.log(share / (1 - share)), 2.5, count))
    return pd.DataFrame(
        {
            "image": [f"{n}.png" for n in range(count)],
            "patient": [f"p{n}" for n in range(count)],
            "finding": KEY,
            "label": (rng.random(count) < truth).astype(float),
            "probability": truth,
            "sex": np.where(rng.random(count) < 0.5, "F", "M"),
            "view": "PA",
            "age": rng.integers(20, 90, count).astype(float),
        }
    )


def blur(
    table: pd.DataFrame, by: float, where: np.ndarray | None = None, seed: int = 1
) -> pd.DataFrame:
    """The same films told by a worse model: noise on its log-odds, on all films or some."""
    noise = np.random.default_rng(seed).normal(0, by, len(table))
    odds = np.log(table["probability"] / (1 - table["probability"])) + noise * (
        1 if where is None else where
    )
    return table.assign(probability=expit(odds))


def verdict_of(checks: tuple[Check, ...]) -> Verdict:
    return Verdict(
        model="tiny",
        version="1.0.0",
        incumbent="tiny 0.9",
        split="gate",
        comparison_set="",
        checks=checks,
        official_test=None,
        limits=LIMITS.to_json(),
        fingerprints=Fingerprints(candidate="", incumbent=""),
        made="",
    )


def compare(
    candidate: pd.DataFrame, incumbent: pd.DataFrame, own: pd.DataFrame | None = None
) -> Verdict:
    own = films() if own is None else own
    return verdict_of(check_classifier(CARD, [ACTIVE], beside(own, candidate, incumbent)))


def beside(own: pd.DataFrame, candidate: pd.DataFrame, *incumbents: pd.DataFrame) -> Predictions:
    pairs = (PredictionPair(candidate=candidate, incumbent=each) for each in incumbents)
    return Predictions(own=own, pairs=tuple(pairs))


def find_check(verdict: Verdict, name: str) -> Check:
    (check,) = [check for check in verdict.checks if check.name == name]
    return check


def test_a_better_model_passes_and_every_check_says_so():
    verdict = compare(films(), blur(films(), 2.0))
    assert verdict.is_open
    assert find_check(verdict, "AUROC").figures["difference"]["low"] > 0
    assert {
        "population",
        "operating points",
        "calibration error",
        "women and girls",
        "ages 40 to 59",
    } <= {check.name for check in verdict.checks}
    assert {check.status for check in verdict.checks} == {"pass"}
    assert Verdict.from_json(verdict.to_json()) == verdict


def test_an_equal_model_passes_where_films_can_tell():
    verdict = compare(blur(films(), 0.3, seed=2), blur(films(), 0.3, seed=3))
    assert verdict.is_open
    difference = find_check(verdict, "AUROC").figures["difference"]
    assert -LIMITS.margin < difference["low"] < 0 < difference["high"]


def test_the_same_model_passes():
    assert find_check(compare(films(), films()), "AUROC").sentence.endswith(
        "both rank these films in the same order."
    )
    assert compare(films(), films()).is_open


def test_a_worse_model_is_refused_with_its_figures():
    verdict = compare(blur(films(), 2.5), films())
    assert not verdict.is_open
    check = find_check(verdict, "AUROC")
    assert check.status == "fail"
    assert check.figures["difference"]["high"] < 0
    assert "AUROC of pneumonia" in verdict.in_words


def test_an_equal_model_on_films_that_cannot_tell_is_no_pass():
    few = films(120, seed=4)
    verdict = compare(blur(few, 1.0, seed=2), blur(few, 1.0, seed=3))
    assert find_check(verdict, "AUROC").status == "not enough cases"
    assert "too few films to rule out" in find_check(verdict, "AUROC").sentence
    assert not verdict.is_open


@pytest.mark.parametrize("positives", [0, 1, LIMITS.cases - 1])
def test_too_few_cases_are_never_compared(positives):
    table = films(400).assign(label=(np.arange(400) < positives).astype(float))
    verdict = compare(table, table, own=table)
    for name in ("AUROC", "calibration error"):
        assert find_check(verdict, name).status == "not enough cases"
        counts = f"{format_count(positives, 'films')} with it and {400 - positives} without"
        assert counts in find_check(verdict, name).sentence
    assert not verdict.is_open


def test_without_films_that_neither_was_trained_on_the_gate_stays_closed():
    verdict = verdict_of(check_classifier(CARD, [ACTIVE], Predictions(own=films(), pairs=(None,))))
    assert (find_check(verdict, "AUROC").status, verdict.is_open) == ("not enough cases", False)


def test_a_subgroup_made_worse_is_found_though_all_films_together_are_not_worse():
    table = films(4000)
    old = table["age"].between(60, 79).to_numpy()
    incumbent = blur(table, 1.6, ~old)
    verdict = compare(blur(table, 2.0, old), incumbent)
    assert find_check(verdict, "AUROC").status == "pass"
    refused = find_check(verdict, "ages 60 to 79")
    assert refused.status == "fail"
    assert refused.figures["p_holm"] < 0.05
    assert [check.name for check in verdict.refusals] == ["ages 60 to 79"]


def test_a_subgroup_made_better_is_called_so():
    table = films(4000)
    check = find_check(compare(table, blur(table, 2.0)), "women and girls")
    assert check.status == "pass"
    assert check.sentence.endswith("p < 0.001 by Holm: significantly better.")


def test_a_subgroup_of_too_few_is_reported_and_is_no_pass():
    table = films()
    table.loc[:11, "view"] = "AP"
    verdict = compare(table, blur(table, 1.0))
    check = find_check(verdict, "AP films")
    assert (check.status, verdict.is_open) == ("not enough cases", True)
    assert "AP films of pneumonia" in verdict.in_words


def test_miscalibrated_probabilities_are_refused():
    bold = films().assign(
        probability=lambda table: expit(
            4 * np.log(table["probability"] / (1 - table["probability"]))
        )
    )
    verdict = compare(films(), films(), own=bold)
    assert [check.name for check in verdict.refusals] == ["calibration error"]
    assert (
        find_check(verdict, "calibration error").figures["ece"]["value"] > LIMITS.calibration_error
    )


@pytest.mark.parametrize("count", [80, 400, 4000])
def test_calibrated_probabilities_pass_on_few_films_too(count):
    """On few films the plain error of a perfect model is large, by rng alone."""
    table = films(count, seed=6)
    check = find_check(
        verdict_of(check_classifier(CARD, [], Predictions(own=table))), "calibration error"
    )
    assert check.status == "pass"
    assert check.figures["ece"]["value"] == pytest.approx(check.figures["expected"], abs=0.04)


def test_patients_with_several_films_are_resampled_together():
    table = films().assign(patient=[f"p{n // 3}" for n in range(FILMS)])
    methods = [
        find_check(compare(each, blur(each, 1.0)), "AUROC").figures["difference"]["method"]
        for each in (table, films())
    ]
    assert methods == [BOOTSTRAP, DELONG]


def test_both_ways_to_an_interval_agree_where_both_hold():
    table, other = films(), blur(films(), 1.0)
    scores = [each["probability"].to_numpy() for each in (table, other)]
    labels = table["label"].to_numpy()
    once = compare_aurocs(*scores, labels, table["patient"].to_numpy())
    twice = [
        np.concatenate([each, each]) for each in (*scores, labels, table["patient"].to_numpy())
    ]
    again = compare_aurocs(*twice)  # every patient with the same film twice tells no more than once
    assert (once.method, again.method) == (DELONG, BOOTSTRAP)
    assert again.value == pytest.approx(once.value)
    assert again.half_width == pytest.approx(once.half_width, rel=0.15)


def test_tables_of_other_films_are_not_compared():
    with pytest.raises(DataError, match="same films"):
        compare(films(), films().iloc[::-1])


@pytest.mark.parametrize(
    ("candidate", "incumbent", "name"),
    [
        (card_of(population=Population(text="unstated")), None, "population"),
        (card_of(population=Population(text="adults", age_min=18)), ACTIVE, "lost patients"),
        (
            replace(CARD, training={"data": {"parts": {"val": {"films": 91}}}}),
            None,
            "operating points",
        ),
        (
            card_of(
                operating_points={KEY: (OperatingPoint(name="youden", threshold=0.5, source=""),)}
            ),
            None,
            "operating points",
        ),
        (CARD, replace(tiny_card(), version="0.9"), "findings"),
    ],
)
def test_what_a_card_must_say(candidate, incumbent, name):
    incumbents = [incumbent] if incumbent else []
    tables = beside(films(), films(), *[blur(films(), 1.0)] * len(incumbents))
    verdict = verdict_of(check_classifier(candidate, incumbents, tables))
    assert [check.name for check in verdict.refusals] == [name]


def decisions_of(*names: str, source: str = "90 validation films") -> dict:
    return {
        KEY: tuple(
            DecisionThresholds(
                name=name, error=0.1, present_from=0.7, absent_below=0.4, source=source
            )
            for name in names
        )
    }


@pytest.mark.parametrize(
    ("positives", "decisions", "status", "sentence"),
    [
        (40, decisions_of("standard", "strict"), "pass", "own 90 validation films."),
        (40, decisions_of("standard"), "fail", "validation films: strict."),
        (40, decisions_of("standard", "strict", source="other films"), "fail", "standard, strict."),
        (12, decisions_of("standard"), "pass", "too few of one class for the decision strict."),
        (80, decisions_of("standard"), "pass", "too few of one class for the decision strict."),
        (12, {}, "fail", "validation films: standard."),
        (5, {}, "pass", "the decision standard and strict."),
    ],
)
def test_decisions_are_chosen_on_own_films_where_there_are_enough(
    positives, decisions, status, sentence
):
    auroc = {"value": 0.9, "low": 0.8, "high": 1.0, "n": 90, "positives": positives}
    card = card_of(metrics={"validation": {KEY: {"auroc": auroc}}}, decisions=decisions)
    checks = check_classifier(card, [], Predictions(own=films()))
    (check,) = (check for check in checks if check.name == "operating points")
    assert check.status == status
    assert check.sentence.endswith(sentence)


def test_thresholds_of_a_finding_may_rest_on_the_films_that_are_labelled_with_it():
    auroc = {"value": 0.9, "low": 0.8, "high": 1.0, "n": 60, "positives": 30}
    source = "60 validation films carved from train by patient"
    card = card_of(
        metrics={"validation": {KEY: {"auroc": auroc}}},
        decisions=decisions_of("standard", "strict", source=source),
    )
    points = tuple(replace(point, source=source) for point in card.operating_points[KEY])
    card = replace(card, operating_points={KEY: points})
    checks = check_classifier(card, [], Predictions(own=films()))
    (check,) = (check for check in checks if check.name == "operating points")
    assert check.status == "pass", check.sentence


def test_a_probability_that_would_lose_the_ratio_is_refused():
    fusion = Fusion(
        measurement="ratio",
        model="a",
        intercept=0,
        classifier=1,
        measured=1,
        centre=0,
        ap=0,
        operating_points=(),
        source="",
    )
    tables = beside(films(), films(), blur(films(), 1.0))
    incumbent = replace(ACTIVE, fusion={KEY: fusion})
    refused = verdict_of(check_classifier(CARD, [incumbent], tables)).refusals
    assert [check.name for check in refused] == ["measured ratio"]
    assert verdict_of(
        check_classifier(replace(CARD, fusion={KEY: fusion}), [incumbent], tables)
    ).is_open


@pytest.mark.parametrize(("by", "opens"), [(0.5, True), (60.0, False)])
def test_a_first_model_must_be_better_than_chance(by, opens):
    answers = blur(films(200, seed=5), by)
    verdict = verdict_of(check_classifier(CARD, [], Predictions(own=answers)))
    assert (find_check(verdict, "AUROC").status == "pass") is opens


def test_each_model_in_use_is_compared_with_and_one_better_one_closes_the_gate():
    """Also where the candidate's own probabilities are calibrated: a weaker AUROC is enough."""
    own = films(4000)
    candidate = blur(own, 1.5)
    calibrated = own.assign(label=(np.random.default_rng(3).random(4000) < own["probability"]))
    worse, better = replace(ACTIVE, model="worse"), replace(ACTIVE, model="better")
    predictions = beside(calibrated, candidate, blur(own, 3.0), own)
    verdict = verdict_of(check_classifier(CARD, [worse, better], predictions))
    auroc = {c.incumbent: c.status for c in verdict.checks if c.name == "AUROC"}
    assert auroc == {"worse 0.9": "pass", "better 0.9": "fail"}
    assert {c.incumbent for c in verdict.refusals} == {"better 0.9"}
    assert "of better 0.9" in verdict.in_words
    assert find_check(verdict, "calibration error").status == "pass"
    assert Verdict.from_json(verdict.to_json()) == verdict


def test_a_finding_that_no_model_in_use_answers_must_be_told_better_than_by_chance():
    other = replace(tiny_card(findings=("edema",)), model="other")
    verdict = verdict_of(check_classifier(CARD, [other], beside(films(), films(), films())))
    assert "must lie above 0.5" in find_check(verdict, "AUROC").sentence


@pytest.mark.parametrize(
    ("probability", "threshold", "sentence"),
    [(films()["label"].mean(), 0.2, "Nearly constant output"), (None, 0.0, "Specificity 0")],
)
def test_a_degenerate_model_is_shut_out(probability, threshold, sentence):
    """Though its calibration error is what chance would show."""
    table = films() if probability is None else films().assign(probability=probability)
    points = tuple(replace(p, threshold=threshold) for p in CARD.operating_points[KEY])
    card = card_of(operating_points={KEY: points})
    verdict = verdict_of(check_classifier(card, [], Predictions(own=table)))
    check = find_check(verdict, "spread of output")
    assert check.refuses
    assert sentence in check.sentence
    assert find_check(verdict, "calibration error").status == "pass"


def test_holm_by_hand():
    # Four p-values by hand: 4 x .01, then 3 x .013, 2 x .014 and 1 x .19 raised to what came before.
    assert adjust_by_holm(np.array([0.014, 0.01, 0.19, 0.013])) == pytest.approx(
        [0.04, 0.04, 0.19, 0.04]
    )
    assert adjust_by_holm(np.array([0.6, 0.7])) == pytest.approx([1.0, 1.0])


def with_decision(card: ModelCard, absent_below: float, present_from: float) -> ModelCard:
    standard = DecisionThresholds(
        name="standard",
        error=0.1,
        present_from=present_from,
        absent_below=absent_below,
        source="90 validation films carved from train by patient",
    )
    return replace(card, decisions={KEY: (standard,)})


def check_coverage(
    candidate: ModelCard, incumbent: ModelCard, own: pd.DataFrame, other: pd.DataFrame
) -> tuple[Verdict, Check]:
    verdict = verdict_of(check_classifier(candidate, [incumbent], beside(films(), own, other)))
    return verdict, find_check(verdict, "error at equal coverage")


def test_two_models_are_compared_where_both_decide_as_many_films_as_the_new_one_does():
    own, other = films(), blur(films(), 2.0)
    verdict, check = check_coverage(with_decision(CARD, 0.2, 0.7), ACTIVE, own, other)
    probability, label = own["probability"].to_numpy(), own["label"].to_numpy()
    decided = (probability < 0.2) | (probability >= 0.7)
    assert check.figures["coverage"] == pytest.approx(decided.mean())
    mistakes = (probability[decided] >= 0.7) != (label[decided] == 1)
    assert check.figures["candidate"]["value"] == pytest.approx(mistakes.mean(), abs=1e-6)
    # The model in use has a single threshold: its films farthest from it, as many as the new one decides.
    threshold = ACTIVE.operating_point(KEY, "youden").threshold
    odds = np.log(other["probability"] / (1 - other["probability"])).to_numpy()
    offset = odds - np.log(threshold / (1 - threshold))
    farthest = np.argsort(-np.abs(offset))[: int(decided.sum())]
    expected = np.mean((offset[farthest] >= 0) != (label[farthest] == 1))
    assert check.figures["incumbent"]["value"] == pytest.approx(expected, abs=1e-6)
    assert check.figures["difference"]["low"] > 0
    assert (check.status, verdict.is_open) == ("pass", True)
    assert "as many as its standard decision decides" in check.sentence


def test_a_model_that_errs_more_among_the_films_it_decides_is_refused_though_it_ranks_them_alike():
    # The same probabilities, but thresholds so low that the new model suspects nearly every film.
    verdict, check = check_coverage(with_decision(CARD, 0.001, 0.002), ACTIVE, films(), films())
    assert find_check(verdict, "AUROC").status == "pass"
    assert check.status == "fail"
    assert check.figures["difference"]["high"] < -LIMITS.decided_error
    assert "error at equal coverage of pneumonia" in verdict.in_words


def test_without_undecided_films_the_comparison_is_at_the_share_of_the_limits():
    _, check = check_coverage(CARD, ACTIVE, films(), films())
    assert check.figures["coverage"] == LIMITS.coverage
    assert check.figures["difference"]["value"] == 0
    assert "its standard decision decides 100 % of them" in check.sentence


def test_an_error_that_too_few_films_can_compare_is_no_pass_and_does_not_close_the_gate():
    few = films(120, seed=4)
    _, check = check_coverage(CARD, ACTIVE, blur(few, 1.0, seed=2), blur(few, 1.0, seed=3))
    assert check.status == "not enough cases"
    assert not check.refuses
    _, none = check_coverage(CARD, ACTIVE, few[few["label"] == 0], few[few["label"] == 0])
    assert (none.status, none.refuses) == ("not enough cases", False)
