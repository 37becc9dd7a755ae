"""What a film is read with, taken apart from the words of a shell or an address."""

import pytest

from cxr_core.errors import SettingsError
from cxr_core.known_findings import known_findings
from cxr_core.reading.patient import Patient
from cxr_core.reading.read_options import ReadOptions, parse_options


def test_nothing_given_is_the_default() -> None:
    assert parse_options([]) == ReadOptions(patient=Patient(), decision="standard", prevalence={})


def test_each_option_is_understood() -> None:
    words = [("age", "54.5"), ("view", "AP"), ("decision", "strict"), ("prevalence", "hernia=0.2")]
    options = parse_options(words)
    assert options.patient == Patient(age_years=54.5, view="AP")
    assert options.decision == "strict"
    assert options.prevalence == {"hernia": 0.2}


def test_a_prevalence_of_one_finding_counts_more_than_one_for_all_in_any_order() -> None:
    for words in (["pneumonia=0.3", "0.1"], ["0.1", "pneumonia=0.3"]):
        given = parse_options([("prevalence", word) for word in words]).prevalence
        assert set(given) == set(known_findings())
        assert given["pneumonia"] == 0.3
        assert given["cardiomegaly"] == 0.1


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("age", "-1", "0 to 120, not '-1'"),
        ("age", "nan", "0 to 120"),
        ("age", "", "0 to 120"),
        ("age", "1e400", "0 to 120"),
        ("view", "LATERAL", "choose from PA, AP"),
        ("view", "pa", "choose from PA, AP"),
        ("decision", "youden", "choose from standard, strict, balanced"),
        ("prevalence", "1", "above 0 and below 1"),
        ("prevalence", "heart=0.1", "'heart' is not a finding; choose from cardiomegaly"),
        ("prevalence", "=0.1", "'' is not a finding"),
        ("years", "54", "choose from age, view, decision, prevalence"),
    ],
)
def test_a_wrong_option_is_named_with_what_is_expected(name: str, value: str, says: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_options([(name, value)])
    assert name in str(refused.value)
    assert says in str(refused.value)


def test_an_option_that_comes_twice_is_refused_and_a_long_value_is_not_repeated() -> None:
    with pytest.raises(SettingsError, match="view comes more than once"):
        parse_options([("view", "PA"), ("view", "PA")])
    with pytest.raises(SettingsError) as refused:
        parse_options([("decision", "x" * 5000)])
    assert len(str(refused.value)) < 200
