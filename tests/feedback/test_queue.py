"""The review queue: what gets into it and why, its order, and who reads which film next."""

import numpy as np
import pandas as pd
import pytest

from cxr_core.errors import FeedbackError
from cxr_core.feedback.adjudication import adjudicate, list_disputes
from cxr_core.feedback.consensus import find_consensus, list_judgements
from cxr_core.feedback.projects import Project, create_project
from cxr_core.feedback.readers import register_reader
from cxr_core.feedback.review.candidates import (
    Candidate,
    find_candidates,
    merge_candidates,
    order_candidates,
)
from cxr_core.feedback.review.confident_learning import find_label_errors
from cxr_core.feedback.review.queue import (
    fill_queue,
    find_answer,
    find_reader_candidates,
    list_queue,
    load_case,
    take_next_case,
)
from cxr_core.feedback.verdicts import undo_verdict
from tests.feedback.bench import add_film, answer_of, judge

pytestmark = pytest.mark.usefixtures("workspace")


def create_study(reads: int = 1) -> Project:
    return create_project("study", ["pneumonia"], reads=reads)


def candidate(film: str, value: float, **values: object) -> Candidate:
    fields = {"finding": "pneumonia", "reasons": ("unsure_model",), **values}
    return Candidate(film=film, value=value, **fields)  # type: ignore[arg-type]


def fill(project: Project, count: int) -> list[int]:
    """A queue of so many films in their order; gives their numbers."""
    films = [add_film(project, number) for number in range(count)]
    fill_queue(project, [candidate(film.pixels_sha256, 1 - film.id / 100) for film in films])
    return [film.id for film in films]


def test_confident_learning_agrees_with_cleanlab() -> None:
    from cleanlab import count  # it takes a second, and no other test needs it

    for seed in range(20):
        rng = np.random.default_rng(seed)
        truth = rng.random(400) < rng.uniform(0.1, 0.6)
        probabilities = 1 / (1 + np.exp(-rng.normal(np.where(truth, 1.5, -1.5), 1.5)))
        labels = np.where(rng.random(400) < 0.15, ~truth, truth).astype(int)
        _, off_diagonal = count.compute_confident_joint(
            labels,
            np.stack([1 - probabilities, probabilities], axis=1),
            calibrate=False,
            return_indices_of_off_diagonals=True,
        )
        found = find_label_errors(labels, probabilities)
        assert sorted(off_diagonal) == np.flatnonzero(found).tolist()
        assert 10 < found.sum() < 200


def test_confident_learning_by_hand() -> None:
    # Means by label: of 1, (0.9 + 0.7 + 0.2) / 3 = 0.6; of 0, 1 - (0.1 + 0.3 + 0.8) / 3 = 0.6.
    labels = np.array([1, 1, 1, 0, 0, 0])
    probabilities = np.array([0.9, 0.7, 0.2, 0.1, 0.3, 0.8])
    assert np.flatnonzero(find_label_errors(labels, probabilities)).tolist() == [2, 5]
    assert not find_label_errors(np.ones(3), np.array([0.1, 0.2, 0.9])).any()


def test_a_rare_finding_is_found_far_below_a_half() -> None:
    """Calibrated probabilities of a rare finding hardly reach 0.5; those of the labelled films set the measure."""
    labels = np.array([0] * 97 + [1] * 3)
    probabilities = np.array([0.01] * 96 + [0.3] + [0.2] * 3)
    assert np.flatnonzero(find_label_errors(labels, probabilities)).tolist() == [96]


def table_of(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({"finding": "cardiomegaly", "view": "PA", "probability": 0.5} | columns)


def test_a_heart_that_contradicts_the_label_is_found_by_view_and_interval() -> None:
    rows = [
        ("wide", 0.0, 0.58, 0.02, "PA", True),
        ("unsure", 0.0, 0.58, 0.06, "PA", False),  # its interval reaches below 0.5
        ("as wide on AP", 0.0, 0.58, 0.02, "AP", False),
        ("wider on AP", 0.0, 0.62, 0.02, "AP", True),
        ("narrow", 1.0, 0.42, 0.02, "PA", True),
        ("as labelled", 1.0, 0.58, 0.02, "PA", False),
        ("unknown label", np.nan, 0.7, 0.02, "PA", False),
        ("not measured", 0.0, np.nan, np.nan, "PA", False),
    ]
    names, labels, ratios, errors, views, expected = zip(*rows, strict=True)
    table = table_of(sha256=names, label=labels, ratio=ratios, ratio_error=errors, view=views)
    found = {one.film: one for one in find_candidates(table) if "label_and_ratio" in one.reasons}
    assert set(found) == {name for name, is_found in zip(names, expected, strict=True) if is_found}
    assert found["wide"].value > 0.99
    assert "The CTR is 0.58." in found["wide"].detail


def test_the_least_sure_film_comes_after_what_contradicts_its_label() -> None:
    table = table_of(
        sha256=["a", "b", "c", "d"],
        finding="pneumonia",
        label=[1.0, 0.0, 1.0, 0.0],
        probability=[0.05, 0.1, 0.9, 0.45],
    )
    ordered = order_candidates(find_candidates(table))
    assert [one.film for one in ordered][:2] == ["a", "d"]
    assert ordered[0].reasons[0] == "label_and_model"
    assert ordered[1].reasons == ("unsure_model",)
    assert ordered[1].value == pytest.approx(0.45)
    assert ordered[0].detail.startswith("Labelled with pneumonia; the model gives 5 %.")


def test_views_and_scores_take_turns_among_films_of_like_value() -> None:
    many = [
        candidate(f"{view}{band}{n}", 0.9 - n / 1000, view=view, probability=probability)
        for view in ("AP", "PA")
        for band, probability in (("low", 0.1), ("high", 0.9))
        for n in range(20 if view == "AP" else 3)
    ]
    low_value = candidate("unsure", 0.4)
    ordered = order_candidates([low_value, *many])
    first = [one.film[:-1] for one in ordered[:12]]
    assert {name: first.count(name) for name in set(first)} == {
        "APlow": 3,
        "APhigh": 3,
        "PAlow": 3,
        "PAhigh": 3,
    }
    assert ordered[-1] == low_value


def test_reasons_of_one_case_are_one_candidate() -> None:
    merged = merge_candidates(
        [candidate("a", 0.2), candidate("a", 0.9, reasons=("label_and_model",), detail="why.")]
    )
    (one,) = merged
    assert (one.value, one.reasons, one.detail) == (
        0.9,
        ("label_and_model", "unsure_model"),
        "why.",
    )


def test_pages_of_a_queue_follow_each_other_without_gap_or_repeat() -> None:
    project = create_study()
    films = fill(project, 7)
    after, seen = None, []
    while True:
        page = list_queue(project, after=after, count=3)
        seen += [case.film for case in page.cases]
        after = page.after
        if after is None:
            break
    assert seen == films
    assert (page.open, page.total) == (7, 7)


def test_a_judged_case_leaves_the_open_queue_and_an_undo_brings_it_back() -> None:
    project, ada = create_study(), register_reader("Ada").id
    first, second, *_ = fill(project, 3)
    case = take_next_case(project, ada)
    assert case is not None
    assert case.film == first
    verdict = judge_case(first, ada)
    following = take_next_case(project, ada)
    assert following is not None
    assert following.film == second
    assert list_queue(project).open == 2
    undo_verdict(verdict, ada)
    again = take_next_case(project, ada)
    assert again is not None
    assert again.film == first


def judge_case(film: int, reader: str, answer: str = "suspected") -> int:
    from cxr_core.feedback.films import load_film

    return judge(load_film(film), reader, answer).verdict.id  # type: ignore[arg-type]


def test_two_readers_at_once_get_different_films() -> None:
    project = create_study()
    ada, ben = register_reader("Ada").id, register_reader("Ben").id
    first, second, _ = fill(project, 3)
    taken = [take_next_case(project, reader) for reader in (ada, ben, ada)]
    assert [case.film for case in taken if case] == [first, second, first]
    # Whoever has gone home does not hold a film for ever.
    late = take_next_case(project, ben, assigned_s=0)
    assert late is not None
    assert late.film == first


def test_a_film_that_two_are_to_read_is_given_to_both_and_to_no_third() -> None:
    project = create_study(reads=2)
    ada, ben, cy = (register_reader(name).id for name in ("Ada", "Ben", "Cy"))
    first, second = fill(project, 2)
    taken = [take_next_case(project, reader) for reader in (ada, ben, cy)]
    assert [case.film for case in taken if case] == [first, first, second]
    judge_case(first, ada)
    assert load_case(project, first, "pneumonia").missing == 1
    judge_case(first, ben)
    assert load_case(project, first, "pneumonia").missing == 0


def test_a_film_is_free_for_the_next_reader_once_the_first_has_judged_it() -> None:
    project = create_study(reads=2)
    ada, ben = register_reader("Ada").id, register_reader("Ben").id
    first, _ = fill(project, 2)
    taken = take_next_case(project, ada)
    assert taken is not None
    judge_case(first, ada)
    following = take_next_case(project, ben)
    assert following is not None
    assert following.film == first


def test_a_third_reader_settles_what_two_differ_on() -> None:
    project = create_study(reads=2)
    ada, ben, cy = (register_reader(name).id for name in ("Ada", "Ben", "Cy"))
    (film,) = fill(project, 1)
    judge_case(film, ada, "suspected")
    judge_case(film, ben, "not_suspected")
    (dispute,) = list_disputes(project, cy)
    assert [verdict.answer for verdict in dispute.verdicts] == ["suspected", "not_suspected"]
    assert list_disputes(project, ada) == []
    with pytest.raises(FeedbackError, match="cannot adjudicate it"):
        adjudicate(project, film, "pneumonia", ada, "suspected")
    (judgement,) = list_judgements(project)
    assert judgement.answer is None
    adjudicate(project, film, "pneumonia", cy, "not_suspected", "seen before")
    (judgement,) = list_judgements(project)
    assert (judgement.answer, judgement.readers) == ("not_suspected", (cy,))
    assert judgement.comments == ("seen before",)
    assert list_disputes(project, cy) == []
    # Whatever a reader changes later, the adjudication counts.
    judge_case(film, ben, "suspected")
    assert list_judgements(project)[0].answer == "not_suspected"
    assert list_queue(project).open == 0


def test_where_readers_agree_nothing_is_adjudicated() -> None:
    project = create_study(reads=2)
    ada, ben, cy = (register_reader(name).id for name in ("Ada", "Ben", "Cy"))
    (film,) = fill(project, 1)
    for reader in (ada, ben):
        judge_case(film, reader)
    assert list_disputes(project, cy) == []
    with pytest.raises(FeedbackError, match="do not differ"):
        adjudicate(project, film, "pneumonia", cy, "suspected")


@pytest.mark.parametrize(
    ("answers", "consensus"),
    [
        (["suspected"], "suspected"),
        (["suspected", "not_suspected"], None),
        (["suspected", "suspected", "not_suspected"], "suspected"),
        (["suspected", "unsure"], None),
        (["unsure", "unsure"], "unsure"),
        (["suspected", "not_suspected", "unsure"], None),
        ([], None),
    ],
)
def test_a_consensus_is_that_of_more_than_half(answers: list[str], consensus: str | None) -> None:
    assert find_consensus(answers) == consensus


def test_readers_who_differ_from_the_model_or_are_unsure_bring_a_film_back_for_another() -> None:
    project = create_study()
    ada, ben = register_reader("Ada").id, register_reader("Ben").id
    agree, differ, unsure = (add_film(project, number) for number in range(3))
    judge(agree, ada, "suspected", program=answer_of(0.9))
    judge(differ, ada, "not_suspected", program=answer_of(0.8))
    judge(unsure, ada, "unsure", program=answer_of(0.9))
    found = {one.film: one for one in find_reader_candidates(project)}
    assert set(found) == {differ.pixels_sha256, unsure.pixels_sha256}
    assert found[differ.pixels_sha256].value == pytest.approx(0.8)
    fill_queue(project, found.values())
    assert take_next_case(project, ada) is None
    for film in (differ, unsure):
        case = take_next_case(project, ben)
        assert case is not None
        assert case.film == film.id
        judge_case(film.id, ben, "suspected")
    assert list_queue(project).open == 0
    reasons = {one.film: one.reasons for one in find_reader_candidates(project)}
    assert reasons[differ.pixels_sha256] == ("reader_and_reader",)


def test_a_queue_filled_again_keeps_verdicts_and_leaves_strange_films_out() -> None:
    project, ada = create_study(), register_reader("Ada").id
    films = fill(project, 3)
    judge_case(films[0], ada)
    again = [candidate(load_case(project, film, "pneumonia").pixels_sha256, 0.5) for film in films]
    strange = [candidate("f" * 64, 0.9), candidate(again[0].film, 0.9, finding="mass")]
    assert fill_queue(project, [*again, *strange]) == 3
    page = list_queue(project)
    assert (page.open, page.total) == (2, 3)
    assert find_answer(films[0], "pneumonia").model == ""
    with pytest.raises(FeedbackError, match="not in the project any more"):
        load_case(project, 99, "pneumonia")
