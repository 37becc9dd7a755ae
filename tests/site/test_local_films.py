"""Which films of a site count, and why the others do not; films of a dataset and dropped ones go the same way."""

from dataclasses import replace

import numpy as np
import pytest

from cxr_core.data.cache.worker import hash_pixels
from cxr_core.errors import DataError, ModelError
from cxr_core.film.quality_flag import QualityFlag
from cxr_core.film.radiograph import Radiograph
from cxr_core.models.card import VALIDATION_SCORES
from cxr_core.reading.results import Examination, ModelOutput
from cxr_core.site.learnt_films import LearntFilms, read_learnt_films, write_learnt_films
from cxr_core.site.local_films import (
    ScoredFilm,
    describe_left_out,
    score_examination,
    select_films,
)
from cxr_core.site.validation_scores import read_validation_scores
from tests.site.simulated import CARD, FINDING

A, B = "a" * 64, "b" * 64
FILM = ScoredFilm(name="a.png", patient="p1", label=0, log_odds=-3.0, sha256=A, age_years=3)


def reason_of(film: ScoredFilm, **options) -> str:
    (left_out,) = select_films([film], CARD, FINDING, **options).left_out
    return left_out.reason


def test_a_film_that_was_read_and_labelled_counts():
    films = select_films([FILM], CARD, FINDING)
    assert films.left_out == ()
    assert (films.log_odds.tolist(), films.labels.tolist()) == ([-3.0], [0])
    assert films.patients.tolist() == ["p1"]


def test_films_that_do_not_count_are_named_with_their_reason():
    assert reason_of(replace(FILM, age_years=40)) == "the patient is older than 5"
    assert reason_of(replace(FILM, label=None)) == "its label is unknown"
    assert reason_of(replace(FILM, log_odds=None, reason="no chest film")) == "no chest film"
    learnt = LearntFilms(frozenset({A[:8]}))
    assert reason_of(FILM, learnt=learnt) == "the model was trained or tuned on this film"


def test_a_film_of_unknown_age_counts():
    assert select_films([replace(FILM, age_years=None)], CARD, FINDING).left_out == ()


def test_a_film_given_twice_counts_once():
    films = select_films([FILM, replace(FILM, name="copy.png", patient="p9")], CARD, FINDING)
    assert films.names.tolist() == ["a.png"]
    assert [each.reason for each in films.left_out] == ["the same film as a.png"]


def test_a_film_given_with_both_labels_counts_for_neither():
    films = select_films([FILM, replace(FILM, name="copy.png", label=1)], CARD, FINDING)
    assert len(films.names) == 0
    assert "correct its label" in films.left_out[0].reason
    assert "2 films: the same film is given both" in describe_left_out(films)


def test_without_a_patient_each_film_is_a_patient_of_its_own():
    films = select_films(
        [replace(FILM, patient=""), replace(FILM, name="b.png", patient="", sha256=B)],
        CARD,
        FINDING,
    )
    assert films.count_patients() == 2


def test_patients_weigh_alike_within_a_class():
    films = select_films(
        [
            FILM,
            replace(FILM, name="b.png", sha256=B),
            replace(FILM, name="c.png", sha256="c" * 64, patient="p2"),
            replace(FILM, name="d.png", sha256="d" * 64, label=1),
        ],
        CARD,
        FINDING,
    )
    assert films.patient_weights.tolist() == [0.5, 0.5, 1.0, 1.0]


def test_a_finding_that_the_model_lacks_is_answered_with_those_it_has():
    with pytest.raises(DataError, match="no finding 'rickets'; choose from pneumonia"):
        select_films([FILM], CARD, "rickets")


def examination(*outputs: ModelOutput, film: Radiograph | None, concerns=()) -> Examination:
    return Examination(sha256="f" * 64, film=film, concerns=concerns, outputs=outputs, seconds=0.1)


def test_a_dropped_film_gets_the_log_odds_of_the_cards_probability():
    film = Radiograph(
        pixels=np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3), age_years=2, view="PA"
    )
    output = ModelOutput(
        card=CARD,
        logits=np.array([-2.0]),
        probabilities=np.array([0.1]),
        attributions={},
        features=np.zeros((1, 1, 1), np.float32),
        ood_score=0.0,
    )
    scored = score_examination("x.png", examination(output, film=film), CARD, FINDING, 0, "p7")
    assert scored.log_odds == 2.0 * -2.0 + 1.0  # slope and intercept of the card
    assert (scored.patient, scored.age_years, scored.view) == ("p7", 2, "PA")
    assert scored.sha256 == hash_pixels(film)  # what the lists of learnt films hold


def test_a_dropped_file_that_was_refused_keeps_the_reason():
    flag = QualityFlag("not_chest", "This is no chest film.")
    scored = score_examination("x.png", examination(film=None, concerns=(flag,)), CARD, FINDING, 0)
    assert reason_of(scored) == "This is no chest film."


def test_learnt_films_are_kept_beside_the_weights(tmp_path):
    assert not read_learnt_films(tmp_path).is_known
    write_learnt_films(tmp_path, [B, A, A])
    learnt = read_learnt_films(tmp_path)
    assert learnt.is_known
    assert A in learnt
    assert "c" * 64 not in learnt
    assert (tmp_path / "learnt_films.txt").read_text() == "aaaaaaaa\nbbbbbbbb\n"
    others = [f"{number:064}" for number in range(1001)]
    assert learnt.include_some_of([A, *others[:998]])
    assert not learnt.include_some_of([A, *others])  # one in a thousand is chance
    (tmp_path / "learnt_films.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ModelError, match="cannot be read"):
        read_learnt_films(tmp_path)


def test_damaged_validation_scores_are_told_with_the_file_and_what_to_do(tmp_path):
    (tmp_path / VALIDATION_SCORES).write_bytes(b"\xff\xfe")
    with pytest.raises(ModelError, match=r"validation_scores.json cannot be read.*--write-scores"):
        read_validation_scores(tmp_path, CARD)
