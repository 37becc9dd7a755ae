"""A probability of a reader's verdict: what reports would say, the interval, and Bayes' rule at another prevalence."""

from dataclasses import replace

import pytest

from cxr_core.models.label_noise import LabelNoise, Rate
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from tests.reading.test_interpret import ADULTS, examination, finding_of, output

NOISE = LabelNoise(
    sensitivity=Rate(value=0.25, low=0.2, high=0.4),
    false_positive_rate=Rate(value=0.05, low=0.0, high=0.1),
    population="PA films of adults",
    source="five radiologists",
)
NOISY = replace(ADULTS, label_noise={"cardiomegaly": NOISE}, prevalence={"cardiomegaly": 0.2})


def read(probability: float, card=NOISY, **question):
    film = examination(output(card, probability))
    return finding_of(interpret(film, Patient(age_years=50), **question), "cardiomegaly")


def test_reports_name_the_share_that_bayes_gives():
    finding = read(0.5)
    assert finding.probability == 0.5
    # Of 1,000 such films readers call 500; reports name a quarter of these, and a twentieth of the other 500.
    assert finding.probability_reported == pytest.approx((500 * 0.25 + 500 * 0.05) / 1000)
    assert finding.prevalence == 0.2
    assert finding.likelihood_ratio == pytest.approx((0.5 / 0.5) / (0.2 / 0.8))


def test_the_interval_comes_from_both_ends_of_both_rates():
    low, high = read(0.5).probability_interval
    assert low == pytest.approx((0.15 - 0.1) / (0.4 - 0.1))
    assert high == pytest.approx((0.15 - 0.0) / (0.2 - 0.0))
    assert read(0.001).probability_interval[0] == 0
    assert read(0.99).probability_interval[1] == 1


@pytest.mark.parametrize("probability", [0.001, 0.02, 0.3, 0.8, 0.999])
def test_a_probability_lies_in_its_interval_at_any_prevalence(probability):
    for prevalence in (None, 0.01, 0.2, 0.7):
        given = {} if prevalence is None else {"prevalence": {"cardiomegaly": prevalence}}
        finding = read(probability, **given)
        low, high = finding.probability_interval
        assert 0 <= low <= finding.probability <= high <= 1
        least, most = NOISE.false_positive_rate.value, NOISE.sensitivity.value
        assert least <= finding.probability_reported <= most


def test_json_has_both_numbers_only_where_the_card_knows_the_noise():
    keys = {"probability_reported", "probability_low", "probability_high"}
    record = read(0.5).to_json()
    assert record["probability_reported"] == pytest.approx(0.15)
    assert record["probability_low"] < record["probability"] < record["probability_high"]
    assert not keys & set(read(0.5, ADULTS).to_json())


def test_words_say_whose_verdict_the_probability_is_of():
    assert read(0.12).describe_frequency() == (
        "Of 100 such films at a prevalence of 20 %, most readers would call 12 cardiomegaly"
    )
    assert read(0.12, ADULTS).describe_frequency() == "Of 100 such films, 12 have it"
    detail = read(0.5).describe_label_noise()
    assert "on 25 % (20 % to 40 %) of the films that readers call" in detail
    assert "a probability from 17 % to 75 % open" in detail
    assert "would name the finding on 15 % of such films" in detail
    assert read(0.5, ADULTS).describe_label_noise() == ""


def test_a_card_with_noise_is_read_back_and_one_without_does_not_mention_it():
    assert type(NOISY).from_json(NOISY.to_json()) == NOISY
    assert "label_noise" not in ADULTS.to_json()
