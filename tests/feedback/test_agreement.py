"""Kappa against published examples and scikit-learn; each reader against the others, beside the model."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from cxr_core.feedback.agreement import (
    cohen_kappa,
    compare_readers,
    count_answers,
    fleiss_kappa,
)
from cxr_core.feedback.projects import Project, create_project
from cxr_core.feedback.read_first import reveal_answer
from cxr_core.feedback.readers import register_reader
from tests.feedback.bench import add_film, answer_of, judge

# Fleiss 1971's own layout: 14 raters, 10 subjects, 5 categories. Source: the worked example of Wikipedia's article
# "Fleiss' kappa" (CC BY-SA), which gives 0.210.
FLEISS_EXAMPLE = np.array(
    [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ],
    float,
)


@pytest.mark.parametrize("seed", range(5))
def test_cohens_kappa_is_that_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = rng.choice(["suspected", "not_suspected", "unsure"], 80)
    second = np.where(rng.random(80) < 0.6, first, rng.choice(["suspected", "unsure"], 80))
    kappa, observed = cohen_kappa(first.tolist(), second.tolist())
    assert kappa.value == pytest.approx(cohen_kappa_score(first, second))
    assert observed.value == pytest.approx((first == second).mean())
    assert kappa.low is not None
    assert kappa.high is not None
    assert kappa.low < kappa.value < kappa.high
    assert kappa.n == 80


def test_the_interval_is_that_of_resampled_films() -> None:
    """Against scikit-learn's kappa of other resamples: about the same 95 % range."""
    rng = np.random.default_rng(1)
    first = rng.random(60) < 0.4
    second = np.where(rng.random(60) < 0.2, ~first, first)
    figure, _ = cohen_kappa(list(map(str, first)), list(map(str, second)))
    draws = []
    for _ in range(600):
        chosen = rng.integers(0, 60, 60)
        draws.append(cohen_kappa_score(first[chosen], second[chosen]))
    assert [figure.low, figure.high] == pytest.approx(np.percentile(draws, [2.5, 97.5]), abs=0.05)


def test_two_readers_with_one_answer_for_all_have_no_kappa() -> None:
    kappa, observed = cohen_kappa(["suspected"] * 5, ["suspected"] * 5)
    assert kappa.value is None
    assert observed.value == 1


def test_fleiss_kappa_is_that_of_the_published_example() -> None:
    figure = fleiss_kappa(FLEISS_EXAMPLE)
    assert figure.value == pytest.approx(0.210, abs=0.0005)
    assert figure.low is not None
    assert figure.low < 0.21


def test_fleiss_kappa_of_perfect_agreement_is_one_and_unequal_reads_are_no_input() -> None:
    assert fleiss_kappa(np.array([[3, 0], [0, 3], [3, 0]], float)).value == 1
    with pytest.raises(ValueError, match="same number of readers"):
        fleiss_kappa(np.array([[3, 0], [0, 2]], float))


def test_films_with_the_usual_number_of_reads_are_counted() -> None:
    answers = [["suspected", "unsure"], ["suspected"] * 3, ["not_suspected", "suspected"]]
    assert count_answers(answers).tolist() == [[1, 0, 1], [1, 1, 0]]
    assert len(count_answers([])) == 0


@pytest.fixture
def readers(workspace: object) -> dict[str, str]:
    return {name: register_reader(name).id for name in ("Ada", "Ben", "Cy")}


def create_study(read_first: bool = False) -> Project:
    return create_project("study", ["pneumonia"], reads=3, read_first=read_first)


def test_each_reader_is_held_against_the_others_beside_the_model(readers: dict[str, str]) -> None:
    """Ada and Ben agree, and Cy differs on some films: for Cy they are the consensus, for them there often is none."""
    project = create_study()
    truth = [True] * 6 + [False] * 4
    cy_says = [True] * 5 + [False] + [False] * 2 + [True] * 2
    model = [0.9] * 3 + [0.2] * 3 + [0.1] * 4
    for number, (present, says, probability) in enumerate(zip(truth, cy_says, model, strict=True)):
        film = add_film(project, number)
        for name in ("Ada", "Ben"):
            judge(film, readers[name], "suspected" if present else "not_suspected")
        answer = "suspected" if says else "not_suspected"
        judge(film, readers["Cy"], answer, program=answer_of(probability))
    agreement = compare_readers(project, "pneumonia")
    of_cy = next(one for one in agreement.readers if one.reader == readers["Cy"])
    assert of_cy.sensitivity.value == pytest.approx(5 / 6)
    assert of_cy.specificity.value == pytest.approx(2 / 4)
    assert (of_cy.sensitivity.n, of_cy.sensitivity.positives) == (10, 6)
    assert of_cy.model_sensitivity is not None
    assert of_cy.model_specificity is not None
    assert of_cy.model_sensitivity.value == pytest.approx(3 / 6)
    assert of_cy.model_specificity.value == 1
    of_ada = next(one for one in agreement.readers if one.reader == readers["Ada"])
    assert of_ada.sensitivity.n == 7  # where Ben and Cy agree
    kappas = {frozenset(pair.readers): pair.kappa.value for pair in agreement.pairs}
    assert kappas[frozenset((readers["Ada"], readers["Ben"]))] == 1
    assert (agreement.films, agreement.fleiss_films, len(agreement.pairs)) == (10, 10, 3)


def test_first_verdicts_count_and_later_ones_when_asked_for(readers: dict[str, str]) -> None:
    project = create_study(read_first=True)
    for number in range(4):
        film = add_film(project, number)
        truth = "suspected" if number % 2 else "not_suspected"
        for name in ("Ada", "Ben"):
            judge(film, readers[name], truth)  # type: ignore[arg-type]
        judge(film, readers["Cy"], "suspected")
        reveal_answer(film.id, readers["Cy"])
        judge(film, readers["Cy"], truth)  # type: ignore[arg-type]
    first = compare_readers(project, "pneumonia")
    later = compare_readers(project, "pneumonia", after=True)

    def specificity(agreement: object) -> float | None:
        of_cy = [one for one in agreement.readers if one.reader == readers["Cy"]]  # type: ignore[attr-defined]
        return of_cy[0].specificity.value  # type: ignore[no-any-return]

    assert (specificity(first), specificity(later)) == (0, 1)


def test_nobody_and_one_reader_have_no_agreement(readers: dict[str, str]) -> None:
    project = create_study()
    judge(add_film(project, 1), readers["Ada"], "suspected")
    agreement = compare_readers(project, "pneumonia")
    assert (agreement.films, agreement.pairs, agreement.fleiss, agreement.readers) == (
        0,
        (),
        None,
        (),
    )
    assert "No film was judged by two readers" in agreement.explain_missing()[0]


def test_why_there_is_no_figure_is_said(readers: dict[str, str]) -> None:
    project = create_study()
    first = add_film(project, 1)
    judge(first, readers["Ada"], "unsure")
    judge(first, readers["Ben"], "unsure")
    reasons = " ".join(compare_readers(project, "pneumonia").explain_missing())
    assert "No Cohen's kappa for 1 pair of readers who share a single film" in reasons
    assert "No Fleiss' kappa" in reasons
    assert "No sensitivity or specificity" in reasons
    second = add_film(project, 2)
    judge(second, readers["Ada"], "unsure")
    judge(second, readers["Ben"], "unsure")
    reasons = " ".join(compare_readers(project, "pneumonia").explain_missing())
    assert "A kappa is undefined where every reader" in reasons
    assert "single film" not in reasons


def test_unsure_readers_are_counted_apart(readers: dict[str, str]) -> None:
    project = create_study()
    for number in range(3):
        film = add_film(project, number)
        judge(film, readers["Ada"], "suspected" if number else "not_suspected")
        judge(film, readers["Cy"], "unsure" if number == 2 else "suspected")
    agreement = compare_readers(project, "pneumonia")
    of_cy = next(one for one in agreement.readers if one.reader == readers["Cy"])
    assert (of_cy.sensitivity.n, of_cy.without_verdict) == (2, 1)
    assert of_cy.model_sensitivity is None
